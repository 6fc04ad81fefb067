import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { type ClockReading, RetentionClock, type RetentionTime } from '@holdfast/core';

/** The retention clock of a recording server, kept in a file so that a jump of the clock is noticed over a restart too. */
export class KeptRetentionClock {
  readonly #file: string;
  readonly #reading: () => ClockReading;
  readonly #clock: RetentionClock;

  /** `newestRecordingMs`: asked while there is no file; null when nothing was recorded yet. */
  constructor(options: {
    readonly file: string;
    readonly reading: () => ClockReading;
    readonly newestRecordingMs: () => number | null;
  }) {
    this.#file = options.file;
    this.#reading = options.reading;
    this.#clock = new RetentionClock(
      options.reading(),
      readKeptMs(options.file) ?? options.newestRecordingMs(),
    );
  }

  read(): RetentionTime {
    return this.#clock.read(this.#reading());
  }

  /** Throws what the file system says, on a full disk for example: the next time may succeed. */
  keep({ nowMs }: RetentionTime): void {
    writeFileSync(`${this.#file}.new`, `${Math.round(nowMs)}\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }
}

/** Null when there is no file, or not one of ours: the recordings then say what time it was. */
function readKeptMs(file: string): number | null {
  try {
    const text = readFileSync(file, 'utf8');
    return /^[0-9]{1,15}\n$/.test(text) ? Number(text) : null;
  } catch {
    return null;
  }
}
