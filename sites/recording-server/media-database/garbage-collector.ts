import { inTime } from '../in-time.js';
import type { ClaimedFiles } from './claimed-files.js';
import type { SegmentIndex } from './segment-index.js';
import type { IndexedSegment } from './segment-row.js';
import { type FileInStage, OWN_STAGE, type StageDirectories } from './stage-directories.js';

/** Files removed in one transaction with their index rows. */
const BATCH_SIZE = 200;
/** A network folder may hang for minutes, and an object store be away: everything else goes on. */
const ANSWER_MS = 5_000;
/** Of each stage in one round: what goes from an archive slowly must not hold up what makes room elsewhere. */
const UNNEEDED_MAX = 200;

export interface GarbageCollectorContext {
  readonly stages: StageDirectories;
  readonly index: SegmentIndex;
  /** With the room that is kept for a full disk. */
  readonly transaction: <T>(work: () => T) => T;
  /** What a move is writing, or is about to be switched over to, is not touched. */
  readonly claimed: ClaimedFiles;
}

/**
 * Removes the files of what is marked as deleted, and what moves have left over. A file that its disk does not let go of is tried
 * again in the next round, and keeps no other; a stage that answers to nothing is left alone until it does.
 */
export class GarbageCollector {
  readonly #context: GarbageCollectorContext;
  readonly #hanging = new Set<string>();

  constructor(context: GarbageCollectorContext) {
    this.#context = context;
  }

  async collect(): Promise<{ readonly segmentCount: number; readonly byteLength: number }> {
    const marked = await this.#collectMarked();
    await this.#collectUnneeded();
    return marked;
  }

  async #collectMarked(): Promise<{ readonly segmentCount: number; readonly byteLength: number }> {
    const { index, stages } = this.#context;
    const left = new Set<string>();
    let segmentCount = 0;
    let byteLength = 0;
    for (;;) {
      const found = index.garbage(BATCH_SIZE + left.size);
      const batch = found.filter(({ segment }) => !left.has(segment.segmentId));
      if (batch.length === 0) return { segmentCount, byteLength };
      const gone: IndexedSegment[] = [];
      for (const indexed of batch) {
        const isFolder = stages.folderOf(indexed.stage) !== null;
        const file = stages.placeOf(indexed);
        const isGone =
          isFolder && (await this.#isGone(indexed.stage, () => stages.files(indexed.stage).remove(file)));
        if (isGone || !isFolder) gone.push(indexed);
        else left.add(indexed.segment.segmentId);
      }
      this.#context.transaction(() => {
        for (const indexed of gone) {
          // An object, and a file of a stage that is away: it goes when the stage is there.
          if (indexed.stage !== OWN_STAGE) index.putUnneeded(indexed.stage, stages.placeOf(indexed));
          index.forgetGarbage(indexed);
        }
      });
      segmentCount += gone.length;
      byteLength += gone.reduce((sum, { fileByteLength }) => sum + fileByteLength, 0);
    }
  }

  async #collectUnneeded(): Promise<void> {
    const { index, stages, claimed } = this.#context;
    for (const [stage, files] of Map.groupBy(index.unneeded(), ({ stage: of }) => of)) {
      if (this.#hanging.has(stage) || (await stages.whyUnavailable(stage)) !== null) continue;
      let triedCount = 0;
      for (const { path: file } of files) {
        if (triedCount === UNNEEDED_MAX || this.#hanging.has(stage)) break;
        if (!claimed.claim([file])) continue;
        triedCount += 1;
        await this.#isGone(stage, () => this.#removeClaimed({ file, stage }));
      }
    }
  }

  /** Keeps the claim as long as the file may still go, also when nobody waits for that any more. */
  async #removeClaimed({ file, stage }: FileInStage): Promise<boolean> {
    const { index, stages, claimed } = this.#context;
    try {
      // Asked again: a move may have made it the segment itself since.
      const isGone = index.isUnneeded(file) && (await stages.files(stage).remove(file));
      if (isGone) index.removeUnneeded(file);
      return isGone;
    } finally {
      claimed.release([file]);
    }
  }

  /** False: it is to be tried again. */
  async #isGone(stage: string, remove: () => Promise<boolean>): Promise<boolean> {
    if (this.#hanging.has(stage)) return false;
    try {
      const removing = remove();
      const isGone = await inTime(removing, { ms: ANSWER_MS, late: null });
      if (isGone !== null) return isGone;
      this.#hanging.add(stage);
      const answers = () => this.#hanging.delete(stage);
      removing.then(answers, answers);
      return false;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === undefined) throw error;
      return false;
    }
  }
}
