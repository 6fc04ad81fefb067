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
  HASH_BYTES,
  hexOf,
  LOG_STREAM,
  type LogHead,
  type LogPlace,
  openCheckpoint,
  opensBehind,
  placeOfKey,
  rootOf,
  type TreeEdge,
} from '@holdfast/core';
import { decodeEvent, EventDecodeError, type HoldfastEvent, type SiteId } from '@holdfast/schema';
import { rawPublicKey, verifyNote } from './ed25519-notes.js';
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
import { EVENT_COLUMNS, type EventRow, examineRow, type RowDamage } from './site-log-row.js';
import { carriedTree, leafHashesAfter } from './site-log-truncation.js';
import { KEYS_OF_STREAM } from './stream-index.js';
import { checkCosignatures, type ReceiptDamage } from './verify-receipts.js';
import { checkStreams, type StreamDamage } from './verify-streams.js';

/** Rows read at once: the file is proved page by page, whatever its size. */
const PAGE_EVENTS = 1000;
/** Damages that are named. Behind so many, the file is worthless, and the list no help. */
export const DAMAGES_NAMED_MAX = 1000;

export type SiteLogDamageCode =
  | RowDamage
  | ReceiptDamage
  | StreamDamage
  /** The file is no site log, or SQLite cannot read it. */
  | 'FILE_UNREADABLE'
  /** SQLite finds its own structure damaged. */
  | 'FILE_STRUCTURE'
  | 'EVENT_MISSING'
  /** There are events beyond the size that the log believes to have. */
  | 'EVENT_BEYOND_SIZE'
  /** An event has the id of one that was truncated. */
  | 'ID_REPEATED'
  /** There is an event in front of the place from which on the log keeps them. */
  | 'EVENT_TRUNCATED'
  /** The leaf hashes of what was removed are not those of the tree that was kept. */
  | 'TRUNCATED_LEAVES_MISMATCH'
  /** An event that was carried over the cut is not the one that stood there, or is none of what was removed. */
  | 'CARRIED_EVENT_UNPROVEN'
  /** Not all that the log said it would carry over the cut is there, or more. */
  | 'CARRIED_EVENTS_MISMATCH'
  /** An epoch does not begin with a `LogEpochOpened` that names the end of the one before. */
  | 'EPOCH_NOT_LINKED'
  /** `recordedAt` does not grow. */
  | 'CLOCK_RAN_BACK'
  /** The stored tree edge is not that of the leaves. */
  | 'TREE_EDGE_MISMATCH'
  | 'CHECKPOINT_MALFORMED'
  | 'CHECKPOINT_OF_ANOTHER_LOG'
  | 'CHECKPOINT_SIGNATURE'
  /** A signed root is not that of the leaves: history up to its size was rewritten. */
  | 'CHECKPOINT_ROOT_MISMATCH'
  /** Events were signed that are not there any more. */
  | 'CHECKPOINT_BEYOND_END';

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
  /** Those of them behind which the site's signature stands: up to the largest checkpoint of their epoch that was proved. */
  readonly signedCount: number;
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
      const checkpoints = readCheckpoints(db, site, options.key, damages);
      withIndex(damages, () => checkCosignatures(db, damages));
      const log = { site, epochs: readEpochs(db, file), checkpoints };
      for (const epoch of log.epochs) proveTruncatedLeaves(db, epoch, damages);
      const carriedCount = proveCarriedEvents(db, log, damages);
      withIndex(damages, () => proveCarriedTree(db, log, damages));
      const proved = await proveEvents(db, log, damages, options);
      checkIds(db, damages);
      withIndex(damages, () => checkStreams(db, damages));
      const truncatedCount = log.epochs.reduce((sum, { keptAfter }) => sum + keptAfter, 0);
      const counts = { truncatedCount, carriedCount, checkpointCount: checkpoints.length };
      return { file, ...proved, ...counts, damages: damages.named };
    } finally {
      db.close();
    }
  } catch (error) {
    if (options.signal?.aborted || !isFileFault(error)) throw error;
    damages.add('FILE_UNREADABLE', null, error.message);
    const nothing = { head: null, eventCount: 0, signedCount: 0, checkpointCount: 0 };
    return { file, ...nothing, truncatedCount: 0, carriedCount: 0, damages: damages.named };
  }
}

/** The index of streams leads to events, and is none: what it cannot be read for is named, and the events are proved without it. */
function withIndex(damages: DamageList, check: () => void): void {
  try {
    check();
  } catch (error) {
    if (!isFileFault(error)) throw error;
    damages.add('STREAM_INDEX_MISMATCH', null, `the index cannot be read: ${error.message}`);
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

interface ProvedEvents {
  readonly head: LogHead | null;
  readonly eventCount: number;
  readonly signedCount: number;
}

async function proveEvents(
  db: DatabaseSync,
  log: LogToProve,
  damages: DamageList,
  { signal, onProgress }: Pick<Parameters<typeof verifySiteLog>[0], 'signal' | 'onProgress'>,
): Promise<ProvedEvents> {
  const page = db.prepare(
    `SELECT ${EVENT_COLUMNS} FROM event WHERE key > ? ORDER BY key LIMIT ${PAGE_EVENTS}`,
  );
  const proof = new LogProof(log, damages);
  const total = log.epochs.reduce((sum, { size, keptAfter }) => sum + size - keptAfter, 0);
  let done = 0;
  for (let after = Number.MIN_SAFE_INTEGER; ; ) {
    signal?.throwIfAborted();
    const rows = page.all(after) as unknown as readonly EventRow[];
    const last = rows.at(-1);
    if (last === undefined) break;
    for (const row of rows) proof.take(row);
    if (last.key <= after) {
      damages.add('FILE_STRUCTURE', placeOfKey(last.key), 'events stand out of order in the file');
      break;
    }
    after = last.key;
    done += rows.length;
    onProgress?.(done, total);
    // A large log takes minutes; whoever shares this thread gets a turn between pages.
    await new Promise(resolve => setImmediate(resolve));
  }
  return proof.finish();
}

/** That the leaf hashes of what was removed of an epoch make up the tree that stands for it. */
function proveTruncatedLeaves(
  db: DatabaseSync,
  { epoch, keptAfter, keptEdge }: EpochState,
  damages: DamageList,
): void {
  let edge: TreeEdge = [];
  for (let size = 0; size < keptAfter; ) {
    const leaves = leafHashesAfter(db, { epoch, position: size }, 0);
    if (leaves.length === 0 || size + leaves.length > keptAfter) {
      const at = { epoch, position: size + 1 };
      damages.add('TRUNCATED_LEAVES_MISMATCH', at, 'the leaf hashes do not go on, or beyond the cut');
      return;
    }
    edge = extendEdge(edge, size, leaves, sha256);
    size += leaves.length;
  }
  if (isSameEdge(edge, keptEdge)) return;
  const detail = 'the leaf hashes of what was removed are not those of the tree that was kept';
  damages.add('TRUNCATED_LEAVES_MISMATCH', { epoch, position: keptAfter }, detail);
}

/** That every event that was carried over the cut is the very one whose leaf stands in its place. Returns how many there are. */
function proveCarriedEvents(db: DatabaseSync, { site, epochs }: LogToProve, damages: DamageList): number {
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
    for (const { code, detail } of examineRow(row, site).damages) damages.add(code, place, detail);
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

interface LogToProve {
  readonly site: SiteId;
  readonly epochs: readonly EpochState[];
  readonly checkpoints: readonly LogHead[];
}

/** Walks the events of all epochs in order. */
class LogProof {
  readonly #log: LogToProve;
  readonly #damages: DamageList;
  #epochsLeft: readonly EpochState[];
  #proof: EpochProof;
  #recordedAt = -1n;
  #eventCount = 0;
  #signedCount = 0;

  constructor(log: LogToProve, damages: DamageList) {
    this.#log = log;
    this.#damages = damages;
    this.#epochsLeft = log.epochs.slice(1);
    this.#proof = this.#begin(log.epochs[0]!);
  }

  take(row: EventRow): void {
    const place = placeOfKey(row.key);
    const { epoch } = place;
    while (epoch > this.#proof.epoch && this.#next());
    this.#eventCount += 1;
    const { header, damages } = examineRow(row, this.#log.site);
    for (const { code, detail } of damages) this.#damages.add(code, place, detail);
    if (epoch !== this.#proof.epoch) {
      this.#damages.add('EVENT_BEYOND_SIZE', place, `the log has no epoch ${epoch}`);
      return;
    }
    if (header !== null && damages.length === 0) {
      if (header.recordedAt <= this.#recordedAt) {
        const detail = 'recordedAt is not later than that of the event before';
        this.#damages.add('CLOCK_RAN_BACK', place, detail);
      }
      this.#recordedAt = header.recordedAt;
    }
    if (place.position === 1 && damages.length === 0) this.#checkOpening(header!, row.data, place);
    this.#proof.take(row, place);
  }

  finish(): ProvedEvents {
    while (this.#next());
    const head = this.#end();
    for (const { epoch, size } of this.#log.checkpoints) {
      if (this.#log.epochs.some(known => known.epoch === epoch)) continue;
      this.#damages.add('CHECKPOINT_BEYOND_END', { epoch, position: size }, `the log has no epoch ${epoch}`);
    }
    return { head, eventCount: this.#eventCount, signedCount: this.#signedCount };
  }

  #begin(state: EpochState): EpochProof {
    const checkpoints = this.#log.checkpoints.filter(({ epoch }) => epoch === state.epoch);
    return new EpochProof(this.#log.site, state, checkpoints, this.#damages);
  }

  /** Goes over to the next epoch; false when there is none. */
  #next(): boolean {
    const [next, ...left] = this.#epochsLeft;
    if (next === undefined) return false;
    this.#end();
    this.#proof = this.#begin(next);
    this.#epochsLeft = left;
    return true;
  }

  #end(): LogHead | null {
    const { head, signedSize, keptAfter } = this.#proof.finish();
    this.#signedCount += Math.max(0, signedSize - keptAfter);
    return head;
  }

  #checkOpening(header: EventHeader, data: Uint8Array, place: LogPlace): void {
    const before = this.#log.epochs.findLast(({ epoch }) => epoch < place.epoch);
    if (before === undefined) return;
    const { epoch, size, edge } = before;
    if (opensBehind({ ...header, data }, { epoch, size, root: rootOf(edge, size, sha256) })) return;
    this.#damages.add('EPOCH_NOT_LINKED', place, `it does not open the epoch behind ${epoch}/${size}`);
  }
}

/** Walks the events of one epoch in order, growing its tree and meeting its checkpoints on the way. */
class EpochProof {
  readonly #site: SiteId;
  readonly #state: EpochState;
  readonly #checkpoints: readonly LogHead[];
  readonly #damages: DamageList;
  #nextCheckpoint = 0;
  #signedSize = 0;
  #size: number;
  #edge: TreeEdge;
  /** Once an event is missing, no root after it can be right, and each would only repeat that. */
  #isComplete = true;

  constructor(site: SiteId, state: EpochState, checkpoints: readonly LogHead[], damages: DamageList) {
    this.#site = site;
    this.#state = state;
    this.#damages = damages;
    this.#size = state.keptAfter;
    this.#edge = state.keptEdge;
    // Of what was removed, only its end can still be proved.
    this.#checkpoints = checkpoints.filter(({ size }) => size >= state.keptAfter);
    if (state.keptAfter > 0) this.#meetCheckpoints();
  }

  get epoch(): number {
    return this.#state.epoch;
  }

  take(row: EventRow, place: LogPlace): void {
    const { position } = place;
    const expected = this.#size + 1;
    if (position > expected) {
      const missing = position - expected;
      const detail = missing === 1 ? 'not there' : `${missing} events are not there`;
      this.#add('EVENT_MISSING', expected, detail);
      this.#isComplete = false;
    }
    if (position < 1) this.#add('COLUMN_MISMATCH', position, 'positions begin at 1');
    else if (position < expected) {
      this.#add('EVENT_TRUNCATED', position, `the log begins after ${this.#state.keptAfter}`);
      return;
    }
    if (position > this.#state.size) {
      this.#add('EVENT_BEYOND_SIZE', position, `the size of the log is ${this.#state.size}`);
    }
    this.#isComplete &&= row.leaf_hash instanceof Uint8Array && row.leaf_hash.length === HASH_BYTES;
    if (this.#isComplete) this.#edge = extendEdge(this.#edge, this.#size, [row.leaf_hash], sha256);
    this.#size = Math.max(0, position);
    if (this.#isComplete) this.#meetCheckpoints();
  }

  finish(): { readonly head: LogHead | null; readonly signedSize: number; readonly keptAfter: number } {
    const { epoch, keptAfter, edge } = this.#state;
    if (this.#size < this.#state.size) {
      const missing = `${this.#state.size - this.#size} events are not there, the log ends at ${this.#size}`;
      this.#add('EVENT_MISSING', this.#size + 1, missing);
      this.#isComplete = false;
    }
    if (this.#isComplete && this.#size === this.#state.size && !isSameEdge(edge, this.#edge)) {
      this.#add('TREE_EDGE_MISMATCH', this.#size, 'the stored tree edge is not that of the events');
    }
    for (const { size } of this.#checkpoints.slice(this.#nextCheckpoint)) {
      if (size > this.#size) {
        this.#add('CHECKPOINT_BEYOND_END', size, `${size} events were signed, ${this.#size} are there`);
      }
    }
    const size = this.#size;
    const head = this.#isComplete
      ? { site: this.#site, epoch, size, root: rootOf(this.#edge, size, sha256) }
      : null;
    return { head, signedSize: this.#signedSize, keptAfter };
  }

  #meetCheckpoints(): void {
    for (;;) {
      const checkpoint = this.#checkpoints[this.#nextCheckpoint];
      if (checkpoint === undefined || checkpoint.size > this.#size) return;
      this.#nextCheckpoint += 1;
      if (equalBytes(rootOf(this.#edge, this.#size, sha256), checkpoint.root)) {
        this.#signedSize = checkpoint.size;
      } else {
        const since = `some event after ${this.#signedSize} and up to here is not the one that was signed`;
        this.#add('CHECKPOINT_ROOT_MISMATCH', checkpoint.size, since);
      }
    }
  }

  #add(code: SiteLogDamageCode, position: number, detail: string): void {
    this.#damages.add(code, { epoch: this.#state.epoch, position }, detail);
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

function isSameEdge(left: TreeEdge, right: TreeEdge): boolean {
  return left.length === right.length && left.every((hash, index) => equalBytes(hash, right[index]!));
}

/** What SQLite says of a file that it cannot read on, and what we say of one that is no log. */
function isFileFault(error: unknown): error is Error {
  return (
    error instanceof SiteLogFileError ||
    (error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR')
  );
}
