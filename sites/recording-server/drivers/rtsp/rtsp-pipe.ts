import net from 'node:net';
import tls from 'node:tls';
import { CameraSessionError, socketError } from '../camera-session-error.js';

/** A camera on the same site answers in milliseconds, one behind a mobile link within seconds. */
export const CONNECT_TIMEOUT_MS = 5_000;
/** Small cameras take seconds to start an encoder on SETUP or PLAY. */
export const RESPONSE_TIMEOUT_MS = 10_000;
/** A key frame of a large picture in two or three reads. */
const READ_BYTES_MAX = 64 * 1024;
const DEFAULT_PORT = { 'rtsp:': 554, 'rtsps:': 322 };
const TUNNEL_PORT = { 'rtsp:': 80, 'rtsps:': 443 };

export interface PipeOptions {
  readonly tlsAuthorities?: readonly string[] | undefined;
}

/** A way to the camera and back. */
export interface RtspPipe {
  /** What comes from the camera comes here. */
  readonly socket: net.Socket;
  /** From now on, `take` gets what was read: its memory is read into again once it returns. */
  begin(take: (chunk: Uint8Array) => void): void;
  write(bytes: string | Uint8Array): void;
  /** `sent`: what was written has left. */
  end(sent: () => void): void;
  destroy(): void;
}

export interface Target {
  readonly secure: boolean;
  readonly host: string;
  readonly port: number;
  /** With the query. */
  readonly path: string;
}

/** @throws CameraSessionError */
export function parseAddress(address: string, tunnelled: boolean): Target {
  let url: URL;
  try {
    url = new URL(address);
  } catch (fault) {
    const words = `${JSON.stringify(address)} is not an address; expected rtsp://host[:port]/path`;
    throw new CameraSessionError('ADDRESS_INVALID', 'UNREACHABLE', words, { cause: fault });
  }
  if (url.protocol !== 'rtsp:' && url.protocol !== 'rtsps:') {
    const words = `${url.protocol}// is not supported; expected rtsp:// or rtsps://`;
    throw new CameraSessionError('ADDRESS_INVALID', 'UNREACHABLE', words);
  }
  if (url.username !== '' || url.password !== '') {
    const words = 'the address contains a user name; give user name and password apart from it';
    throw new CameraSessionError('ADDRESS_INVALID', 'UNREACHABLE', words);
  }
  return {
    secure: url.protocol === 'rtsps:',
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port: url.port === '' ? (tunnelled ? TUNNEL_PORT : DEFAULT_PORT)[url.protocol] : Number(url.port),
    path: url.pathname + url.search,
  };
}

/** @throws CameraSessionError, or the signal's reason */
export async function openPipe(target: Target, options: PipeOptions, signal: AbortSignal): Promise<RtspPipe> {
  const incoming: Incoming = { take: () => {} };
  const socket = target.secure ? connectTls(target, options, incoming) : connectTcp(target, incoming);
  socket.setNoDelay(true);
  await connected(socket, target, signal);
  return {
    socket,
    begin: take => {
      incoming.take = take;
    },
    write: text => socket.write(text),
    end: sent => socket.end(sent),
    destroy: () => socket.destroy(),
  };
}

async function connected(socket: net.Socket, target: Target, signal: AbortSignal): Promise<void> {
  const label = `${target.host}:${target.port}`;
  await new Promise<void>((resolve, reject) => {
    const finish = (outcome: () => void) => {
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      socket.off('error', failed);
      outcome();
    };
    const fail = (fault: unknown) =>
      finish(() => {
        socket.on('error', () => {});
        socket.destroy();
        reject(fault);
      });
    const failed = (fault: Error) => fail(socketError(label, fault));
    const aborted = () => fail(signal.reason);
    const timer = setTimeout(() => {
      const words = `${label} does not answer within ${CONNECT_TIMEOUT_MS / 1000} s`;
      fail(new CameraSessionError('CONNECT_TIMEOUT', 'UNREACHABLE', words));
    }, CONNECT_TIMEOUT_MS);
    signal.addEventListener('abort', aborted, { once: true });
    socket.once('error', failed);
    socket.once(target.secure ? 'secureConnect' : 'connect', () => finish(resolve));
  });
}

/** Who takes what the socket reads; the camera says nothing before it is asked. */
interface Incoming {
  take: (chunk: Uint8Array) => void;
}

function connectTcp(target: Target, incoming: Incoming): net.Socket {
  // Whatever is kept of a read is copied before the next one, so all of them go to the same place.
  const buffer = Buffer.allocUnsafeSlow(READ_BYTES_MAX);
  return net.connect({
    host: target.host,
    port: target.port,
    onread: {
      buffer,
      callback: byteCount => {
        incoming.take(buffer.subarray(0, byteCount));
        return true;
      },
    },
  });
}

function connectTls(target: Target, options: PipeOptions, incoming: Incoming): tls.TLSSocket {
  const authorities = options.tlsAuthorities ?? [];
  const socket = tls.connect({
    host: target.host,
    port: target.port,
    ...(net.isIP(target.host) === 0 ? { servername: target.host } : {}),
    ...(authorities.length > 0 ? { ca: [...authorities] } : {}),
    rejectUnauthorized: authorities.length > 0,
  });
  socket.on('data', chunk => incoming.take(chunk as Uint8Array));
  return socket;
}
