import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import {
  AUDIO_TRACK_ID,
  browserCodecs,
  type Fragment,
  hideTracks,
  type LiveReduction,
  type MediaItem,
  MediaRefusedError,
} from '@holdfast/core';
import { type WebSocket, WebSocketServer } from 'ws';
import type { LiveHub, WantedStream } from './live-hub.js';
import { isRefusal, type MediaDirectory } from './media-directory.js';
import { ViewerWindow, type ViewerWindowLimits } from './viewer-window.js';
import {
  CLOSE_FAULT,
  CLOSE_GOING_AWAY,
  CLOSE_NOT_ALLOWED,
  CLOSE_TRY_LATER,
  closeReason,
} from './web-socket-close.js';

export const MEDIA_PROTOCOL = 'holdfast.media.v1';
/** Viewers have nothing to say. */
const MESSAGE_BYTES_MAX = 1024;
/** How long a viewer that was closed as too slow has to read why. */
const STALLED_CLOSE_MS = 10_000;

export interface LiveSocketOptions {
  readonly directory: MediaDirectory;
  readonly hub: LiveHub;
  /** Others for tests only. */
  readonly limits?: ViewerWindowLimits | undefined;
  readonly onFault: (error: unknown) => void;
}

/**
 * Live pictures as fragmented MP4: a JSON text message `{"type":"init","codecs":"…"}`, the init segment, then fragments
 * as binary messages; again from the init on when the format changes. `{"type":"pace","reducedBecause":…}` says that only key frames
 * follow, and why; null: all pictures again. Closes with the reason in words. Sound that browsers do not play (G.711) is hidden and
 * named: `"withheld":["ulaw"]`.
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
  accept(wanted: WantedStream, request: IncomingMessage, socket: Duplex, head: Buffer): void {
    this.#sockets.handleUpgrade(request, socket, head, webSocket => {
      webSocket.on('error', () => webSocket.terminate());
      void this.#serve(wanted, webSocket);
    });
  }

  dispose(): void {
    for (const webSocket of this.#sockets.clients)
      webSocket.close(CLOSE_GOING_AWAY, 'the central is stopping');
    this.#sockets.close();
  }

  async #serve(wanted: WantedStream, webSocket: WebSocket): Promise<void> {
    const { directory, hub, limits, onFault } = this.#options;
    const left = new AbortController();
    webSocket.on('close', () => left.abort());
    using window = new ViewerWindow(webSocket, limits);
    const viewer = new Viewer(window);
    try {
      const source = await directory.liveSource(wanted.deviceId);
      if (isRefusal(source)) {
        webSocket.close(closeCodeOf(source.refused), reasonOf(source.refused, source.message));
        return;
      }
      for await (const item of hub.watch(wanted, source, left.signal)) {
        viewer.show(item);
        // Behind a slow network the hub reduces to key frames meanwhile.
        if ((await window.room(left.signal)) === 'STALLED') {
          hub.viewers.closedCount += 1;
          closeStalled(webSocket);
          return;
        }
      }
      webSocket.close(CLOSE_GOING_AWAY);
    } catch (error) {
      if (error instanceof MediaRefusedError) {
        webSocket.close(closeCodeOf(error.code), reasonOf(error.code, error.message));
      } else {
        if (!left.signal.aborted) onFault(error);
        webSocket.close(CLOSE_FAULT, 'a fault of this server; its log has the details');
      }
    }
  }
}

/** What one viewer is told about the items that it gets. */
class Viewer {
  readonly #window: ViewerWindow;
  #hides = false;
  #reducedBecause: LiveReduction | null = null;

  constructor(window: ViewerWindow) {
    this.#window = window;
  }

  show(item: MediaItem): void {
    if (item.kind === 'init') {
      const { codecs, withheld, hiddenTracks } = browserCodecs(item.init.codecs);
      this.#hides = withheld.length > 0;
      this.#tell({ type: 'init', codecs, ...(this.#hides ? { withheld } : {}) });
      // Pictures as they come never have metadata with them: only what is said of it before is hidden.
      this.#window.send(hideTracks(item.init.bytes, hiddenTracks));
    } else if (item.kind === 'fragment') {
      const { fragment, reducedBecause = null } = item;
      if (reducedBecause !== this.#reducedBecause) this.#tell({ type: 'pace', reducedBecause });
      this.#reducedBecause = reducedBecause;
      this.#window.send(this.#hides ? withoutSound(fragment) : fragment.bytes);
    }
  }

  #tell(message: object): void {
    this.#window.send(JSON.stringify(message));
  }
}

const silent = new WeakMap<Fragment, Uint8Array>();

/** One copy for all viewers. */
function withoutSound(fragment: Fragment): Uint8Array {
  let bytes = silent.get(fragment);
  if (bytes === undefined) {
    bytes = hideTracks(fragment.bytes, [AUDIO_TRACK_ID]);
    silent.set(fragment, bytes);
  }
  return bytes;
}

/** The reason stands behind all that the viewer has not taken; one that never gets there is not waited for. */
function closeStalled(webSocket: WebSocket): void {
  webSocket.close(CLOSE_TRY_LATER, reasonOf('TOO_SLOW', 'your connection took no picture for too long'));
  const timer = setTimeout(() => webSocket.terminate(), STALLED_CLOSE_MS);
  webSocket.on('close', () => clearTimeout(timer));
}

function closeCodeOf(refused: string): number {
  return refused === 'NO_SUCH_DEVICE' || refused === 'NOT_ALLOWED' ? CLOSE_NOT_ALLOWED : CLOSE_TRY_LATER;
}

function reasonOf(code: string, message: string): string {
  return closeReason(`${code}: ${message}`);
}
