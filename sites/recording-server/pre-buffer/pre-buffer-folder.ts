import { mkdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { DeviceId } from '@holdfast/schema';
import type { Logger } from 'pino';
import { inTime } from '../in-time.js';
import { PRE_BUFFER_REMOVED_MS_MAX, PreBufferFiles } from './pre-buffer-files.js';

/** A disk that took nothing, or had no room, is tried again after this. */
export const PRE_BUFFER_RETRY_MS = 60_000;

export interface PreBufferFolderOptions {
  /** The media directory: the folder `pre-buffer` is made in it, and emptied. */
  readonly dir: string;
  readonly freeBytes: (dir: string) => Promise<number>;
  /** With less free space than this retention deletes recordings. */
  readonly freeBytesMin: number;
  /** Milliseconds of a clock that is never set. */
  readonly monotonicMs: () => number;
  readonly logger: Logger;
}

export class PreBufferNoRoomError extends Error {
  override readonly name = 'PreBufferNoRoomError';
  readonly code = 'PRE_BUFFER_NO_ROOM';
}

/**
 * Where the pre-buffers of one recording server lie on the disk, as far as memory does not hold them. Nothing in it was ever
 * recorded: it is encrypted with keys that are in the memory of this process alone, and nothing is kept over a restart. It gives
 * way to recordings: where the disk has too little room for both, all of it goes.
 */
export class PreBufferFolder implements AsyncDisposable {
  readonly #options: PreBufferFolderOptions;
  readonly #folder: string;
  readonly #devices = new Set<PreBufferFiles>();
  #fileCount = 0;
  /** Until then nothing is written; null: the disk takes it, as far as is known. */
  #givenUpUntilMs: number | null = null;

  private constructor(options: PreBufferFolderOptions) {
    this.#options = options;
    this.#folder = path.join(options.dir, 'pre-buffer');
  }

  /** A disk that takes no folder now leaves all pre-buffers in memory alone. */
  static async open(options: PreBufferFolderOptions): Promise<PreBufferFolder> {
    const opened = new PreBufferFolder(options);
    await opened.#empty().catch(error => opened.giveUp(error));
    return opened;
  }

  /** `onGivenUp`: what is on the disk of this device, and no trigger has claimed, is to be forgotten. */
  filesOf(deviceId: DeviceId, onGivenUp: () => void): PreBufferFiles {
    const files = new PreBufferFiles({
      onGivenUp,
      newFile: () => this.#newFile(deviceId),
      takesWrites: () => this.#takesWrites,
      wrote: () => this.#wrote(),
      failed: error => this.giveUp(error),
      closed: () => this.#devices.delete(files),
    });
    this.#devices.add(files);
    return files;
  }

  get byteLength(): number {
    return [...this.#devices].reduce((sum, files) => sum + files.byteLength, 0);
  }

  /** As retention is to see it: before a recording has to go, pre-buffers go. */
  async freeBytes(dir: string): Promise<number> {
    await this.#makeRoom();
    return this.#options.freeBytes(dir);
  }

  /** When a recording could not be written. True: for lack of room, and there will be more in a moment without a deletion. */
  makesRoom(code: string): boolean {
    if (code !== 'ENOSPC' && code !== 'EDQUOT') return false;
    const before = this.byteLength;
    if (before > 0) this.giveUp(new PreBufferNoRoomError(`a recording finds no room: ${code}`));
    return this.byteLength < before;
  }

  async #makeRoom(): Promise<void> {
    if (this.byteLength === 0) return;
    try {
      await this.#requireRoom();
    } catch (error) {
      this.giveUp(error);
      await inTime(this.settled(), { ms: PRE_BUFFER_REMOVED_MS_MAX, late: undefined });
    }
  }

  /** Resolves when nothing waits for the disk, and the files are gone that nothing is in any more. */
  async settled(): Promise<void> {
    await Promise.all([...this.#devices].map(files => files.settled()));
  }

  giveUp(error: unknown): void {
    const isKnown = this.#givenUpUntilMs !== null;
    this.#givenUpUntilMs = this.#options.monotonicMs() + PRE_BUFFER_RETRY_MS;
    if (!isKnown) this.#options.logger.warn({ err: error }, 'pre-buffers are held in memory alone for now');
    for (const files of this.#devices) files.giveUp();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#devices].map(files => files.close()));
    await rm(this.#folder, { recursive: true, force: true }).catch(() => undefined);
  }

  get #takesWrites(): boolean {
    return this.#givenUpUntilMs === null || this.#options.monotonicMs() >= this.#givenUpUntilMs;
  }

  #wrote(): void {
    if (this.#givenUpUntilMs === null || !this.#takesWrites) return;
    this.#givenUpUntilMs = null;
    this.#options.logger.info('pre-buffers are held on the disk again');
  }

  /** The folder itself is made at the start alone: where the disk is gone, nothing is made on the one beneath. */
  async #newFile(deviceId: DeviceId): Promise<string> {
    await this.#requireRoom();
    this.#fileCount += 1;
    return path.join(this.#folder, `${deviceId}.${this.#fileCount}`);
  }

  async #requireRoom(): Promise<void> {
    const { dir, freeBytes, freeBytesMin } = this.#options;
    const free = await freeBytes(dir);
    if (free >= freeBytesMin) return;
    throw new PreBufferNoRoomError(`${dir} has ${free} bytes free; a pre-buffer leaves ${freeBytesMin}`);
  }

  async #empty(): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
    await mkdir(this.#folder, { mode: 0o700 });
  }
}
