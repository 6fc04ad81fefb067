/** A SourceBuffer works on one thing at a time: whatever is asked of it waits here in order. */
type Work = (buffer: SourceBuffer) => void;

/** About ten seconds of 8 Mbit/s: who cannot append that fast must start over. */
const WAITING_BYTES_LIMIT = 12_000_000;
/** Enough to keep the SourceBuffer busy. */
const ROOM_BYTES = 1_000_000;

export class AppendQueue {
  readonly #buffer: SourceBuffer;
  readonly #onFault: (reason: string) => void;
  readonly #waiting: { readonly work: Work; readonly byteLength: number }[] = [];
  #waitingBytes = 0;
  readonly #awaitingRoom: (() => void)[] = [];
  #closed = false;
  #parserIsStale = false;

  constructor(buffer: SourceBuffer, onFault: (reason: string) => void) {
    this.#buffer = buffer;
    this.#onFault = onFault;
    buffer.addEventListener('updateend', () => this.#next());
    buffer.addEventListener('error', () => this.#fail('The stream could not be decoded'));
  }

  get waitingCount(): number {
    return this.#waiting.length;
  }

  append(bytes: ArrayBuffer | Uint8Array<ArrayBuffer>): void {
    if (this.#waitingBytes + bytes.byteLength > WAITING_BYTES_LIMIT)
      this.#fail('The browser cannot keep up with the stream');
    else this.#add(buffer => buffer.appendBuffer(bytes), bytes.byteLength);
  }

  remove(fromS: number, toS: number): void {
    if (toS > fromS) this.#add(buffer => buffer.remove(fromS, toS), 0);
  }

  /** Resolves when there is room for more: who sends faster than the browser reads has to wait here. */
  async room(): Promise<void> {
    while (!this.#closed && this.#waitingBytes > ROOM_BYTES)
      await new Promise<void>(resolve => this.#awaitingRoom.push(resolve));
  }

  /** For what is set on the buffer and takes effect at once. */
  configure(set: Work): void {
    this.#add(buffer => {
      set(buffer);
      queueMicrotask(() => this.#next());
    }, 0);
  }

  /** Another stream follows, in the middle of whatever was being read: what waits is dropped, the parser begins anew. */
  reset(): void {
    this.clear();
    this.#parserIsStale = true;
    this.#next();
  }

  clear(): void {
    this.#waiting.length = 0;
    this.#waitingBytes = 0;
    this.#wake();
  }

  close(): void {
    this.#closed = true;
    this.clear();
  }

  #wake(): void {
    for (const resolve of this.#awaitingRoom.splice(0)) resolve();
  }

  #add(work: Work, byteLength: number): void {
    if (this.#closed) return;
    this.#waiting.push({ work, byteLength });
    this.#waitingBytes += byteLength;
    this.#next();
  }

  #next(): void {
    if (this.#closed || this.#buffer.updating) return;
    if (this.#parserIsStale) {
      this.#parserIsStale = false;
      this.#buffer.abort();
    }
    const next = this.#waiting.shift();
    if (next === undefined) return;
    this.#waitingBytes -= next.byteLength;
    this.#wake();
    try {
      next.work(this.#buffer);
    } catch (error) {
      this.#workFailed(next, error as DOMException);
    }
  }

  #workFailed(item: { readonly work: Work; readonly byteLength: number }, error: DOMException): void {
    const buffered = this.#buffer.buffered;
    if (error.name !== 'QuotaExceededError' || buffered.length === 0) {
      this.#fail(error.message);
      return;
    }
    // The oldest half goes, then the same bytes are tried again.
    const fromS = buffered.start(0);
    const toS = buffered.end(buffered.length - 1);
    this.#waiting.unshift(item);
    this.#waitingBytes += item.byteLength;
    try {
      this.#buffer.remove(fromS, fromS + (toS - fromS) / 2);
    } catch (fault) {
      this.#fail((fault as Error).message);
    }
  }

  #fail(reason: string): void {
    if (this.#closed) return;
    this.close();
    this.#onFault(reason);
  }
}
