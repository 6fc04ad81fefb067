import { createPrivateKey } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeEventData, LOG_START, type LogHead, type LogPlace, placeOf } from '@holdfast/core';
import type { HoldfastEvent, RecordingServerId, SegmentId, SiteId } from '@holdfast/schema';
import { SiteLogFileError } from './log/site-log-file.js';
import { readSiteLogFile } from './log/site-log-reader.js';
import { verifySiteLog } from './log/verify-site-log.js';
import type { MediaDamage } from './recording-server/media-database/media-database.js';
import { type SealedFact, verifyMedia } from './recording-server/media-database/verify-media.js';
import { mediaDirectoryOf, siteLogFileOf } from './site-directory.js';
import { siteLogKeyFileOf } from './site-keys.js';

/** A demonstration keeps its sites one folder down. */
const DEPTH_MAX = 2;
const PAGE_EVENTS = 1000;
/** Longer than a recording server takes to tell the log what it has deleted. */
const DELETION_TOLD_MS = 2000;

export interface SiteDirectoryDamage {
  /** `log` or `media/<recording server>`. */
  readonly where: string;
  readonly code: string;
  readonly detail: string;
}

export interface SiteDirectoryVerification {
  readonly directory: string;
  readonly site: SiteId | null;
  /** What the log amounts to; null when events are missing. */
  readonly head: LogHead | null;
  readonly eventCount: number;
  /** Up to here the site's signature stands behind the log. */
  readonly signedEventCount: number;
  readonly segmentCount: number;
  readonly mediaBytes: number;
  readonly damages: readonly SiteDirectoryDamage[];
}

/** The data directories of sites at or below a folder. */
export function findSiteDirectories(directory: string, depth = 0): readonly string[] {
  if (existsSync(siteLogFileOf(directory))) return [directory];
  if (depth === DEPTH_MAX || !existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .flatMap(entry => findSiteDirectories(path.join(directory, entry.name), depth + 1));
}

/**
 * Proves one site's data: the log by itself, then every segment that the log says was recorded or retrieved and not deleted
 * since, fragment by fragment against the digest in the log. Works beside a running site.
 */
export async function verifySiteDirectory(
  directory: string,
  signal: AbortSignal,
): Promise<SiteDirectoryVerification> {
  const file = siteLogFileOf(directory);
  const keyFile = siteLogKeyFileOf(directory);
  const key = existsSync(keyFile) ? createPrivateKey(readFileSync(keyFile)) : null;
  const log = await verifySiteLog({ file, key, signal });
  const damages: SiteDirectoryDamage[] = log.damages.map(({ code, epoch, position, detail }) => ({
    where: 'log',
    code,
    detail: position === null ? detail : `position ${epoch}/${position}: ${detail}`,
  }));
  const facts: MediaFacts = { byServer: new Map(), read: LOG_START };
  readMediaFacts(file, facts, damages);
  const found: (MediaDamage & { readonly recordingServerId: RecordingServerId })[] = [];
  let segmentCount = 0;
  let mediaBytes = 0;
  for (const [recordingServerId, sealed] of facts.byServer) {
    const dir = mediaDirectoryOf(directory, recordingServerId);
    const media = await verifyMedia({ dir, sealedFacts: sealed.values(), deleted: new Set(), signal });
    segmentCount += media.checkedSegmentCount;
    mediaBytes += media.checkedBytes;
    for (const damage of media.damages) found.push({ ...damage, recordingServerId });
  }
  if (found.length > 0) {
    // A site that runs may have deleted it meanwhile: the file goes first, the log hears of it a moment later.
    await delay(DELETION_TOLD_MS, undefined, { signal });
    readMediaFacts(file, facts, damages);
  }
  for (const { recordingServerId, segmentId, kind, detail } of found) {
    if (!facts.byServer.get(recordingServerId)?.has(segmentId)) continue;
    damages.push({
      where: `media/${recordingServerId}`,
      code: kind,
      detail: `segment ${segmentId}: ${detail}`,
    });
  }
  return {
    ...{ directory, site: log.head?.site ?? null, head: log.head, eventCount: log.eventCount },
    ...{ signedEventCount: log.signedCount, segmentCount, mediaBytes, damages },
  };
}

/** What must be there. Memory is that of what is held now, not of all that ever was. */
interface MediaFacts {
  readonly byServer: Map<RecordingServerId, Map<SegmentId, SealedFact>>;
  /** Read up to here. */
  read: LogPlace;
}

/** Reads on where it ended the last time. */
function readMediaFacts(file: string, facts: MediaFacts, damages: SiteDirectoryDamage[]): void {
  try {
    using log = readSiteLogFile(file);
    for (;;) {
      const events = log.read({ after: facts.read, limit: PAGE_EVENTS });
      if (events.length === 0) return;
      for (const event of events) if (typesRead.has(event.type)) collect(decodeEventData(event), facts);
      facts.read = placeOf(events.at(-1)!);
    }
  } catch (error) {
    // What cannot be read has been named by the proof of the log already, unless it is of a newer version.
    if (!(error instanceof SiteLogFileError)) {
      const detail = error instanceof Error ? error.message : String(error);
      damages.push({ where: 'log', code: 'EVENTS_UNREADABLE', detail });
    }
  }
}

const typesRead: ReadonlySet<string> = new Set([
  'RecordingServerRegistered',
  'RecordingSealed',
  'RetrievalProgressed',
  'RecordingDeleted',
] satisfies HoldfastEvent['type'][]);

function collect(event: HoldfastEvent, { byServer }: MediaFacts): void {
  switch (event.type) {
    case 'RecordingServerRegistered':
      byServer.set(event.data.recordingServerId, new Map());
      break;
    case 'RecordingSealed': {
      const { deviceId, recordingServerId, segments } = event.data;
      const known = byServer.get(recordingServerId) ?? new Map<SegmentId, SealedFact>();
      byServer.set(recordingServerId, known);
      for (const segment of segments) known.set(segment.segmentId, { deviceId, segment });
      break;
    }
    case 'RetrievalProgressed': {
      // Retrieved recordings are kept by the first recording server of a site.
      const [retrieved] = byServer.values();
      const { deviceId, segments } = event.data;
      for (const segment of segments) retrieved?.set(segment.segmentId, { deviceId, segment });
      break;
    }
    case 'RecordingDeleted': {
      const held = byServer.get(event.data.recordingServerId);
      for (const segmentId of event.data.segmentIds) held?.delete(segmentId);
      break;
    }
  }
}
