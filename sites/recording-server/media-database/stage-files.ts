import { access, mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import type { DeviceId, SegmentId } from '@holdfast/schema';
import { syncFolder } from '../../sync-folder.js';
import { existingAsUndefined, MediaDirectory } from './media-directory.js';
import { openReadableFile, type ReadableFile } from './readable-file.js';
import { devicesWithFiles, sealedFilesOf, UNFINISHED, unfinishedFilesOf } from './sealed-files.js';
import { absentAsNull } from './segment-importer.js';

/** Read and written at a time. */
const CHUNK_BYTES = 1024 * 1024;

export interface SegmentPlace {
  readonly deviceId: DeviceId;
  readonly segmentId: SegmentId;
  readonly fromMs: number;
}

/** The sealed files of one live database or archive, wherever it keeps them. What is not there is told by the code `ENOENT`. */
export interface StageFiles {
  open(file: string): Promise<ReadableFile>;
  /** Writes a copy and has it checked; its own name it has only when it is durable. What a crash may leave: `leftoversOf`. */
  copyIn(options: {
    readonly file: string;
    readonly source: ReadableFile;
    readonly check: (copy: ReadableFile) => Promise<void>;
    readonly signal: AbortSignal;
  }): Promise<void>;
  leftoversOf(file: string): readonly string[];
  /** Nothing happens when it is gone. False: somebody reads it still, and it is to be removed later. */
  remove(file: string): Promise<boolean>;
  devices(): Promise<readonly DeviceId[]>;
  /** In order of their days. `days`: only of these (UTC), both included. */
  sealedFilesOf(deviceId: DeviceId, days: Days | null): Promise<readonly string[]>;
  unfinishedFilesOf(deviceId: DeviceId): Promise<readonly string[]>;
  /** Small files that say something of the stage. Null: there is none. */
  readNote(name: string): Promise<string | null>;
  /** `onlyNew`: throws when there is one. */
  writeNote(name: string, text: string, options: { readonly onlyNew: boolean }): Promise<void>;
  /** Makes what must be there before anything is written. */
  create(): Promise<void>;
}

export interface Days {
  readonly from: string;
  readonly to: string;
}

/** In a folder, of this machine or of the network. */
export class FolderFiles implements StageFiles {
  readonly directory: MediaDirectory;

  constructor(directory: MediaDirectory) {
    this.directory = directory;
  }

  open(file: string): Promise<ReadableFile> {
    return openReadableFile(file);
  }

  async copyIn({ file, source, check, signal }: Parameters<StageFiles['copyIn']>[0]): Promise<void> {
    const unfinished = `${file}${UNFINISHED}`;
    // Step by step: of a disk that has just gone nothing is made anew on the one below it.
    await mkdir(path.dirname(path.dirname(file))).catch(existingAsUndefined);
    await mkdir(path.dirname(file)).catch(existingAsUndefined);
    {
      await using to = await open(unfinished, 'w');
      for (let at = 0; at < source.byteLength; at += CHUNK_BYTES) {
        signal.throwIfAborted();
        const bytes = await source.read(at, Math.min(CHUNK_BYTES, source.byteLength - at));
        if (bytes === null) throw new Error(`${source.name} has become shorter`);
        await to.writeFile(bytes);
      }
      await to.sync();
    }
    {
      await using copy = await openReadableFile(unfinished);
      await check(copy);
    }
    await rename(unfinished, file);
    await syncFolder(path.dirname(file));
  }

  leftoversOf(file: string): readonly string[] {
    return [`${file}${UNFINISHED}`, file];
  }

  /** Whoever reads it goes on. */
  async remove(file: string): Promise<boolean> {
    await unlink(file).catch(absentAsNull);
    return true;
  }

  devices(): Promise<readonly DeviceId[]> {
    return devicesWithFiles(this.directory);
  }

  sealedFilesOf(deviceId: DeviceId, days: Days | null): Promise<readonly string[]> {
    return sealedFilesOf(this.directory, deviceId, days);
  }

  unfinishedFilesOf(deviceId: DeviceId): Promise<readonly string[]> {
    return unfinishedFilesOf(this.directory, deviceId);
  }

  async readNote(name: string): Promise<string | null> {
    return readFile(path.join(this.directory.root, name), 'utf8').catch(absentAsNull);
  }

  async writeNote(name: string, text: string, { onlyNew }: { readonly onlyNew: boolean }): Promise<void> {
    const file = path.join(this.directory.root, name);
    // The parent must be there: a folder that is made on the wrong disk fills it.
    await mkdir(this.directory.root).catch(existingAsUndefined);
    if (onlyNew && (await access(file).catch(absentAsNull)) !== null)
      throw new Error(`${file} is there already`);
    await using handle = await open(`${file}.new`, 'w', 0o600);
    await handle.writeFile(text);
    await handle.sync();
    await rename(`${file}.new`, file);
    await syncFolder(this.directory.root);
  }

  async create(): Promise<void> {
    for (const folder of this.directory.folders) await mkdir(folder).catch(existingAsUndefined);
  }
}
