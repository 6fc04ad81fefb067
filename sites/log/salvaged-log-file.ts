import { createHash } from 'node:crypto';
import { closeSync, openSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import type { DatabaseSync, SQLInputValue, StatementSync } from 'node:sqlite';
import {
  checkpointHead,
  comparePlaces,
  type EpochTree,
  encodeEdge,
  epochOpening,
  equalBytes,
  firstEventOf,
  HistoryProof,
  HistoryUnprovenError,
  LOG_STREAM,
  type LogHead,
  type LogPlace,
  logStreamEvent,
  type NewEvent,
  placeKey,
  placeOfKey,
  type RecordedEvent,
  rootOf,
  takenOver,
} from '@holdfast/core';
import { LogTruncated, type SiteId } from '@holdfast/schema';
import { isCorrupt, isUnreadable } from '../sqlite-result.js';
import { prepareEventStatements } from './append-group.js';
import { isAmong } from './log-file-proof.js';
import { scanPages } from './page-scan.js';
import { readableRows } from './readable-rows.js';
import { ReopenedEpoch, recordTailAgain, storeEpoch, storeProven } from './reopened-epoch.js';
import { sha256 } from './sha256.js';
import { nothingSigned, readableNotes, readSignedEvents, type SignedEvents } from './signed-events.js';
import { type EpochState, readEpochs, SiteLogFileError } from './site-log-file.js';
import { openSiteLogForWriting } from './site-log-opening.js';
import { openForReading } from './site-log-reader.js';
import type { EventRow } from './site-log-row.js';
import { extendStreamIndex } from './stream-index.js';

/** Events in one commit: the write-ahead log of the new file stays small. */
const EVENTS_PER_COMMIT = 10_000;
const REASON_CHARACTERS_MAX = 500;
const HASHED_AT_ONCE_BYTES = 1024 * 1024;
/** What was removed from a log by truncation, and what stays of it. */
const tablesOfCut = ['truncated_stream', 'truncated_id', 'truncated_leaves', 'carried_event'] as const;

/** What a new file of a log is made of. */
export interface SalvageSources {
  readonly site: SiteId;
  /** Wall clock. */
  readonly nowMs: number;
  /** How it showed, for people. */
  readonly damage: string;
  /** Where its events are; null: none is taken. */
  readonly from: string | null;
  /** A whole log, of which all is recorded again behind those. */
  readonly meanwhile: string | null;
  /** Where the damaged one is kept. */
  readonly aside: string;
  /** The site's own raw Ed25519 key. */
  readonly publicKey: Uint8Array;
  /** What the log at `from` has signed last, and may not have stored; null: not known. */
  readonly note: string | null;
}

/** Makes a new file of a log. Returns what is in it, for people. Throws `SiteLogFileError`. */
export async function fillSalvaged(newFile: string, sources: SalvageSources): Promise<string> {
  const { from, meanwhile, site, nowMs, damage, publicKey } = sources;
  using old = from === null ? null : openReadable(from);
  using opened = openSiteLogForWriting(newFile, site);
  const { db } = opened;
  // Nobody knows this file yet: the last commit brings all of it to the disk.
  db.exec('PRAGMA synchronous = NORMAL');
  db.exec(
    'CREATE TEMP TABLE tail (key INTEGER PRIMARY KEY, id BLOB, header BLOB, data BLOB, is_signed INTEGER)',
  );
  const epochs = old === null ? null : readable(() => readEpochs(old, from!));
  const signed =
    old === null ? nothingSigned : await readSignedEvents(old, { ...sources, epochs: epochs ?? [] });
  const cut = old === null || epochs === null ? null : takeCut(old, db, epochs);
  const kept =
    old === null ? { trees: [], recordedAt: 0n } : takeEvents(old, { db, signed, site, common: cut });
  db.exec('BEGIN IMMEDIATE');
  extendStreamIndex(db);
  for (const tree of kept.trees) storeEpoch(db, tree);
  const end = kept.trees.at(-1) ?? NOTHING;
  if (old !== null) takeNotes(old, db, { ...sources, signed, end });
  let done = `all events were whole and signed, up to ${end.epoch}/${end.size}`;
  if (meanwhile !== null || hasTail(db) || !isEndOf(epochs, end)) {
    if (from !== null) takeUnreached(from, { db, site, end });
    if (meanwhile !== null) await takeMeanwhile(meanwhile, { db, site, publicKey });
    // What was put there under the id of a signed event does not keep that out.
    db.exec('DELETE FROM tail WHERE is_signed = 0 AND id IN (SELECT id FROM tail WHERE is_signed = 1)');
    const statements = prepareEventStatements(db);
    const log = new ReopenedEpoch(db, statements, { site, nowMs, epoch: end.epoch + 1, proof: kept });
    log.record(LOG_STREAM, opening(end, sources));
    const salvaged = from === null ? null : salvagedEvent(end, { ...sources, from });
    if (salvaged !== null) log.record(LOG_STREAM, salvaged);
    let takenOverCount = 0;
    const { recordedAgainCount } = await recordTailAgain(db, log, {
      // Who opens the log would make the cut in what is recorded again, or one that anybody may have asked for.
      isLeftOut: ({ type }, row) => type === LogTruncated.type && (cut === null || row.is_signed !== 1),
      as: (event, row) => {
        if (row.is_signed === 1 || salvaged === null) return event;
        takenOverCount += 1;
        return takenOver(event, salvaged.id);
      },
    });
    extendStreamIndex(db);
    storeEpoch(db, log.tree());
    done = againInWords(end, { recordedAgainCount, takenOverCount });
  }
  db.exec('COMMIT; PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)');
  const taken = from === null ? 'is nothing taken yet, for want of room: make room, and it is' : done;
  return `${damage}. Of it ${taken}. The damaged file is kept in ${sources.aside}. Look at the disk.`;
}

function againInWords(
  { epoch, size }: EpochTree,
  counts: { readonly recordedAgainCount: number; readonly takenOverCount: number },
): string {
  const { recordedAgainCount, takenOverCount } = counts;
  const whole =
    epoch === 0
      ? 'no beginning was whole and signed'
      : `the events up to ${epoch}/${size} were whole and signed`;
  const unsigned =
    takenOverCount > 0
      ? ` (${takenOverCount} of them taken over without a signature: whoever could write the file may have put them there)`
      : '';
  return `${whole}, and ${recordedAgainCount} of those behind are recorded again in epoch ${epoch + 1}${unsigned}; the parent gives back what is missing, where there is one`;
}

export const NOTHING: EpochTree = { epoch: 0, size: 0, edge: [] };
const INSERT_INTO_TAIL =
  'INSERT OR IGNORE INTO tail (key, id, header, data, is_signed) VALUES (?, ?, ?, ?, ?)';

/** Null: not even its tables can be read. Throws `SiteLogFileError` for another reason. */
export function openReadable(file: string): DatabaseSync | null {
  try {
    return openForReading(file);
  } catch (error) {
    if (error instanceof SiteLogFileError && isCorrupt(error.cause)) return null;
    throw error;
  }
}

/** Null: it stands on damaged pages. */
export function readable<Result>(read: () => Result): Result | null {
  try {
    return read();
  } catch (error) {
    if (isUnreadable(error) || error instanceof SiteLogFileError) return null;
    throw error;
  }
}

/** What truncation left of the beginning. Returns the tree over what was removed; null when nothing was, or it cannot be read. */
function takeCut(old: DatabaseSync, db: DatabaseSync, epochs: readonly EpochState[]): EpochTree | null {
  const last = epochs.findLast(({ keptAfter }) => keptAfter > 0);
  if (last === undefined) return null;
  db.exec('BEGIN IMMEDIATE');
  const taken = readable(() => {
    for (const table of tablesOfCut) copyRows(old, db, table);
    return true;
  });
  if (taken === null) {
    db.exec('ROLLBACK');
    return null;
  }
  db.exec('DELETE FROM epoch');
  const insert = db.prepare(
    'INSERT INTO epoch (epoch, kept_after, kept_edge, size, tree_edge) VALUES (?, ?, ?, ?, ?)',
  );
  for (const { epoch, keptAfter, keptEdge, size, edge } of epochs.filter(
    ({ epoch }) => epoch <= last.epoch,
  )) {
    insert.run(epoch, keptAfter, encodeEdge(keptEdge), size, encodeEdge(edge));
  }
  db.exec('COMMIT');
  return { epoch: last.epoch, size: last.keptAfter, edge: last.keptEdge };
}

function copyRows(old: DatabaseSync, db: DatabaseSync, table: string): void {
  let insert: StatementSync | null = null;
  for (const row of old.prepare(`SELECT * FROM ${table}`).iterate()) {
    const values = Object.values(row);
    insert ??= db.prepare(`INSERT INTO ${table} VALUES (${values.map(() => '?').join(', ')})`);
    insert.run(...values);
  }
}

/** What stays as it was. */
interface KeptHistory {
  readonly trees: readonly EpochTree[];
  /** The clock at its end. */
  readonly recordedAt: bigint;
}

/**
 * Those that follow one upon the other, up to the last checkpoint that is of them, into the log; all others into the table `tail`.
 * What truncation left of the beginning stays in any case: a parent holds what was removed.
 */
function takeEvents(
  old: DatabaseSync,
  to: {
    readonly db: DatabaseSync;
    readonly signed: SignedEvents;
    readonly site: SiteId;
    readonly common: EpochTree | null;
  },
): KeptHistory {
  const { db, signed, site, common } = to;
  const proof = new HistoryProof({ site, common: common ?? NOTHING, recordedAt: 0n, sha256 });
  const statements = prepareEventStatements(db);
  const insertTail = db.prepare(INSERT_INTO_TAIL);
  let kept: KeptHistory = { trees: proof.trees, recordedAt: proof.recordedAt };
  let count = 0;
  let isFollowing = true;
  const turn = () => {
    count += 1;
    if (count % EVENTS_PER_COMMIT === 0) db.exec('COMMIT; BEGIN IMMEDIATE');
  };
  db.exec('BEGIN IMMEDIATE');
  for (const row of readableRows(old, { table: 'event', site })) {
    const event: RecordedEvent | null = isFollowing ? proved(row, proof) : null;
    isFollowing = event !== null;
    if (event === null) insertTail.run(row.key, row.id, row.header, row.data, 0);
    else {
      storeProven(event, statements);
      if (isSignedEnd(proof, signed)) kept = { trees: proof.trees, recordedAt: proof.recordedAt };
    }
    turn();
  }
  const key = placeKey(placeOfEnd(kept.trees.at(-1) ?? NOTHING));
  db.prepare('INSERT INTO tail SELECT key, id, header, data, 0 FROM event WHERE key > ?').run(key);
  db.prepare('DELETE FROM event WHERE key > ?').run(key);
  const sign = db.prepare('UPDATE tail SET is_signed = 1 WHERE key BETWEEN ? AND ?');
  for (const { epoch, from, to } of signed.spans) {
    sign.run(placeKey({ epoch, position: from }), placeKey({ epoch, position: to }));
  }
  for (const row of common === null ? readableRows(old, { table: 'carried_event', site }) : []) {
    insertTail.run(row.key, row.id, row.header, row.data, 0);
    turn();
  }
  db.exec('COMMIT');
  return kept;
}

function isSignedEnd({ trees }: HistoryProof, { roots }: SignedEvents): boolean {
  const { epoch, size, edge } = trees.at(-1)!;
  const root = roots.get(placeKey({ epoch, position: size }));
  return root !== undefined && equalBytes(root, rootOf(edge, size, sha256));
}

function placeOfEnd({ epoch, size }: EpochTree): LogPlace {
  return { epoch, position: size };
}

/** Those on pages that no table leads to any more: their places are not trusted, so all of them go into the table `tail`. */
function takeUnreached(
  file: string,
  { db, site, end }: { readonly db: DatabaseSync; readonly site: SiteId; readonly end: EpochTree },
): void {
  const insertTail = db.prepare(INSERT_INTO_TAIL);
  const endKey = placeKey(placeOfEnd(end));
  for (const { key, id, header, data } of scanPages(file, site)) {
    if (key > endKey) insertTail.run(key, id, header, data, 0);
  }
}

/** All of a whole log, behind what is in the table `tail`. */
async function takeMeanwhile(
  file: string,
  { db, site, publicKey }: { readonly db: DatabaseSync } & Pick<SalvageSources, 'site' | 'publicKey'>,
): Promise<void> {
  using log = openForReading(file);
  const epochs = readEpochs(log, file);
  const { spans } = await readSignedEvents(log, { site, epochs, publicKey, note: null });
  const last = db.prepare('SELECT coalesce(max(key), 0) AS last FROM tail').get() as { last: number };
  const insertTail = db.prepare(INSERT_INTO_TAIL);
  let key = last.last;
  for (const { key: ownKey, id, header, data } of readableRows(log, { table: 'event', site })) {
    key += 1;
    insertTail.run(key, id, header, data, isAmong(spans, placeOfKey(ownKey)) ? 1 : 0);
  }
}

/** Null: some event before it is missing. */
function proved(row: EventRow, proof: HistoryProof): RecordedEvent | null {
  try {
    return proof.take(row);
  } catch (error) {
    if (error instanceof HistoryUnprovenError) return null;
    throw error;
  }
}

/** What the site has signed of the events that stay as they were; what cannot be read is made again, or a witness has it. */
function takeNotes(
  old: DatabaseSync,
  db: DatabaseSync,
  of: Pick<SalvageSources, 'note' | 'nowMs'> & { readonly signed: SignedEvents; readonly end: EpochTree },
): void {
  const { signed, end, note, nowMs } = of;
  const isOfEnd = ({ epoch, size }: Pick<LogHead, 'epoch' | 'size'>) =>
    comparePlaces({ epoch, position: size }, placeOfEnd(end)) <= 0;
  const store = (table: string, row: Readonly<Record<string, SQLInputValue>>) => {
    const columns = Object.keys(row);
    const insert = `INSERT OR IGNORE INTO ${table} (${columns}) VALUES (${columns.map(() => '?')})`;
    db.prepare(insert).run(...Object.values(row));
  };
  for (const table of ['checkpoint', 'receipt'] as const) {
    for (const row of readableNotes(old, table))
      if (signed.notes.has(row.note) && isOfEnd(row)) store(table, row);
  }
  if (note === null || !signed.notes.has(note) || !isOfEnd(checkpointHead(note))) return;
  const { epoch, size } = checkpointHead(note);
  store('checkpoint', { epoch, size, note, signed_at_ms: Math.floor(nowMs) });
}

function hasTail(db: DatabaseSync): boolean {
  return db.prepare('SELECT 1 FROM tail LIMIT 1').get() !== undefined;
}

function isEndOf(epochs: readonly EpochState[] | null, { epoch, size, edge }: EpochTree): boolean {
  const last = epochs?.at(-1);
  return last?.epoch === epoch && last.size === size && equalBytes(encodeEdge(last.edge), encodeEdge(edge));
}

/** Says what the damaged file was, so that whoever keeps it can show that it is still the one that was found. */
export function salvagedEvent(
  { epoch, size }: EpochTree,
  of: Pick<SalvageSources, 'aside' | 'damage' | 'site' | 'nowMs'> & { readonly from: string },
): NewEvent {
  const { from, aside, damage, site, nowMs } = of;
  const files = [from, `${from}-wal`]
    .filter(file => (statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0)
    .map(file => ({ name: path.basename(file), sha256: fileSha256(file) }));
  const data = {
    damage: damage.slice(0, REASON_CHARACTERS_MAX),
    ...{ keptEpoch: epoch, keptPosition: size, keptIn: path.basename(aside), files },
  };
  return logStreamEvent({ type: 'LogSalvaged', data }, data.keptIn, { site, nowMs, sha256 });
}

/** Null: the disk does not give all of it. */
function fileSha256(file: string): string | null {
  const hash = createHash('sha256');
  const bytes = Buffer.allocUnsafe(HASHED_AT_ONCE_BYTES);
  const open = openSync(file, 'r');
  try {
    for (let count = -1; count !== 0; hash.update(bytes.subarray(0, count))) count = readSync(open, bytes);
    return hash.digest('hex');
  } catch {
    return null;
  } finally {
    closeSync(open);
  }
}

function opening({ epoch, size, edge }: EpochTree, { site, nowMs, damage }: SalvageSources): NewEvent {
  const reason = `the file of the log was damaged: ${damage}`.slice(0, REASON_CHARACTERS_MAX);
  if (epoch === 0) return firstEventOf(site, nowMs, sha256, reason).events[0]!;
  return epochOpening({ epoch, size, root: rootOf(edge, size, sha256) }, reason, { site, nowMs, sha256 });
}
