import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { DeviceId, RecordingServerId, SegmentId } from '@holdfast/schema';
import { MediaDirectory } from './media-directory.js';
import { absentAsNull } from './segment-importer.js';

/** The stage that every media database has: its own directory. */
export const OWN_STAGE = '';

/** Where a segment is: its stage is `OWN_STAGE` or the absolute path of another live database's or archive's folder. */
export interface Placed {
  readonly deviceId: DeviceId;
  readonly stage: string;
  readonly segment: { readonly segmentId: SegmentId; readonly fromMs: number };
}

/**
 * The folders over which the files of one media database are spread. Each but its own has a file that says whose it is: a disk
 * or a network folder that is not mounted leaves an empty folder behind, which must neither be written to nor be taken for the
 * loss of all recordings.
 */
export class StageDirectories {
  readonly own: MediaDirectory;
  readonly #recordingServerId: RecordingServerId | null;
  readonly #others = new Map<string, MediaDirectory>();

  /** `recordingServerId` null: whosever the stages are, for reading only. */
  constructor(root: string, recordingServerId: RecordingServerId | null) {
    this.own = new MediaDirectory(root);
    this.#recordingServerId = recordingServerId;
  }

  of(stage: string): MediaDirectory {
    if (stage === OWN_STAGE) return this.own;
    let directory = this.#others.get(stage);
    if (!directory) {
      directory = new MediaDirectory(stage);
      this.#others.set(stage, directory);
    }
    return directory;
  }

  /** Of a file in `open/` or `import/`. */
  stageOf(file: string): string {
    const root = path.dirname(path.dirname(file));
    return root === this.own.root ? OWN_STAGE : root;
  }

  placeOf({ deviceId, stage, segment }: Placed): string {
    const { segmentId, fromMs } = segment;
    return this.of(stage).sealedFile({ deviceId, segmentId, fromMs });
  }

  /** Null when the stage can be read and written, else why not. */
  async whyUnavailable(stage: string): Promise<string | null> {
    if (stage === OWN_STAGE) return null;
    try {
      const owner = await readFile(markerOf(stage), 'utf8').catch(absentAsNull);
      if (owner === null) {
        return `${stage} is not the folder that it was: its disk is not mounted. On a new disk, write ${this.#recordingServerId} into ${markerOf(stage)}`;
      }
      return this.#recordingServerId === null || owner.trim() === this.#recordingServerId
        ? null
        : `${stage} belongs to recording server ${owner.trim()}`;
    } catch (error) {
      return (error as Error).message;
    }
  }

  /**
   * Makes a stage ready that was never used before (`isNew`). Its parent must be there: a folder that is made on the wrong disk
   * fills it. Answers as `whyUnavailable`.
   */
  async prepare(stage: string, isNew: boolean): Promise<string | null> {
    if (stage === OWN_STAGE) return null;
    try {
      if (isNew && (await access(markerOf(stage)).catch(absentAsNull)) === null) {
        await mkdir(stage).catch(existingAsUndefined);
        await writeFile(markerOf(stage), `${this.#recordingServerId}\n`, { flag: 'wx' });
      }
      const why = await this.whyUnavailable(stage);
      if (why === null) await this.of(stage).create();
      return why;
    } catch (error) {
      return (error as Error).message;
    }
  }
}

function markerOf(stage: string): string {
  return path.join(stage, 'holdfast-stage');
}

function existingAsUndefined(error: unknown): undefined {
  if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
}
