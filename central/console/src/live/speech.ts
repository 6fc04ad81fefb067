import { currentSession } from '../session/session.store';
import { muLawOf } from './mu-law';

/** What cameras take: G.711. The browser brings the microphone to it. */
const SAMPLES_PER_SECOND = 8_000;

export type SpeechState =
  | { readonly kind: 'OPENING' }
  | { readonly kind: 'SPEAKING' }
  /** `reason`: null when it was closed from here. */
  | { readonly kind: 'OVER'; readonly reason: string | null };

/** From the microphone to the loudspeaker of one camera, until closed. */
export class Speech implements Disposable {
  readonly #onState: (state: SpeechState) => void;
  readonly #socket: WebSocket;
  #context: AudioContext | null = null;
  #microphone: MediaStream | null = null;
  #isOver = false;

  constructor(deviceId: string, onState: (state: SpeechState) => void) {
    this.#onState = onState;
    onState({ kind: 'OPENING' });
    const scheme = location.protocol === 'https:' ? 'wss:' : 'ws:';
    const url = `${scheme}//${location.host}/media/${encodeURIComponent(deviceId)}/speak`;
    this.#socket = new WebSocket(url, ['holdfast.speech.v1', `bearer.${currentSession()?.token ?? ''}`]);
    this.#socket.onclose = event => this.#end(event.reason === '' ? 'The connection was lost' : event.reason);
    this.#socket.onmessage = () => this.#onState({ kind: 'SPEAKING' });
    void this.#listen();
  }

  async #listen(): Promise<void> {
    try {
      // Only over HTTPS, or on this computer, do browsers give a page the microphone.
      const { mediaDevices } = navigator as { mediaDevices?: MediaDevices };
      if (mediaDevices === undefined)
        throw new Error('This page has no access to a microphone: it needs HTTPS');
      this.#microphone = await mediaDevices.getUserMedia({ audio: { echoCancellation: true } });
      const context = new AudioContext({ sampleRate: SAMPLES_PER_SECOND });
      this.#context = context;
      await context.audioWorklet.addModule('/speech-worklet.js');
      if (this.#isOver) {
        this.#release();
        return;
      }
      const pieces = new AudioWorkletNode(context, 'speech-pieces', { numberOfOutputs: 0 });
      pieces.port.onmessage = ({ data }) => {
        if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(muLawOf(data as Float32Array));
      };
      context.createMediaStreamSource(this.#microphone).connect(pieces);
    } catch (error) {
      this.#end(error instanceof Error ? error.message : String(error));
      // Also of one that was over before it had a microphone.
      this.#release();
    }
  }

  #end(reason: string | null): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#socket.close();
    this.#release();
    this.#onState({ kind: 'OVER', reason });
  }

  #release(): void {
    for (const track of this.#microphone?.getTracks() ?? []) track.stop();
    if (this.#context?.state !== 'closed') void this.#context?.close();
  }

  [Symbol.dispose](): void {
    this.#end(null);
  }
}
