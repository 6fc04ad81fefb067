/** RFC 3550 §5.1. One object is filled again for each packet: there are thousands a second. */
export class RtpPacket {
  payloadType = 0;
  marker = false;
  sequenceNumber = 0;
  timestamp = 0;
  synchronisationSource = 0;
  bytes: Uint8Array = new Uint8Array(0);
  /** Of its header. */
  start = 0;
  payloadStart = 0;
  payloadEnd = 0;

  /** False when `bytes[start, end)` is not RTP; the fields are then undefined. */
  read(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < 12) return false;
    const first = bytes[start]!;
    if (first >> 6 !== 2) return false;
    const second = bytes[start + 1]!;
    let payloadStart = start + 12 + (first & 0x0f) * 4;
    let payloadEnd = end;
    if (first & 0x10) {
      if (payloadStart + 4 > end) return false;
      payloadStart += 4 + ((bytes[payloadStart + 2]! << 8) | bytes[payloadStart + 3]!) * 4;
    }
    if (first & 0x20) payloadEnd -= bytes[end - 1]!;
    if (payloadStart > payloadEnd) return false;
    this.marker = second >= 0x80;
    this.payloadType = second & 0x7f;
    this.sequenceNumber = (bytes[start + 2]! << 8) | bytes[start + 3]!;
    this.timestamp = readUint32(bytes, start + 4);
    this.synchronisationSource = readUint32(bytes, start + 8);
    this.bytes = bytes;
    this.start = start;
    this.payloadStart = payloadStart;
    this.payloadEnd = payloadEnd;
    return true;
  }
}

export function readUint32(bytes: Uint8Array, offset: number): number {
  return (
    ((bytes[offset]! << 24) | (bytes[offset + 1]! << 16) | (bytes[offset + 2]! << 8) | bytes[offset + 3]!) >>>
    0
  );
}

/** RFC 3550 §6.4.1: which wall clock time of the camera belongs to which RTP timestamp. */
export interface SenderReport {
  readonly synchronisationSource: number;
  /** Milliseconds since the Unix epoch, with fractions. `null`: the camera has no wall clock (NTP time 0). */
  readonly wallMs: number | null;
  readonly rtpTimestamp: number;
  /** The middle 32 bits of the NTP time, which a receiver repeats in its own reports. */
  readonly middleOfNtp: number;
}

/** Seconds from 1900 to 1970. */
const NTP_TO_UNIX_SECONDS = 2_208_988_800;
/** NTP seconds wrap in February 2036: a small number is of the next era (RFC 5905 §6). */
const NTP_ERA_SECONDS = 2 ** 32;

/** The first sender report of a compound RTCP packet, or `null`. */
export function parseSenderReport(bytes: Uint8Array, start: number, end: number): SenderReport | null {
  let offset = start;
  while (offset + 4 <= end) {
    if (bytes[offset]! >> 6 !== 2) return null;
    const length = 4 + ((bytes[offset + 2]! << 8) | bytes[offset + 3]!) * 4;
    if (offset + length > end) return null;
    if (bytes[offset + 1] === 200 && length >= 28) return readSenderReport(bytes, offset);
    offset += length;
  }
  return null;
}

function readSenderReport(bytes: Uint8Array, offset: number): SenderReport {
  const seconds = readUint32(bytes, offset + 8);
  const fraction = readUint32(bytes, offset + 12);
  const unixSeconds = seconds + (seconds < NTP_TO_UNIX_SECONDS ? NTP_ERA_SECONDS : 0) - NTP_TO_UNIX_SECONDS;
  return {
    synchronisationSource: readUint32(bytes, offset + 4),
    wallMs: seconds === 0 && fraction === 0 ? null : unixSeconds * 1000 + (fraction * 1000) / NTP_ERA_SECONDS,
    rtpTimestamp: readUint32(bytes, offset + 16),
    middleOfNtp: readUint32(bytes, offset + 10),
  };
}

export type SequenceVerdict = 'NEXT' | 'GAP' | 'OLD';

/** So many packets in a row from the past are a sender that has begun anew, not packets that were overtaken. */
const OLD_PACKETS_MAX = 16;

/** Follows the sequence numbers of one stream (RFC 3550 §A.1, for a transport that does not reorder). */
export class RtpSequence {
  #expected = -1;
  #source = -1;
  #oldCount = 0;

  next(packet: RtpPacket): SequenceVerdict {
    const distance = (packet.sequenceNumber - this.#expected) & 0xffff;
    const known = this.#expected >= 0 && packet.synchronisationSource === this.#source;
    if (known && distance >= 0x8000 && this.#oldCount < OLD_PACKETS_MAX) {
      this.#oldCount += 1;
      return 'OLD';
    }
    const first = this.#expected < 0;
    this.#oldCount = 0;
    this.#expected = (packet.sequenceNumber + 1) & 0xffff;
    this.#source = packet.synchronisationSource;
    return first || (known && distance === 0) ? 'NEXT' : 'GAP';
  }
}

/** Turns 32-bit RTP timestamps into one line of integers that neither wraps nor depends on the random start. */
export class RtpTimestampUnwrapper {
  #last: number | null = null;
  #extended = 0;

  /** Moves the line to this timestamp: the nearest one to the last, forwards or backwards. */
  unwrap(timestamp: number): number {
    this.#extended = this.peek(timestamp);
    this.#last = timestamp;
    return this.#extended;
  }

  /** As `unwrap`, without moving. */
  peek(timestamp: number): number {
    return this.#last === null ? this.#extended : this.#extended + ((timestamp - this.#last) | 0);
  }
}
