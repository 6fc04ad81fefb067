import type http from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { ImageAssembler, MultipartImages, PICTURE_BYTES_MAX } from '@holdfast/core';
import type { CameraAuthorisation } from '../camera-authorisation.js';
import { CameraSessionError, socketError } from '../camera-session-error.js';
import type { CameraLoss } from '../driver.js';
import type { ConnectionAttempt } from '../keep-connected.js';
import { MediaWatch } from '../media-watch.js';
import { agentFor, httpGet } from './http-get.js';

/** A camera that gives one picture for each request is asked five times a second at most: most take as long to make one. */
const POLL_EVERY_MS = 200;

export interface PictureStreamOptions extends ConnectionAttempt {
  readonly address: string;
  readonly authorisation: CameraAuthorisation;
  readonly tlsAuthorities?: readonly string[] | undefined;
  readonly now: () => number;
}

/** Streams until the camera is lost or the signal aborts: why it was lost, or `null`. @throws whatever `output` throws */
export async function streamPicturesOnce(
  options: PictureStreamOptions,
  signal: AbortSignal,
): Promise<CameraLoss | null> {
  const { address, authorisation, now, limits } = options;
  const watch = new MediaWatch(limits);
  const images = new ImageAssembler(watch.around(options.output));
  const agent = agentFor(address, options.tlsAuthorities ?? []);
  const given = new AbortController();
  const ended = AbortSignal.any([signal, given.signal]);
  try {
    using _watch = watch.start(fault => given.abort(fault));
    const get = () => httpGet({ address, authorisation, agent, signal: ended });
    const take = (jpeg: Uint8Array) => {
      watch.packet('VIDEO');
      images.image(jpeg, now());
    };
    const first = await get();
    const type = (first.headers['content-type'] ?? '').toLowerCase();
    if (type.startsWith('multipart/')) return await stream(first, take);
    if (type.startsWith('image/jpeg')) return await poll(first, get, take, ended);
    const words = `the camera sends ${JSON.stringify(type)}; expected multipart/x-mixed-replace or image/jpeg`;
    return new CameraSessionError('STREAM_UNSUPPORTED', 'UNSUPPORTED_MEDIA', words);
  } catch (fault) {
    if (signal.aborted) return null;
    if (given.signal.aborted) return given.signal.reason as CameraSessionError;
    if (fault instanceof CameraSessionError) return fault;
    throw fault;
  } finally {
    agent.destroy();
    images.end(options.endCause());
  }
}

async function stream(response: http.IncomingMessage, take: (jpeg: Uint8Array) => void): Promise<CameraLoss> {
  const parts = new MultipartImages(response.headers['content-type'] ?? '', take);
  for await (const chunk of bodyOf(response)) {
    if (!parts.push(chunk)) {
      const words = `a picture of the camera is larger than ${PICTURE_BYTES_MAX} bytes, or has no boundary`;
      return new CameraSessionError('STREAM_UNREADABLE', 'PROTOCOL_ERROR', words);
    }
  }
  return new CameraSessionError('CONNECTION_CLOSED', 'CLOSED', 'the camera has ended its stream of pictures');
}

async function poll(
  first: http.IncomingMessage,
  get: () => Promise<http.IncomingMessage>,
  take: (jpeg: Uint8Array) => void,
  signal: AbortSignal,
): Promise<never> {
  let response = first;
  for (;;) {
    const askedAt = performance.now();
    const chunks: Uint8Array[] = [];
    let byteLength = 0;
    for await (const chunk of bodyOf(response)) {
      byteLength += chunk.length;
      if (byteLength > PICTURE_BYTES_MAX) {
        const words = `a picture of the camera is larger than ${PICTURE_BYTES_MAX} bytes`;
        throw new CameraSessionError('STREAM_UNREADABLE', 'PROTOCOL_ERROR', words);
      }
      chunks.push(chunk);
    }
    take(Buffer.concat(chunks));
    await wait(Math.max(0, askedAt + POLL_EVERY_MS - performance.now()), undefined, { signal });
    response = await get();
  }
}

async function* bodyOf(response: http.IncomingMessage): AsyncGenerator<Uint8Array> {
  const chunks = response[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  try {
    for (;;) {
      const next = await chunks.next().catch((fault: Error) => {
        throw socketError('the camera', fault);
      });
      if (next.done) return;
      yield next.value;
    }
  } finally {
    response.destroy();
  }
}
