import type { Timers } from '@holdfast/interconnect';
import type { SeededRandom } from './seeded-random.js';
import type { SimulatedTime } from './simulated-time.js';

/** How long a write may take until it is durable: a disk that is idle, to one that is busy. */
const WRITE_MS_MIN = 0.2;
const WRITE_MS_MAX = 20;
/** How long a read may take: out of memory, to one of much that waits for its turn. */
const READ_MS_MIN = 0.1;
const READ_MS_MAX = 300;

/** A database may still be at work on what a client asked of it before it was killed. */
const LATE_MS_MAX = 3_000;

/**
 * FILE: one after the other, by the process itself; of those under way at a kill, a beginning is made. DATABASE: by another
 * process, over several connections; what is under way at a kill may still come about, later.
 */
export type WriteKind = 'FILE' | 'DATABASE';

interface PendingWrite {
  readonly kind: WriteKind;
  readonly carryOut: () => unknown;
}

/** One life of a process, from its start to its kill. A killed one never hears of time again: what it awaits never comes. */
export class SimulatedProcess {
  readonly time: SimulatedTime;
  readonly random: SeededRandom;
  readonly stopping = new AbortController();
  readonly #clock: { readonly offsetMs: number };
  readonly #writes: PendingWrite[] = [];
  readonly #onKilled: (() => void)[] = [];
  #isAlive = true;
  #fileFreeAtMs = 0;

  constructor(surroundings: {
    readonly time: SimulatedTime;
    readonly random: SeededRandom;
    /** Of the machine that it runs on: may be set while it runs. */
    readonly clock: { readonly offsetMs: number };
  }) {
    this.time = surroundings.time;
    this.random = surroundings.random;
    this.#clock = surroundings.clock;
  }

  get isAlive(): boolean {
    return this.#isAlive;
  }

  readonly now = (): number => Math.round(this.time.nowMs + this.#clock.offsetMs);

  readonly timers: Timers = {
    after: (delayMs, task) => this.time.after(delayMs, () => this.#isAlive && task()),
    every: (intervalMs, task) => {
      let stop = (): void => undefined;
      const again = () => {
        stop = this.timers.after(intervalMs, () => {
          again();
          task();
        });
      };
      again();
      return () => stop();
    },
  };

  /** Reads from a disk: seldom at once, and now and then slower than the link is. */
  read<Result>(look: () => Promise<Result>): Promise<Result> {
    const delayMs = this.random.chance(0.1) ? this.random.between(0, READ_MS_MAX) : READ_MS_MIN;
    return new Promise((resolve, reject) => {
      this.timers.after(delayMs, () => look().then(resolve, reject));
    });
  }

  /** Carries out what makes something durable, a moment from now, and tells the result. */
  write<Result>(kind: WriteKind, carryOut: () => Result | Promise<Result>): Promise<Awaited<Result>> {
    const startMs = kind === 'FILE' ? Math.max(this.#fileFreeAtMs, this.time.nowMs) : this.time.nowMs;
    const dueMs = startMs + this.random.between(WRITE_MS_MIN, WRITE_MS_MAX);
    if (kind === 'FILE') this.#fileFreeAtMs = dueMs;
    return new Promise((resolve, reject) => {
      if (!this.#isAlive) return;
      const write: PendingWrite = { kind, carryOut };
      this.#writes.push(write);
      this.time.after(dueMs - this.time.nowMs, () => {
        if (!this.#isAlive) return;
        this.#writes.splice(this.#writes.indexOf(write), 1);
        // The answer is on its way a little longer: a kill in between leaves its receiver not knowing.
        Promise.resolve(carryOut()).then(
          result => this.timers.after(WRITE_MS_MIN, () => resolve(result as Awaited<Result>)),
          reject,
        );
      });
    });
  }

  onKilled(task: () => void): void {
    this.#onKilled.push(task);
  }

  kill(): void {
    if (!this.#isAlive) return;
    this.#isAlive = false;
    const files = this.#writes.filter(({ kind }) => kind === 'FILE');
    for (const write of files.slice(0, this.random.below(files.length + 1))) void write.carryOut();
    for (const write of this.#writes.filter(({ kind }) => kind === 'DATABASE')) {
      if (this.random.chance(0.5)) continue;
      // What it answers, or that it refuses, nobody hears.
      const land = () => void Promise.resolve(write.carryOut()).catch(() => undefined);
      this.time.after(this.random.between(0, LATE_MS_MAX), land);
    }
    for (const task of this.#onKilled) task();
  }
}
