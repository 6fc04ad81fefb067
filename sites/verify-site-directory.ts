import { createPrivateKey, type KeyObject } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  decodeBase64,
  decodeEventData,
  LOG_START,
  type LogHead,
  type LogPlace,
  placeOf,
  type RecordedEvent,
} from '@holdfast/core';
import type { HoldfastEvent, RecordingServerId, SegmentId, SiteId } from '@holdfast/schema';
import { KurrentLogError } from './log/kurrent/kurrent-log-error.js';
import { SiteLogFileError } from './log/site-log-file.js';
import { readSiteLogFile, type SiteLogFile } from './log/site-log-reader.js';
import { verifySiteLog } from './log/verify-site-log.js';
import type { MediaDamage } from './recording-server/media-database/media-database.js';
import { mediaKeysOf } from './recording-server/media-database/open-media-keyring.js';
import {
  type MediaVerification,
  type SealedFact,
  verifyMedia,
} from './recording-server/media-database/verify-media.js';
import type { ObjectStoreAccess } from './recording-server/object-store/object-store.js';
import {
  kurrentIndexFileOf,
  kurrentReceiptFileOf,
  mediaDirectoryOf,
  siteLogFileOf,
} from './site-directory.js';
import { readSealingKey, siteLogKeyFileOf } from './site-keys.js';
import { objectStoresIn } from './site-storages.js';
import { readLogPublicKey, type SiteTrust } from './site-trust.js';

/** A demonstration keeps its sites one folder down. */
const DEPTH_MAX = 2;
const PAGE_EVENTS = 1000;
/** Longer than a recording server takes to tell the log what it has deleted. */
const DELETION_TOLD_MS = 2000;
/** As long as it may take until the log hears of what was reduced: it is told with what was sealed, each minute by default. */
const REDUCTION_TOLD_MS = 66_000;

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
  /** Removed by truncation: only their leaf hashes are proved. */
  readonly truncatedEventCount: number;
  /** Of those, carried over the cut, whole and proved. */
  readonly carriedEventCount: number;
  readonly segmentCount: number;
  /** Of those, encrypted with a key that is not here: their manifests are proved, and they are stored as they were written. */
  readonly closedSegmentCount: number;
  readonly mediaBytes: number;
  /** Sites that the log has enrolled to report here: what they reported is in a database. */
  readonly childCount: number;
  /** Null when the log is damaged. */
  readonly trust: SiteTrust | null;
  readonly damages: readonly SiteDirectoryDamage[];
  /** `STORE_UNREACHABLE`: live databases and archives that hold recordings of which therefore nothing is known. */
  readonly unreachable: readonly SiteDirectoryDamage[];
}

/** The data directories of sites at or below a folder. */
export function findSiteDirectories(directory: string, depth = 0): readonly string[] {
  if (existsSync(siteLogFileOf(directory)) || existsSync(kurrentIndexFileOf(directory))) return [directory];
  if (depth === DEPTH_MAX || !existsSync(directory)) return [];
  return readdirSync(directory, { withFileTypes: true })
    .filter(entry => entry.isDirectory())
    .flatMap(entry => findSiteDirectories(path.join(directory, entry.name), depth + 1));
}

/** A log that is not in the data directory. */
export interface LogOnServer {
  readonly connectionString: string;
  readonly site: SiteId;
}

export interface VerifySiteOptions {
  readonly signal: AbortSignal;
  readonly onServer?: LogOnServer | undefined;
  /** Of encrypted recordings. Throws `MediaPasswordError` when it is wrong. */
  readonly mediaPassword?: string | null;
  /** How far it is with what may take long: the events of the log, and then the segments. */
  readonly onProgress?: (what: 'events' | 'segments', done: number, total: number) => void;
}

/** What is proved of a log, wherever it is kept. */
interface LogToProve extends AsyncDisposable {
  verify(): Promise<
    Pick<
      SiteDirectoryVerification,
      'head' | 'eventCount' | 'signedEventCount' | 'truncatedEventCount' | 'carriedEventCount' | 'damages'
    >
  >;
  /** Events behind a place; none when there are no more. */
  read(after: LogPlace): Promise<readonly RecordedEvent[]>;
}

/**
 * Proves one site's data: the log by itself, then every segment that the log says was recorded or retrieved and not deleted
 * since, fragment by fragment against the digest in the log. Works beside a running site.
 */
export async function verifySiteDirectory(
  directory: string,
  options: VerifySiteOptions,
): Promise<SiteDirectoryVerification> {
  const { signal, onServer } = options;
  const keyFile = siteLogKeyFileOf(directory);
  const key = existsSync(keyFile) ? createPrivateKey(readFileSync(keyFile)) : null;
  await using source =
    onServer === undefined
      ? logInFile(directory, key, options)
      : await logOnServer(onServer, key, { directory, signal });
  const log = await source.verify();
  const damages: SiteDirectoryDamage[] = [...log.damages];
  const facts: MediaFacts = {
    ...{ byServer: new Map(), stages: new Map(), objectStores: [], children: new Set(), logKeys: new Map() },
    ...{ read: LOG_START, isReadToItsEnd: false },
    sealingKeyPem: readSealingKey(directory),
  };
  await readMediaFacts(source, facts, damages);
  const media = new MediaProof(directory, facts, options);
  let found = await media.proveAll();
  for (let waitedMs = 0; found.length > 0; ) {
    // A site that runs may have deleted it meanwhile, or reduced it: the file changes first, the log hears of it a moment later.
    await delay(DELETION_TOLD_MS, undefined, { signal });
    waitedMs += DELETION_TOLD_MS;
    await readMediaFacts(source, facts, damages);
    found = await media.proveAgain(found);
    if (waitedMs >= REDUCTION_TOLD_MS || !found.some(({ saysReduced }) => saysReduced)) break;
  }
  for (const { recordingServerId, segmentId, kind, detail } of found) {
    damages.push({
      where: `media/${recordingServerId}`,
      code: kind,
      detail: `segment ${segmentId}: ${detail}`,
    });
  }
  const unreachable = [...media.unreachable(), ...(facts.isReadToItsEnd ? [] : [recordingsUnproven(facts)])];
  const { segmentCount, closedSegmentCount, mediaBytes } = media;
  const { children, logKeys } = facts;
  const said = { publicKey: readLogPublicKey(directory), children, logKeys };
  return {
    ...{ directory, site: log.head?.site ?? null, ...log },
    ...{ segmentCount, closedSegmentCount, mediaBytes, damages },
    ...{ unreachable, childCount: children.size, trust: log.head && { site: log.head.site, ...said } },
  };
}

type FoundDamage = MediaDamage & { readonly recordingServerId: RecordingServerId };

/** The recordings of a site, held against what its log says of them. */
class MediaProof {
  readonly #directory: string;
  readonly #facts: MediaFacts;
  readonly #options: VerifySiteOptions;
  /** How many segments, by recording server and what is said of the stores. */
  readonly #unreached = new Map<string, { readonly where: string; readonly detail: string; count: number }>();
  segmentCount = 0;
  closedSegmentCount = 0;
  mediaBytes = 0;

  constructor(directory: string, facts: MediaFacts, options: VerifySiteOptions) {
    this.#directory = directory;
    this.#facts = facts;
    this.#options = options;
  }

  async proveAll(): Promise<readonly FoundDamage[]> {
    const { byServer } = this.#facts;
    const found: FoundDamage[] = [];
    const total = [...byServer.values()].reduce((sum, { size }) => sum + size, 0);
    for (const [recordingServerId, sealed] of byServer) {
      const tell = (done: number) => this.#options.onProgress?.('segments', done, total);
      const media = await this.#prove(recordingServerId, counting(sealed.values(), this.segmentCount, tell));
      this.segmentCount += media.checkedSegmentCount;
      this.closedSegmentCount += media.closedSegmentCount;
      this.mediaBytes += media.checkedBytes;
      for (const damage of media.damages) found.push({ ...damage, recordingServerId });
      this.#noteUnreached(recordingServerId, media);
    }
    return found;
  }

  #noteUnreached(recordingServerId: RecordingServerId, { unreached }: MediaVerification): void {
    for (const { detail } of unreached) {
      const key = `${recordingServerId} ${detail}`;
      const known = this.#unreached.get(key) ?? { where: `media/${recordingServerId}`, detail, count: 0 };
      known.count += 1;
      this.#unreached.set(key, known);
    }
  }

  unreachable(): readonly SiteDirectoryDamage[] {
    return [...this.#unreached.values()].map(({ where, detail, count }) => ({
      ...{ where, code: 'STORE_UNREACHABLE' },
      detail: `${count} segments cannot be proved: ${detail}`,
    }));
  }

  /** By what the log says now. */
  async proveAgain(before: readonly FoundDamage[]): Promise<readonly FoundDamage[]> {
    const found: FoundDamage[] = [];
    for (const [recordingServerId, group] of Map.groupBy(before, damage => damage.recordingServerId)) {
      const sealed = this.#facts.byServer.get(recordingServerId);
      const again = await this.#prove(
        recordingServerId,
        group.flatMap(({ segmentId }) => sealed?.get(segmentId) ?? []),
      );
      this.#noteUnreached(recordingServerId, again);
      for (const damage of again.damages) found.push({ ...damage, recordingServerId });
    }
    return found;
  }

  async #prove(
    recordingServerId: RecordingServerId,
    sealedFacts: Iterable<SealedFact>,
  ): Promise<MediaVerification> {
    const { signal, mediaPassword = null } = this.#options;
    const stages = [...(this.#facts.stages.get(recordingServerId) ?? [])];
    const { objectStores } = this.#facts;
    const where = { dir: mediaDirectoryOf(this.#directory, recordingServerId), stages, objectStores };
    const keys = await mediaKeysOf(where, mediaPassword);
    return verifyMedia({ ...where, keys, sealedFacts, deleted: new Set(), signal });
  }
}

function* counting<Item>(
  items: Iterable<Item>,
  before: number,
  tell: (done: number) => void,
): Iterable<Item> {
  let done = before;
  for (const item of items) {
    yield item;
    done += 1;
    tell(done);
  }
}

/** What must be there. Memory is that of what is held now, not of all that ever was. */
interface MediaFacts {
  readonly byServer: Map<RecordingServerId, Map<SegmentId, SealedFact>>;
  /** Folders of live databases and archives that ever were configured, beside the media directories. */
  readonly stages: Map<RecordingServerId, Set<string>>;
  readonly objectStores: ObjectStoreAccess[];
  readonly children: Set<SiteId>;
  readonly logKeys: Map<SiteId, readonly Uint8Array[]>;
  /** Null: the key of the site is not here, so that archives in object stores cannot be read. */
  readonly sealingKeyPem: string | null;
  /** Read up to here. */
  read: LogPlace;
  /** What a damaged log says of recordings is known up to the damage only. */
  isReadToItsEnd: boolean;
}

/** Otherwise a damaged event of a log would pass for the only thing that is not proven. */
function recordingsUnproven({ read: { epoch, position } }: MediaFacts) {
  const behind = position === 0 ? 'from its first event on' : `behind ${epoch}/${position}`;
  const detail = `what the log says of recordings cannot be read ${behind}: those are not proven; media check compares them with their manifests`;
  return { where: 'media', code: 'RECORDINGS_UNPROVEN', detail };
}

/** Reads on where it ended the last time. */
async function readMediaFacts(
  log: LogToProve,
  facts: MediaFacts,
  damages: SiteDirectoryDamage[],
): Promise<void> {
  facts.isReadToItsEnd = false;
  try {
    for (;;) {
      const events = await log.read(facts.read);
      if (events.length === 0) {
        facts.isReadToItsEnd = true;
        return;
      }
      for (const event of events) if (typesRead.has(event.type)) collect(decodeEventData(event), facts);
      facts.read = placeOf(events.at(-1)!);
    }
  } catch (error) {
    // What cannot be read has been named by the proof of the log already, unless it is of a newer version.
    if (!(error instanceof SiteLogFileError || error instanceof KurrentLogError)) {
      const detail = error instanceof Error ? error.message : String(error);
      damages.push({ where: 'log', code: 'EVENTS_UNREADABLE', detail });
    }
  }
}

function logInFile(
  directory: string,
  key: KeyObject | null,
  { signal, onProgress }: VerifySiteOptions,
): LogToProve {
  const file = siteLogFileOf(directory);
  if (!existsSync(file)) return logElsewhere;
  let reader: SiteLogFile | null = null;
  return {
    async verify() {
      const log = await verifySiteLog({
        ...{ file, key, signal },
        onProgress: (done, total) => onProgress?.('events', done, total),
      });
      const damages = log.damages.map(({ code, epoch, position, detail }) => ({
        ...{ where: 'log', code },
        detail: position === null ? detail : `position ${epoch}/${position}: ${detail}`,
      }));
      const { head, eventCount, signedCount, truncatedCount, carriedCount } = log;
      return {
        ...{ head, eventCount, signedEventCount: signedCount, damages },
        ...{ truncatedEventCount: truncatedCount, carriedEventCount: carriedCount },
      };
    },
    async read(after) {
      reader ??= readSiteLogFile(file);
      return reader.read({ after, limit: PAGE_EVENTS, carried: true });
    },
    [Symbol.asyncDispose]: async () => reader?.[Symbol.dispose](),
  };
}

const untruncated = { truncatedEventCount: 0, carriedEventCount: 0 };

/** The data directory says that there is a log, not where. */
const logElsewhere: LogToProve = {
  async verify() {
    const detail = "the log is on a server: name the site's configuration file instead of its folder";
    const damages = [{ where: 'log', code: 'LOG_ON_SERVER', detail }];
    return { head: null, eventCount: 0, signedEventCount: 0, ...untruncated, damages };
  },
  read: async () => [],
  [Symbol.asyncDispose]: async () => undefined,
};

async function logOnServer(
  server: LogOnServer,
  key: KeyObject | null,
  { directory, signal }: { readonly directory: string; readonly signal: AbortSignal },
): Promise<LogToProve> {
  // Only here: its client is a tenth of what a site loads.
  const { KurrentLogToProve } = await import('./log/kurrent/verify-kurrent-log.js');
  const { readKurrentReceipts } = await import('./log/kurrent/kurrent-receipts.js');
  const receipts = readKurrentReceipts(kurrentReceiptFileOf(directory));
  const log = new KurrentLogToProve({ ...server, signal, receipts });
  return {
    async verify() {
      const { head, eventCount, signedCount, damages } = await log.verify(key);
      return {
        ...{ head, eventCount, signedEventCount: signedCount, ...untruncated },
        damages: damages.map(damage => ({ where: 'log', ...damage })),
      };
    },
    read: after => log.read(after),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}

const typesRead: ReadonlySet<string> = new Set([
  'RecordingServerRegistered',
  'StorageConfigured',
  'RecordingSealed',
  'RecordingReduced',
  'RetrievalProgressed',
  'RecordingDeleted',
  'ChildSiteEnrolled',
  'LogKeyPinned',
] satisfies HoldfastEvent['type'][]);

function collect(event: HoldfastEvent, facts: MediaFacts): void {
  const { byServer, stages, objectStores, sealingKeyPem } = facts;
  switch (event.type) {
    case 'ChildSiteEnrolled':
      facts.children.add(event.data.siteId);
      break;
    case 'LogKeyPinned': {
      const { siteId, publicKey } = event.data;
      const key = decodeBase64(publicKey);
      if (key !== null) facts.logKeys.set(siteId, [...(facts.logKeys.get(siteId) ?? []), key]);
      break;
    }
    case 'RecordingServerRegistered':
      byServer.set(event.data.recordingServerId, new Map());
      break;
    case 'StorageConfigured': {
      const { recordingServerId, live, archives } = event.data;
      const known = stages.get(recordingServerId) ?? new Set<string>();
      stages.set(recordingServerId, known);
      for (const { path: folder } of [live, ...archives]) if (folder !== null) known.add(folder);
      if (sealingKeyPem !== null) objectStores.push(...objectStoresIn(event.data, sealingKeyPem));
      break;
    }
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
    case 'RecordingReduced': {
      const held = byServer.get(event.data.recordingServerId);
      for (const { segmentId, digest } of event.data.segments) {
        const known = held?.get(segmentId);
        if (known) held!.set(segmentId, { ...known, segment: { ...known.segment, digest } });
      }
      break;
    }
    case 'RecordingDeleted': {
      const held = byServer.get(event.data.recordingServerId);
      for (const segmentId of event.data.segmentIds) held?.delete(segmentId);
      break;
    }
  }
}
