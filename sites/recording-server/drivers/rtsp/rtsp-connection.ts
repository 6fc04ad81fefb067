import type net from 'node:net';
import tls from 'node:tls';
import {
  firstHeader,
  formatRtspRequest,
  formatRtspResponse,
  type RtspMessage,
  type RtspRequest,
  type RtspResponse,
  RtspStreamError,
  RtspStreamParser,
} from '@holdfast/core';
import type { CameraAuthorisation } from '../camera-authorisation.js';
import { CameraSessionError, socketError, statusError } from '../camera-session-error.js';
import { openTunnel } from './http-tunnel.js';
import { openPipe, parseAddress, RESPONSE_TIMEOUT_MS, type RtspPipe } from './rtsp-pipe.js';

/** Long enough for the TEARDOWN to leave, short enough not to hold up a stop. */
const TEARDOWN_TIMEOUT_MS = 500;
/** Only keep-alives are sent without waiting for the answer before. */
const PENDING_REQUESTS_MAX = 8;
/** By so much live is later at most, and arrival times are less exact: half a picture. */
const READ_EVERY_MS = 20;
/** Half a second of G.711, with its packets. */
const UNSENT_BYTES_MAX = 5_000;

export interface RtspConnectionOptions {
  readonly address: string;
  readonly authorisation: CameraAuthorisation;
  /** An interleaved frame. It may throw: that ends the connection with this very error. */
  readonly frame: (channel: number, bytes: Uint8Array, start: number, end: number) => void;
  readonly garbage: (byteCount: number) => void;
  readonly tlsAuthorities?: readonly string[] | undefined;
  /** In HTTP, as Apple's QuickTime does it: through proxies and firewalls that let nothing else pass. */
  readonly tunnelled?: boolean;
}

interface PendingRequest {
  readonly sequence: number;
  readonly settle: (outcome: RtspResponse | Error) => void;
}

export interface RequestHead {
  readonly method: string;
  readonly uri: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
}

/** One RTSP connection over TCP, TLS or HTTP (RFC 2326), with RTP interleaved in it (§10.12) unless it comes by UDP. */
export class RtspConnection implements AsyncDisposable {
  /** Why the connection is no more: an `CameraSessionError`, or what `frame` has thrown. Never rejects. */
  readonly lost: Promise<Error>;
  readonly #pipe: RtspPipe;
  readonly #socket: net.Socket;
  readonly #host: string;
  readonly #parser: RtspStreamParser;
  readonly #authorisation: CameraAuthorisation;
  #pending: PendingRequest[] = [];
  #sequence = 0;
  #session: string | null = null;
  #teardownUri: string | null = null;
  #fault: Error | null = null;
  #interrupted: Error | null = null;
  #reportLost: (fault: Error) => void = () => {};

  private constructor(pipe: RtspPipe, host: string, options: RtspConnectionOptions) {
    const { socket } = pipe;
    this.#pipe = pipe;
    this.#socket = socket;
    this.#host = host;
    this.#authorisation = options.authorisation;
    this.#parser = new RtspStreamParser({
      frame: options.frame,
      message: message => this.#message(message),
      garbage: options.garbage,
    });
    this.lost = new Promise(resolve => {
      this.#reportLost = resolve;
    });
    socket.on('error', fault => this.#fail(socketError(host, fault)));
    socket.on('close', () =>
      this.#fail(new CameraSessionError('CONNECTION_CLOSED', 'CLOSED', `${host} closed the connection`)),
    );
    if (socket.destroyed) socket.emit('close');
    pipe.begin(chunk => this.#data(chunk));
  }

  /** @throws CameraSessionError, or the signal's reason */
  static async open(options: RtspConnectionOptions, signal: AbortSignal): Promise<RtspConnection> {
    signal.throwIfAborted();
    const target = parseAddress(options.address, options.tunnelled ?? false);
    const pipe = options.tunnelled
      ? await openTunnel(target, options, signal)
      : await openPipe(target, options, signal);
    return new RtspConnection(pipe, `${target.host}:${target.port}`, options);
  }

  /** Of the camera. */
  get remoteAddress(): string {
    return this.#socket.remoteAddress ?? this.#host;
  }

  /** From now on every request belongs to this session. */
  useSession(session: string): void {
    this.#session = session;
  }

  limitChannels(channelMax: number): void {
    this.#parser.limitChannels(channelMax);
  }

  /**
   * From now on media comes: the socket is read every `READ_EVERY_MS`, and what arrives in between adds up. A read costs
   * nearly the same for one packet as for thirty. What comes over TLS is not paced: the stream above it has its own buffer.
   */
  paceReads(): void {
    const socket = this.#socket;
    if (socket.destroyed || socket instanceof tls.TLSSocket) return;
    const pause = () => socket.pause();
    const read = () => {
      socket.resume();
      // An immediate runs behind the poll that reads what has arrived by now.
      setImmediate(pause);
    };
    const timer = setInterval(read, READ_EVERY_MS);
    socket.once('close', () => clearInterval(timer));
  }

  /** Gives the connection up at once. */
  fail(fault: Error): void {
    this.#fail(fault);
  }

  /** Lets go of whoever waits for the camera; disposal can still say good-bye to it. */
  interrupt(reason: Error): void {
    this.#interrupted = reason;
    for (const pending of this.#pending) pending.settle(reason);
    this.#reportLost(reason);
  }

  /**
   * Answers challenges; every other status than 2xx is an error.
   * @throws CameraSessionError
   */
  async request(head: RequestHead): Promise<RtspResponse> {
    for (let attempt = 1; ; attempt += 1) {
      const response = await this.exchange(head);
      if (response.status === 401) this.#authorisation.challenged(response, attempt);
      else if (response.status >= 200 && response.status < 300) return response;
      else throw statusError(head.method, response.status, response.reason);
    }
  }

  /** Sends once and returns whatever the camera answers. @throws CameraSessionError */
  exchange(head: RequestHead): Promise<RtspResponse> {
    return new Promise((resolve, reject) => {
      const ended = this.#fault ?? this.#interrupted;
      if (ended !== null) {
        reject(ended);
        return;
      }
      if (this.#pending.length >= PENDING_REQUESTS_MAX)
        this.#pending.shift()?.settle(this.#timeoutOf('a request'));
      const sequence = this.#write(head);
      const settle = (outcome: RtspResponse | Error) => {
        clearTimeout(timer);
        this.#pending = this.#pending.filter(one => one.sequence !== sequence);
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome);
      };
      const timer = setTimeout(() => settle(this.#timeoutOf(head.method)), RESPONSE_TIMEOUT_MS);
      this.#pending.push({ sequence, settle });
    });
  }

  /** Says good-bye, so that the camera frees its session at once (many allow only a few), and closes. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#socket.destroyed && this.#fault === null) {
      if (this.#session !== null && this.#teardownUri !== null)
        this.#write({ method: 'TEARDOWN', uri: this.#teardownUri });
      await new Promise<void>(resolve => {
        const timer = setTimeout(resolve, TEARDOWN_TIMEOUT_MS);
        this.#pipe.end(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    }
    this.#fail(new CameraSessionError('CONNECTION_CLOSED', 'CLOSED', 'closed by us'));
    this.#pipe.destroy();
  }

  /** An RTP packet to the camera. What does not leave at once is let go: sound that is late is noise. */
  send(channel: number, packet: Uint8Array): void {
    if (this.#fault !== null || this.#socket.writableLength > UNSENT_BYTES_MAX) return;
    const head = Buffer.from([0x24, channel, packet.length >> 8, packet.length & 0xff]);
    this.#pipe.write(Buffer.concat([head, packet]));
  }

  teardownWith(uri: string): void {
    this.#teardownUri = uri;
  }

  #write(head: RequestHead): number {
    this.#sequence += 1;
    const authorisation = this.#authorisation.header(head.method, head.uri);
    const text = formatRtspRequest({
      method: head.method,
      uri: head.uri,
      headers: [
        ['CSeq', String(this.#sequence)],
        ['User-Agent', 'Holdfast'],
        ...(this.#session === null ? [] : [['Session', this.#session] as const]),
        ...(authorisation === null ? [] : [['Authorization', authorisation] as const]),
        ...(head.headers ?? []),
      ],
    });
    this.#pipe.write(text);
    return this.#sequence;
  }

  #timeoutOf(method: string): CameraSessionError {
    const words = `${this.#host} does not answer ${method} within ${RESPONSE_TIMEOUT_MS / 1000} s`;
    return new CameraSessionError('RESPONSE_TIMEOUT', 'UNREACHABLE', words);
  }

  #data(chunk: Uint8Array): void {
    if (this.#fault !== null) return;
    try {
      this.#parser.push(chunk);
    } catch (fault) {
      if (fault instanceof RtspStreamError)
        this.#fail(
          new CameraSessionError('STREAM_UNREADABLE', 'PROTOCOL_ERROR', fault.message, { cause: fault }),
        );
      else this.#fail(fault instanceof Error ? fault : new Error(String(fault)));
    }
  }

  #message(message: RtspMessage): void {
    if (message.kind === 'request') {
      this.#answer(message);
      return;
    }
    if (message.status < 200) return;
    const sequence = Number(firstHeader(message.headers, 'cseq') ?? Number.NaN);
    // Without a CSeq the oldest request is meant; an answer to a request that has timed out is nobody's.
    const pending = Number.isNaN(sequence)
      ? this.#pending[0]
      : this.#pending.find(one => one.sequence === sequence);
    pending?.settle(message);
  }

  /** RFC 2326 §10: requests may come from the server too. */
  #answer(request: RtspRequest): void {
    if (request.method === 'REDIRECT' || request.method === 'TEARDOWN') {
      const redirect = request.method === 'REDIRECT';
      this.#fail(
        redirect
          ? new CameraSessionError(
              'REDIRECT_REFUSED',
              'PROTOCOL_ERROR',
              'the camera sends us elsewhere (REDIRECT); redirects are not followed',
            )
          : new CameraSessionError('TEARDOWN_BY_CAMERA', 'CLOSED', 'the camera ends the session (TEARDOWN)'),
      );
      return;
    }
    const known = ['OPTIONS', 'GET_PARAMETER', 'SET_PARAMETER'].includes(request.method);
    this.#pipe.write(
      formatRtspResponse({
        status: known ? 200 : 501,
        reason: known ? 'OK' : 'Not Implemented',
        headers: [['CSeq', firstHeader(request.headers, 'cseq') ?? '0']],
      }),
    );
  }

  #fail(fault: Error): void {
    if (this.#fault !== null) return;
    this.#fault = fault;
    for (const pending of this.#pending) pending.settle(fault);
    this.#reportLost(fault);
    this.#pipe.destroy();
  }
}
