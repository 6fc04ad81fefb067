import { type FileHandle, mkdir, open, rename, unlink } from 'node:fs/promises';
import path from 'node:path';
import type { SegmentId } from '@holdfast/schema';
import type { MediaDatabase, MoveOutcome } from './media-database.js';
import { syncFolder } from './media-directory.js';
import { UNFINISHED } from './sealed-files.js';
import { SegmentFileDamagedError } from './segment-boxes.js';
import { digestHex, SealedFile } from './segment-file.js';
import { absentAsNull } from './segment-importer.js';
import { type IndexedSegment, isDiskFull, type SegmentIndex } from './segment-index.js';
import type { StageDirectories } from './stage-directories.js';

/** Read and written at a time. */
const chunkBytes = 1024 * 1024;

export interface SegmentMoverContext {
  readonly stages: StageDirectories;
  readonly index: SegmentIndex;
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
  readonly #busy = new Set<string>();

  constructor(context: SegmentMoverContext) {
    this.#context = context;
  }

  async move({ segmentId, toStage, signal }: MoveOptions): Promise<MoveOutcome> {
    const { stages, index } = this.#context;
    const source = index.get(segmentId);
    if (source === null || source.stage === toStage) return gone(segmentId);
    const why = await stages.whyUnavailable(toStage);
    if (why !== null) return { moved: false, cause: 'UNAVAILABLE', detail: why };
    const target = stages.placeOf({ ...source, stage: toStage });
    const files = [`${target}${UNFINISHED}`, target];
    for (const file of files) this.#busy.add(file);
    try {
      this.#context.transaction(() => {
        for (const file of files) index.putUnneeded(toStage, file);
      });
      await this.#copy(source, target, signal);
      const switched = this.#switch(source, { toStage, files });
      await this.#remove(switched ? stages.placeOf(source) : target);
      return switched ? { moved: true, byteLength: source.fileByteLength } : gone(segmentId);
    } catch (error) {
      signal.throwIfAborted();
      return await this.#outcomeOf(error, source);
    } finally {
      for (const file of files) this.#busy.delete(file);
    }
  }

  /** Removes what moves have left over. A stage that is away keeps it until it is back. */
  async collect(): Promise<void> {
    for (const { stage, path: file } of this.#context.index.unneeded()) {
      if (this.#busy.has(file) || (await this.#context.stages.whyUnavailable(stage)) !== null) continue;
      await this.#remove(file);
    }
  }

  async #remove(file: string): Promise<void> {
    await unlink(file).catch(absentAsNull);
    this.#context.index.removeUnneeded(file);
  }

  async #copy(source: IndexedSegment, target: string, signal: AbortSignal): Promise<void> {
    await mkdir(path.dirname(target), { recursive: true });
    await using from = await open(this.#context.stages.placeOf(source), 'r');
    await using to = await open(`${target}${UNFINISHED}`, 'w');
    await copyBytes(from, to, signal);
    await to.sync();
    await requireSame(`${target}${UNFINISHED}`, source, signal);
    await rename(`${target}${UNFINISHED}`, target);
    await syncFolder(path.dirname(target));
  }

  /** False: it was deleted meanwhile. */
  #switch(
    source: IndexedSegment,
    { toStage, files }: { readonly toStage: string; readonly files: readonly string[] },
  ): boolean {
    const { index, stages } = this.#context;
    const { segmentId } = source.segment;
    return this.#context.transaction(() => {
      if (index.get(segmentId)?.stage !== source.stage) return false;
      index.setStage(segmentId, toStage);
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
    try {
      await using file = await SealedFile.open(stages.placeOf(source));
      await file.checkFragments(AbortSignal.any([]));
      return { moved: false, cause: 'UNAVAILABLE', detail };
    } catch (damage) {
      return { moved: false, cause: 'DAMAGED', detail: damage instanceof Error ? damage.message : detail };
    }
  }
}

function gone(segmentId: SegmentId): MoveOutcome {
  return { moved: false, cause: 'GONE', detail: `segment ${segmentId} is not there any more` };
}

async function copyBytes(from: FileHandle, to: FileHandle, signal: AbortSignal): Promise<void> {
  const chunk = Buffer.allocUnsafe(chunkBytes);
  for (let at = 0; ; ) {
    signal.throwIfAborted();
    const { bytesRead } = await from.read(chunk, 0, chunk.length, at);
    if (bytesRead === 0) return;
    await to.writeFile(chunk.subarray(0, bytesRead));
    at += bytesRead;
  }
}

/** What was written is read again: the disk must have it, and it must be what the index and the log speak of. */
async function requireSame(file: string, { segment }: IndexedSegment, signal: AbortSignal): Promise<void> {
  await using copy = await SealedFile.open(file);
  const digest = digestHex(copy.manifest);
  if (digest !== segment.digest) {
    throw new SegmentFileDamagedError(
      `${file}: its manifest has digest ${digest}, the index says ${segment.digest}`,
    );
  }
  await copy.checkFragments(signal);
}
