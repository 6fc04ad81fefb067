import type { Sha256 } from '../hash.js';

/**
 * SHA-256 (FIPS 180-4 §6.2) in plain TypeScript, fifty times slower than the platform's: for the tests of `core`,
 * which has no crypto, and as an independent opinion in the tests of what does.
 */
export const referenceSha256: Sha256 = (...parts) => {
  const message = padded(parts);
  const view = new DataView(message.buffer);
  const state = [...initialState];
  for (let offset = 0; offset < message.length; offset += 64) compress(state, view, offset);
  const digest = new DataView(new ArrayBuffer(32));
  state.forEach((word, index) => {
    digest.setUint32(index * 4, word);
  });
  return new Uint8Array(digest.buffer);
};

const primes = [...Array(312).keys()].filter(
  n => n > 1 && ![...Array(n).keys()].some(d => d > 1 && n % d === 0),
);
/** The first 32 bits of the fractional parts of the roots of the first primes. */
const fraction = (root: number) => Math.floor((root - Math.floor(root)) * 0x1_0000_0000);
const initialState = primes.slice(0, 8).map(prime => fraction(Math.sqrt(prime)));
const constants = primes.slice(0, 64).map(prime => fraction(Math.cbrt(prime)));

function padded(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const byteLength = parts.reduce((sum, part) => sum + part.length, 0);
  const message = new Uint8Array(Math.ceil((byteLength + 9) / 64) * 64);
  let offset = 0;
  for (const part of parts) {
    message.set(part, offset);
    offset += part.length;
  }
  message[offset] = 0x80;
  new DataView(message.buffer).setBigUint64(message.length - 8, BigInt(byteLength) * 8n);
  return message;
}

function compress(state: number[], view: DataView, offset: number): void {
  const schedule: number[] = [];
  for (let t = 0; t < 64; t += 1) {
    if (t < 16) {
      schedule.push(view.getUint32(offset + t * 4));
      continue;
    }
    const w15 = schedule[t - 15]!;
    const w2 = schedule[t - 2]!;
    const s0 = rotate(w15, 7) ^ rotate(w15, 18) ^ (w15 >>> 3);
    const s1 = rotate(w2, 17) ^ rotate(w2, 19) ^ (w2 >>> 10);
    schedule.push((schedule[t - 16]! + s0 + schedule[t - 7]! + s1) >>> 0);
  }
  let [a, b, c, d, e, f, g, h] = state as [number, number, number, number, number, number, number, number];
  for (let t = 0; t < 64; t += 1) {
    const s1 = rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25);
    const choice = (e & f) ^ (~e & g);
    const first = (h + s1 + choice + constants[t]! + schedule[t]!) >>> 0;
    const s0 = rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22);
    const majority = (a & b) ^ (a & c) ^ (b & c);
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + first) >>> 0, c, b, a, (first + s0 + majority) >>> 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, index) => {
    state[index] = (state[index]! + word) >>> 0;
  });
}

function rotate(word: number, bits: number): number {
  return (word >>> bits) | (word << (32 - bits));
}
