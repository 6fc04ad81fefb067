import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { inTime } from '../in-time.js';
import { writeAll } from '../media-database/segment-file.js';

/** A file is removed as a whole when all in it is too old: small enough to hold little more than was asked for. */
export const PRE_BUFFER_FILE_BYTES = 16 * 1024 * 1024;
/** 10,000 s of a camera of 16 Mbit/s. What a faster one sends is held for less time. */
export const PRE_BUFFER_DISK_BYTES_MAX = 20 * 1024 * 1024 * 1024;
/** What may wait for the disk, in memory: 4 s of a camera of 16 Mbit/s. */
export const PRE_BUFFER_WRITING_BYTES_MAX = 8 * 1024 * 1024;
/** A disk that has not let go of the files by then is waited for no longer: retention and the end of a session go on. */
export const PRE_BUFFER_REMOVED_MS_MAX = 2_000;

export interface PreBufferFilesOptions {
  readonly onGivenUp: () => void;
  /** The name of a new file. Throws when there is no room for one. */
  readonly newFile: () => Promise<string>;
  readonly takesWrites: () => boolean;
  readonly wrote: () => void;
  readonly failed: (error: unknown) => void;
  readonly closed: () => void;
}

interface GroupFile {
  readonly path: string;
  readonly handle: FileHandle;
  byteLength: number;
  /** How many groups in it are not forgotten yet, and are being written. */
  groupCount: number;
}

/** Where a group lies, and what it takes to read it: nothing of it is on the disk. */
export interface StoredGroup {
  readonly file: GroupFile;
  readonly at: number;
  readonly byteLength: number;
  readonly nonce: Buffer;
  readonly tag: Buffer;
}

interface WaitingGroup {
  readonly pieces: readonly Uint8Array[];
  readonly byteLength: number;
  readonly done: (stored: StoredGroup | null) => void;
}

/** Groups of pictures of one device on the disk, each encrypted with AES-256-GCM under a key that is nowhere else. */
export class PreBufferFiles {
  readonly #options: PreBufferFilesOptions;
  readonly #key = randomBytes(32);
  #groupCount = 0;
  /** Groups are appended to. */
  #file: GroupFile | null = null;
  #waiting: WaitingGroup[] = [];
  #writingBytes = 0;
  #writing: Promise<void> | null = null;
  #byteLength = 0;
  readonly #removing = new Set<Promise<void>>();
  #closed = false;

  constructor(options: PreBufferFilesOptions) {
    this.#options = options;
  }

  get takesWrites(): boolean {
    return !this.#closed && this.#options.takesWrites();
  }

  /** Of the files that are there. */
  get byteLength(): number {
    return this.#byteLength;
  }

  /** The memory of the pieces is read until it resolves. Null: it was not written, and the disk holds nothing of it. */
  write(pieces: readonly Uint8Array[]): Promise<StoredGroup | null> {
    if (!this.takesWrites) return Promise.resolve(null);
    const byteLength = pieces.reduce((sum, piece) => sum + piece.length, 0);
    const written = new Promise<StoredGroup | null>(done => {
      this.#waiting.push({ pieces, byteLength, done });
    });
    this.#writingBytes += byteLength;
    while (this.#writingBytes > PRE_BUFFER_WRITING_BYTES_MAX && this.#waiting.length > 1) {
      this.#settle(this.#waiting.shift()!, null);
    }
    this.#writing ??= this.#writeWaiting().finally(() => {
      this.#writing = null;
    });
    return written;
  }

  /** Throws when the disk does not give it out as it was written. */
  async read({ file, at, byteLength, nonce, tag }: StoredGroup): Promise<Buffer> {
    const encrypted = Buffer.alloc(byteLength);
    const handle = await open(file.path, 'r');
    try {
      for (let done = 0; done < byteLength; ) {
        const { bytesRead } = await handle.read(encrypted, done, byteLength - done, at + done);
        if (bytesRead === 0) throw new Error(`${file.path} ends at ${at + done}`);
        done += bytesRead;
      }
    } finally {
      await handle.close();
    }
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonce, { authTagLength: tag.length });
    decipher.setAuthTag(tag);
    const bytes = decipher.update(encrypted);
    decipher.final();
    return bytes;
  }

  forget({ file }: StoredGroup): void {
    this.#leave(file);
  }

  giveUp(): void {
    for (const group of this.#waiting.splice(0)) this.#settle(group, null);
    this.#options.onGivenUp();
  }

  /** Resolves when nothing waits to be written, and the files are gone that nothing is in any more. */
  async settled(): Promise<void> {
    await this.#writing;
    await Promise.all(this.#removing);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const group of this.#waiting.splice(0)) this.#settle(group, null);
    await inTime(this.settled(), { ms: PRE_BUFFER_REMOVED_MS_MAX, late: undefined });
    this.#options.closed();
  }

  #settle(group: WaitingGroup, stored: StoredGroup | null): void {
    this.#writingBytes -= group.byteLength;
    group.done(stored);
  }

  async #writeWaiting(): Promise<void> {
    for (let group = this.#waiting.shift(); group !== undefined; group = this.#waiting.shift()) {
      let stored: StoredGroup | null = null;
      try {
        stored = await this.#store(group);
        this.#options.wrote();
      } catch (error) {
        this.#options.failed(error);
      }
      this.#settle(group, stored);
    }
  }

  async #store({ pieces, byteLength }: WaitingGroup): Promise<StoredGroup> {
    this.#file ??= await this.#create();
    const file = this.#file;
    const at = file.byteLength;
    file.groupCount += 1;
    file.byteLength += byteLength;
    this.#byteLength += byteLength;
    // One key for these groups alone, and a number of its own for each: no nonce comes twice.
    this.#groupCount += 1;
    const nonce = Buffer.alloc(12);
    nonce.writeUIntBE(this.#groupCount, 6, 6);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce);
    const encrypted = pieces.map(piece => cipher.update(piece));
    encrypted.push(cipher.final());
    try {
      await writeAll(file.handle, encrypted, at);
    } catch (error) {
      await this.#finish(file);
      this.#leave(file);
      throw error;
    }
    if (file.byteLength >= PRE_BUFFER_FILE_BYTES) await this.#finish(file);
    return { file, at, byteLength, nonce, tag: cipher.getAuthTag() };
  }

  async #create(): Promise<GroupFile> {
    const file = await this.#options.newFile();
    return { path: file, handle: await open(file, 'wx', 0o600), byteLength: 0, groupCount: 0 };
  }

  /** Nothing more is written into it. */
  async #finish(file: GroupFile): Promise<void> {
    if (this.#file === file) this.#file = null;
    await file.handle.close().catch(() => undefined);
  }

  #leave(file: GroupFile): void {
    file.groupCount -= 1;
    if (file.groupCount > 0) return;
    const removing = this.#remove(file).finally(() => this.#removing.delete(removing));
    this.#removing.add(removing);
  }

  /** What a disk does not let go of now goes with the next start. */
  async #remove(file: GroupFile): Promise<void> {
    this.#byteLength -= file.byteLength;
    await this.#finish(file);
    await unlink(file.path).catch(() => undefined);
  }
}
