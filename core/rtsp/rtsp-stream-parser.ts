import { firstHeader, parseRtspHead, type RtspMessage } from './rtsp-message.js';

/** No camera seen sends more than 2 KiB of headers. */
const HEAD_BYTES_MAX = 16 * 1024;
/** An SDP with many tracks is a few KiB. */
const BODY_BYTES_MAX = 256 * 1024;
/** More than one read of the socket without anything that makes sense: it will not come back by itself. */
const GARBAGE_BYTES_MAX = 256 * 1024;

const DOLLAR = 0x24;
const CR = 0x0d;
const LF = 0x0a;
const noBytes = new Uint8Array(0);

export interface RtspStreamReceiver {
  /**
   * An interleaved frame, RFC 2326 §10.12: `bytes[start, end)`. At least four bytes before `start` belong to the frame too.
   * They are the receiver's until it returns: it may even overwrite them, and has to copy what it keeps.
   */
  frame(channel: number, bytes: Uint8Array, start: number, end: number): void;
  message(message: RtspMessage): void;
  /** So many bytes were skipped because they were neither a frame nor a message. */
  garbage(byteCount: number): void;
}

export type RtspStreamFault =
  | { readonly code: 'HEAD_TOO_LARGE'; readonly byteLengthMax: number }
  | { readonly code: 'BODY_TOO_LARGE'; readonly byteLength: number; readonly byteLengthMax: number }
  | { readonly code: 'GARBAGE'; readonly byteCount: number };

/** Thrown by `push`: the stream cannot be read any further, the connection has to be closed. */
export class RtspStreamError extends Error {
  override readonly name = 'RtspStreamError';
  readonly code = 'RTSP_STREAM_UNREADABLE';
  constructor(readonly fault: RtspStreamFault) {
    super(
      fault.code === 'GARBAGE'
        ? `${fault.byteCount} bytes were neither an RTSP message nor an interleaved frame`
        : fault.code === 'BODY_TOO_LARGE'
          ? `an RTSP message announces a body of ${fault.byteLength} bytes, at most ${fault.byteLengthMax} are taken`
          : `an RTSP message has more than ${fault.byteLengthMax} bytes of headers`,
    );
  }
}

type Step = { readonly kind: 'consumed'; readonly end: number } | { readonly kind: 'incomplete' };
const incomplete: Step = { kind: 'incomplete' };

/**
 * Takes the bytes of an RTSP connection as they come from the socket: messages of the other side and interleaved RTP and
 * RTCP, in any mixture and cut anywhere. Frames that lie within one chunk are handed on without being copied; of a chunk
 * nothing is kept, its memory may be read into again. After garbage it looks for the next thing that can only be a frame
 * or a message.
 */
export class RtspStreamParser {
  readonly #receiver: RtspStreamReceiver;
  #pending: Uint8Array = noBytes;
  #pendingLength = 0;
  #channelMax = 255;
  /** So many pending bytes are needed before it is worth looking at them again: they may come one by one. */
  #pendingNeeds = 0;
  /** So many bytes of the pending message were searched for the end of its head. */
  #headScanned = 0;
  #garbageCount = 0;
  #resyncing = false;

  constructor(receiver: RtspStreamReceiver) {
    this.#receiver = receiver;
  }

  /** Once the channels are agreed, a `$` followed by any higher number is known to be garbage. */
  limitChannels(channelMax: number): void {
    this.#channelMax = channelMax;
  }

  /** @throws RtspStreamError */
  push(chunk: Uint8Array): void {
    let bytes = chunk;
    let offset = 0;
    let held: Uint8Array = noBytes;
    if (this.#pendingLength > 0) {
      if (this.#pending[0] === DOLLAR && !this.#resyncing) offset = this.#completeFrame(chunk);
      if (this.#pendingLength > 0) {
        if (offset === chunk.length && this.#awaitsFrame()) return;
        this.#fill(chunk, offset, this.#pendingLength + chunk.length - offset);
        if (this.#pendingLength < this.#pendingNeeds) return;
        held = this.#pending;
        bytes = held.subarray(0, this.#pendingLength);
        offset = 0;
        this.#pending = noBytes;
        this.#pendingLength = 0;
        this.#pendingNeeds = 0;
      }
    }
    while (offset < bytes.length) {
      const step = this.#step(bytes, offset);
      if (step.kind === 'incomplete') {
        if (offset === 0 && bytes.buffer === held.buffer) this.#keepAll(held, bytes.length);
        else this.#keep(bytes, offset);
        return;
      }
      offset = step.end;
    }
  }

  #step(bytes: Uint8Array, offset: number): Step {
    const first = bytes[offset]!;
    if (this.#resyncing) return this.#resync(bytes, offset);
    if (first === DOLLAR) return this.#frame(bytes, offset);
    // Some cameras put an empty line between messages.
    if (first === CR || first === LF) return { kind: 'consumed', end: offset + 1 };
    if (couldBeMessage(bytes, offset)) return this.#message(bytes, offset);
    return this.#resync(bytes, offset);
  }

  #frame(bytes: Uint8Array, offset: number): Step {
    if (bytes.length - offset < 4) return incomplete;
    const channel = bytes[offset + 1]!;
    if (channel > this.#channelMax) return this.#resync(bytes, offset);
    const end = offset + 4 + ((bytes[offset + 2]! << 8) | bytes[offset + 3]!);
    if (end > bytes.length) return incomplete;
    this.#deliver(channel, bytes, offset + 4, end);
    return { kind: 'consumed', end };
  }

  #deliver(channel: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.#garbageCount > 0) this.#garbageCount = Math.max(0, this.#garbageCount - (end - start));
    this.#receiver.frame(channel, bytes, start, end);
  }

  #message(bytes: Uint8Array, offset: number): Step {
    const headEnd = endOfHead(bytes, offset + Math.max(0, this.#headScanned - 2));
    this.#headScanned = 0;
    if (headEnd === null) {
      if (bytes.length - offset > HEAD_BYTES_MAX)
        throw new RtspStreamError({ code: 'HEAD_TOO_LARGE', byteLengthMax: HEAD_BYTES_MAX });
      this.#headScanned = bytes.length - offset;
      return incomplete;
    }
    const head = parseRtspHead(latin1(bytes, offset, headEnd.end));
    if (head === null) return this.#resync(bytes, offset);
    const announced = Number(firstHeader(head.headers, 'content-length') ?? '0');
    const bodyLength = Number.isInteger(announced) && announced >= 0 ? announced : 0;
    if (bodyLength > BODY_BYTES_MAX)
      throw new RtspStreamError({
        code: 'BODY_TOO_LARGE',
        byteLength: bodyLength,
        byteLengthMax: BODY_BYTES_MAX,
      });
    const end = headEnd.next + bodyLength;
    if (end > bytes.length) {
      this.#pendingNeeds = end - offset;
      return incomplete;
    }
    this.#garbageCount = 0;
    this.#receiver.message({ ...head, body: bytes.slice(headEnd.next, end) });
    return { kind: 'consumed', end };
  }

  /** Skips to the next place where a frame of RTP (version 2 follows the frame header) or a response begins. */
  #resync(bytes: Uint8Array, offset: number): Step {
    this.#headScanned = 0;
    let position = this.#resyncing ? offset : offset + 1;
    while (position < bytes.length && !this.#plausible(bytes, position)) position += 1;
    // The four-byte header and the first byte of RTP must be seen before a `$` is believed.
    const decidable = position < bytes.length && bytes.length - position >= 5;
    this.#resyncing = !decidable;
    const skipped = position - offset;
    if (skipped === 0 && !decidable) return incomplete;
    this.#garbageCount += skipped;
    if (skipped > 0) this.#receiver.garbage(skipped);
    if (this.#garbageCount > GARBAGE_BYTES_MAX)
      throw new RtspStreamError({ code: 'GARBAGE', byteCount: this.#garbageCount });
    return { kind: 'consumed', end: position };
  }

  #plausible(bytes: Uint8Array, position: number): boolean {
    const left = bytes.length - position;
    if (bytes[position] === DOLLAR)
      return (
        (left < 2 || bytes[position + 1]! <= this.#channelMax) &&
        (left < 5 || bytes[position + 4]! >> 6 === 2)
      );
    return startsWithRtsp(bytes, position);
  }

  #keep(bytes: Uint8Array, offset: number): void {
    const left = bytes.length - offset;
    let capacity = left;
    if (bytes[offset] === DOLLAR)
      capacity = left < 4 ? 4 : 4 + ((bytes[offset + 2]! << 8) | bytes[offset + 3]!);
    const pending = new Uint8Array(Math.max(capacity, left));
    pending.set(bytes.subarray(offset));
    this.#pending = pending;
    this.#pendingLength = left;
  }

  /** Nothing of it was handed on: it goes on growing where it is. */
  #keepAll(held: Uint8Array, byteLength: number): void {
    this.#pending = held;
    this.#pendingLength = byteLength;
  }

  #awaitsFrame(): boolean {
    return (
      this.#pending[0] === DOLLAR &&
      !this.#resyncing &&
      (this.#pendingLength < 2 || this.#pending[1]! <= this.#channelMax)
    );
  }

  /** Copies only the missing bytes of the frame that was cut, and returns where the rest of the chunk begins. */
  #completeFrame(chunk: Uint8Array): number {
    const afterHeader = this.#fill(chunk, 0, 4);
    if (this.#pendingLength < 4 || !this.#awaitsFrame()) return afterHeader;
    const target = 4 + ((this.#pending[2]! << 8) | this.#pending[3]!);
    const offset = this.#fill(chunk, afterHeader, target);
    if (this.#pendingLength < target) return offset;
    const frame = this.#pending;
    this.#pending = noBytes;
    this.#pendingLength = 0;
    this.#deliver(frame[1]!, frame, 4, target);
    return offset;
  }

  #fill(chunk: Uint8Array, offset: number, target: number): number {
    if (this.#pending.length < target) {
      // A frame has its own size from its header on; a message grows, as it may come byte by byte.
      const isFrame = this.#pending[0] === DOLLAR;
      const grown = new Uint8Array(isFrame ? target : Math.max(target, 2 * this.#pending.length));
      grown.set(this.#pending.subarray(0, this.#pendingLength));
      this.#pending = grown;
    }
    const taken = Math.max(0, Math.min(target - this.#pendingLength, chunk.length - offset));
    this.#pending.set(chunk.subarray(offset, offset + taken), this.#pendingLength);
    this.#pendingLength += taken;
    return offset + taken;
  }
}

function couldBeMessage(bytes: Uint8Array, offset: number): boolean {
  for (let index = offset; index < bytes.length; index += 1) {
    const byte = bytes[index]!;
    const length = index - offset;
    if ((byte >= 0x41 && byte <= 0x5a) || byte === 0x5f) {
      if (length >= 20) return false;
    } else return length >= 3 && (byte === 0x20 || (byte === 0x2f && startsWithRtsp(bytes, offset)));
  }
  return true;
}

const rtspWord = [0x52, 0x54, 0x53, 0x50, 0x2f];
function startsWithRtsp(bytes: Uint8Array, offset: number): boolean {
  return rtspWord.every((byte, index) => offset + index >= bytes.length || bytes[offset + index] === byte);
}

/** The empty line: CR LF CR LF, or LF LF from those who never read the RFC. */
function endOfHead(
  bytes: Uint8Array,
  offset: number,
): { readonly end: number; readonly next: number } | null {
  for (let index = bytes.indexOf(LF, offset); index >= 0; index = bytes.indexOf(LF, index + 1)) {
    const end = bytes[index - 1] === CR ? index - 1 : index;
    if (bytes[index + 1] === LF) return { end, next: index + 2 };
    if (bytes[index + 1] === CR && bytes[index + 2] === LF) return { end, next: index + 3 };
  }
  return null;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  let text = '';
  for (let index = start; index < end; index += 1) text += String.fromCharCode(bytes[index]!);
  return text;
}
