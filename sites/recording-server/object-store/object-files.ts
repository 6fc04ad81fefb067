import { DeviceId } from '@holdfast/schema';
import { inMemory, type ReadableFile } from '../media-database/readable-file.js';
import type { Days, SegmentPlace, StageFiles } from '../media-database/stage-files.js';
import { ObjectStore, type ObjectStoreAccess, ObjectStoreError } from './object-store.js';

/** Where a file's head and its seal are: what opens it is two requests. */
const WINDOW_BYTES = 64 * 1024;
/** As much as a small file that says something of a stage may have. */
const NOTE_BYTES_MAX = 1024 * 1024;
/** A store that is away must not keep a recording server from starting. */
const NOTE_TIMEOUT_MS = 5_000;

/** How a stage in an object store is named, in the index and in the log. */
export function objectStageOf({
  bucketUrl,
  prefix,
}: Pick<ObjectStoreAccess, 'bucketUrl' | 'prefix'>): string {
  return [bucketUrl.replace(/\/$/, ''), prefix].filter(part => part !== '').join('/');
}

/** Whether a stage is in an object store, and not in a folder. */
export function isObjectStage(stage: string): boolean {
  return /^https?:\/\//.test(stage);
}

/** Where a segment is in a stage. */
export function objectOf(stage: string, { deviceId, segmentId, fromMs }: SegmentPlace): string {
  const day = new Date(fromMs).toISOString().slice(0, 10);
  return `${stage}/segments/${deviceId}/${day}/${segmentId}.mp4`;
}

/** An archive in an object store: one object for each segment, under the names that the files of a folder have. */
export class ObjectFiles implements StageFiles {
  readonly #store: ObjectStore;
  readonly #bucketUrl: string;
  readonly #folder: string;
  /** How often each object is being read: in a store it is gone for its readers as soon as it is removed. */
  readonly #readers = new Map<string, number>();

  constructor(access: ObjectStoreAccess) {
    this.#store = new ObjectStore(access);
    this.#bucketUrl = access.bucketUrl.replace(/\/$/, '');
    this.#folder = access.prefix === '' ? '' : `${access.prefix}/`;
  }

  async open(file: string): Promise<ReadableFile> {
    const key = this.#keyOf(file);
    this.#readers.set(file, (this.#readers.get(file) ?? 0) + 1);
    try {
      const first = await this.#store.read(key, { position: 0, length: WINDOW_BYTES });
      return new OpenObject(this.#store, { key, name: file, close: () => this.#closed(file) }, first);
    } catch (error) {
      this.#closed(file);
      throw error;
    }
  }

  #closed(file: string): void {
    const left = (this.#readers.get(file) ?? 1) - 1;
    if (left > 0) this.#readers.set(file, left);
    else this.#readers.delete(file);
  }

  async copyIn({ file, source, check, signal }: Parameters<StageFiles['copyIn']>[0]): Promise<void> {
    const bytes = await source.read(0, source.byteLength);
    if (bytes === null) throw new Error(`${source.name} has become shorter`);
    await check(inMemory(source.name, bytes));
    signal.throwIfAborted();
    const { isProved } = await this.#store.write(this.#keyOf(file), bytes, signal);
    if (isProved) return;
    // A store that encrypts with keys of its own says no MD5: then what it has is read back.
    await check(await this.open(file));
  }

  leftoversOf(file: string): readonly string[] {
    return [file];
  }

  async remove(file: string): Promise<boolean> {
    if (this.#readers.has(file)) return false;
    await this.#store.remove(this.#keyOf(file));
    return true;
  }

  async devices(): Promise<readonly DeviceId[]> {
    const devices: DeviceId[] = [];
    for await (const { folders } of this.#store.list(this.#segmentsFolder(), { deep: false })) {
      for (const folder of folders) {
        const id = DeviceId.safeParse(folder.split('/').at(-2));
        if (id.success) devices.push(id.data);
      }
    }
    return devices;
  }

  async sealedFilesOf(deviceId: DeviceId, days: Days | null): Promise<readonly string[]> {
    const folder = this.#segmentsFolder(deviceId);
    const files: string[] = [];
    for await (const { keys } of this.#store.list(folder, { deep: true })) {
      for (const key of keys) {
        const [day = ''] = key.slice(folder.length).split('/');
        if (days === null || (day >= days.from && day <= days.to)) files.push(this.#fileOf(key));
      }
    }
    return files;
  }

  /** An object is there as a whole, or not at all. */
  async unfinishedFilesOf(): Promise<readonly string[]> {
    return [];
  }

  async readNote(name: string): Promise<string | null> {
    try {
      const range = { position: 0, length: NOTE_BYTES_MAX };
      const note = await this.#store.read(`${this.#folder}${name}`, range, NOTE_TIMEOUT_MS);
      return note.bytes.toString('utf8');
    } catch (error) {
      if (error instanceof ObjectStoreError && error.code === 'ENOENT') return null;
      throw error;
    }
  }

  async writeNote(name: string, text: string, { onlyNew }: { readonly onlyNew: boolean }): Promise<void> {
    if (onlyNew && (await this.readNote(name)) !== null) throw new Error(`${name} is there already`);
    await this.#store.write(`${this.#folder}${name}`, Buffer.from(text));
  }

  /** An object store has no folders. */
  async create(): Promise<void> {}

  #segmentsFolder(deviceId?: DeviceId): string {
    return `${this.#folder}segments/${deviceId === undefined ? '' : `${deviceId}/`}`;
  }

  #fileOf(key: string): string {
    return `${this.#bucketUrl}/${key}`;
  }

  #keyOf(file: string): string {
    return file.slice(this.#bucketUrl.length + 1);
  }
}

/** Reads by range; its beginning and its end, where all small reads are, are read once. */
class OpenObject implements ReadableFile {
  readonly name: string;
  readonly byteLength: number;
  readonly #store: ObjectStore;
  readonly #key: string;
  #close: (() => void) | null;
  readonly #windows: { readonly position: number; readonly bytes: Buffer }[];

  constructor(
    store: ObjectStore,
    { key, name, close }: { readonly key: string; readonly name: string; readonly close: () => void },
    first: { readonly bytes: Buffer; readonly byteLength: number },
  ) {
    this.#store = store;
    this.#key = key;
    this.name = name;
    this.#close = close;
    this.byteLength = first.byteLength;
    this.#windows = [{ position: 0, bytes: first.bytes }];
  }

  async read(position: number, length: number): Promise<Buffer | null> {
    if (position + length > this.byteLength) return null;
    const held = this.#held(position, length);
    if (held !== null) return held;
    const lastAt = Math.max(0, this.byteLength - WINDOW_BYTES);
    if (position < lastAt) return this.#fetch(position, length);
    this.#windows.push({ position: lastAt, bytes: await this.#fetch(lastAt, this.byteLength - lastAt) });
    return this.#held(position, length);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#close?.();
    this.#close = null;
  }

  #held(position: number, length: number): Buffer | null {
    for (const window of this.#windows) {
      const at = position - window.position;
      if (at >= 0 && at + length <= window.bytes.length) return window.bytes.subarray(at, at + length);
    }
    return null;
  }

  async #fetch(position: number, length: number): Promise<Buffer> {
    const { bytes } = await this.#store.read(this.#key, { position, length });
    if (bytes.length === length) return bytes;
    throw new ObjectStoreError(
      'OBJECT_STORE_REFUSED',
      `${this.name}: ${bytes.length} bytes, expected ${length}`,
    );
  }
}
