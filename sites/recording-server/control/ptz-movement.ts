import { MOVE_MS_MAX } from '@holdfast/schema';
import type { CameraCommands, PtzVelocity } from '../drivers/driver.js';

/** A stop that the camera did not take is said again: it must not turn for ever. */
const STOP_ATTEMPTS_MAX = 5;
const STOP_AGAIN_MS = 1_000;
const CAMERA_WAIT_MS = 5_000;

/**
 * The movement of one camera. One request to the camera is under way at a time; what was wanted meanwhile and is not wanted any
 * more is not sent. It stops by itself when nobody says in time that it is to go on.
 */
export class PtzMovement {
  readonly #commands: Pick<CameraCommands, 'move' | 'stop'>;
  readonly #moveMsMax: number;
  /** Null: standing still. */
  #wanted: PtzVelocity | null = null;
  /** What the camera was told last; undefined: that is not known. */
  #told: PtzVelocity | null | undefined = null;
  #telling: Promise<void> | null = null;
  #deadline: NodeJS.Timeout | undefined;

  constructor(commands: Pick<CameraCommands, 'move' | 'stop'>, moveMsMax = MOVE_MS_MAX) {
    this.#commands = commands;
    this.#moveMsMax = moveMsMax;
  }

  /** Resolves when the camera was told this, or something newer. Throws what `CameraCommands` throws. */
  move(velocity: PtzVelocity): Promise<void> {
    this.#wanted = velocity;
    clearTimeout(this.#deadline);
    this.#deadline = setTimeout(() => this.#stopByItself(STOP_ATTEMPTS_MAX), this.#moveMsMax);
    return this.#tell();
  }

  /** Told also to a camera that is believed to stand still: somebody else may have moved it. */
  stop(): Promise<void> {
    clearTimeout(this.#deadline);
    this.#wanted = null;
    if (this.#telling === null) this.#told = undefined;
    return this.#tell();
  }

  #stopByItself(attemptsLeft: number): void {
    this.stop().catch(() => {
      if (attemptsLeft <= 1) return;
      this.#deadline = setTimeout(() => this.#stopByItself(attemptsLeft - 1), STOP_AGAIN_MS);
      this.#deadline.unref();
    });
  }

  #tell(): Promise<void> {
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = null;
    });
    return this.#telling;
  }

  async #tellAll(): Promise<void> {
    while (!isSame(this.#wanted, this.#told)) {
      const wanted = this.#wanted;
      this.#told = undefined;
      const signal = AbortSignal.timeout(CAMERA_WAIT_MS);
      if (wanted === null) await this.#commands.stop(signal);
      else await this.#commands.move(wanted, signal);
      this.#told = wanted;
    }
  }
}

function isSame(one: PtzVelocity | null, other: PtzVelocity | null | undefined): boolean {
  if (one === null || !other) return one === other;
  return one.pan === other.pan && one.tilt === other.tilt && one.zoom === other.zoom;
}
