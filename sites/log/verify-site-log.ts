import type { KeyObject } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import {
  CheckpointError,
  checkpointHead,
  comparePlaces,
  type EventHeader,
  endOf,
  equalBytes,
  extendEdge,
  hexOf,
  LOG_STREAM,
  type LogHead,
  type LogPlace,
  openCheckpoint,
  placeOfKey,
  rootOf,
  TakenOverAccount,
  type TakenOverEvents,
  type TreeEdge,
} from '@holdfast/core';
import { decodeEvent, EventDecodeError, type HoldfastEvent, type SiteId } from '@holdfast/schema';
import { rawPublicKey, verifyNote } from './ed25519-notes.js';
import {
  type EventDamage,
  type EventSpan,
  isSameEdge,
  LogFileProof,
  type LogToProve,
  type ProvedEvents,
} from './log-file-proof.js';
import { rowsPastDamage } from './readable-rows.js';
import { sha256 } from './sha256.js';
import {
  assertSiteLogFile,
  type EpochState,
  keptAfterOf,
  readEpochs,
  readSiteLogState,
  SiteLogFileError,
} from './site-log-file.js';
import { openForReading } from './site-log-reader.js';
import { EVENT_COLUMNS, type EventRow, examineRow } from './site-log-row.js';
import { carriedTree, leafHashesAfter } from './site-log-truncation.js';
import { KEYS_OF_STREAM, streamIndexDamage } from './stream-index.js';
import { checkCosignatures, type ReceiptDamage } from './verify-receipts.js';
import { checkStreams, type StreamDamage } from './verify-streams.js';

/** Between two turns for whoever shares this thread: a large log takes minutes. */
const EVENTS_PER_TURN = 1000;
/** Damages that are named. Behind so many, the file is worthless, and the list no help. */
export const DAMAGES_NAMED_MAX = 1000;

export type SiteLogDamageCode =
  | EventDamage
  | ReceiptDamage
  | StreamDamage
  /** The file is no site log, or SQLite cannot read it. */
  | 'FILE_UNREADABLE'
  /** SQLite finds its own structure damaged. */
  | 'FILE_STRUCTURE'
  /** An event has the id of one that was truncated. */
  | 'ID_REPEATED'
  /** The leaf hashes of what was removed are not those of the tree that was kept. */
  | 'TRUNCATED_LEAVES_MISMATCH'
  /** An event that was carried over the cut is not the one that stood there, or is none of what was removed. */
  | 'CARRIED_EVENT_UNPROVEN'
  /** Not all that the log said it would carry over the cut is there, or more. */
  | 'CARRIED_EVENTS_MISMATCH'
  | 'CHECKPOINT_MALFORMED'
  | 'CHECKPOINT_OF_ANOTHER_LOG'
  | 'CHECKPOINT_SIGNATURE';

export interface SiteLogDamage {
  readonly code: SiteLogDamageCode;
  /** Null when it is about the file. */
  readonly epoch: number | null;
  /** The event's position, a checkpoint's size, or null when it is about the file. */
  readonly position: number | null;
  readonly detail: string;
}

export interface SiteLogVerification {
  readonly file: string;
  /** What the leaves of the current epoch amount to; null when some are not there. */
  readonly head: LogHead | null;
  /** Events in the file, of all epochs. */
  readonly eventCount: number;
  /** Those of them behind which the site's signature stands, in order: up to the largest checkpoint of their epoch that was proved. */
  readonly signed: readonly EventSpan[];
  readonly signedCount: number;
  /** What salvage has found with no signature behind it, and the site has signed only then. */
  readonly takenOver: readonly TakenOverEvents[];
  /** Events that truncation has removed; their leaf hashes are proved with the tree. */
  readonly truncatedCount: number;
  /** Those of them that it has carried over its cut. */
  readonly carriedCount: number;
  /** Receipts included. */
  readonly checkpointCount: number;
  /** Empty when everything is proved. At most `DAMAGES_NAMED_MAX`. */
  readonly damages: readonly SiteLogDamage[];
}

/**
 * Proves a log file: every leaf, every column against its header, dense positions and revisions, the tree of every epoch, that
 * each epoch opens behind the very end of the one before, and every stored checkpoint and receipt, with its signature when the
 * site's public key is given, and with the cosignature by the key of the witness that the log has pinned. Where the beginning of the
 * log was removed, its leaf hashes are still there: the tree over them is proved by the signed roots behind it, and each carried
 * event by its leaf. Reads only, and works beside a site that writes the file: it proves what was committed when it began.
 * Throws only when the signal is aborted.
 */
export async function verifySiteLog(options: {
  readonly file: string;
  /** The site's Ed25519 key, public or private; null to leave signatures unchecked. */
  readonly key: KeyObject | null;
  readonly signal?: AbortSignal;
  /** Told after each page, with the number of events that were proved, and of all there should be. */
  readonly onProgress?: (done: number, total: number) => void;
}): Promise<SiteLogVerification> {
  const { file } = options;
  const damages = new DamageList();
  try {
    const db = openForReading(file);
    try {
      assertSiteLogFile(db, file);
      db.exec('BEGIN');
      const { site } = readSiteLogState(db, file);
      checkStructure(db, damages);
      const checkpoints = orElse([], damages, () => readCheckpoints(db, site, options.key, damages));
      withIndex(db, damages, () => checkCosignatures(db, damages));
      const log = { site, epochs: readEpochs(db, file), checkpoints };
      for (const epoch of log.epochs) {
        orElse(undefined, damages, () => proveTruncatedLeaves(db, epoch, checkpoints, damages));
      }
      const takenOver = new TakenOverAccount();
      const onCarried = (header: EventHeader) => takenOver.take(header);
      const carriedCount = orElse(0, damages, () => proveCarriedEvents(db, log, damages, onCarried));
      withIndex(db, damages, () => proveCarriedTree(db, log, damages));
      const proved = await proveEvents(db, log, damages, { ...options, takenOver });
      const signedCount = proved.signed.reduce((sum, { from, to }) => sum + to - from + 1, 0);
      orElse(undefined, damages, () => checkIds(db, damages));
      withIndex(db, damages, () => checkStreams(db, damages));
      const truncatedCount = log.epochs.reduce((sum, { keptAfter }) => sum + keptAfter, 0);
      const counts = { truncatedCount, carriedCount, checkpointCount: checkpoints.length };
      const found = { takenOver: takenOver.all(), damages: damages.named };
      return { file, ...proved, signedCount, ...counts, ...found };
    } finally {
      db.close();
    }
  } catch (error) {
    if (options.signal?.aborted || !isFileFault(error)) throw error;
    damages.add('FILE_UNREADABLE', null, error.message);
    const nothing = {
      head: null,
      eventCount: 0,
      signed: [],
      signedCount: 0,
      takenOver: [],
      checkpointCount: 0,
    };
    return { file, ...nothing, truncatedCount: 0, carriedCount: 0, damages: damages.named };
  }
}

/** What SQLite cannot read for it is named, and the rest of the file is proved without it. */
function orElse<T>(without: T, damages: DamageList, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!isFileFault(error)) throw error;
    damages.add('FILE_STRUCTURE', null, error.message);
    return without;
  }
}

/** The same of what needs the index of streams, which leads to events, and is none. */
function withIndex(db: DatabaseSync, damages: DamageList, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!isFileFault(error)) throw error;
    if (streamIndexDamage(db) === null) damages.add('FILE_STRUCTURE', null, error.message);
    else damages.add('STREAM_INDEX_MISMATCH', null, `the index cannot be read: ${error.message}`);
  }
}

class DamageList {
  readonly named: SiteLogDamage[] = [];

  add(code: SiteLogDamageCode, at: LogPlace | null, detail: string): void {
    if (this.named.length >= DAMAGES_NAMED_MAX) return;
    this.named.push({ code, epoch: at?.epoch ?? null, position: at?.position ?? null, detail });
  }
}

function readCheckpoints(
  db: DatabaseSync,
  site: SiteId,
  key: KeyObject | null,
  damages: DamageList,
): readonly LogHead[] {
  const publicKey = key === null ? null : rawPublicKey(key);
  const checkpoints: LogHead[] = [];
  // A receipt is a checkpoint of ours to which a witness has added its line.
  const rows = db.prepare(
    'SELECT epoch, size, note FROM checkpoint UNION ALL SELECT epoch, size, note FROM receipt ORDER BY epoch, size',
  );
  for (const row of rows.all()) {
    const at = { epoch: row.epoch as number, position: row.size as number };
    const note = String(row.note);
    let head: LogHead;
    try {
      head = checkpointHead(note);
      if (publicKey !== null) openCheckpoint(note, { publicKey, verify: verifyNote }, sha256);
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      const isSignature = error.failure === 'BAD_SIGNATURE' || error.failure === 'NO_SIGNATURE_BY_KEY';
      damages.add(isSignature ? 'CHECKPOINT_SIGNATURE' : 'CHECKPOINT_MALFORMED', at, error.message);
      continue;
    }
    if (head.site !== site || comparePlaces(endOf(head), at) !== 0) {
      const of = `it is of ${head.site}, epoch ${head.epoch}, size ${head.size}`;
      damages.add('CHECKPOINT_OF_ANOTHER_LOG', at, of);
      continue;
    }
    checkpoints.push(head);
  }
  return checkpoints;
}

async function proveEvents(
  db: DatabaseSync,
  log: LogToProve,
  damages: DamageList,
  {
    signal,
    onProgress,
    takenOver,
  }: Pick<Parameters<typeof verifySiteLog>[0], 'signal' | 'onProgress'> & {
    readonly takenOver: TakenOverAccount;
  },
): Promise<ProvedEvents> {
  const rows = db.prepare(`SELECT ${EVENT_COLUMNS} FROM event WHERE key >= ? + 1 ORDER BY key`);
  const proof = new LogFileProof(log, damages);
  const total = log.epochs.reduce((sum, { size, keptAfter }) => sum + size - keptAfter, 0);
  let done = 0;
  signal?.throwIfAborted();
  const pastDamage = { after: Number.MIN_SAFE_INTEGER, onDamage: () => proof.passOver() };
  for (const row of rowsPastDamage(rows, 'key', pastDamage)) {
    const header = proof.take(row as unknown as EventRow);
    if (header !== null) takenOver.take(header);
    done += 1;
    if (done % EVENTS_PER_TURN > 0 && done < total) continue;
    onProgress?.(done, total);
    await new Promise(resolve => setImmediate(resolve));
    signal?.throwIfAborted();
  }
  return proof.finish();
}

/** That the leaf hashes of what was removed of an epoch make up the tree that stands for it, and what was signed on the way. */
function proveTruncatedLeaves(
  db: DatabaseSync,
  { epoch, keptAfter, keptEdge }: EpochState,
  checkpoints: readonly LogHead[],
  damages: DamageList,
): void {
  const signed = checkpoints.filter(head => head.epoch === epoch && head.size > 0 && head.size < keptAfter);
  let next = 0;
  let edge: TreeEdge = [];
  for (let size = 0; size < keptAfter; ) {
    const leaves = leafHashesAfter(db, { epoch, position: size }, 0);
    if (leaves.length === 0 || size + leaves.length > keptAfter) {
      const at = { epoch, position: size + 1 };
      damages.add('TRUNCATED_LEAVES_MISMATCH', at, 'the leaf hashes do not go on, or beyond the cut');
      return;
    }
    const [from, end] = [size, size + leaves.length];
    while (size < end) {
      const upTo = Math.min(signed[next]?.size ?? end, end);
      edge = extendEdge(edge, size, leaves.slice(size - from, upTo - from), sha256);
      size = upTo;
      // Several witnesses may have cosigned at one size.
      for (; signed[next]?.size === size; next += 1) {
        if (equalBytes(rootOf(edge, size, sha256), signed[next]!.root)) continue;
        const detail = 'the leaf hashes up to here are not those that were signed';
        damages.add('CHECKPOINT_ROOT_MISMATCH', { epoch, position: size }, detail);
      }
    }
  }
  if (isSameEdge(edge, keptEdge)) return;
  const detail = 'the leaf hashes of what was removed are not those of the tree that was kept';
  damages.add('TRUNCATED_LEAVES_MISMATCH', { epoch, position: keptAfter }, detail);
}

/** That every event that was carried over the cut is the very one whose leaf stands in its place. Returns how many there are. */
function proveCarriedEvents(
  db: DatabaseSync,
  { site, epochs }: LogToProve,
  damages: DamageList,
  onWhole: (header: EventHeader) => void,
): number {
  const rows = db
    .prepare(
      `SELECT carried_event.*, truncated_id.key AS known FROM carried_event
       LEFT JOIN truncated_id ON truncated_id.id = carried_event.id ORDER BY carried_event.key`,
    )
    .iterate() as Iterable<EventRow & { readonly known: number | null }>;
  let count = 0;
  for (const row of rows) {
    count += 1;
    const place = placeOfKey(row.key);
    const examined = examineRow(row, site);
    for (const { code, detail } of examined.damages) damages.add(code, place, detail);
    if (examined.header !== null && examined.damages.length === 0) onWhole(examined.header);
    const keptAfter = epochs.find(({ epoch }) => epoch === place.epoch)?.keptAfter ?? 0;
    const before = { epoch: place.epoch, position: place.position - 1 };
    const [leaf] = place.position > keptAfter ? [] : leafHashesAfter(db, before, 0);
    if (leaf !== undefined && equalBytes(leaf, row.leaf_hash) && row.known === row.key) continue;
    damages.add('CARRIED_EVENT_UNPROVEN', place, 'it is not the event that was removed from there');
  }
  return count;
}

/** That what was carried over the last cut, once it is made, is all that the log said it would carry, and no more. */
function proveCarriedTree(db: DatabaseSync, { site, epochs }: LogToProve, damages: DamageList): void {
  const rows = db
    .prepare(`SELECT ${EVENT_COLUMNS} FROM event WHERE key IN (${KEYS_OF_STREAM}) ORDER BY key DESC`)
    .iterate(LOG_STREAM) as Iterable<EventRow>;
  for (const row of rows) {
    const { header } = examineRow(row, site);
    if (header?.type !== 'LogTruncated') continue;
    let truncation: HoldfastEvent;
    try {
      truncation = decodeEvent(header.type, header.version, JSON.parse(Buffer.from(row.data).toString()));
    } catch (error) {
      // A damaged one is named with the other events; what newer software says is not for this one to judge.
      if (error instanceof EventDecodeError || error instanceof SyntaxError) return;
      throw error;
    }
    if (truncation.type !== 'LogTruncated' || truncation.data.carried === null) return;
    const { epoch, firstKeptPosition, carried } = truncation.data;
    const to = { epoch, position: firstKeptPosition - 1 };
    if (comparePlaces(keptAfterOf(epochs), to) !== 0) return;
    const { count, root } = carriedTree(db, to);
    if (count === carried.count && hexOf(root) === carried.root) return;
    const detail = `${count} events are carried over the cut, with root ${hexOf(root)}: the log says ${carried.count}, ${carried.root}`;
    damages.add('CARRIED_EVENTS_MISMATCH', to, detail);
    return;
  }
}

/** SQLite keeps the ids of what is there apart; those of what is not there any more are the writer's to keep so. */
function checkIds(db: DatabaseSync, damages: DamageList): void {
  const rows = db.prepare('SELECT event.key FROM event CROSS JOIN truncated_id USING (id)').iterate();
  for (const { key } of rows as Iterable<{ key: number }>) {
    damages.add('ID_REPEATED', placeOfKey(key), 'it has the id of an event that was truncated');
  }
}

function checkStructure(db: DatabaseSync, damages: DamageList): void {
  try {
    for (const row of db.prepare('PRAGMA integrity_check(100)').all()) {
      const finding = String(row.integrity_check);
      if (finding !== 'ok') damages.add('FILE_STRUCTURE', null, finding);
    }
  } catch (error) {
    if (!isFileFault(error)) throw error;
    damages.add('FILE_STRUCTURE', null, error.message);
  }
}

/** What SQLite says of a file that it cannot read on, and what we say of one that is no log. */
function isFileFault(error: unknown): error is Error {
  return (
    error instanceof SiteLogFileError ||
    (error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR')
  );
}
