import { type Client, createClient } from 'graphql-ws';
import { noteAnswer, noteSilence } from './central-connection.store';
import { ReconnectGate } from './reconnect.gate';
import { currentSession, endSession } from './session.store';

interface Change {
  readonly cursor: string;
}

export interface SubscriptionRequest<T extends Change> {
  /** The field of `Subscription`. The document takes `$since`. */
  readonly field: string;
  readonly document: string;
  readonly onChange: (change: T) => void;
  /** The connection is new: what happened before it may have been missed, so everything is asked for again. */
  readonly onRestart: () => void;
}

const PING_INTERVAL_MS = 10_000;
/** A central that is there answers a ping well within this. */
const PONG_TIMEOUT_MS = 5_000;
/** graphql-ws: 4400–4499 are the peer's refusals; these say that the token is not accepted. */
const REFUSED_CODES = new Set([4401, 4403]);

/**
 * Subscriptions over one WebSocket, each resumed after its last cursor when the connection returns. graphql-ws repeats a
 * subscription with the variables it began with, so its own retry is off and the loop is here.
 */
export class SubscriptionClient implements Disposable {
  readonly #client: Client;
  readonly #gate = new ReconnectGate(retryAtMs => noteSilence(retryAtMs));
  readonly #stop = new AbortController();
  readonly #restarts = new Set<() => void>();
  #socket: WebSocket | null = null;
  #pongTimer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    this.#client = createClient({
      url: `${scheme}//${location.host}/graphql`,
      connectionParams: () => ({ Authorization: `Bearer ${currentSession()?.token ?? ''}` }),
      retryAttempts: 0,
      keepAlive: PING_INTERVAL_MS,
      on: {
        connected: socket => this.#connected(socket as WebSocket),
        closed: event => this.#closed(event as CloseEvent),
        ping: received => {
          if (!received)
            this.#pongTimer = setTimeout(() => this.#socket?.close(4408, 'No pong'), PONG_TIMEOUT_MS);
        },
        pong: received => {
          if (!received) return;
          clearTimeout(this.#pongTimer);
          noteAnswer();
        },
      },
    });
    addEventListener('online', () => this.#gate.openNow(), { signal: this.#stop.signal });
  }

  #connected(socket: WebSocket): void {
    this.#socket = socket;
    this.#gate.reset();
    noteAnswer();
    for (const restart of this.#restarts) restart();
  }

  #closed(event: CloseEvent): void {
    clearTimeout(this.#pongTimer);
    this.#socket = null;
    if (this.#stop.signal.aborted) return;
    if (REFUSED_CODES.has(event.code)) endSession();
    noteSilence();
  }

  retryNow(): void {
    this.#gate.openNow();
  }

  /** Runs until this client is disposed of. */
  async run<T extends Change>(request: SubscriptionRequest<T>): Promise<void> {
    let since: string | undefined;
    this.#restarts.add(request.onRestart);
    while (!this.#stop.signal.aborted) {
      const outcome = await this.#follow(request, since, change => {
        since = change.cursor;
      });
      // A cursor that the central no longer knows is not worth keeping: everything is asked for anew anyway.
      if (outcome === 'REFUSED') {
        since = undefined;
        request.onRestart();
      }
      if (!this.#stop.signal.aborted) await this.#gate.wait();
    }
  }

  #follow<T extends Change>(
    request: SubscriptionRequest<T>,
    since: string | undefined,
    onCursor: (change: Change) => void,
  ): Promise<'ENDED' | 'REFUSED'> {
    const take = (value: T | undefined) => {
      if (value === undefined) return;
      onCursor(value);
      request.onChange(value);
    };
    return new Promise(resolve => {
      this.#client.subscribe<Record<string, T>>(
        { query: request.document, variables: { since: since ?? null } },
        {
          next: message => take(message.data?.[request.field]),
          error: error => resolve(Array.isArray(error) ? 'REFUSED' : 'ENDED'),
          complete: () => resolve('ENDED'),
        },
      );
    });
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
    this.#gate.openNow();
    void this.#client.dispose();
  }
}
