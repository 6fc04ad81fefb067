import { unlink, writeFile } from 'node:fs/promises';

/** What SQLite needs to mark a batch of segments as deleted: a few hundred pages. */
const ballastBytes = 2 * 1024 * 1024;

/**
 * Room that is kept on the disk for the moment in which it is full: also deleting needs a little. A file like any other, so
 * it needs no support of the file system.
 */
export class Ballast {
  readonly #file: string;

  constructor(file: string) {
    this.#file = file;
  }

  /** Takes the room again when there is some. The disk may be full still: then the next time. */
  async take(): Promise<void> {
    // The bytes must be written: a sparse file keeps no room.
    await writeFile(this.#file, Buffer.alloc(ballastBytes, 0x5a), { flag: 'wx' }).catch(
      async (error: NodeJS.ErrnoException) => {
        if (error.code !== 'EEXIST') await unlink(this.#file).catch(() => undefined);
      },
    );
  }

  /** True when there was something to throw off. */
  async throwOff(): Promise<boolean> {
    try {
      await unlink(this.#file);
      return true;
    } catch {
      return false;
    }
  }
}
