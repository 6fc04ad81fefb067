import { randomBytes } from 'node:crypto';
import { firstHeader, parseHttpHead } from '@holdfast/core';
import type { CameraAuthorisation } from '../camera-authorisation.js';
import { CameraSessionError, socketError } from '../camera-session-error.js';
import { openPipe, type PipeOptions, RESPONSE_TIMEOUT_MS, type RtspPipe, type Target } from './rtsp-pipe.js';

const MEDIA_TYPE = 'application/x-rtsp-tunnelled';
/** No camera answers a GET with more. */
const HEAD_BYTES_MAX = 16 * 1024;
/** Proxies let a POST live for the bytes that it announces: signed keep-alives use them up in half an hour. */
const POST_BYTE_LENGTH = 32_767;

export interface TunnelOptions extends PipeOptions {
  readonly authorisation: CameraAuthorisation;
  /** Another for tests only. */
  readonly postByteLength?: number;
}

/**
 * RTSP in two HTTP requests, as Apple's QuickTime does it and cameras have taken over: what the camera says is the answer to a
 * GET that never ends, what we say is the body of a POST, in base64; a cookie tells the camera that both belong together.
 * @throws CameraSessionError, or the signal's reason
 */
export async function openTunnel(
  target: Target,
  options: TunnelOptions,
  signal: AbortSignal,
): Promise<RtspPipe> {
  const cookie = randomBytes(11).toString('hex');
  const authorisation = options.authorisation.ofAnotherServer();
  for (let attempt = 1; ; attempt += 1) {
    const down = await openPipe(target, options, signal);
    // Whoever waits for it hears of it by its end.
    down.socket.on('error', () => {});
    try {
      const rest = await get(down, { target, cookie, authorisation, attempt, signal });
      if (rest === 'AGAIN') {
        down.destroy();
        continue;
      }
      const { postByteLength = POST_BYTE_LENGTH } = options;
      const openPost = async (within: AbortSignal): Promise<RtspPipe> => {
        const up = await openPipe(target, options, within);
        up.socket.on('error', fault => down.socket.destroy(fault));
        up.begin(() => {});
        const length = ['Content-Length', String(postByteLength)] as const;
        up.write(httpHead('POST', { target, cookie, authorisation }, ['Content-Type', MEDIA_TYPE], length));
        return up;
      };
      const posts = new Posts(await openPost(signal), {
        ...{ openPost, byteLength: postByteLength },
        onFault: fault => down.socket.destroy(fault),
      });
      return joined(down, posts, rest);
    } catch (fault) {
      down.destroy();
      throw fault;
    }
  }
}

interface PostsOptions {
  readonly openPost: (signal: AbortSignal) => Promise<RtspPipe>;
  readonly byteLength: number;
  readonly onFault: (fault: Error) => void;
}

/** What is said to the camera, in as many requests as it needs: before one is used up, the next is opened under the same cookie. */
class Posts {
  readonly #options: PostsOptions;
  readonly #over = new AbortController();
  #up: RtspPipe;
  #leftBytes: number;
  /** While the next one is being opened; null: none is. */
  #waiting: string[] | null = null;

  constructor(up: RtspPipe, options: PostsOptions) {
    this.#up = up;
    this.#options = options;
    this.#leftBytes = options.byteLength;
  }

  write(bytes: string | Uint8Array): void {
    this.#say(Buffer.from(bytes as string).toString('base64'));
  }

  end(sent: () => void): void {
    this.#over.abort();
    this.#up.end(sent);
  }

  destroy(): void {
    this.#over.abort();
    this.#up.destroy();
  }

  #say(text: string): void {
    if (this.#waiting !== null) this.#waiting.push(text);
    // What does not fit into any request is said all the same.
    else if (text.length > this.#leftBytes && this.#leftBytes < this.#options.byteLength)
      void this.#goOn(text);
    else {
      this.#leftBytes -= text.length;
      this.#up.write(text);
    }
  }

  async #goOn(text: string): Promise<void> {
    this.#waiting = [text];
    try {
      const next = await this.#options.openPost(this.#over.signal);
      if (this.#over.signal.aborted) {
        next.destroy();
        return;
      }
      this.#up.end(() => {});
      this.#up = next;
      this.#leftBytes = this.#options.byteLength;
      const waiting = this.#waiting;
      this.#waiting = null;
      for (const one of waiting) this.#say(one);
    } catch (fault) {
      if (!this.#over.signal.aborted) this.#options.onFault(fault as Error);
    }
  }
}

function joined(down: RtspPipe, up: Posts, rest: Uint8Array): RtspPipe {
  return {
    socket: down.socket,
    begin: take => {
      down.begin(take);
      if (rest.length > 0) take(rest);
    },
    write: bytes => up.write(bytes),
    end: sent =>
      up.end(() => {
        down.end(() => {});
        sent();
      }),
    destroy: () => {
      up.destroy();
      down.destroy();
    },
  };
}

interface TunnelHalf {
  readonly target: Target;
  readonly cookie: string;
  readonly authorisation: CameraAuthorisation;
}

/** Returns what the camera has sent behind the head of its answer. */
async function get(
  pipe: RtspPipe,
  half: TunnelHalf & { readonly attempt: number; readonly signal: AbortSignal },
): Promise<Uint8Array | 'AGAIN'> {
  pipe.write(httpHead('GET', half, ['Accept', MEDIA_TYPE]));
  const { text, rest } = await readHead(pipe, half);
  const head = parseHttpHead(text);
  if (head?.status === 401) {
    half.authorisation.challenged(head, half.attempt);
    return 'AGAIN';
  }
  const answered = head === null ? JSON.stringify(text.slice(0, 60)) : `${head.status} ${head.reason}`;
  if (
    head?.status !== 200 ||
    !(firstHeader(head.headers, 'content-type') ?? MEDIA_TYPE).startsWith(MEDIA_TYPE)
  ) {
    const words = `the camera does not agree to RTSP in HTTP (it answers ${answered})`;
    throw new CameraSessionError('TRANSPORT_UNSUPPORTED', 'UNSUPPORTED_MEDIA', words);
  }
  return rest;
}

function readHead(
  pipe: RtspPipe,
  { target, signal }: { readonly target: Target; readonly signal: AbortSignal },
): Promise<{ readonly text: string; readonly rest: Uint8Array }> {
  const label = `${target.host}:${target.port}`;
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);
    const finish = (outcome: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      pipe.socket.off('error', failed);
      pipe.socket.off('close', closed);
      outcome();
    };
    const fail = (fault: unknown) => finish(() => reject(fault));
    const failed = (fault: Error) => fail(socketError(label, fault));
    const closed = () =>
      fail(new CameraSessionError('CONNECTION_CLOSED', 'CLOSED', `${label} closed the connection`));
    const aborted = () => fail(signal.reason);
    const timer = setTimeout(() => {
      const words = `${label} does not answer GET within ${RESPONSE_TIMEOUT_MS / 1000} s`;
      fail(new CameraSessionError('RESPONSE_TIMEOUT', 'UNREACHABLE', words));
    }, RESPONSE_TIMEOUT_MS);
    signal.addEventListener('abort', aborted, { once: true });
    pipe.socket.once('error', failed);
    pipe.socket.once('close', closed);
    pipe.begin(chunk => {
      received = Buffer.concat([received, chunk]);
      const end = received.indexOf('\r\n\r\n');
      if (end >= 0)
        finish(() =>
          resolve({ text: received.toString('latin1', 0, end), rest: received.subarray(end + 4) }),
        );
      else if (received.length > HEAD_BYTES_MAX) {
        const words = `${label} answers GET with more than ${HEAD_BYTES_MAX} bytes of headers`;
        fail(new CameraSessionError('STREAM_UNREADABLE', 'PROTOCOL_ERROR', words));
      }
    });
  });
}

function httpHead(
  method: 'GET' | 'POST',
  { target, cookie, authorisation }: TunnelHalf,
  ...headers: readonly (readonly [string, string])[]
): string {
  const answer = authorisation.header(method, target.path);
  const host = target.host.includes(':') ? `[${target.host}]` : target.host;
  const lines = [
    ...[
      ['Host', `${host}:${target.port}`],
      ['User-Agent', 'Holdfast'],
      ['x-sessioncookie', cookie],
    ],
    ...[
      ['Pragma', 'no-cache'],
      ['Cache-Control', 'no-cache'],
    ],
    ...(answer === null ? [] : [['Authorization', answer]]),
    ...headers,
  ];
  return `${method} ${target.path} HTTP/1.0\r\n${lines.map(line => `${line.join(': ')}\r\n`).join('')}\r\n`;
}
