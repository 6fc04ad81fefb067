import { readdir, stat, unlink } from 'node:fs/promises';
import path from 'node:path';
import type { DeviceId, RecordingCause, SegmentId } from '@holdfast/schema';
import { endOf } from './device-writer.js';
import { isDiskFull } from './index-faults.js';
import type { MediaRecovery, StoredSegment } from './media-database.js';
import { type SealedFile, walkSegmentFile } from './sealed-file.js';
import { SegmentFileDamagedError } from './segment-boxes.js';
import { digestHex, SegmentWriter } from './segment-file.js';
import type { SegmentIndex } from './segment-index.js';
import type { IndexedSegment } from './segment-row.js';
import { OWN_STAGE, type StageDirectories } from './stage-directories.js';

export interface RecoveryContext {
  readonly stages: StageDirectories;
  /** Stages in which recordings are written, and those that hold any. */
  readonly stageNames: readonly string[];
  readonly index: SegmentIndex;
  /** Ends the reading of many files. */
  readonly signal: AbortSignal | undefined;
  readonly seal: (writer: SegmentWriter, endedBecause: RecordingCause) => Promise<IndexedSegment>;
  /** Moves a sealed file to its place. */
  readonly settle: (path: string, indexed: IndexedSegment) => Promise<void>;
}

interface Findings {
  readonly recovered: StoredSegment[];
  readonly problems: string[];
  /** Found whole in another place, and reduced here: only the log says whether the reduction was a fact before the index was lost. */
  readonly reducedCopies: Map<SegmentId, IndexedSegment>;
  tornBytes: number;
  reindexedCount: number;
}

export function newFindings(): Findings {
  return { recovered: [], problems: [], reducedCopies: new Map(), tornBytes: 0, reindexedCount: 0 };
}

interface RecoveredMedia extends Omit<MediaRecovery, 'standInTaken'>, Pick<Findings, 'reducedCopies'> {
  /** Neither a full disk nor a file that the disk does not give out may keep the server from starting: only one that runs makes room. */
  readonly postponed: readonly string[];
  /** Stages that were not there when the index was made anew. */
  readonly away: readonly string[];
}

/** Puts in order what a crash left, and makes missing index rows again from the files. */
export async function recoverMedia(
  context: RecoveryContext,
  options: { readonly rebuildIndex: boolean },
): Promise<RecoveredMedia> {
  const findings = newFindings();
  const postponed: string[] = [];
  const away: string[] = [];
  // Farthest archive first: of a segment that a crash left in two places the copy that was checked last counts.
  for (const stage of context.stageNames.toReversed()) {
    const why = await context.stages.whyUnavailable(stage);
    if (why !== null) {
      if (options.rebuildIndex) {
        findings.problems.push(`${why}; what is in it is indexed at the next start at which it is there`);
        away.push(stage);
      }
      continue;
    }
    if (options.rebuildIndex) await indexSealedFiles(context, stage, findings);
    const folder = context.stages.folderOf(stage);
    for (const file of folder === null ? [] : await listFolder(folder.openFolder)) {
      try {
        await recoverFile(context, { file, stage, endedBecause: 'SERVER_CRASHED' }, findings);
      } catch (error) {
        const { syscall, message } = error as NodeJS.ErrnoException;
        if (!isDiskFull(error) && syscall === undefined) throw error;
        const why = isDiskFull(error) ? 'before there is room on the disk' : `now: ${message}`;
        findings.problems.push(`${file}: cannot be sealed ${why}`);
        postponed.push(file);
      }
    }
  }
  await finishImports(context, findings);
  return { indexRebuilt: options.rebuildIndex, postponed, away, ...findings };
}

/** One file of `open/`: cut behind its last complete fragment, sealed, indexed, moved. */
export async function recoverFile(
  context: RecoveryContext,
  {
    file,
    stage,
    endedBecause,
  }: {
    readonly file: string;
    readonly stage: string;
    readonly endedBecause: 'SERVER_CRASHED' | 'DISK_UNAVAILABLE';
  },
  findings: Findings,
): Promise<void> {
  const walked = await walkSegmentFile(file);
  if (walked === null) {
    // The crash came before the head was written, so there is no fragment in it; or its head is damaged: kept for a person.
    const { size } = await stat(file);
    findings.problems.push(`${file}: no head can be read in its ${size} bytes`);
    if (size === 0) await unlink(file);
    return;
  }
  if (walked.seal !== null) {
    const indexed = indexedFrom(walked.head, walked.seal, { fileByteLength: walked.fileByteLength, stage });
    context.index.insert(indexed);
    await context.settle(file, indexed);
    return;
  }
  findings.tornBytes += walked.fileByteLength - walked.byteLength;
  if (walked.entries.length === 0) {
    findings.problems.push(`${file}: no complete fragment; removed`);
    await unlink(file);
    return;
  }
  const writer = await SegmentWriter.resume(file, walked, context.stages.keys);
  findings.recovered.push(await context.seal(writer, endedBecause));
}

/** An import that was sealed but not moved is complete; every other half stays for the next try. */
async function finishImports(context: RecoveryContext, findings: Findings): Promise<void> {
  for (const file of await listFolder(context.stages.own.importFolder)) {
    try {
      await using sealed = await context.stages.open({ file, stage: OWN_STAGE });
      const indexed = indexedFrom(sealed.head, sealed, {
        fileByteLength: sealed.fileByteLength,
        stage: OWN_STAGE,
      });
      context.index.insert(indexed);
      await context.settle(file, indexed);
    } catch (error) {
      if (!(error instanceof SegmentFileDamagedError)) findings.problems.push(`${file}: ${error}`);
    }
  }
}

async function indexSealedFiles(context: RecoveryContext, stage: string, findings: Findings): Promise<void> {
  const files = context.stages.files(stage);
  for (const deviceId of await files.devices()) {
    for (const file of await files.unfinishedFilesOf(deviceId)) context.index.putUnneeded(stage, file);
    for (const file of await files.sealedFilesOf(deviceId, null)) {
      context.signal?.throwIfAborted();
      try {
        await using sealed = await context.stages.open({ file, stage });
        const indexed = indexedFrom(sealed.head, sealed, { fileByteLength: sealed.fileByteLength, stage });
        context.index.noteKey(sealed.head.encryption?.keyId ?? null, indexed.segment);
        if (context.index.insert(indexed)) findings.reindexedCount += 1;
        else settleTwice(context, { file, indexed }, findings);
      } catch (error) {
        findings.problems.push(`${file}: ${error instanceof Error ? error.message : error}`);
      }
    }
  }
}

/** It was found in another place before. Of the same bytes one is left over; the whole one counts before one that was reduced from it. */
function settleTwice(
  { index, stages }: RecoveryContext,
  { file, indexed }: { readonly file: string; readonly indexed: IndexedSegment },
  { reducedCopies }: Findings,
): void {
  const { segmentId, digest } = indexed.segment;
  const known = index.get(segmentId);
  if (known?.stage === indexed.stage) return;
  if (known !== null && known.reducedFrom === null && indexed.reducedFrom === known.segment.digest) {
    reducedCopies.set(segmentId, indexed);
  } else if (known !== null && indexed.reducedFrom === null && known.reducedFrom === digest) {
    reducedCopies.set(segmentId, known);
    index.forget(segmentId);
    index.insert(indexed);
  } else index.putUnneeded(indexed.stage, file);
  // A start that was cut short may have thought otherwise.
  if (reducedCopies.has(segmentId)) {
    for (const copy of [known!, indexed]) index.removeUnneeded(stages.placeOf(copy));
  }
}

/** The index row that a file says of itself. */
export function indexedFrom(
  head: SegmentWriter['head'],
  seal: Pick<SealedFile, 'manifest' | 'endedBecause'>,
  place: { readonly fileByteLength: number; readonly stage: string },
): IndexedSegment {
  const { fragments, initByteLength, segmentId } = seal.manifest;
  return {
    deviceId: head.deviceId as DeviceId,
    origin: head.origin,
    fileByteLength: place.fileByteLength,
    stage: place.stage,
    gapBefore: head.gapBefore,
    // What was copied from another site is a fact of that site's log; that it was reduced here, of this one's.
    reported: head.origin === 'IMPORTED' && head.reducedFrom === undefined,
    reducedFrom: head.reducedFrom ?? null,
    isDisowned: false,
    segment: {
      segmentId,
      fromMs: fragments[0]!.fromMs,
      toMs: endOf(fragments),
      fragmentCount: fragments.length,
      byteLength: fragments.reduce((sum, entry) => sum + entry.byteLength, initByteLength),
      digest: digestHex(seal.manifest),
      timeSource: fragments.every(entry => entry.timeSource === 'SENDER_REPORT')
        ? 'SENDER_REPORT'
        : 'ARRIVAL',
      beganBecause: head.beganBecause,
      endedBecause: seal.endedBecause,
    },
  };
}

export async function listFolder(folder: string): Promise<readonly string[]> {
  const names = await readdir(folder);
  return names.sort().map(name => path.join(folder, name));
}
