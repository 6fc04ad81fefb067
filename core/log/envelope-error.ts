export type EnvelopeFailure =
  | 'UNKNOWN_FORMAT'
  | 'UNKNOWN_FLAGS'
  | 'TRUNCATED'
  | 'TRAILING_BYTES'
  | 'OUT_OF_RANGE'
  | 'BAD_ID'
  | 'BAD_TEXT'
  | 'BAD_CLOCK_QUALITY'
  | 'DATA_TOO_LARGE';

/** Bytes that are no event, or fields that no header can hold exactly. */
export class EnvelopeError extends Error {
  override readonly name = 'EnvelopeError';
  readonly code = 'ENVELOPE_MALFORMED';
  readonly failure: EnvelopeFailure;
  readonly field: string;
  /** Byte of the header at which it was noticed; null when it was noticed in a field, before or after the bytes. */
  readonly offset: number | null;

  constructor(
    failure: EnvelopeFailure,
    field: string,
    detail: string,
    at: { readonly offset?: number; readonly cause?: unknown } = {},
  ) {
    super(`${failure} in ${field}${at.offset === undefined ? '' : ` at byte ${at.offset}`}: ${detail}`, {
      cause: at.cause,
    });
    this.failure = failure;
    this.field = field;
    this.offset = at.offset ?? null;
  }
}
