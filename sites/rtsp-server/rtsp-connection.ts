import type { Socket } from 'node:net';
import { digestChallenge, type RtspCredentials, verifyDigest } from './digest-authentication.js';
import type { MediaProvider } from './media-provider.js';
import { formatResponse, RtspParser, type RtspRequest, type RtspResponse } from './rtsp-message.js';
import { type InterleavedChannels, RtspSession } from './rtsp-session.js';
import { controlOf, describeSession } from './session-description.js';

/** About eight seconds of a 4 Mbit/s camera: who is that far behind will not catch up, and gets no more memory. */
export const UNSENT_BYTES_MAX = 4 * 1024 * 1024;

const REALM = 'Holdfast';
const PUBLIC = 'OPTIONS, DESCRIBE, SETUP, PLAY, GET_PARAMETER, TEARDOWN';
const notOffered = new Set(['PAUSE', 'ANNOUNCE', 'RECORD', 'REDIRECT', 'SET_PARAMETER']);

export type RtspCloseCause = 'CLIENT_CLOSED' | 'CLIENT_SLOW' | 'CLIENT_SILENT' | 'NOT_RTSP' | 'SERVER_CLOSED';

export interface RtspConnectionOptions {
  readonly socket: Socket;
  readonly provider: MediaProvider;
  readonly credentials: RtspCredentials | null;
  readonly random: (byteLength: number) => Buffer;
  /** Milliseconds; only differences are used. */
  readonly now: () => number;
  readonly sessionTimeoutMs: number;
  readonly closed: (cause: RtspCloseCause, detail: string) => void;
}

/** One client: its requests, and the one session that it may have. */
export class RtspConnection {
  readonly #options: RtspConnectionOptions;
  readonly #socket: Socket;
  readonly #parser = new RtspParser();
  readonly #nonce: string;
  #session: RtspSession | null = null;
  #heardMs: number;
  #silence: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: RtspConnectionOptions) {
    this.#options = options;
    this.#socket = options.socket;
    this.#nonce = options.random(16).toString('hex');
    this.#heardMs = options.now();
    this.#socket.setNoDelay(true);
    this.#socket.on('data', chunk => this.#receive(chunk));
    this.#socket.on('error', error => this.close('CLIENT_CLOSED', error.message));
    this.#socket.on('close', () => this.close('CLIENT_CLOSED', 'the connection ended'));
    this.#watchSilence(options.sessionTimeoutMs);
  }

  close(cause: RtspCloseCause, detail: string): void {
    if (this.#closed) return;
    this.#session?.close({ sayGoodbye: cause === 'SERVER_CLOSED' });
    this.#closed = true;
    clearTimeout(this.#silence);
    // An answer that explains the end should still arrive; a client that does not read gets no such courtesy.
    if (cause === 'NOT_RTSP') this.#socket.end();
    else this.#socket.destroySoon();
    if (cause === 'CLIENT_SLOW' || cause === 'CLIENT_SILENT') this.#socket.destroy();
    this.#options.closed(cause, detail);
  }

  #watchSilence(delayMs: number): void {
    this.#silence = setTimeout(() => {
      const silentMs = this.#options.now() - this.#heardMs;
      const { sessionTimeoutMs } = this.#options;
      if (silentMs >= sessionTimeoutMs) this.close('CLIENT_SILENT', `no word for ${Math.round(silentMs)} ms`);
      else this.#watchSilence(sessionTimeoutMs - silentMs + 1);
    }, delayMs);
    this.#silence.unref();
  }

  #write(bytes: Buffer | string): void {
    if (this.#closed || this.#socket.destroyed) return;
    this.#socket.write(bytes);
    if (this.#socket.writableLength > UNSENT_BYTES_MAX)
      this.close('CLIENT_SLOW', `${this.#socket.writableLength} bytes unsent, at most ${UNSENT_BYTES_MAX}`);
  }

  #receive(chunk: Buffer): void {
    if (this.#closed) return;
    this.#heardMs = this.#options.now();
    for (const input of this.#parser.push(chunk)) {
      if (input.kind === 'request') {
        const response = this.#answer(input.request);
        this.#write(formatResponse(response, input.request.headers.get('cseq')));
        this.#afterAnswer(input.request, response);
      } else if (input.kind === 'malformed') {
        this.#write(formatResponse({ status: 400, headers: { Connection: 'close' } }, undefined));
        this.close('NOT_RTSP', input.detail);
      }
      if (this.#closed) return;
    }
  }

  /** Media begins behind the answer to PLAY, never before it; TEARDOWN ends it. */
  #afterAnswer(request: RtspRequest, response: RtspResponse): void {
    if (response.status !== 200) return;
    if (request.method === 'PLAY') this.#session?.play();
    if (request.method === 'TEARDOWN') {
      this.#session?.close({ sayGoodbye: false });
      this.#session = null;
    }
  }

  #answer(request: RtspRequest): RtspResponse {
    if (request.version !== 'RTSP/1.0') return { status: 505 };
    const required = request.headers.get('require') ?? request.headers.get('proxy-require');
    if (required !== undefined) return { status: 551, headers: { Unsupported: required.slice(0, 200) } };
    if (request.method === 'OPTIONS') return { status: 200, headers: { Public: PUBLIC } };
    const refused = this.#authenticate(request);
    if (refused) return refused;
    switch (request.method) {
      case 'DESCRIBE':
        return this.#describe(request);
      case 'SETUP':
        return this.#setUp(request);
      case 'PLAY':
        return this.#play(request);
      case 'GET_PARAMETER':
        return this.#keepAlive(request);
      case 'TEARDOWN':
        return this.#withSession(request, () => ({ status: 200 }));
      default:
        return notOffered.has(request.method) ? { status: 405, headers: { Allow: PUBLIC } } : { status: 501 };
    }
  }

  #authenticate(request: RtspRequest): RtspResponse | null {
    const { credentials } = this.#options;
    if (credentials === null) return null;
    const expected = { credentials, realm: REALM, nonce: this.#nonce, method: request.method };
    const verdict = verifyDigest(request.headers.get('authorization'), expected);
    if (verdict === 'ACCEPTED') return null;
    const stale = verdict === 'STALE_NONCE';
    const challenge = digestChallenge({ realm: REALM, nonce: this.#nonce, stale });
    return { status: 401, headers: { 'WWW-Authenticate': challenge } };
  }

  #describe(request: RtspRequest): RtspResponse {
    const target = parseTarget(request.uri);
    const presentation = target && this.#options.provider.presentation(target.path);
    if (!presentation) return { status: 404 };
    const accepts = request.headers.get('accept') ?? 'application/sdp';
    if (!/application\/sdp|\*\/\*|application\/\*/i.test(accepts)) return { status: 406 };
    return {
      status: 200,
      headers: { 'Content-Base': `${request.uri.replace(/\/$/, '')}/`, 'Content-Type': 'application/sdp' },
      body: describeSession(presentation, {
        sessionNumber: Number.parseInt(this.#nonce.slice(0, 8), 16),
        address: this.#socket.localAddress ?? '127.0.0.1',
      }),
    };
  }

  #setUp(request: RtspRequest): RtspResponse {
    const target = parseTarget(request.uri);
    const presentation = target && this.#options.provider.presentation(target.path);
    if (!target || !presentation) return { status: 404 };
    const trackIndex = target.trackIndex ?? (presentation.tracks.length === 1 ? 0 : null);
    if (trackIndex === null) return { status: 459 };
    if (trackIndex >= presentation.tracks.length) return { status: 404 };
    const named = sessionIdOf(request);
    if (named !== undefined && named !== this.#session?.id) return { status: 454 };
    if (this.#session?.playing) return { status: 455 };
    // A second presentation on one connection would be a second session; no client asks for it.
    if (this.#session && this.#session.path !== target.path) return { status: 455 };
    const transport = chooseTransport(request.headers.get('transport') ?? '');
    if (transport === null) return { status: 461 };
    const session = this.#session ?? this.#newSession(target.path, presentation);
    const channels = transport.channels ?? session.freeChannels();
    const ssrc = session.setUp(trackIndex, channels);
    if (ssrc === null) return { status: 400 };
    this.#session = session;
    const ssrcHex = ssrc.toString(16).padStart(8, '0').toUpperCase();
    return {
      status: 200,
      headers: {
        Session: this.#sessionHeader(session),
        Transport: `RTP/AVP/TCP;unicast;interleaved=${channels.rtp}-${channels.rtcp};ssrc=${ssrcHex};mode="PLAY"`,
      },
    };
  }

  #newSession(path: string, presentation: RtspSession['presentation']): RtspSession {
    const write = (bytes: Buffer): void => this.#write(bytes);
    return new RtspSession({ path, presentation, random: this.#options.random, write });
  }

  #play(request: RtspRequest): RtspResponse {
    return this.#withSession(request, session => {
      if (session.trackIndexes.length === 0) return { status: 455 };
      const base = request.uri.replace(/\/trackID=\d+$/, '').replace(/\/$/, '');
      const rtpInfo = session.trackIndexes
        .map(index => `url=${base}/${controlOf(index)};seq=${session.nextSequence(index)}`)
        .join(',');
      const Session = this.#sessionHeader(session);
      return { status: 200, headers: { Session, Range: 'npt=now-', 'RTP-Info': rtpInfo } };
    });
  }

  #keepAlive(request: RtspRequest): RtspResponse {
    if (sessionIdOf(request) === undefined) return { status: 200 };
    return this.#withSession(request, session => ({
      status: 200,
      headers: { Session: this.#sessionHeader(session) },
    }));
  }

  #withSession(request: RtspRequest, answer: (session: RtspSession) => RtspResponse): RtspResponse {
    const session = this.#session;
    return session && sessionIdOf(request) === session.id ? answer(session) : { status: 454 };
  }

  #sessionHeader(session: RtspSession): string {
    return `${session.id};timeout=${Math.ceil(this.#options.sessionTimeoutMs / 1000)}`;
  }
}

const sessionIdOf = (request: RtspRequest): string | undefined =>
  request.headers.get('session')?.split(';')[0]?.trim();

/** `rtsp://host/path[/trackID=n]`: what is asked for. Null when it is not an RTSP URL. */
function parseTarget(uri: string): { readonly path: string; readonly trackIndex: number | null } | null {
  const parts = /^rtsps?:\/\/[^/?#]*\/?([^?#]*)/i.exec(uri);
  if (!parts) return null;
  const track = /(?:^|\/)trackID=(\d{1,3})$/.exec(parts[1]!);
  const escaped = parts[1]!.slice(0, track ? -track[0].length : undefined).replace(/\/$/, '');
  try {
    return { path: decodeURIComponent(escaped), trackIndex: track ? Number(track[1]) : null };
  } catch {
    return null;
  }
}

/** The first transport of the client's list that is RTP over this connection; null when there is none (then 461). */
function chooseTransport(header: string): { readonly channels: InterleavedChannels | null } | null {
  for (const offer of header.split(',')) {
    const [profile = '', ...parameters] = offer.split(';').map(part => part.trim());
    if (!/^RTP\/AVP\/TCP$/i.test(profile) || parameters.includes('multicast')) continue;
    const channels = parameters
      .map(part => /^interleaved=(\d{1,3})(?:-(\d{1,3}))?$/i.exec(part))
      .find(Boolean);
    if (!channels) return { channels: null };
    const rtp = Number(channels[1]);
    const rtcp = Number(channels[2] ?? rtp + 1);
    if (rtp <= 255 && rtcp <= 255) return { channels: { rtp, rtcp } };
  }
  return null;
}
