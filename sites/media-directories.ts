import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import {
  type Hardware,
  hardwareDecider,
  placeOf,
  type RecordedEvent,
  readEventData,
  type TimeSpan,
} from '@holdfast/core';
import {
  DeviceId,
  EventDecodeError,
  type EventId,
  type HardwareId,
  type HoldfastEvent,
  hardwareEvents,
  RecordingServerId,
  type SegmentId,
} from '@holdfast/schema';
import { v7 } from 'uuid';
import { readSiteLogFile } from './log/site-log-reader.js';
import type { ExpectedSegment } from './recording-server/media-database/export-media.js';
import {
  MEDIA_DATABASE_LIMITS,
  type MediaDamage,
  type MediaRepair,
  type OutgoingFact,
  type SealReport,
} from './recording-server/media-database/media-database.js';
import { MediaDirectory } from './recording-server/media-database/media-directory.js';
import { openMediaDatabase } from './recording-server/media-database/open-media-database.js';
import {
  MediaDatabaseInUseError,
  SegmentIndex,
  SegmentIndexUnusableError,
} from './recording-server/media-database/segment-index.js';
import type { ObjectStoreAccess } from './recording-server/object-store/object-store.js';
import { sealEvents } from './recording-server/retention/seal-facts.js';
import { siteLogFileOf } from './site-directory.js';
import { readSealingKey } from './site-keys.js';
import { objectStoresIn } from './site-storages.js';
import { findSiteDirectories } from './verify-site-directory.js';

const pageEvents = 1000;

export interface MediaDirectoryOfServer {
  readonly dir: string;
  /** Null when neither the name of the directory nor its index says it. */
  readonly recordingServerId: RecordingServerId | null;
  /** Other live databases and archives, as the log beside it says. */
  readonly stages: readonly string[];
  /** How to sign in to those that are in object stores, as far as the site's key is here. */
  readonly objectStores: readonly ObjectStoreAccess[];
}

/** The directory itself when it is one of a recording server, else those of the sites at or below it. */
export async function findMediaDirectories(directory: string): Promise<readonly MediaDirectoryOfServer[]> {
  if (isMediaDirectory(directory)) {
    return [{ dir: directory, recordingServerId: serverOf(directory), stages: [], objectStores: [] }];
  }
  const found: MediaDirectoryOfServer[] = [];
  for (const site of findSiteDirectories(directory)) {
    const folder = path.join(site, 'media');
    const dirs = existsSync(folder) ? readdirSync(folder).map(name => path.join(folder, name)) : [];
    const { stages, objectStores } = await stagesIn(siteLogFileOf(site), readSealingKey(site));
    for (const dir of dirs.filter(isMediaDirectory)) {
      const recordingServerId = serverOf(dir);
      const own = [...stages].filter(([, server]) => server === recordingServerId).map(([stage]) => stage);
      found.push({ dir, recordingServerId, stages: own, objectStores });
    }
  }
  return found;
}

function isMediaDirectory(dir: string): boolean {
  const { indexFile, segmentsFolder } = new MediaDirectory(dir);
  return existsSync(indexFile) || existsSync(segmentsFolder);
}

function serverOf(dir: string): RecordingServerId | null {
  const named = RecordingServerId.safeParse(path.basename(path.resolve(dir)));
  if (named.success) return named.data;
  const file = new MediaDirectory(dir).indexFile;
  if (!existsSync(file)) return null;
  try {
    const index = new SegmentIndex({ file, recordingServerId: null });
    index.close();
    return index.recordingServerId;
  } catch (error) {
    if (error instanceof SegmentIndexUnusableError || error instanceof MediaDatabaseInUseError) return null;
    throw error;
  }
}

/** A device by its id, or by its name in the logs at or below a folder; null when no or more than one device has it. */
export async function deviceNamed(directory: string, idOrName: string): Promise<DeviceId | null> {
  const id = DeviceId.safeParse(idOrName.toLowerCase());
  if (id.success) return id.data;
  const found = new Set<DeviceId>();
  for (const site of findSiteDirectories(directory)) {
    for (const hardware of await hardwareIn(siteLogFileOf(site))) {
      // Camera and microphone of one hardware share a recording, which stands under the camera.
      const named = hardware.devices.find(device => device.name === idOrName);
      const owner = hardware.devices.find(device => device.type === 'CAMERA') ?? named;
      if (named && owner) found.add(owner.deviceId);
    }
  }
  const [only] = found;
  return found.size === 1 ? only! : null;
}

/**
 * What the logs at or below a folder say of one device: recorded in the span or retrieved, and not deleted since. Empty for a media
 * directory alone, beside which no log says anything.
 */
export async function recordedIn(
  directory: string,
  deviceId: DeviceId,
  { fromMs, toMs }: TimeSpan,
): Promise<readonly ExpectedSegment[]> {
  const expected = new Map<SegmentId, ExpectedSegment>();
  for (const site of isMediaDirectory(directory) ? [] : findSiteDirectories(directory)) {
    const ofSite = new Map<SegmentId, ExpectedSegment>();
    for await (const event of eventsIn(siteLogFileOf(site), recordingFacts)) {
      if (event.type === 'RecordingDeleted') {
        for (const segmentId of event.data.segmentIds) ofSite.delete(segmentId);
      }
      if (event.type !== 'RecordingSealed' && event.type !== 'RetrievalProgressed') continue;
      if (event.data.deviceId !== deviceId) continue;
      // What was retrieved is at the site that recorded it too, and may have been deleted there since.
      const recordingServerId = event.type === 'RecordingSealed' ? event.data.recordingServerId : null;
      for (const segment of event.data.segments) {
        if (segment.toMs <= fromMs || segment.fromMs >= toMs) continue;
        ofSite.set(segment.segmentId, {
          ...{ segmentId: segment.segmentId, recordingServerId },
          ...{ fromMs: segment.fromMs, toMs: segment.toMs },
        });
      }
    }
    for (const [segmentId, segment] of ofSite) {
      if (expected.get(segmentId)?.recordingServerId == null) expected.set(segmentId, segment);
    }
  }
  return [...expected.values()].sort((one, other) => one.fromMs - other.fromMs);
}

const recordingFacts: ReadonlySet<string> = new Set([
  'RecordingSealed',
  'RetrievalProgressed',
  'RecordingDeleted',
] satisfies HoldfastEvent['type'][]);

/** Also hardware that was removed: its recordings are still there. */
async function hardwareIn(logFile: string): Promise<Iterable<NonNullable<Hardware>>> {
  const hardware = new Map<HardwareId, NonNullable<Hardware>>();
  const types = new Set<string>(hardwareEvents.map(({ type }) => type));
  for await (const event of eventsIn(logFile, types)) {
    const known = event as Parameters<typeof hardwareDecider.evolve>[1];
    const { hardwareId } = known.data;
    const evolved = hardwareDecider.evolve(hardware.get(hardwareId) ?? null, known);
    if (evolved !== null) hardware.set(hardwareId, evolved);
  }
  return hardware.values();
}

/** Every folder that ever was configured for a live database or archive, with the recording server it is of. */
async function stagesIn(
  logFile: string,
  sealingKeyPem: string | null,
): Promise<{
  readonly stages: ReadonlyMap<string, RecordingServerId>;
  readonly objectStores: readonly ObjectStoreAccess[];
}> {
  const stages = new Map<string, RecordingServerId>();
  const objectStores: ObjectStoreAccess[] = [];
  for await (const event of eventsIn(logFile, new Set(['StorageConfigured']))) {
    if (event.type !== 'StorageConfigured') continue;
    const { recordingServerId, live, archives } = event.data;
    for (const { path: folder } of [live, ...archives]) {
      if (folder !== null) stages.set(folder, recordingServerId);
    }
    if (sealingKeyPem !== null) objectStores.push(...objectStoresIn(event.data, sealingKeyPem));
  }
  return { stages, objectStores };
}

/** Those that this software can read. None when there is no log file: it may be on a server. */
async function* eventsIn(logFile: string, types: ReadonlySet<string>): AsyncGenerator<HoldfastEvent> {
  if (!existsSync(logFile)) return;
  using log = readSiteLogFile(logFile);
  for (let after = log.keptAfter(); ; ) {
    const page: readonly RecordedEvent[] = await log.read({ after, limit: pageEvents });
    for (const recorded of page) {
      const event = types.has(recorded.type) ? readEventData(recorded) : null;
      if (event !== null && !(event instanceof EventDecodeError)) yield event;
    }
    if (page.length === 0) return;
    after = placeOf(page.at(-1)!);
  }
}

export interface RepairedMediaDirectory {
  readonly segmentCount: number;
  /** Left by a crash, and sealed when the database was opened. */
  readonly recoveredCount: number;
  readonly repairs: readonly MediaRepair[];
}

/** Repairs the media of a recording server that does not run; what the log must hear is told when it does. */
export async function repairMediaDirectory(options: {
  readonly dir: string;
  readonly recordingServerId: RecordingServerId;
  readonly stages: readonly string[];
  readonly objectStores: readonly ObjectStoreAccess[];
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}): Promise<RepairedMediaDirectory> {
  const { dir, recordingServerId, stages, objectStores, signal } = options;
  const ignored = () => undefined;
  await using database = await openMediaDatabase({
    ...{ dir, recordingServerId, stages, objectStores, now: Date.now, limits: MEDIA_DATABASE_LIMITS },
    newSegmentId: () => v7() as SegmentId,
    observer: { fragmentsDropped: ignored, writeFailed: ignored, damageFound: ignored },
  });
  const { recovered, reindexedCount } = database.recovery;
  // Before the log hears that something of it is damaged. After a rebuild only the log itself knows what it was told.
  if (!database.recovery.indexRebuilt) {
    const tell = (report: SealReport) =>
      sealEvents(recordingServerId, report).map(event => factOf(report.deviceId, event));
    while (database.reportSealed(tell) > 0);
  }
  let segmentCount = 0;
  const repairs = await database.repair({
    signal,
    onProgress: (done, total) => {
      segmentCount = total;
      options.onProgress(done, total);
    },
    compose: damage => damagedFact(damage, recordingServerId),
  });
  const rebuilt: readonly MediaRepair[] =
    reindexedCount === 0
      ? []
      : [
          {
            ...{ file: new MediaDirectory(dir).indexFile, segmentId: null, action: 'ADOPTED' },
            detail: `made again from ${reindexedCount} files`,
          },
        ];
  return { segmentCount, recoveredCount: recovered.length, repairs: [...rebuilt, ...repairs] };
}

function damagedFact(damage: MediaDamage, recordingServerId: RecordingServerId): OutgoingFact {
  const { deviceId, segmentId, fromMs, toMs, detail } = damage;
  return factOf(deviceId, {
    type: 'RecordingDamaged',
    data: { ...{ deviceId, recordingServerId, segmentId, fromMs, toMs }, detail: detail.slice(0, 1000) },
  });
}

function factOf(deviceId: DeviceId, { type, data }: HoldfastEvent): OutgoingFact {
  return {
    ...{ eventId: v7() as EventId, stream: `recording-${deviceId}`, type },
    ...{ occurredAtMs: Date.now(), data: JSON.stringify(data) },
  };
}
