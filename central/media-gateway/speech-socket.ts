import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { type CameraControl, CameraRefusedError } from '@holdfast/core';
import { type DeviceId, SPEECH_BYTES_MAX } from '@holdfast/schema';
import { type WebSocket, WebSocketServer } from 'ws';
import {
  CLOSE_DONE,
  CLOSE_FAULT,
  CLOSE_GOING_AWAY,
  CLOSE_NOT_ALLOWED,
  CLOSE_TRY_LATER,
  closeReason,
} from './web-socket-close.js';

export const SPEECH_PROTOCOL = 'holdfast.speech.v1';

export interface SpeechSocketOptions {
  readonly cameras: CameraControl;
  readonly onFault: (error: unknown) => void;
}

/**
 * Somebody speaks through a camera: once `{"type":"ready"}` came, binary messages are G.711 in µ-law, 8 kHz, as it is spoken.
 * Closes with the reason in words when the camera refuses, or hears no more.
 */
export class SpeechSocket {
  readonly #options: SpeechSocketOptions;
  readonly #sockets = new WebSocketServer({
    ...{ noServer: true, maxPayload: SPEECH_BYTES_MAX, perMessageDeflate: false },
    handleProtocols: protocols => (protocols.has(SPEECH_PROTOCOL) ? SPEECH_PROTOCOL : false),
  });

  constructor(options: SpeechSocketOptions) {
    this.#options = options;
  }

  /** `askedBy`: who is signed in, as an actor stands in a log. */
  accept(
    { deviceId, askedBy }: { readonly deviceId: DeviceId; readonly askedBy: string },
    request: IncomingMessage,
    socket: Duplex,
    head: Buffer,
  ): void {
    this.#sockets.handleUpgrade(request, socket, head, webSocket => {
      webSocket.on('error', () => webSocket.terminate());
      void this.#serve(deviceId, askedBy, webSocket);
    });
  }

  dispose(): void {
    for (const webSocket of this.#sockets.clients)
      webSocket.close(CLOSE_GOING_AWAY, 'the central is stopping');
    this.#sockets.close();
  }

  async #serve(deviceId: DeviceId, askedBy: string, webSocket: WebSocket): Promise<void> {
    const { cameras, onFault } = this.#options;
    const left = new AbortController();
    const gone = new Promise<null>(resolve => {
      webSocket.on('close', () => {
        left.abort();
        resolve(null);
      });
    });
    try {
      await using speech = await cameras.speak(deviceId, { askedBy, signal: left.signal });
      webSocket.on('message', (sound, isBinary) => {
        if (isBinary) speech.say(sound as Buffer);
      });
      webSocket.send(JSON.stringify({ type: 'ready' }));
      const over = await Promise.race([speech.over, gone]);
      if (over !== null) webSocket.close(CLOSE_DONE, closeReason(over));
    } catch (error) {
      if (error instanceof CameraRefusedError) {
        const isLater = error.code === 'NOT_CONNECTED' || error.code === 'CAMERA_FAILED';
        webSocket.close(isLater ? CLOSE_TRY_LATER : CLOSE_NOT_ALLOWED, closeReason(error.message));
      } else {
        onFault(error);
        webSocket.close(CLOSE_FAULT, 'a fault of this server; its log has the details');
      }
    }
  }
}
