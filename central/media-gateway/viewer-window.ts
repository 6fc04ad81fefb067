import type { WebSocket } from 'ws';

/**
 * What may be under way to one viewer: in this process, in the network and in a browser that is busy. Enough for a 4K key frame,
 * or for 25 Mbit/s at a round trip of 300 ms.
 */
export const VIEWER_WINDOW_BYTES_MAX = 1024 * 1024;
/** Nor may it be older. A longer queue would only make what is live late; satellites answer within 0.7 s. */
const WINDOW_AGE_MS_MAX = 1_500;
/** A viewer that has taken nothing of what is under way for so long is closed. */
export const VIEWER_STALL_MS_MAX = 10_000;
/** One ping for so many bytes, or so much time. */
const PING_BYTES = 64 * 1024;
const PING_MS = 250;
/** While nothing is sent: notices a laptop that was shut, a bus that left the network. */
const IDLE_PING_MS = 15_000;

interface Ping {
  readonly payload: string;
  readonly sentAtMs: number;
  /** Sent since the ping before. */
  readonly byteLength: number;
}

export interface ViewerWindowLimits {
  readonly stallMsMax: number;
}

/**
 * How far a viewer is behind what was sent to it. The operating system takes megabytes for a connection that carries nothing, so
 * that neither a callback nor `bufferedAmount` tells; a ping among the pictures does, because every WebSocket client answers it
 * when it has read so far (RFC 6455 §5.5.2).
 */
export class ViewerWindow implements Disposable {
  readonly #webSocket: WebSocket;
  readonly #limits: ViewerWindowLimits;
  readonly #pings: Ping[] = [];
  readonly #idleTimer: NodeJS.Timeout;
  #unpingedBytes = 0;
  #pingedAtMs = Number.NEGATIVE_INFINITY;
  #answeredAtMs = performance.now();
  #count = 0;
  #wake: (() => void) | null = null;

  constructor(webSocket: WebSocket, limits: ViewerWindowLimits = { stallMsMax: VIEWER_STALL_MS_MAX }) {
    this.#webSocket = webSocket;
    this.#limits = limits;
    webSocket.on('pong', payload => this.#onPong(payload.toString()));
    this.#idleTimer = setInterval(() => this.#pingIdle(), IDLE_PING_MS);
  }

  send(message: string | Uint8Array): void {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    // A socket that breaks tells by its end.
    this.#webSocket.send(message, () => undefined);
    this.#unpingedBytes += message.length;
    const isDue = this.#unpingedBytes >= PING_BYTES || performance.now() - this.#pingedAtMs >= PING_MS;
    if (isDue) this.#ping();
  }

  /** Resolves with ROOM when more may be sent, with STALLED when the viewer takes nothing; also when the signal is aborted. */
  async room(signal: AbortSignal): Promise<'ROOM' | 'STALLED'> {
    const wake = () => this.#wake?.();
    const { stallMsMax } = this.#limits;
    signal.addEventListener('abort', wake);
    try {
      for (;;) {
        if (signal.aborted || this.#hasRoom()) return 'ROOM';
        const quietMs = performance.now() - Math.max(this.#answeredAtMs, this.#pings[0]?.sentAtMs ?? 0);
        if (quietMs >= stallMsMax) return 'STALLED';
        const timer = setTimeout(wake, stallMsMax - quietMs);
        await new Promise<void>(resolve => {
          this.#wake = resolve;
        });
        clearTimeout(timer);
      }
    } finally {
      signal.removeEventListener('abort', wake);
    }
  }

  [Symbol.dispose](): void {
    clearInterval(this.#idleTimer);
  }

  #hasRoom(): boolean {
    const [oldest] = this.#pings;
    if (oldest === undefined) return true;
    const underWay = this.#pings.reduce((sum, ping) => sum + ping.byteLength, this.#unpingedBytes);
    return underWay < VIEWER_WINDOW_BYTES_MAX && performance.now() - oldest.sentAtMs < WINDOW_AGE_MS_MAX;
  }

  #ping(): void {
    this.#count += 1;
    this.#pingedAtMs = performance.now();
    const payload = String(this.#count);
    this.#pings.push({ payload, sentAtMs: this.#pingedAtMs, byteLength: this.#unpingedBytes });
    this.#unpingedBytes = 0;
    this.#webSocket.ping(payload, false, () => undefined);
  }

  /** A client may answer only the newest of several pings (RFC 6455 §5.5.3). */
  #onPong(payload: string): void {
    const index = this.#pings.findIndex(ping => ping.payload === payload);
    if (index < 0) return;
    this.#pings.splice(0, index + 1);
    this.#answeredAtMs = performance.now();
    this.#wake?.();
  }

  #pingIdle(): void {
    const [oldest] = this.#pings;
    if (oldest === undefined) this.#ping();
    else if (performance.now() - oldest.sentAtMs >= IDLE_PING_MS) this.#webSocket.terminate();
  }
}
