import type { KeyObject } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  comparePlaces,
  LOG_START,
  type LogHead,
  type LogPlace,
  placeOf,
  type RecordedEvent,
  type TakenOverEvents,
} from '@holdfast/core';
import type { RecordingServerId, SiteId } from '@holdfast/schema';
import { rawPublicKey } from './log/ed25519-notes.js';
import { KurrentLogError } from './log/kurrent/kurrent-log-error.js';
import { isAmong } from './log/log-file-proof.js';
import { SiteLogFileError } from './log/site-log-file.js';
import { verifySiteLog } from './log/verify-site-log.js';
import { noneUnread, type UnreadEvents, unreadBehind, WholeEvents } from './log/whole-events.js';
import type { MediaDamage } from './recording-server/media-database/media-database.js';
import { mediaKeysOf } from './recording-server/media-database/open-media-keyring.js';
import {
  type MediaVerification,
  type SealedFact,
  verifyMedia,
} from './recording-server/media-database/verify-media.js';
import {
  collectRecordings,
  type RecordingsInLog,
  recordingsInLog,
  unreadInWords,
  unsignedCount,
} from './recordings-in-log.js';
import {
  kurrentIndexFileOf,
  kurrentReceiptFileOf,
  mediaDirectoryOf,
  siteLogFileOf,
} from './site-directory.js';
import { readSealingKey } from './site-keys.js';
import { readLogKey, type SiteTrust } from './site-trust.js';

/** A demonstration keeps its sites one folder down. */
const DEPTH_MAX = 2;
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
  /** What salvage has found with no signature behind it, and the site has signed only then. */
  readonly takenOver: readonly TakenOverEvents[];
  /** Removed by truncation: only their leaf hashes are proved. */
  readonly truncatedEventCount: number;
  /** Of those, carried over the cut, whole and proved. */
  readonly carriedEventCount: number;
  /** Of the log; recordings that they speak of were not held against it. */
  readonly unreadEvents: UnreadEvents;
  readonly segmentCount: number;
  /** Of those, held against events that the site has not signed, or whose signature cannot be checked any more. */
  readonly unsignedSegmentCount: number;
  /** Not among them: gone, and said to be deleted by events that the site has not signed yet. */
  readonly unsignedDeletedCount: number;
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
  verify(): Promise<ProvedLog>;
  /** What is whole of it, from where it ended the last time. Throws `SiteLogFileError` and `KurrentLogError`. */
  readOn(): AsyncIterable<readonly RecordedEvent[]>;
  /** What was not read on the way. */
  unread(): UnreadEvents;
}

interface ProvedLog
  extends Pick<
    SiteDirectoryVerification,
    | 'head'
    | 'eventCount'
    | 'signedEventCount'
    | 'takenOver'
    | 'truncatedEventCount'
    | 'carriedEventCount'
    | 'damages'
  > {
  readonly isSigned: (place: LogPlace) => boolean;
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
  const logKey = readLogKey(directory);
  const key = 'key' in logKey ? logKey.key : null;
  await using source =
    onServer === undefined
      ? logInFile(directory, key, options)
      : await logOnServer(onServer, key, { directory, signal });
  const proved = await source.verify();
  const log = key === null ? { ...proved, signedEventCount: 0, isSigned: () => false } : proved;
  const said = recordingsInLog({ sealingKeyPem: readSealingKey(directory), isSigned: log.isSigned });
  await readOn(source, said);
  const media = new MediaProof(directory, said, options);
  let found = await media.proveAll();
  for (let waitedMs = 0; found.length > 0; ) {
    // A site that runs may have deleted it meanwhile, or reduced it: the file changes first, the log hears of it a moment later.
    await delay(DELETION_TOLD_MS, undefined, { signal });
    waitedMs += DELETION_TOLD_MS;
    await readOn(source, said);
    found = await media.proveAgain(found);
    if (waitedMs >= REDUCTION_TOLD_MS || !found.some(({ saysReduced }) => saysReduced)) break;
  }
  const unread = unreadInWords(said, source.unread());
  // The end of a whole log is not signed yet. In a damaged one there may be anything that no signature is met behind.
  const isDeletionInDoubt = log.damages.length > 0 || unread !== null;
  // Deleted, reduced or moved to another folder by an event that was not read: that is not known.
  const isInDoubt = ({ kind, saysReduced }: MediaDamage) =>
    unread !== null && (kind === 'FILE_MISSING' || saysReduced === true);
  const damages: SiteDirectoryDamage[] = [
    ...log.damages,
    ...said.notUnderstood.map(({ place: { epoch, position }, detail }) => ({
      ...{ where: 'log', code: 'EVENTS_UNREADABLE', detail: `position ${epoch}/${position}: ${detail}` },
    })),
    ...found.filter(damage => !isInDoubt(damage)).map(damage => findingOf(damage.kind, damage)),
  ];
  const keyMissing = 'why' in logKey && log.head !== null ? [logKey.why] : [];
  const unreachable = [
    ...keyMissing.map(why => ({
      ...{
        where: 'log',
        code: 'LOG_KEY_MISSING',
        detail: `${why}: none of the log's signatures was checked`,
      },
    })),
    ...media.unreachable(),
    ...found.filter(isInDoubt).map(damage => findingOf('RECORDINGS_UNPROVEN', damage)),
    ...(isDeletionInDoubt ? media.saidDeleted.map(saidDeletedFinding) : []),
    ...(unread === null ? [] : [{ where: 'media', code: 'RECORDINGS_UNPROVEN', detail: unread }]),
  ];
  const { segmentCount, closedSegmentCount, mediaBytes, saidDeleted } = media;
  const { children, logKeys } = said;
  const { isSigned: _, ...logProved } = log;
  const believed = { publicKey: key && rawPublicKey(key), children, logKeys };
  return {
    ...{ directory, site: log.head?.site ?? null, ...logProved, unreadEvents: source.unread() },
    ...{ segmentCount, closedSegmentCount, mediaBytes, damages },
    ...{ unsignedSegmentCount: unsignedCount(said), unsignedDeletedCount: saidDeleted.length },
    ...{ unreachable, childCount: children.size, trust: log.head && { site: log.head.site, ...believed } },
  };
}

function findingOf(code: string, { recordingServerId, segmentId, detail }: FoundDamage): SiteDirectoryDamage {
  return { where: `media/${recordingServerId}`, code, detail: `segment ${segmentId}: ${detail}` };
}

function saidDeletedFinding(damage: FoundDamage): SiteDirectoryDamage {
  const detail = 'it is gone, and only an event that no signature stands behind says that it was deleted';
  return findingOf('RECORDINGS_UNPROVEN', { ...damage, detail });
}

type FoundDamage = MediaDamage & { readonly recordingServerId: RecordingServerId };

/** The recordings of a site, held against what its log says of them. */
class MediaProof {
  readonly #directory: string;
  readonly #facts: RecordingsInLog;
  readonly #options: VerifySiteOptions;
  /** How many segments, by recording server and what is said of the stores. */
  readonly #unreached = new Map<string, { readonly where: string; readonly detail: string; count: number }>();
  segmentCount = 0;
  closedSegmentCount = 0;
  mediaBytes = 0;
  /** Gone, as events say that the site has not signed. */
  readonly saidDeleted: FoundDamage[] = [];

  constructor(directory: string, facts: RecordingsInLog, options: VerifySiteOptions) {
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
      found.push(...this.#missed(recordingServerId, media));
      this.#noteUnreached(recordingServerId, media);
    }
    return found;
  }

  /** What is wrong, but for what is gone as it is said to be. */
  #missed(recordingServerId: RecordingServerId, { damages }: MediaVerification): readonly FoundDamage[] {
    const said = this.#facts.byServer.get(recordingServerId);
    const found = damages.map(damage => ({ ...damage, recordingServerId }));
    const isSaid = ({ kind, segmentId }: FoundDamage) =>
      kind === 'FILE_MISSING' && said?.get(segmentId)?.isSaidDeleted === true;
    const gone = found.filter(isSaid);
    this.saidDeleted.push(...gone);
    this.segmentCount -= gone.length;
    return found.filter(damage => !isSaid(damage));
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
      found.push(...this.#missed(recordingServerId, again));
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

/** Reads on where it ended the last time. */
async function readOn(log: LogToProve, said: RecordingsInLog): Promise<void> {
  try {
    for await (const events of log.readOn()) collectRecordings(events, said);
  } catch (error) {
    // What cannot be read has been named by the proof of the log already.
    if (!(error instanceof SiteLogFileError || error instanceof KurrentLogError)) throw error;
  }
}

function logInFile(
  directory: string,
  key: KeyObject | null,
  { signal, onProgress }: VerifySiteOptions,
): LogToProve {
  const file = siteLogFileOf(directory);
  if (!existsSync(file)) return logElsewhere;
  let events: WholeEvents | null = null;
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
      const { head, eventCount, signed, signedCount, takenOver, truncatedCount, carriedCount } = log;
      return {
        ...{ head, eventCount, signedEventCount: signedCount, takenOver, damages },
        ...{ truncatedEventCount: truncatedCount, carriedEventCount: carriedCount },
        isSigned: place => isAmong(signed, place),
      };
    },
    async *readOn() {
      events ??= new WholeEvents(file);
      yield* events.readOn();
    },
    unread: () => events?.unread ?? unreadBehind(LOG_START),
    [Symbol.asyncDispose]: async () => events?.[Symbol.dispose](),
  };
}

/** Of a log on a server: it is neither truncated nor salvaged. */
const asWritten = { truncatedEventCount: 0, carriedEventCount: 0, takenOver: [] };

/** The data directory says that there is a log, not where. */
const logElsewhere: LogToProve = {
  async verify() {
    const detail = "the log is on a server: name the site's configuration file instead of its folder";
    const damages = [{ where: 'log', code: 'LOG_ON_SERVER', detail }];
    return { head: null, eventCount: 0, signedEventCount: 0, ...asWritten, damages, isSigned: () => false };
  },
  async *readOn() {},
  unread: () => noneUnread,
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
  let after = LOG_START;
  let isReadToItsEnd = false;
  return {
    async verify() {
      const { head, eventCount, signedCount, signedUpTo, damages } = await log.verify(key);
      return {
        ...{ head, eventCount, signedEventCount: signedCount, ...asWritten },
        damages: damages.map(damage => ({ where: 'log', ...damage })),
        isSigned: place => comparePlaces(place, signedUpTo) <= 0,
      };
    },
    async *readOn() {
      isReadToItsEnd = false;
      for (let page = await log.read(after); page.length > 0; page = await log.read(after)) {
        yield page;
        after = placeOf(page.at(-1)!);
      }
      isReadToItsEnd = true;
    },
    // The server gives nothing out behind what is damaged.
    unread: () => (isReadToItsEnd ? noneUnread : unreadBehind(after)),
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  };
}
