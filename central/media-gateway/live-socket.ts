import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { AUDIO_TRACK_ID, browserCodecs, hideTrack, type MediaItem, MediaRefusedError } from '@holdfast/core';
import type { DeviceId } from '@holdfast/schema';
import { type WebSocket, WebSocketServer } from 'ws';
import type { LiveHub } from './live-hub.js';
import { isRefusal, type MediaDirectory } from './media-directory.js';

export const MEDIA_PROTOCOL = 'holdfast.media.v1';
/** Viewers have nothing to say. */
const MESSAGE_BYTES_MAX = 1024;
/** A viewer that does not answer a ping by the next one is gone: a laptop that was shut, a bus that left the network. */
const PING_INTERVAL_MS = 15_000;
/** RFC 6455 §7.4.1: going away, not allowed, a fault; and, of the IANA registry: try again later. */
const CLOSE_GOING_AWAY = 1001;
const CLOSE_NOT_ALLOWED = 1008;
const CLOSE_FAULT = 1011;
const CLOSE_TRY_LATER = 1013;
/** RFC 6455 §5.5: 125 bytes with the code. */
const CLOSE_REASON_BYTES_MAX = 123;

export interface LiveSocketOptions {
  readonly directory: MediaDirectory;
  readonly hub: LiveHub;
  readonly onFault: (error: unknown) => void;
}

/**
 * Live pictures as fragmented MP4: a JSON text message `{"type":"init","codecs":"…"}`, the init segment, then fragments
 * as binary messages; again from the init on when the format changes. Closes with the reason in words. Sound that browsers do
 * not play (G.711) is hidden and named: `"withheld":["ulaw"]`.
 */
export class LiveSocket {
  readonly #options: LiveSocketOptions;
  readonly #sockets = new WebSocketServer({
    noServer: true,
    maxPayload: MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
    handleProtocols: protocols => (protocols.has(MEDIA_PROTOCOL) ? MEDIA_PROTOCOL : false),
  });

  constructor(options: LiveSocketOptions) {
    this.#options = options;
  }

  /** The viewer is signed in already. */
  accept(deviceId: DeviceId, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#sockets.handleUpgrade(request, socket, head, webSocket => {
      webSocket.on('error', () => webSocket.terminate());
      void this.#serve(deviceId, webSocket);
    });
  }

  dispose(): void {
    for (const webSocket of this.#sockets.clients)
      webSocket.close(CLOSE_GOING_AWAY, 'the central is stopping');
    this.#sockets.close();
  }

  async #serve(deviceId: DeviceId, webSocket: WebSocket): Promise<void> {
    const { directory, hub, onFault } = this.#options;
    const left = new AbortController();
    webSocket.on('close', () => left.abort());
    const stopPinging = pingUntilGone(webSocket);
    try {
      const source = await directory.liveSource(deviceId);
      if (isRefusal(source)) {
        webSocket.close(closeCodeOf(source.refused), reasonOf(source.refused, source.message));
        return;
      }
      let hides = false;
      for await (const item of hub.watch(deviceId, source, left.signal)) {
        if (webSocket.readyState !== webSocket.OPEN) break;
        if (item.kind === 'init') hides = browserCodecs(item.init.codecs).withheld.length > 0;
        // Resolves when the bytes left for the network: behind a slow one, the hub skips to the next key frame.
        await sendItem(webSocket, item, hides);
      }
      webSocket.close(CLOSE_GOING_AWAY);
    } catch (error) {
      if (error instanceof MediaRefusedError) {
        webSocket.close(closeCodeOf(error.code), reasonOf(error.code, error.message));
      } else {
        if (!left.signal.aborted) onFault(error);
        webSocket.close(CLOSE_FAULT, 'a fault of this server; its log has the details');
      }
    } finally {
      stopPinging();
    }
  }
}

function pingUntilGone(webSocket: WebSocket): () => void {
  let answered = true;
  webSocket.on('pong', () => {
    answered = true;
  });
  const timer = setInterval(() => {
    if (!answered) {
      webSocket.terminate();
      return;
    }
    answered = false;
    webSocket.ping();
  }, PING_INTERVAL_MS);
  return () => clearInterval(timer);
}

async function sendItem(webSocket: WebSocket, item: MediaItem, hides: boolean): Promise<void> {
  const shown = (bytes: Uint8Array) => (hides ? hideTrack(bytes, AUDIO_TRACK_ID) : bytes);
  if (item.kind === 'init') {
    const { codecs, withheld } = browserCodecs(item.init.codecs);
    await send(webSocket, JSON.stringify({ type: 'init', codecs, ...(hides ? { withheld } : {}) }));
    await send(webSocket, shown(item.init.bytes));
  } else if (item.kind === 'fragment') {
    await send(webSocket, shown(item.fragment.bytes));
  }
}

/** Also resolves when the socket is gone: the loop around sees that by itself. */
function send(webSocket: WebSocket, message: string | Uint8Array): Promise<void> {
  return new Promise(resolve => webSocket.send(message, () => resolve()));
}

function closeCodeOf(refused: string): number {
  return refused === 'NO_SUCH_DEVICE' || refused === 'NOT_ALLOWED' ? CLOSE_NOT_ALLOWED : CLOSE_TRY_LATER;
}

function reasonOf(code: string, message: string): string {
  let reason = `${code}: ${message}`;
  while (Buffer.byteLength(reason) > CLOSE_REASON_BYTES_MAX) reason = reason.slice(0, -1);
  return reason;
}
