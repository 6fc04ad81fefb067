import type { SegmentId } from '@holdfast/schema';
import type { ClaimedFiles } from './claimed-files.js';
import { isDiskFull } from './index-faults.js';
import type { MediaDatabase, MoveOutcome } from './media-database.js';
import type { ReadableFile } from './readable-file.js';
import { type ReducedSegmentFile, reducedCopy } from './reduce-segment.js';
import { SealedFile } from './sealed-file.js';
import { SegmentFileDamagedError } from './segment-boxes.js';
import { digestHex } from './segment-file.js';
import type { SegmentIndex } from './segment-index.js';
import type { IndexedSegment } from './segment-row.js';
import type { FileInStage, StageDirectories } from './stage-directories.js';

export interface SegmentMoverContext {
  readonly stages: StageDirectories;
  readonly index: SegmentIndex;
  /** What is being written, or about to be switched over to. */
  readonly claimed: ClaimedFiles;
  /** With the room that is kept for a full disk. */
  readonly transaction: <T>(work: () => T) => T;
}

type MoveOptions = Parameters<MediaDatabase['moveSegment']>[0];

/**
 * Moves sealed segments between stages. What is about to be left over is written into the index before it is made, so a crash
 * leaves nothing that is not known: the copy before the switch, what it was copied from after it.
 */
export class SegmentMover {
  readonly #context: SegmentMoverContext;

  constructor(context: SegmentMoverContext) {
    this.#context = context;
  }

  async move({ segmentId, toStage, signal, mayReduce }: MoveOptions): Promise<MoveOutcome> {
    const { stages, index, claimed } = this.#context;
    const source = index.get(segmentId);
    if (source === null || source.stage === toStage) return gone(segmentId);
    const why = await stages.whyUnavailable(toStage);
    if (why !== null) return { moved: false, cause: 'UNAVAILABLE', detail: why };
    const target = stages.placeOf({ ...source, stage: toStage });
    const files = stages.files(toStage).leftoversOf(target);
    // What an earlier move has left there is being removed.
    if (!claimed.claim(files)) return gone(segmentId);
    try {
      this.#context.transaction(() => {
        for (const file of files) index.putUnneeded(toStage, file);
      });
      const mayBeReduced = () =>
        source.reported && source.reducedFrom === null && mayReduce?.(source) === true;
      const reduced = mayBeReduced() ? await this.#reduced(source) : null;
      await this.#copy(source, reduced, { to: { file: target, stage: toStage }, signal });
      // Locked meanwhile: it moves as it is, the next time.
      const switched =
        (reduced === null || mayBeReduced()) && this.#switch(source, { toStage, files, reduced });
      await this.#remove(
        switched ? { file: stages.placeOf(source), stage: source.stage } : { file: target, stage: toStage },
      );
      return switched ? { moved: true, byteLength: source.fileByteLength } : gone(segmentId);
    } catch (error) {
      signal.throwIfAborted();
      return await this.#outcomeOf(error, source);
    } finally {
      claimed.release(files);
    }
  }

  async #remove({ file, stage }: FileInStage): Promise<void> {
    const isGone = await this.#context.stages.files(stage).remove(file);
    if (isGone) this.#context.index.removeUnneeded(file);
  }

  async #reduced(source: IndexedSegment): Promise<ReducedSegmentFile | null> {
    const { stages } = this.#context;
    await using sealed = await stages.open({ file: stages.placeOf(source), stage: source.stage });
    return await reducedCopy(sealed, stages.keys);
  }

  async #copy(
    from: IndexedSegment,
    reduced: ReducedSegmentFile | null,
    { to, signal }: { readonly to: FileInStage; readonly signal: AbortSignal },
  ): Promise<void> {
    const { stages } = this.#context;
    await using source = reduced?.file ?? (await stages.files(from.stage).open(stages.placeOf(from)));
    const check = (copy: ReadableFile) => this.#requireSame(copy, reduced?.indexed ?? from, signal);
    await stages.files(to.stage).copyIn({ file: to.file, source, check, signal });
  }

  /** What was written is read again: the disk must have it, and it must be what the index and the log speak of. */
  async #requireSame(written: ReadableFile, { segment }: IndexedSegment, signal: AbortSignal): Promise<void> {
    await using copy = await SealedFile.open(written, this.#context.stages.keys);
    const digest = digestHex(copy.manifest);
    if (digest !== segment.digest) {
      throw new SegmentFileDamagedError(
        `${written.name}: its manifest has digest ${digest}, the index says ${segment.digest}`,
      );
    }
    await copy.checkFragments(signal);
  }

  /** False: it was deleted meanwhile. */
  #switch(
    source: IndexedSegment,
    {
      toStage,
      files,
      reduced,
    }: {
      readonly toStage: string;
      readonly files: readonly string[];
      readonly reduced: ReducedSegmentFile | null;
    },
  ): boolean {
    const { index, stages } = this.#context;
    const { segmentId } = source.segment;
    return this.#context.transaction(() => {
      if (index.get(segmentId)?.stage !== source.stage) return false;
      if (reduced === null) index.setStage(segmentId, toStage);
      else index.setReduced({ ...reduced.indexed, stage: toStage });
      for (const file of files) index.removeUnneeded(file);
      index.putUnneeded(source.stage, stages.placeOf(source));
      return true;
    });
  }

  /** Whether it is the segment that cannot be read, or the stage that cannot be written. */
  async #outcomeOf(error: unknown, source: IndexedSegment): Promise<MoveOutcome> {
    const { stages, index } = this.#context;
    const detail = error instanceof Error ? error.message : String(error);
    if (index.get(source.segment.segmentId) === null) return gone(source.segment.segmentId);
    const { code } = error as NodeJS.ErrnoException;
    if (!(error instanceof SegmentFileDamagedError) && code === undefined && !isDiskFull(error)) throw error;
    const why = await stages.whyUnavailable(source.stage);
    if (why !== null) return { moved: false, cause: 'UNAVAILABLE', detail: why };
    try {
      await using file = await stages.open({ file: stages.placeOf(source), stage: source.stage });
      await file.checkFragments(AbortSignal.any([]));
      return { moved: false, cause: 'UNAVAILABLE', detail };
    } catch (damage) {
      return { moved: false, cause: 'DAMAGED', detail: damage instanceof Error ? damage.message : detail };
    }
  }
}

function gone(segmentId: SegmentId): MoveOutcome {
  return {
    moved: false,
    cause: 'GONE',
    detail: `segment ${segmentId} is not there any more, or not to be moved now`,
  };
}
