import {
  type CameraControl,
  type CameraControlOptions,
  CameraRefusedError,
  type Speech,
} from '@holdfast/core';
import type { CameraAnswer, CameraRequest, DeviceId, SpeakRequest } from '@holdfast/schema';
import type { ControlAnswerFrame, ControlFrame, SoundEndFrame, SoundFrame } from './media-frame.js';

/** A camera answers within a second, or not at all. */
const ANSWER_WAIT_MS = 10_000;
/** Each is a request to a camera: more than this under way is nobody at a console. */
const UNDER_WAY_MAX = 64;

type Outcome = ControlAnswerFrame['outcome'];
type ExchangeFrame = ControlFrame | ControlAnswerFrame | SoundFrame | SoundEndFrame;

/** What is asked of cameras over one session of a media channel, in both directions. */
export class ControlExchange {
  readonly #write: (frame: ExchangeFrame) => void;
  readonly #control: CameraControl | null;
  readonly #waiting = new Map<number, (outcome: Outcome) => void>();
  /** Of ours: what ends when the peer says that it is over. */
  readonly #speaking = new Map<number, (because: string) => void>();
  /** Of the peer. */
  readonly #heard = new Map<number, Speech>();
  readonly #over = new AbortController();
  #lastId = 0;
  #servingCount = 0;

  constructor(options: {
    readonly write: (frame: ExchangeFrame) => void;
    /** What the peer may ask of. Null: nothing. */
    readonly control: CameraControl | null;
  }) {
    this.#write = options.write;
    this.#control = options.control;
  }

  /** Throws `CameraRefusedError`. */
  async ask(
    deviceId: DeviceId,
    request: CameraRequest,
    options: CameraControlOptions,
  ): Promise<CameraAnswer> {
    return (await this.#ask(deviceId, request, options)).answer;
  }

  /** Throws `CameraRefusedError`. */
  async speak(deviceId: DeviceId, options: CameraControlOptions): Promise<Speech> {
    const { id } = await this.#ask(deviceId, { kind: 'SPEAK' }, options);
    const { promise: over, resolve } = Promise.withResolvers<string>();
    const end = (because: string) => {
      this.#speaking.delete(id);
      resolve(because);
    };
    this.#speaking.set(id, end);
    return {
      over,
      say: data => {
        if (this.#speaking.has(id)) this.#write({ kind: 'sound', id, data });
      },
      [Symbol.asyncDispose]: async () => {
        if (!this.#speaking.has(id)) return;
        this.#write({ kind: 'soundEnd', id, detail: '' });
        end('closed');
      },
    };
  }

  async #ask(
    deviceId: DeviceId,
    request: CameraRequest | SpeakRequest,
    { askedBy, signal }: CameraControlOptions,
  ): Promise<{ readonly id: number; readonly answer: CameraAnswer }> {
    if (this.#waiting.size >= UNDER_WAY_MAX) throw new CameraRefusedError('CAMERA_FAILED', tooMany);
    this.#lastId += 1;
    const id = this.#lastId;
    const outcome = await new Promise<Outcome>(resolve => {
      const within = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_WAIT_MS)]);
      const gone = () => settle(failed('the camera did not answer in time'));
      const settle = (settled: Outcome) => {
        within.removeEventListener('abort', gone);
        this.#waiting.delete(id);
        resolve(settled);
      };
      within.addEventListener('abort', gone, { once: true });
      this.#waiting.set(id, settle);
      this.#write({ kind: 'control', id, deviceId, request, askedBy });
    });
    if (outcome.done) return { id, answer: outcome.answer };
    throw new CameraRefusedError(outcome.refusal, outcome.detail);
  }

  take(frame: ExchangeFrame): void {
    switch (frame.kind) {
      case 'control':
        void this.#serve(frame);
        return;
      case 'controlAnswer':
        this.#takeAnswer(frame);
        return;
      case 'sound':
        this.#heard.get(frame.id)?.say(frame.data);
        return;
      case 'soundEnd':
        this.#speaking.get(frame.id)?.(frame.detail);
        void this.#heard.get(frame.id)?.[Symbol.asyncDispose]();
    }
  }

  #takeAnswer({ id, outcome }: ControlAnswerFrame): void {
    const settle = this.#waiting.get(id);
    settle?.(outcome);
    // Nobody waits any more: who has given up a request to speak does not speak.
    if (!settle && outcome.done) this.#write({ kind: 'soundEnd', id, detail: '' });
  }

  end(detail: string): void {
    this.#over.abort();
    for (const speech of this.#heard.values()) void speech[Symbol.asyncDispose]();
    for (const overBecause of [...this.#speaking.values()]) overBecause(detail);
    for (const settle of [...this.#waiting.values()])
      settle({ done: false, refusal: 'NOT_CONNECTED', detail });
  }

  async #serve(frame: ControlFrame): Promise<void> {
    this.#servingCount += 1;
    const outcome = this.#servingCount > UNDER_WAY_MAX ? failed(tooMany) : await this.#outcomeOf(frame);
    this.#servingCount -= 1;
    this.#write({ kind: 'controlAnswer', id: frame.id, outcome });
  }

  async #outcomeOf({ id, deviceId, request, askedBy }: ControlFrame): Promise<Outcome> {
    if (this.#control === null) {
      return {
        done: false,
        refusal: 'CAMERA_CANNOT',
        detail: 'no cameras can be told anything on this side',
      };
    }
    if (request === null) {
      const detail = 'the software there is older and does not know this request';
      return { done: false, refusal: 'CAMERA_CANNOT', detail };
    }
    try {
      const { signal } = this.#over;
      if (request.kind === 'SPEAK') {
        this.#hear(id, await this.#control.speak(deviceId, { askedBy, signal }));
        return { done: true, answer: { presets: [] } };
      }
      return { done: true, answer: await this.#control.control(deviceId, request, { askedBy, signal }) };
    } catch (error) {
      if (error instanceof CameraRefusedError) {
        return { done: false, refusal: error.code, detail: error.message };
      }
      return failed(error instanceof Error ? error.message : String(error));
    }
  }

  /** What the peer says from now on. */
  #hear(id: number, speech: Speech): void {
    if (this.#over.signal.aborted) {
      void speech[Symbol.asyncDispose]();
      return;
    }
    this.#heard.set(id, speech);
    void speech.over.then(detail => {
      this.#heard.delete(id);
      this.#write({ kind: 'soundEnd', id, detail });
    });
  }
}

const tooMany = `${UNDER_WAY_MAX} requests are under way, which is the most`;

function failed(detail: string): Outcome {
  return { done: false, refusal: 'CAMERA_FAILED', detail };
}
