import { CameraRefusedError, type Hardware, type Speech } from '@holdfast/core';
import {
  type HardwareId,
  type HoldfastEvent,
  type RecordingServerId,
  SPEECH_BYTES_PER_SECOND,
} from '@holdfast/schema';
import type { Speaker } from '../drivers/driver.js';
import { recordingDeviceOf } from '../recorder/site-view.js';

/** Who says nothing for so long has left the microphone open, or is gone: others may want to speak. */
const SILENCE_MS_MAX = 10_000;
/** Beyond what is spoken in real time: a second that a network has held up. */
const AHEAD_BYTES_MAX = SPEECH_BYTES_PER_SECOND;

export interface SpeechesOptions {
  readonly recordingServerId: RecordingServerId;
  readonly report: (stream: string, event: HoldfastEvent) => void;
  readonly now: () => number;
  readonly silenceMsMax?: number;
}

/** Who speaks through which camera: one at a time, and the log says who. */
export class Speeches {
  readonly #options: SpeechesOptions;
  readonly #speaking = new Set<HardwareId>();

  constructor(options: SpeechesOptions) {
    this.#options = options;
  }

  /** Throws `CameraRefusedError`, and what `open` throws. */
  async begin(
    hardware: NonNullable<Hardware>,
    askedBy: string,
    open: () => Promise<Speaker>,
  ): Promise<Speech> {
    const { hardwareId, name } = hardware;
    if (this.#speaking.has(hardwareId)) {
      throw new CameraRefusedError('CAMERA_FAILED', `somebody else is speaking through ${name}`);
    }
    this.#speaking.add(hardwareId);
    const speaker = await open().catch((error: unknown) => {
      this.#speaking.delete(hardwareId);
      throw error;
    });
    this.#tell('SpeakingStarted', hardware, askedBy);
    const { promise: over, resolve } = Promise.withResolvers<string>();
    let isOver = false;
    const end = async (because: string) => {
      if (isOver) return;
      isOver = true;
      clearTimeout(silence);
      await hangUp(speaker);
      this.#speaking.delete(hardwareId);
      this.#tell('SpeakingEnded', hardware, askedBy);
      resolve(because);
    };
    const silenceMs = this.#options.silenceMsMax ?? SILENCE_MS_MAX;
    const silence = setTimeout(() => void end(`nothing was said for ${silenceMs / 1000} s`), silenceMs);
    void speaker.lost.then(fault => end(fault.message));
    const budget = new SpeechBudget();
    return {
      over,
      say: sound => {
        if (isOver || !budget.take(sound.length)) return;
        silence.refresh();
        speaker.say(sound);
      },
      [Symbol.asyncDispose]: () => end('closed'),
    };
  }

  #tell(type: 'SpeakingStarted' | 'SpeakingEnded', hardware: NonNullable<Hardware>, askedBy: string): void {
    const { recordingServerId, report, now } = this.#options;
    const { hardwareId } = hardware;
    const { deviceId } = recordingDeviceOf(hardware);
    const data = { hardwareId, deviceId, recordingServerId, atMs: now(), askedBy };
    report(`hardware-signals-${hardwareId}`, { type, data });
  }
}

/** A camera that is gone cannot be told. */
async function hangUp(speaker: Speaker): Promise<void> {
  try {
    await speaker[Symbol.asyncDispose]();
  } catch {
    // It was said good-bye to, as far as that goes.
  }
}

/** Nobody speaks faster than in real time. */
class SpeechBudget {
  readonly #beganAt = performance.now();
  #takenBytes = 0;

  take(byteLength: number): boolean {
    const spokenBytes = ((performance.now() - this.#beganAt) * SPEECH_BYTES_PER_SECOND) / 1000;
    if (this.#takenBytes + byteLength > spokenBytes + AHEAD_BYTES_MAX) return false;
    // Silence is not saved up.
    this.#takenBytes = Math.max(this.#takenBytes, spokenBytes - AHEAD_BYTES_MAX) + byteLength;
    return true;
  }
}
