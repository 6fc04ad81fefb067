import { createPrivateKey } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { decodeEventData } from '@holdfast/core';
import type { RecordingServerId, SegmentId, SiteId } from '@holdfast/schema';
import { SiteLogFileError } from './log/site-log-file.js';
import { readSiteLogFile } from './log/site-log-reader.js';
import { verifySiteLog } from './log/verify-site-log.js';
import { type SealedFact, verifyMedia } from './recording-server/media-database/verify-media.js';
import { mediaDirectoryOf, siteLogFileOf } from './site-directory.js';
import { siteLogKeyFileOf } from './site-keys.js';

/** A demonstration keeps its sites one folder down. */
const DEPTH_MAX = 2;
const PAGE_EVENTS = 1000;

export interface SiteDirectoryDamage {
  /** `log` or `media/<recording server>`. */
  readonly where: string;
  readonly code: string;
  readonly detail: string;
}

export interface SiteDirectoryVerification {
  readonly directory: string;
  readonly site: SiteId | null;
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
  const damages: SiteDirectoryDamage[] = log.damages.map(({ code, position, detail }) => ({
    where: 'log',
    code,
    detail: position === null ? detail : `position ${position}: ${detail}`,
  }));
  const facts = readMediaFacts(file, damages);
  let segmentCount = 0;
  let mediaBytes = 0;
  for (const [recordingServerId, sealedFacts] of facts.byServer) {
    const dir = mediaDirectoryOf(directory, recordingServerId);
    const media = await verifyMedia({ dir, sealedFacts, deleted: facts.deleted, signal });
    segmentCount += media.checkedSegmentCount;
    mediaBytes += media.checkedBytes;
    for (const { segmentId, kind, detail } of media.damages) {
      damages.push({
        where: `media/${recordingServerId}`,
        code: kind,
        detail: `segment ${segmentId}: ${detail}`,
      });
    }
  }
  return {
    ...{ directory, site: log.head?.site ?? null, eventCount: log.head?.size ?? 0 },
    ...{ signedEventCount: log.signedSize, segmentCount, mediaBytes, damages },
  };
}

interface MediaFacts {
  readonly byServer: Map<RecordingServerId, SealedFact[]>;
  readonly deleted: Set<SegmentId>;
}

function readMediaFacts(file: string, damages: SiteDirectoryDamage[]): MediaFacts {
  const facts: MediaFacts = { byServer: new Map(), deleted: new Set() };
  try {
    using log = readSiteLogFile(file);
    for (let after = 0; ; ) {
      const events = log.read({ after, limit: PAGE_EVENTS });
      if (events.length === 0) return facts;
      for (const event of events) collect(decodeEventData(event), facts);
      after = events.at(-1)!.position;
    }
  } catch (error) {
    // What cannot be read has been named by the proof of the log already, unless it is of a newer version.
    if (!(error instanceof SiteLogFileError)) {
      const detail = error instanceof Error ? error.message : String(error);
      damages.push({ where: 'log', code: 'EVENTS_UNREADABLE', detail });
    }
    return facts;
  }
}

function collect(event: ReturnType<typeof decodeEventData>, { byServer, deleted }: MediaFacts): void {
  switch (event.type) {
    case 'RecordingServerRegistered':
      byServer.set(event.data.recordingServerId, []);
      break;
    case 'RecordingSealed': {
      const { deviceId, recordingServerId, segments } = event.data;
      const known = byServer.get(recordingServerId) ?? [];
      byServer.set(recordingServerId, known);
      for (const segment of segments) known.push({ deviceId, segment });
      break;
    }
    case 'RetrievalProgressed': {
      // Retrieved recordings are kept by the first recording server of a site.
      const [retrieved] = byServer.values();
      for (const segment of event.data.segments) retrieved?.push({ deviceId: event.data.deviceId, segment });
      break;
    }
    case 'RecordingDeleted':
      for (const segmentId of event.data.segmentIds) deleted.add(segmentId);
      break;
  }
}
