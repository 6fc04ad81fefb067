import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { type DeviceId, SegmentId } from '@holdfast/schema';
import type { MediaDamage, MediaDatabase, MediaRepair } from './media-database.js';
import { indexedFrom, type RecoveryContext } from './recovery.js';
import { type SealedFile, walkSegmentFile } from './sealed-file.js';
import { SegmentFileDamagedError } from './segment-boxes.js';
import { SegmentWriter } from './segment-file.js';
import type { IndexedSegment } from './segment-row.js';

type RepairOptions = Parameters<MediaDatabase['repair']>[0];

export interface RepairContext extends RecoveryContext {
  /** With the room that is kept for a full disk. */
  readonly transaction: <T>(work: () => T) => T;
}

/** See `MediaDatabase.repair`. What a crash left in `open/` was put in order when the database was opened. */
export async function repairMedia(
  context: RepairContext,
  options: RepairOptions,
): Promise<readonly MediaRepair[]> {
  const { stages, index } = context;
  const repairs: MediaRepair[] = [];
  const found = new Set<SegmentId>();
  const files: { readonly file: string; readonly stage: string }[] = [];
  const available = new Set<string>();
  for (const stage of context.stageNames) {
    if ((await stages.whyUnavailable(stage)) !== null) continue;
    available.add(stage);
    for (const deviceId of await stages.files(stage).devices()) {
      for (const file of await stages.files(stage).sealedFilesOf(deviceId, null)) files.push({ file, stage });
    }
  }
  const repair = new FileRepair(context, options, repairs);
  for (const [done, { file, stage }] of files.entries()) {
    options.signal.throwIfAborted();
    options.onProgress(done, files.length);
    const segmentId = await repair.repairFile(file, stage);
    if (segmentId !== null) found.add(segmentId);
  }
  for (const row of [...index.all()]) {
    if (!found.has(row.segment.segmentId) && available.has(row.stage)) repair.forget(row);
  }
  return repairs;
}

/** Each step is safe to repeat: a repair that was cancelled or killed is begun again. */
class FileRepair {
  readonly #context: RepairContext;
  readonly #options: RepairOptions;
  readonly #repairs: MediaRepair[];

  constructor(context: RepairContext, options: RepairOptions, repairs: MediaRepair[]) {
    this.#context = context;
    this.#options = options;
    this.#repairs = repairs;
  }

  /** The segment that is there afterwards; null when nothing of it is. */
  async repairFile(file: string, stage: string): Promise<SegmentId | null> {
    try {
      await using sealed = await this.#context.stages.open({ file, stage });
      const indexed = indexedFrom(sealed.head, sealed, { fileByteLength: sealed.fileByteLength, stage });
      const { segmentId } = indexed.segment;
      // Deleted by retention, and about to go.
      if (this.#context.index.has(segmentId) && !this.#context.index.get(segmentId)) return segmentId;
      await this.#adopt(file, indexed);
      await this.#reportDamagedFragments(file, sealed, indexed);
      return segmentId;
    } catch (error) {
      if (!(error instanceof SegmentFileDamagedError)) throw error;
      return await this.#cut(file, stage, error.message);
    }
  }

  forget(row: IndexedSegment): void {
    const file = this.#placeOf(row);
    const detail = 'the index knew it, and there is no file';
    this.#tell(row, 'FILE_MISSING', detail, () => this.#context.index.forget(row.segment.segmentId));
    this.#repairs.push({ file, segmentId: row.segment.segmentId, action: 'FORGOTTEN', detail });
  }

  async #adopt(file: string, indexed: IndexedSegment): Promise<void> {
    const { index } = this.#context;
    const { segmentId } = indexed.segment;
    const row = index.get(segmentId);
    // Left over from a move that was stopped: the other is the one that counts, and this goes by itself.
    if (row !== null && row.stage !== indexed.stage) return;
    if (row === null || row.segment.digest !== indexed.segment.digest) {
      this.#reindex(indexed);
      const detail =
        row === null ? 'the index did not know it' : `the index had it with digest ${row.segment.digest}`;
      this.#repairs.push({ file, segmentId, action: 'ADOPTED', detail });
    }
    const place = this.#placeOf(indexed);
    if (place === file || place === path.resolve(file)) return;
    await this.#context.settle(file, indexed);
    this.#repairs.push({ file, segmentId, action: 'MOVED', detail: `to ${place}` });
  }

  async #reportDamagedFragments(file: string, sealed: SealedFile, indexed: IndexedSegment): Promise<void> {
    try {
      await sealed.checkFragments(this.#options.signal);
    } catch (error) {
      if (!(error instanceof SegmentFileDamagedError)) throw error;
      const { segmentId } = indexed.segment;
      this.#tell(indexed, 'FILE_DAMAGED', error.message);
      this.#repairs.push({ file, segmentId, action: 'LEFT_DAMAGED', detail: error.message });
    }
  }

  async #cut(file: string, stage: string, cause: string): Promise<SegmentId | null> {
    // An object is written as a whole: nothing of it is torn, and it cannot be changed.
    if (this.#context.stages.folderOf(stage) === null) return this.#leave(file, cause);
    const walked = await walkSegmentFile(file);
    if (walked === null || walked.entries.length === 0) return await this.#moveAside(file, stage, cause);
    const writer = await SegmentWriter.resume(file, walked, this.#context.stages.keys);
    const { seal, fileByteLength } = await writer.seal('SERVER_CRASHED');
    await writer.close();
    const indexed = indexedFrom(walked.head, seal, { fileByteLength, stage });
    const { segmentId } = indexed.segment;
    const detail = `${walked.entries.length} whole fragments are left; ${cause}`;
    this.#tell(indexed, 'FILE_DAMAGED', detail, () => this.#reindexWithin(indexed));
    this.#repairs.push({ file, segmentId, action: 'CUT', detail });
    return segmentId;
  }

  #leave(file: string, cause: string): SegmentId | null {
    const segmentId = SegmentId.safeParse(path.basename(file, '.mp4')).data ?? null;
    const row = segmentId && this.#context.index.get(segmentId);
    if (row) this.#tell(row, 'FILE_DAMAGED', cause);
    this.#repairs.push({ file, segmentId, action: 'LEFT_DAMAGED', detail: cause });
    return segmentId;
  }

  async #moveAside(file: string, stage: string, cause: string): Promise<null> {
    const directory = this.#context.stages.folderOf(stage)!;
    const target = path.join(directory.damagedFolder, path.relative(directory.segmentsFolder, file));
    await mkdir(path.dirname(target), { recursive: true });
    await rename(file, target);
    this.#repairs.push({ file, segmentId: null, action: 'MOVED_ASIDE', detail: `to ${target}: ${cause}` });
    return null;
  }

  #reindex(indexed: IndexedSegment): void {
    this.#context.transaction(() => this.#reindexWithin(indexed));
  }

  /** What the log was told of the segment is read there when the recording server starts. */
  #reindexWithin(indexed: IndexedSegment): void {
    const { index } = this.#context;
    index.forget(indexed.segment.segmentId);
    index.insert(indexed);
    index.setAgreesWithLog(false);
  }

  #tell(
    { deviceId, segment }: { readonly deviceId: DeviceId; readonly segment: IndexedSegment['segment'] },
    kind: MediaDamage['kind'],
    detail: string,
    work: () => void = () => undefined,
  ): void {
    const { segmentId, fromMs, toMs } = segment;
    const fact = this.#options.compose({ deviceId, segmentId, fromMs, toMs, kind, detail });
    this.#context.transaction(() => {
      work();
      this.#context.index.putFact(fact);
    });
  }

  #placeOf(indexed: IndexedSegment): string {
    const place = this.#context.stages.placeOf(indexed);
    return this.#context.stages.folderOf(indexed.stage) === null ? place : path.resolve(place);
  }
}
