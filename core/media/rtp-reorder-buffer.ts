import { readUint32 } from './rtp-packet.js';

/** A tenth of a second of a fast camera: what is further ahead than this is not overtaken, something before it is lost. */
export const REORDERED_PACKETS_MAX = 64;
/** So long a packet that is missing is waited for. Networks of one site overtake within milliseconds. */
export const REORDERED_MS_MAX = 100;
/** So many packets in a row from the past are a sender that has begun anew. */
const OLD_PACKETS_MAX = 16;

interface HeldPacket {
  readonly bytes: Uint8Array;
  readonly arrivalMs: number;
}

/**
 * Puts the RTP packets of one stream back into order that came as datagrams (RFC 3550 §5.1). What does not come in time is
 * left out: who reads the packets sees the gap. Packets are kept as they are: their memory must be their own.
 */
export class RtpReorderBuffer {
  readonly #deliver: (bytes: Uint8Array, arrivalMs: number) => void;
  readonly #held = new Map<number, HeldPacket>();
  #expected = -1;
  #source = -1;
  #oldCount = 0;

  constructor(deliver: (bytes: Uint8Array, arrivalMs: number) => void) {
    this.#deliver = deliver;
  }

  get heldCount(): number {
    return this.#held.size;
  }

  push(bytes: Uint8Array, arrivalMs: number): void {
    if (bytes.length < 12 || bytes[0]! >> 6 !== 2) return;
    const sequenceNumber = (bytes[2]! << 8) | bytes[3]!;
    const source = readUint32(bytes, 8);
    if (source !== this.#source) this.#beginAt(sequenceNumber, source);
    const distance = (sequenceNumber - this.#expected) & 0xffff;
    if (distance >= 0x8000) {
      // A packet twice, or one that was given up.
      this.#oldCount += 1;
      if (this.#oldCount < OLD_PACKETS_MAX) return;
      this.#beginAt(sequenceNumber, source);
    }
    this.#oldCount = 0;
    this.#held.set(sequenceNumber, { bytes, arrivalMs });
    this.#deliverDue();
    while (this.#held.size > REORDERED_PACKETS_MAX) this.#skipGap();
    this.expire(arrivalMs);
  }

  /** Gives up what has been waited for too long. */
  expire(nowMs: number): void {
    // Insertion order is arrival order: the first is the oldest.
    for (let oldest = this.#oldest(); oldest !== null; oldest = this.#oldest()) {
      if (nowMs - oldest.arrivalMs < REORDERED_MS_MAX && nowMs >= oldest.arrivalMs) return;
      this.#skipGap();
    }
  }

  /** The stream has ended. */
  flush(): void {
    while (this.#held.size > 0) this.#skipGap();
  }

  #oldest(): HeldPacket | null {
    return this.#held.values().next().value ?? null;
  }

  #beginAt(sequenceNumber: number, source: number): void {
    this.flush();
    this.#source = source;
    this.#expected = sequenceNumber;
    this.#oldCount = 0;
  }

  #deliverDue(): void {
    for (let due = this.#held.get(this.#expected); due !== undefined; due = this.#held.get(this.#expected)) {
      this.#held.delete(this.#expected);
      this.#expected = (this.#expected + 1) & 0xffff;
      this.#deliver(due.bytes, due.arrivalMs);
    }
  }

  /** Goes on with the nearest packet that is there. */
  #skipGap(): void {
    let nearest = 0xffff;
    for (const sequenceNumber of this.#held.keys())
      nearest = Math.min(nearest, (sequenceNumber - this.#expected) & 0xffff);
    this.#expected = (this.#expected + nearest) & 0xffff;
    this.#deliverDue();
  }
}
