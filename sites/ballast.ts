import { statSync, unlinkSync, writeFileSync } from 'node:fs';

/** What SQLite needs to mark a batch of segments as deleted, or for hundreds of events: a few hundred pages. */
const ballastBytes = 2 * 1024 * 1024;

/**
 * Room that is kept on the disk for the moment in which it is full: also deleting, and saying that the disk is full, needs a
 * little. A file like any other, so it needs no support of the file system. Synchronous: what it makes room for comes at once.
 */
export class Ballast {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** Takes the room again when there is some, and says whether it has it. The disk may be full still: then the next time. */
  take(): boolean {
    if (statSync(this.#file, { throwIfNoEntry: false })?.size === ballastBytes) return true;
    try {
      // The bytes must be written: a sparse file keeps no room.
      writeFileSync(this.#file, Buffer.alloc(ballastBytes, 0x5a), { mode: 0o600 });
      return true;
    } catch {
      this.throwOff();
      return false;
    }
  }

  /** True when there was something to throw off. */
  throwOff(): boolean {
    try {
      unlinkSync(this.#file);
      return true;
    } catch {
      return false;
    }
  }
}
