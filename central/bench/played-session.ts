import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import { serverNameOfRole } from '@holdfast/interconnect';
import { ReplicationClient, type WireParentFrame } from '@holdfast/protos';
import type { BenchIdentity } from './bench-identity.js';
import { type RecordedMessage, type RecordedSession, toMessage } from './recorded-session.js';

const GRPC_PREFIX_BYTES = 5;
/** A thousand handshakes take a minute where the processor is not ours alone. */
const CONNECT_MS_MAX = 150_000;
const nothing: Uint8Array = Buffer.alloc(0);

/**
 * Plays what a site has said (`recordSession`) to a central: over a connection of its own with mutual TLS, HTTP/2 and gRPC, with
 * an answer to each Ping. Receipts are taken, not checked; nothing else of a site happens here.
 */
export class PlayedSession {
  readonly #identity: BenchIdentity;
  readonly #recorded: RecordedSession;
  #connection: ClientHttp2Session | null = null;
  #stream: ClientHttp2Stream | null = null;
  #rest: Uint8Array = nothing;
  #said: RecordedMessage;
  #acknowledged = 0;
  #opened!: () => void;
  #failed!: (error: unknown) => void;

  constructor(identity: BenchIdentity, recorded: RecordedSession) {
    this.#identity = identity;
    this.#recorded = recorded;
    this.#said = recorded.opening.at(-1)!;
  }

  /** How far the central has said that it holds the log durably. */
  get acknowledgedSize(): number {
    return this.#acknowledged;
  }

  /** Resolves when what was recorded before the plan is acknowledged. Rejects when that takes too long. */
  dial(port: number): Promise<void> {
    const { authorityPem, certificatePem, privateKeyPem } = this.#identity.credentials;
    const servername = serverNameOfRole('central');
    const connection = connect(`https://127.0.0.1:${port}`, {
      ...{ ca: authorityPem, cert: certificatePem, key: privateKeyPem, servername },
    });
    this.#connection = connection;
    return new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`a site was not acknowledged within ${CONNECT_MS_MAX} ms`)),
        CONNECT_MS_MAX,
      );
      this.#opened = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#failed = reject;
      connection.on('error', reject);
      this.#open(connection, servername);
    });
  }

  close(): void {
    this.#connection?.destroy();
  }

  #open(connection: ClientHttp2Session, authority: string): void {
    const stream = connection.request({
      ...{ ':method': 'POST', ':scheme': 'https', ':authority': authority, te: 'trailers' },
      ...{ ':path': ReplicationClient.service.Sync!.path, 'content-type': 'application/grpc+proto' },
    });
    this.#stream = stream;
    stream.on('error', error => this.#failed(error));
    stream.on('data', (bytes: Buffer) => this.#receive(bytes));
    stream.on('end', () => this.#failed(new Error('the central has ended a session')));
    stream.write(this.#recorded.hello);
  }

  say(recorded: RecordedMessage): void {
    this.#stream!.write(recorded.message);
    this.#said = recorded;
  }

  #receive(bytes: Uint8Array): void {
    let rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    while (rest.length >= GRPC_PREFIX_BYTES) {
      const end = GRPC_PREFIX_BYTES + new DataView(rest.buffer, rest.byteOffset).getUint32(1);
      if (rest.length < end) break;
      const body = Buffer.from(rest.buffer, rest.byteOffset + GRPC_PREFIX_BYTES, end - GRPC_PREFIX_BYTES);
      this.#take(ReplicationClient.service.Sync!.responseDeserialize(body) as WireParentFrame);
      rest = rest.subarray(end);
    }
    this.#rest = rest;
  }

  #take(frame: WireParentFrame): void {
    if (frame.ack) {
      this.#acknowledged = Math.max(this.#acknowledged, frame.ack.position);
      if (this.#acknowledged >= this.#recorded.opening.at(-1)!.head.size) this.#opened();
    } else if (frame.want) for (const { message } of this.#recorded.opening) this.#stream!.write(message);
    else if (frame.ping) {
      const nowMs = Date.now();
      const times = { pingSentAtMs: frame.ping.sentAtMs, receivedAtMs: nowMs, sentAtMs: nowMs };
      this.#stream!.write(toMessage({ pong: { ...times, head: this.#said.head } }));
    } else if (frame.refused)
      this.#failed(new Error(`refused: ${frame.refused.code}: ${frame.refused.detail}`));
  }
}
