import type { Socket } from 'node:net';
import type { LinkDirection } from './link-direction.js';

/** Read but not yet let onto the link; beyond it the sender is not read from, and TCP tells it to wait. */
const WAITING_BYTES_MAX = 64 * 1024;
/** On the link or before a receiver that does not read: bandwidth × delay of 335 Mbit/s at 100 ms. */
const FLYING_BYTES_MAX = 4 * 1024 * 1024;

type Ending = 'END' | 'RESET';
interface Flying {
  readonly dueMs: number;
  readonly item: Buffer | Ending;
}

/** One direction of one connection: from the sender's socket, over the link, to the receiver's socket. */
export class LinkLane {
  readonly #sender: Socket;
  readonly #receiver: Socket;
  readonly #direction: LinkDirection;
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #flying: Flying[] = [];
  #flyingBytes = 0;
  #ending: Ending | null = null;
  #endingSent = false;
  #receiverFull = false;
  #forgotten = false;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    readonly sender: Socket;
    readonly receiver: Socket;
    readonly direction: LinkDirection;
  }) {
    this.#sender = options.sender;
    this.#receiver = options.receiver;
    this.#direction = options.direction;
    this.#sender.on('data', chunk => this.#accept(chunk));
    this.#sender.on('end', () => this.#finish('END'));
    this.#sender.on('error', () => this.#finish('RESET'));
    this.#sender.on('close', () => this.#finish('RESET'));
    this.#receiver.on('drain', () => {
      this.#receiverFull = false;
      this.deliver();
    });
  }

  /** Something may go onto the link. */
  get isReady(): boolean {
    if (this.#forgotten || this.#flyingBytes >= FLYING_BYTES_MAX) return false;
    return this.#waitingBytes > 0 || (this.#ending !== null && !this.#endingSent);
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Everything held for this lane, for tests of its bound. */
  get heldBytes(): number {
    return this.#waitingBytes + this.#flyingBytes + this.#receiver.writableLength;
  }

  /** Puts this many of the waiting bytes onto the link. With none waiting, the end of the stream goes. */
  release(byteLength: number): void {
    const dueMs = this.#direction.now() + this.#direction.delayMs;
    for (let left = byteLength; left > 0; ) {
      const chunk = this.#waiting[0]!;
      const part = chunk.length <= left ? chunk : chunk.subarray(0, left);
      if (part === chunk) this.#waiting.shift();
      else this.#waiting[0] = chunk.subarray(left);
      this.#flying.push({ dueMs, item: part });
      left -= part.length;
    }
    this.#waitingBytes -= byteLength;
    this.#flyingBytes += byteLength;
    if (this.#ending !== null && !this.#endingSent && this.#waitingBytes === 0) {
      this.#endingSent = true;
      this.#flying.push({ dueMs, item: this.#ending });
    }
    if (this.#waitingBytes < WAITING_BYTES_MAX) this.#sender.resume();
    this.deliver();
  }

  /** Hands over what has arrived by now, and comes back when the next is due. */
  deliver(): void {
    clearTimeout(this.#timer);
    if (this.#forgotten || !this.#direction.isUp) return;
    const wasFull = this.#flyingBytes >= FLYING_BYTES_MAX;
    while (this.#flying.length > 0 && !this.#receiverFull) {
      const waitMs = this.#flying[0]!.dueMs - this.#direction.now();
      if (waitMs > 0) {
        this.#timer = setTimeout(() => this.deliver(), Math.max(1, waitMs));
        break;
      }
      this.#handOver(this.#flying.shift()!.item);
    }
    if (wasFull && this.#flyingBytes < FLYING_BYTES_MAX) this.#direction.wake(this);
  }

  /** Nothing more is taken or handed over. */
  forget(): void {
    this.#forgotten = true;
    clearTimeout(this.#timer);
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#flying = [];
    this.#flyingBytes = 0;
    this.#direction.leave(this);
  }

  #accept(chunk: Buffer): void {
    if (this.#forgotten) return;
    this.#waiting.push(chunk);
    this.#waitingBytes += chunk.length;
    if (this.#waitingBytes >= WAITING_BYTES_MAX) this.#sender.pause();
    this.#direction.wake(this);
  }

  #finish(ending: Ending): void {
    if (this.#ending !== null || this.#forgotten) return;
    this.#ending = ending;
    this.#direction.wake(this);
  }

  #handOver(item: Buffer | Ending): void {
    if (item === 'END') this.#receiver.end();
    else if (item === 'RESET') this.#receiver.resetAndDestroy();
    else {
      this.#flyingBytes -= item.length;
      // The other end forgot this connection: whoever still speaks on it is told so by a reset.
      if (this.#receiver.destroyed) this.#sender.resetAndDestroy();
      else {
        this.#direction.carried(item.length);
        this.#receiverFull = !this.#receiver.write(item);
      }
    }
  }
}
