import { createServer, type Server, type Socket } from 'node:net';
import type { RtspCredentials } from './digest-authentication.js';
import type { MediaProvider } from './media-provider.js';
import { type RtspCloseCause, RtspConnection } from './rtsp-connection.js';

/** RFC 2326 §12.37 names 60 s as the default. */
const SESSION_TIMEOUT_MS = 60_000;
/** Each may hold up to 4 MiB unsent; a site has some hundred cameras and a handful of viewers each. */
const CONNECTION_COUNT_MAX = 1024;

export type RtspServerReport =
  | { readonly kind: 'CLIENT_OPENED'; readonly address: string }
  | {
      readonly kind: 'CLIENT_CLOSED';
      readonly address: string;
      readonly cause: RtspCloseCause;
      readonly detail: string;
    }
  | { readonly kind: 'CLIENT_TURNED_AWAY'; readonly address: string; readonly connectionCountMax: number };

export interface RtspServerOptions {
  readonly provider: MediaProvider;
  /** 0 lets the system choose. */
  readonly port: number;
  /** Default: the loopback only. */
  readonly host?: string;
  /** Digest authentication is asked for when given. */
  readonly credentials?: RtspCredentials;
  readonly random: (byteLength: number) => Buffer;
  /** Milliseconds of a clock that does not step; only differences are used. */
  readonly now: () => number;
  readonly sessionTimeoutMs?: number;
  readonly report?: (report: RtspServerReport) => void;
}

export class RtspListenError extends Error {
  override readonly name = 'RtspListenError';
  readonly code = 'RTSP_PORT_UNAVAILABLE';
}

/** Serves the presentations of a provider over RTSP 1.0 (RFC 2326), RTP interleaved in the connection. */
export class RtspServer implements AsyncDisposable {
  readonly #options: RtspServerOptions;
  readonly #server: Server;
  readonly #connections = new Set<RtspConnection>();

  private constructor(options: RtspServerOptions) {
    this.#options = options;
    this.#server = createServer(socket => this.#accept(socket));
  }

  /** Throws `RtspListenError` when the port cannot be had. */
  static async open(options: RtspServerOptions): Promise<RtspServer> {
    const server = new RtspServer(options);
    const host = options.host ?? '127.0.0.1';
    await new Promise<void>((resolve, reject) => {
      server.#server.once('error', cause => {
        reject(new RtspListenError(`cannot listen on ${host}:${options.port}: ${cause.message}`, { cause }));
      });
      server.#server.listen(options.port, host, resolve);
    });
    return server;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address ? address.port : 0;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise<void>(resolve => this.#server.close(() => resolve()));
    for (const connection of [...this.#connections]) connection.close('SERVER_CLOSED', 'the server stops');
    await ended;
  }

  #accept(socket: Socket): void {
    const address = `${socket.remoteAddress}:${socket.remotePort}`;
    if (this.#connections.size >= CONNECTION_COUNT_MAX) {
      socket.destroy();
      this.#options.report?.({
        kind: 'CLIENT_TURNED_AWAY',
        address,
        connectionCountMax: CONNECTION_COUNT_MAX,
      });
      return;
    }
    const connection: RtspConnection = new RtspConnection({
      socket,
      provider: this.#options.provider,
      credentials: this.#options.credentials ?? null,
      random: this.#options.random,
      now: this.#options.now,
      sessionTimeoutMs: this.#options.sessionTimeoutMs ?? SESSION_TIMEOUT_MS,
      closed: (cause, detail) => {
        this.#connections.delete(connection);
        this.#options.report?.({ kind: 'CLIENT_CLOSED', address, cause, detail });
      },
    });
    this.#connections.add(connection);
    this.#options.report?.({ kind: 'CLIENT_OPENED', address });
  }
}
