import type { DeviceId, SealedSegment, SegmentId } from '@holdfast/schema';
import { type ObjectStoreAccess, ObjectStoreError } from '../object-store/object-store.js';
import type { MediaDamage } from './media-database.js';
import type { MediaKeys } from './media-keyring.js';
import type { SealedFile } from './sealed-file.js';
import { SegmentFileDamagedError } from './segment-boxes.js';
import { digestHex } from './segment-file.js';
import { type FileInStage, OWN_STAGE, StageDirectories } from './stage-directories.js';

/** A segment that must be there, as the log says it: sealed here, or retrieved from another site. */
export interface SealedFact {
  readonly deviceId: DeviceId;
  readonly segment: Pick<SealedSegment, 'segmentId' | 'fromMs' | 'toMs' | 'digest'>;
}

export interface MediaVerification {
  readonly checkedSegmentCount: number;
  /** Of those, encrypted with a key that is not here: their manifests are proved, and they are stored as they were written. */
  readonly closedSegmentCount: number;
  readonly checkedBytes: number;
  readonly damages: readonly MediaDamage[];
}

/**
 * Proves a media directory against the log, without its index and while its recording server runs or not: each segment's
 * manifest has the digest in the log, and each of its fragments the digest in the manifest. `deleted`: what the log says was
 * deleted since is no damage.
 */
export async function verifyMedia(options: {
  readonly dir: string;
  /** Other live databases and archives. */
  readonly stages?: readonly string[];
  /** Left out: what is encrypted is compared as it is stored. */
  readonly keys?: MediaKeys | undefined;
  readonly objectStores?: readonly ObjectStoreAccess[] | undefined;
  readonly sealedFacts: Iterable<SealedFact> | AsyncIterable<SealedFact>;
  readonly deleted: ReadonlySet<SegmentId>;
  readonly signal: AbortSignal;
}): Promise<MediaVerification> {
  const stages = new StageDirectories({ root: options.dir, recordingServerId: null, ...options });
  const names = [OWN_STAGE, ...(options.stages ?? [])];
  const damages: MediaDamage[] = [];
  let checkedSegmentCount = 0;
  let checkedBytes = 0;
  let closedSegmentCount = 0;
  for await (const fact of options.sealedFacts) {
    options.signal.throwIfAborted();
    if (options.deleted.has(fact.segment.segmentId)) continue;
    checkedSegmentCount += 1;
    try {
      const checked = await checkSegment({ stages, names }, fact, options.signal);
      checkedBytes += checked.byteLength;
      if (checked.isClosed) closedSegmentCount += 1;
    } catch (error) {
      damages.push(damageOf(fact, error));
    }
  }
  return { checkedSegmentCount, closedSegmentCount, checkedBytes, damages };
}

function placesOf(
  stages: StageDirectories,
  names: readonly string[],
  { deviceId, segment }: SealedFact,
): readonly FileInStage[] {
  return [
    ...names.map(stage => ({ stage, file: stages.placeOf({ deviceId, stage, segment }) })),
    // A crash between sealing and moving; the recording server moves it when it starts.
    ...names.flatMap(stage => {
      const folder = stages.folderOf(stage);
      return folder === null ? [] : [{ stage, file: folder.openFile(segment.segmentId) }];
    }),
    { stage: OWN_STAGE, file: stages.own.importFile(segment.segmentId) },
  ];
}

/** Throws what is wrong with it. */
async function checkSegment(
  { stages, names }: { readonly stages: StageDirectories; readonly names: readonly string[] },
  fact: SealedFact,
  signal: AbortSignal,
): Promise<{ readonly byteLength: number; readonly isClosed: boolean }> {
  const { segment } = fact;
  await using file = await openAnywhere(stages, placesOf(stages, names, fact));
  const actual = digestHex(file.manifest);
  if (actual !== segment.digest) {
    const message = `its manifest has digest ${actual}, the log says ${segment.digest}`;
    const saysReduced = file.head.reducedFrom === segment.digest;
    throw Object.assign(new SegmentFileDamagedError(message), { saysReduced });
  }
  await file.checkFragments(signal);
  return { byteLength: file.fileByteLength, isClosed: file.isClosed };
}

async function openAnywhere(stages: StageDirectories, places: readonly FileInStage[]): Promise<SealedFile> {
  let absence: unknown;
  for (const place of places) {
    try {
      return await stages.open(place);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      absence ??= error;
    }
  }
  throw absence;
}

function damageOf({ deviceId, segment }: SealedFact, error: unknown): MediaDamage {
  const { segmentId, fromMs, toMs } = segment;
  const { code, message } = error as NodeJS.ErrnoException;
  const isDamage =
    error instanceof SegmentFileDamagedError ||
    error instanceof ObjectStoreError ||
    code === 'ENOENT' ||
    code === 'EIO';
  if (!isDamage) throw error;
  const isMissing = code === 'ENOENT' || error instanceof ObjectStoreError;
  const kind = isMissing ? 'FILE_MISSING' : 'FILE_DAMAGED';
  const saysReduced = error instanceof SegmentFileDamagedError && error.saysReduced;
  return { deviceId, segmentId, fromMs, toMs, kind, detail: message, ...(saysReduced && { saysReduced }) };
}
