import { existsSync } from 'node:fs';
import { setImmediate as immediate } from 'node:timers/promises';
import { isDiskFull } from './index-faults.js';
import { MediaDirectory } from './media-directory.js';
import { SegmentIndex, SegmentIndexUnusableError } from './segment-index.js';
import type { IndexedSegment } from './segment-row.js';
import { OWN_STAGE } from './stage-directories.js';

/** Rows in one transaction: a few milliseconds. */
const PAGE_ROWS = 500;

interface Taking {
  /** Of the media directory, which is back. */
  readonly index: SegmentIndex;
  /** With the room that is kept for a full disk. */
  readonly transaction: <T>(work: () => T) => T;
}

/**
 * Takes into the index of a media directory what its stand-in knows: what was recorded, moved and reduced in other stages meanwhile,
 * and what the log was not told of it. What was deleted meanwhile is still to be read in the log. Safe to repeat until then. False:
 * there is no stand-in, or no room for what it knows: only a server that runs makes room, and the next start tries again.
 */
export async function takeStandIn({
  index,
  standIn,
  transaction,
}: Taking & {
  /** Where its stand-in was; undefined: nowhere. */
  readonly standIn: string | undefined;
}): Promise<boolean> {
  const file = standIn === undefined ? null : new MediaDirectory(standIn).indexFile;
  if (file === null || !existsSync(file)) return false;
  try {
    await takeAll({ index, file, transaction });
    return true;
  } catch (error) {
    if (isDiskFull(error)) return false;
    if (!(error instanceof SegmentIndexUnusableError)) throw error;
    await forgetOtherStages({ index, transaction });
    return true;
  }
}

async function takeAll({ index, file, transaction }: Taking & { readonly file: string }): Promise<void> {
  const from = new SegmentIndex({ file, recordingServerId: index.recordingServerId });
  try {
    for (const deviceId of from.devices()) {
      await byPage(from, deviceId, page => transaction(() => page.forEach(row => void take(index, row))));
    }
    transaction(() => takeRest(index, from));
  } finally {
    from.close();
  }
}

function take(index: SegmentIndex, row: IndexedSegment): void {
  const { segmentId, digest } = row.segment;
  const known = index.get(segmentId);
  const { stage, segment, reported } = known ?? { stage: null, segment: null, reported: null };
  if (stage === row.stage && segment?.digest === digest && reported === row.reported) return;
  if (known !== null) index.forget(segmentId);
  index.insert(row);
}

function takeRest(index: SegmentIndex, from: SegmentIndex): void {
  for (const stage of from.stages()) index.putStage(stage);
  for (const { stage, path } of from.unneeded()) index.putUnneeded(stage, path);
  const newestMs = Math.max(0, ...from.devices().map(deviceId => from.newestEndMs(deviceId) ?? 0));
  for (const keyId of from.keysInUse()) index.noteKey(keyId, { toMs: newestMs });
  const known = new Set(index.facts(Number.MAX_SAFE_INTEGER).map(({ eventId }) => eventId));
  for (const fact of from.facts(Number.MAX_SAFE_INTEGER)) if (!known.has(fact.eventId)) index.putFact(fact);
}

/** The files of other stages say themselves where they are: they are indexed anew. */
async function forgetOtherStages({ index, transaction }: Taking): Promise<void> {
  transaction(() => index.setAgreesWithLog(false));
  for (const deviceId of index.devices()) {
    await byPage(index, deviceId, page => {
      const others = page.filter(({ stage }) => stage !== OWN_STAGE);
      transaction(() => others.forEach(({ segment }) => void index.forget(segment.segmentId)));
    });
  }
}

async function byPage(
  index: SegmentIndex,
  deviceId: IndexedSegment['deviceId'],
  work: (page: readonly IndexedSegment[]) => void,
): Promise<void> {
  for (const page of index.pagesOf(deviceId, PAGE_ROWS)) {
    work(page);
    await immediate();
  }
}
