import { CameraRefusedError } from '@holdfast/core';
import { PTZ_PRIORITY, PTZ_SESSION_MS, type PtzSession } from '@holdfast/schema';

export type PtzSessionEnd = 'TIMED_OUT' | 'RELEASED' | 'TAKEN_OVER';

export interface PtzSessionsOptions {
  /** Of the camera, for who is refused. */
  readonly name: string;
  readonly onStarted: (session: PtzSession) => void;
  readonly onEnded: (session: PtzSession, because: PtzSessionEnd) => void;
  readonly now: () => number;
  readonly sessionMs?: number | undefined;
}

export interface PtzAsker {
  readonly askedBy: string;
  readonly priority?: number | undefined;
}

/** Who turns one camera: one at a time, until nothing was asked for a while, somebody of a higher priority comes, or it is given back. */
export class PtzSessions {
  readonly #options: PtzSessionsOptions;
  #held: PtzSession | null = null;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: PtzSessionsOptions) {
    this.#options = options;
  }

  get held(): PtzSession | null {
    return this.#held;
  }

  /** Takes it, or goes on with it. Throws `CameraRefusedError`. */
  take(asker: PtzAsker): void {
    const { now, sessionMs = PTZ_SESSION_MS } = this.#options;
    this.refuseOthers(asker);
    const untilMs = now() + sessionMs;
    if (this.#held?.heldBy === asker.askedBy) this.#keepUntil(Math.max(untilMs, this.#held.untilMs));
    else this.#begin(asker, { untilMs, reserved: false });
  }

  /** Takes it for a time, whether anything is asked meanwhile or not. Throws `CameraRefusedError`. */
  reserve(asker: PtzAsker, forMs: number): void {
    this.refuseOthers(asker);
    this.#begin(asker, { untilMs: this.#options.now() + forMs, reserved: true });
  }

  release({ askedBy }: PtzAsker): void {
    if (this.#held?.heldBy === askedBy) this.#end('RELEASED');
  }

  /** Throws `CameraRefusedError` where somebody else has it whom this one does not outrank. */
  refuseOthers({ askedBy, priority = PTZ_PRIORITY.medium }: PtzAsker): void {
    const held = this.#held;
    if (held === null || held.heldBy === askedBy || priority > held.priority) return;
    const does = held.reserved ? 'has reserved' : 'turns';
    const until = new Date(held.untilMs).toISOString();
    const words = `somebody else ${does} ${this.#options.name} with priority ${held.priority}, until ${until}`;
    throw new CameraRefusedError('PTZ_TAKEN', words);
  }

  #begin(
    { askedBy, priority = PTZ_PRIORITY.medium }: PtzAsker,
    { untilMs, reserved }: Pick<PtzSession, 'untilMs' | 'reserved'>,
  ): void {
    if (this.#held !== null) this.#end(this.#held.heldBy === askedBy ? 'RELEASED' : 'TAKEN_OVER');
    this.#held = { heldBy: askedBy, priority, reserved, untilMs };
    this.#keepUntil(untilMs);
    this.#options.onStarted(this.#held);
  }

  #keepUntil(untilMs: number): void {
    this.#held = { ...this.#held!, untilMs };
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#end('TIMED_OUT'), untilMs - this.#options.now());
    this.#timer.unref();
  }

  #end(because: PtzSessionEnd): void {
    clearTimeout(this.#timer);
    const held = this.#held;
    this.#held = null;
    if (held !== null) this.#options.onEnded(held, because);
  }
}
