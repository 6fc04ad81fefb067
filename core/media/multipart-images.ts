import { PICTURE_BYTES_MAX } from './coded-picture.js';
import { concatenated } from './media-memory.js';

const HEAD_BYTES_MAX = 4096;
const CR = 0x0d;
const LF = 0x0a;

/**
 * Takes `multipart/x-mixed-replace` apart (RFC 2046 §5.1) as cameras send it: with or without the length of a part, with the
 * boundary written with two dashes more or less than the header of the answer says.
 */
export class MultipartImages {
  readonly #take: (part: Uint8Array) => void;
  readonly #boundary: Uint8Array;
  #chunks: Uint8Array[] = [];
  #byteLength = 0;
  /** So many bytes are needed before it is worth looking at them again. */
  #needed = 0;

  constructor(contentType: string, take: (part: Uint8Array) => void) {
    const found = /boundary\s*=\s*"?([^";]+)"?/i.exec(contentType);
    const name = (found?.[1] ?? '').trim().replace(/^-+/, '');
    this.#boundary = Uint8Array.from(`--${name}`, character => character.charCodeAt(0));
    this.#take = take;
  }

  /** False: what comes is no picture any more, the stream has to be given up. */
  push(chunk: Uint8Array): boolean {
    this.#chunks.push(chunk);
    this.#byteLength += chunk.length;
    if (this.#byteLength < this.#needed) return true;
    let bytes = this.#chunks.length === 1 ? chunk : concatenated(this.#chunks);
    for (let end = this.#part(bytes); end !== null; end = this.#part(bytes)) bytes = bytes.subarray(end);
    this.#chunks = [bytes];
    this.#byteLength = bytes.length;
    return bytes.length <= PICTURE_BYTES_MAX + HEAD_BYTES_MAX;
  }

  /** Hands on the part at the beginning, and returns where it ends; `null`: it is not whole yet. */
  #part(bytes: Uint8Array): number | null {
    this.#needed = 0;
    const boundary = indexOf(bytes, this.#boundary, 0);
    if (boundary === null) return null;
    const head = endOfHead(bytes, boundary + this.#boundary.length);
    if (head === null) return null;
    const announced = /^content-length\s*:\s*(\d{1,9})\s*$/im.exec(latin1(bytes, boundary, head));
    if (announced !== null) {
      const end = head + Number(announced[1]);
      this.#needed = Math.min(end, PICTURE_BYTES_MAX);
      if (end > bytes.length) return null;
      this.#needed = 0;
      this.#take(bytes.slice(head, end));
      return end;
    }
    const next = indexOf(bytes, this.#boundary, head);
    if (next === null) return null;
    let end = next;
    // Dashes before the boundary, and the end of the line before it, belong to it.
    while (end > head && bytes[end - 1] === 0x2d) end -= 1;
    if (end > head && bytes[end - 1] === LF) end -= 1;
    if (end > head && bytes[end - 1] === CR) end -= 1;
    this.#take(bytes.slice(head, end));
    return next;
  }
}

function indexOf(bytes: Uint8Array, wanted: Uint8Array, from: number): number | null {
  for (let at = bytes.indexOf(wanted[0]!, from); at >= 0; at = bytes.indexOf(wanted[0]!, at + 1)) {
    if (at + wanted.length > bytes.length) return null;
    if (wanted.every((byte, index) => bytes[at + index] === byte)) return at;
  }
  return null;
}

/** Behind the empty line. */
function endOfHead(bytes: Uint8Array, from: number): number | null {
  for (let at = bytes.indexOf(LF, from); at >= 0; at = bytes.indexOf(LF, at + 1)) {
    if (bytes[at + 1] === LF) return at + 2;
    if (bytes[at + 1] === CR && bytes[at + 2] === LF) return at + 3;
  }
  return null;
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, Math.min(end, start + HEAD_BYTES_MAX)));
}
