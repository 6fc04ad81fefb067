import type { DeviceId, SealedSegment, SegmentId } from '@holdfast/schema';
import type { ObjectStoreAccess } from '../object-store/object-store.js';
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
  /** In none of the stages that can be reached, while others cannot be: nothing is known of them. */
  readonly unreached: readonly UnreachedSegment[];
}

export interface UnreachedSegment {
  readonly segmentId: SegmentId;
  /** Which stages cannot be reached, and why. */
  readonly detail: string;
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
  const reach = await StageReach.of(stages, [OWN_STAGE, ...(options.stages ?? [])]);
  const damages: MediaDamage[] = [];
  const unreached: UnreachedSegment[] = [];
  let checkedSegmentCount = 0;
  let checkedBytes = 0;
  let closedSegmentCount = 0;
  for await (const fact of options.sealedFacts) {
    options.signal.throwIfAborted();
    if (options.deleted.has(fact.segment.segmentId)) continue;
    checkedSegmentCount += 1;
    try {
      const checked = await checkSegment({ stages, names: reach.names }, fact, options.signal);
      checkedBytes += checked.byteLength;
      if (checked.isClosed) closedSegmentCount += 1;
    } catch (error) {
      const isAbsent = (error as NodeJS.ErrnoException).code === 'ENOENT';
      const detail = isAbsent ? reach.unreachable() : await reach.lostBecauseOf(error);
      if (detail !== null) unreached.push({ segmentId: fact.segment.segmentId, detail });
      else damages.push(damageOf(fact, error));
    }
  }
  return { checkedSegmentCount, closedSegmentCount, checkedBytes, damages, unreached };
}

/** Which stages can be read: what is not in those may be in the others. One that goes is asked no more, for each answer takes long. */
class StageReach {
  readonly #stages: StageDirectories;
  readonly #reachable: Set<string>;
  readonly #why = new Map<string, string>();

  private constructor(stages: StageDirectories, names: readonly string[]) {
    this.#stages = stages;
    this.#reachable = new Set(names);
  }

  static async of(stages: StageDirectories, names: readonly string[]): Promise<StageReach> {
    const reach = new StageReach(stages, names);
    await reach.#ask();
    return reach;
  }

  get names(): readonly string[] {
    return [...this.#reachable];
  }

  unreachable(): string | null {
    return this.#why.size === 0 ? null : [...this.#why.values()].join('; ');
  }

  /** Null: it is not for a stage that has gone. */
  async lostBecauseOf(error: unknown): Promise<string | null> {
    if (error instanceof SegmentFileDamagedError) return null;
    const before = this.#why.size;
    await this.#ask();
    if (this.#why.size > before) return this.unreachable();
    // A store that answers, but not this.
    return (error as NodeJS.ErrnoException).code?.startsWith('OBJECT_STORE_')
      ? (error as Error).message
      : null;
  }

  async #ask(): Promise<void> {
    for (const stage of this.#reachable) {
      const why = await this.#stages.whyUnavailable(stage);
      if (why === null) continue;
      this.#reachable.delete(stage);
      this.#why.set(stage, why.includes(stage) ? why : `${stage}: ${why}`);
    }
  }
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
  const isDamage = error instanceof SegmentFileDamagedError || code === 'ENOENT' || code === 'EIO';
  if (!isDamage) throw error;
  const kind = code === 'ENOENT' ? 'FILE_MISSING' : 'FILE_DAMAGED';
  const saysReduced = error instanceof SegmentFileDamagedError && error.saysReduced;
  return { deviceId, segmentId, fromMs, toMs, kind, detail: message, ...(saysReduced && { saysReduced }) };
}
