/** RFC 6455 §7.4.1: done, going away, not allowed, a fault; and, of the IANA registry: try again later. */
export const CLOSE_DONE = 1000;
export const CLOSE_GOING_AWAY = 1001;
export const CLOSE_NOT_ALLOWED = 1008;
export const CLOSE_FAULT = 1011;
export const CLOSE_TRY_LATER = 1013;
/** RFC 6455 §5.5: 125 bytes with the code. */
const CLOSE_REASON_BYTES_MAX = 123;

/** As much of the words as a close frame takes. */
export function closeReason(words: string): string {
  let reason = words;
  while (Buffer.byteLength(reason) > CLOSE_REASON_BYTES_MAX) reason = reason.slice(0, -1);
  return reason;
}
