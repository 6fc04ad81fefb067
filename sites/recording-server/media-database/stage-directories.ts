import path from 'node:path';
import type { DeviceId, RecordingServerId, SegmentId } from '@holdfast/schema';
import { inTime } from '../in-time.js';
import { isObjectStage, ObjectFiles, objectOf, objectStageOf } from '../object-store/object-files.js';
import { type ObjectStoreAccess, ObjectStoreError } from '../object-store/object-store.js';
import { MediaDirectory } from './media-directory.js';
import { MEDIA_KEYS_FILE, type MediaKeyring, type MediaKeys, NO_MEDIA_KEYS } from './media-keyring.js';
import { SealedFile } from './sealed-file.js';
import { FolderFiles, type StageFiles } from './stage-files.js';

/** The stage that every media database has: its own directory. */
export const OWN_STAGE = '';

/** A network folder may hang for minutes: then it is away. */
const ANSWER_MS = 5_000;
/** Files of one stage that are being opened: beyond these it is asked first whether it answers at all. */
const OPENING_MAX = 4;

/** Says whose a stage is: its one line is the id of a recording server. */
export const OWNER_NOTE = 'holdfast-stage';

/** Where a segment is: its stage is `OWN_STAGE` or the absolute path of another live database's or archive's folder. */
export interface Placed {
  readonly deviceId: DeviceId;
  readonly stage: string;
  readonly segment: { readonly segmentId: SegmentId; readonly fromMs: number };
}

/** A file and the stage that it is in. */
export interface FileInStage {
  readonly file: string;
  readonly stage: string;
}

/** It does not answer: what is in it is neither damaged nor gone. */
export class StageAwayError extends Error {
  override readonly name = 'StageAwayError';
  readonly code = 'STAGE_AWAY';
}

export interface StageDirectoriesOptions {
  /** The media directory, or its stand-in. */
  readonly root: string;
  /** Why the media directory is away, so that no recordings may be in its stand-in; null or left out: it is there. */
  readonly away?: string | null | undefined;
  /** Null: whosever the stages are, for reading only. */
  readonly recordingServerId: RecordingServerId | null;
  /** Left out: what is encrypted cannot be read. */
  readonly keys?: MediaKeys | undefined;
  /** How to sign in where stages are in object stores. */
  readonly objectStores?: readonly ObjectStoreAccess[] | undefined;
}

/**
 * The folders over which the files of one media database are spread. Each but its own has a file that says whose it is: a disk
 * or a network folder that is not mounted leaves an empty folder behind, which must neither be written to nor be taken for the
 * loss of all recordings.
 */
export class StageDirectories {
  readonly own: MediaDirectory;
  readonly keys: MediaKeys;
  readonly #away: string | null;
  readonly #recordingServerId: RecordingServerId | null;
  readonly #files = new Map<string, StageFiles>();
  readonly #keysCopied = new Map<string, string>();
  /** What is asked of stages now. */
  readonly #asked = new Map<string, Promise<string | null>>();
  /** Those that have not answered in time. Until they do nothing more is asked of them: it would take a thread that others write with. */
  readonly #hanging = new Set<string>();
  readonly #opening = new Map<string, number>();

  constructor({ root, away, recordingServerId, keys, objectStores }: StageDirectoriesOptions) {
    this.own = new MediaDirectory(root);
    this.#away = away ?? null;
    this.keys = keys ?? NO_MEDIA_KEYS;
    this.#recordingServerId = recordingServerId;
    for (const access of objectStores ?? []) this.#files.set(objectStageOf(access), new ObjectFiles(access));
  }

  /** Null: it is in an object store, as only archives are. */
  folderOf(stage: string): MediaDirectory | null {
    if (stage === OWN_STAGE) return this.own;
    return isObjectStage(stage) ? null : new MediaDirectory(stage);
  }

  files(stage: string): StageFiles {
    let files = this.#files.get(stage);
    if (!files) {
      const folder = this.folderOf(stage);
      if (folder === null) {
        throw new ObjectStoreError(
          'OBJECT_STORE_REFUSED',
          `${stage}: how to sign in there is not known here`,
        );
      }
      files = new FolderFiles(folder);
      this.#files.set(stage, files);
    }
    return files;
  }

  /** Of a file in `open/` or `import/`. */
  stageOf(file: string): string {
    const root = path.dirname(path.dirname(file));
    return root === this.own.root ? OWN_STAGE : root;
  }

  placeOf({ deviceId, stage, segment }: Placed): string {
    const place = { deviceId, segmentId: segment.segmentId, fromMs: segment.fromMs };
    return this.folderOf(stage)?.sealedFile(place) ?? objectOf(stage, place);
  }

  /** Throws as `SealedFile.open`, and with the code `ENOENT` when there is no such file. */
  async open({ file, stage }: FileInStage): Promise<SealedFile> {
    const isBusy = (this.#opening.get(stage) ?? 0) >= OPENING_MAX;
    const why = isBusy || this.#hanging.has(stage) ? await this.whyUnavailable(stage) : null;
    if (why !== null) throw new StageAwayError(why);
    this.#opening.set(stage, (this.#opening.get(stage) ?? 0) + 1);
    try {
      return await SealedFile.open(await this.files(stage).open(file), this.keys);
    } finally {
      this.#opening.set(stage, this.#opening.get(stage)! - 1);
    }
  }

  /** Null when the stage can be read and written, else why not. */
  async whyUnavailable(stage: string): Promise<string | null> {
    if (stage === OWN_STAGE) return this.#away;
    return this.#ask(stage, 'why unavailable', () => this.#whyUnavailable(stage));
  }

  async #ask(stage: string, question: string, ask: () => Promise<string | null>): Promise<string | null> {
    const hangs = `${stage} does not answer`;
    if (this.#hanging.has(stage)) return hangs;
    const key = `${stage} ${question}`;
    let answer = this.#asked.get(key);
    if (answer === undefined) {
      answer = ask().finally(() => {
        this.#asked.delete(key);
        this.#hanging.delete(stage);
      });
      this.#asked.set(key, answer);
    }
    const given = await inTime(answer, { ms: ANSWER_MS, late: hangs });
    if (given === hangs && this.#asked.has(key)) this.#hanging.add(stage);
    return given;
  }

  async #whyUnavailable(stage: string): Promise<string | null> {
    try {
      const owner = await this.files(stage).readNote(OWNER_NOTE);
      if (owner === null) {
        return `${stage} is not what it was: its disk is not mounted, or its bucket another one. If it is new, write ${this.#recordingServerId} into ${stage}/${OWNER_NOTE}`;
      }
      return this.#recordingServerId === null || owner.trim() === this.#recordingServerId
        ? null
        : `${stage} belongs to recording server ${owner.trim()}`;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** Makes a stage ready that was never used before (`isNew`). Answers as `whyUnavailable`. */
  async prepare(stage: string, isNew: boolean): Promise<string | null> {
    if (stage === OWN_STAGE) return this.#away;
    return this.#ask(stage, isNew ? 'make ready' : 'is ready', () => this.#prepare(stage, isNew));
  }

  async #prepare(stage: string, isNew: boolean): Promise<string | null> {
    try {
      const files = this.files(stage);
      if (isNew && (await files.readNote(OWNER_NOTE)) === null) {
        await files.writeNote(OWNER_NOTE, `${this.#recordingServerId}\n`, { onlyNew: true });
      }
      const why = await this.#whyUnavailable(stage);
      if (why === null) await files.create();
      return why;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /** What is left of the recordings when a disk dies must not be lost with the key that was on it. */
  async copyKeys(stage: string, keyring: MediaKeyring): Promise<void> {
    if (this.#keysCopied.get(stage) === keyring.toText()) return;
    const there = await this.files(stage).readNote(MEDIA_KEYS_FILE);
    if (there !== null) await keyring.absorb(there);
    const text = keyring.toText();
    if (there !== text) await this.files(stage).writeNote(MEDIA_KEYS_FILE, text, { onlyNew: false });
    this.#keysCopied.set(stage, text);
  }
}
