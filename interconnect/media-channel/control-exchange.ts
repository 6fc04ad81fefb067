import { type CameraControl, type CameraControlOptions, CameraRefusedError } from '@holdfast/core';
import type { CameraAnswer, CameraRequest, DeviceId } from '@holdfast/schema';
import type { ControlAnswerFrame, ControlFrame } from './media-frame.js';

/** A camera answers within a second, or not at all. */
const ANSWER_WAIT_MS = 10_000;
/** Each is a request to a camera: more than this under way is nobody at a console. */
const UNDER_WAY_MAX = 64;

type Outcome = ControlAnswerFrame['outcome'];

/** What is asked of cameras over one session of a media channel, in both directions. */
export class ControlExchange {
  readonly #write: (frame: ControlFrame | ControlAnswerFrame) => void;
  readonly #control: CameraControl | null;
  readonly #waiting = new Map<number, (outcome: Outcome) => void>();
  readonly #over = new AbortController();
  #lastId = 0;
  #servingCount = 0;

  constructor(options: {
    readonly write: (frame: ControlFrame | ControlAnswerFrame) => void;
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
    { askedBy, signal }: CameraControlOptions,
  ): Promise<CameraAnswer> {
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
    if (outcome.done) return outcome.answer;
    throw new CameraRefusedError(outcome.refusal, outcome.detail);
  }

  take(frame: ControlFrame | ControlAnswerFrame): void {
    if (frame.kind === 'control') void this.#serve(frame);
    // The answer to a request that was given up is late, and nobody's any more.
    else this.#waiting.get(frame.id)?.(frame.outcome);
  }

  end(detail: string): void {
    this.#over.abort();
    for (const settle of [...this.#waiting.values()])
      settle({ done: false, refusal: 'NOT_CONNECTED', detail });
  }

  async #serve(frame: ControlFrame): Promise<void> {
    this.#servingCount += 1;
    const outcome = this.#servingCount > UNDER_WAY_MAX ? failed(tooMany) : await this.#outcomeOf(frame);
    this.#servingCount -= 1;
    this.#write({ kind: 'controlAnswer', id: frame.id, outcome });
  }

  async #outcomeOf({ deviceId, request, askedBy }: ControlFrame): Promise<Outcome> {
    if (this.#control === null) {
      return {
        done: false,
        refusal: 'CAMERA_CANNOT',
        detail: 'no cameras can be told anything on this side',
      };
    }
    try {
      const { signal } = this.#over;
      return { done: true, answer: await this.#control.control(deviceId, request, { askedBy, signal }) };
    } catch (error) {
      if (error instanceof CameraRefusedError) {
        return { done: false, refusal: error.code, detail: error.message };
      }
      return failed(error instanceof Error ? error.message : String(error));
    }
  }
}

const tooMany = `${UNDER_WAY_MAX} requests are under way, which is the most`;

function failed(detail: string): Outcome {
  return { done: false, refusal: 'CAMERA_FAILED', detail };
}
