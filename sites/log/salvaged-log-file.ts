import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  type EpochTree,
  encodeEdge,
  epochOpening,
  equalBytes,
  firstEventOf,
  HistoryProof,
  HistoryUnprovenError,
  LOG_STREAM,
  type NewEvent,
  placeKey,
  type RecordedEvent,
  rootOf,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { isCorrupt, isUnreadable } from '../sqlite-result.js';
import { prepareEventStatements } from './append-group.js';
import { scanPages } from './page-scan.js';
import { readableRows } from './readable-rows.js';
import { ReopenedEpoch, recordTailAgain, storeEpoch, storeProven } from './reopened-epoch.js';
import { sha256 } from './sha256.js';
import { type EpochState, readEpochs, SiteLogFileError } from './site-log-file.js';
import { openSiteLogForWriting } from './site-log-opening.js';
import { openForReading } from './site-log-reader.js';
import type { EventRow } from './site-log-row.js';
import { extendStreamIndex } from './stream-index.js';

/** Events in one commit: the write-ahead log of the new file stays small. */
const EVENTS_PER_COMMIT = 10_000;
const REASON_CHARACTERS_MAX = 500;
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
}

/** Makes a new file of a log. Returns what is in it, for people. Throws `SiteLogFileError`. */
export async function fillSalvaged(newFile: string, sources: SalvageSources): Promise<string> {
  const { from, meanwhile, site, nowMs, damage } = sources;
  using old = from === null ? null : openReadable(from);
  using opened = openSiteLogForWriting(newFile, site);
  const { db } = opened;
  // Nobody knows this file yet: the last commit brings all of it to the disk.
  db.exec('PRAGMA synchronous = NORMAL');
  db.exec('CREATE TEMP TABLE tail (key INTEGER PRIMARY KEY, header BLOB, data BLOB)');
  const epochs = old === null ? null : readable(() => readEpochs(old, from!));
  const cut = old === null || epochs === null ? null : takeCut(old, db, epochs);
  const proof = new HistoryProof({ site, common: cut ?? NOTHING, recordedAt: 0n, sha256 });
  const tailCount = old === null ? 0 : takeEvents(old, { db, proof, site, hasCut: cut !== null });
  db.exec('BEGIN IMMEDIATE');
  extendStreamIndex(db);
  for (const tree of proof.trees) storeEpoch(db, tree);
  const end = proof.trees.at(-1) ?? NOTHING;
  if (old !== null) takeNotes(old, db, end);
  let kept = `all events were whole, up to ${end.epoch}/${end.size}`;
  if (meanwhile !== null || tailCount > 0 || !isEndOf(epochs, end)) {
    if (from !== null) takeUnreached(from, { db, site, end });
    if (meanwhile !== null) takeMeanwhile(meanwhile, { db, site });
    const log = new ReopenedEpoch(db, prepareEventStatements(db), {
      site,
      nowMs,
      epoch: end.epoch + 1,
      proof,
    });
    log.record(LOG_STREAM, opening(end, sources));
    // Of a cut nothing was left that can be read: who opens the log would make it in what is recorded again.
    const without = cut === null ? new Set(['LogTruncated']) : undefined;
    const { recordedAgainCount } = await recordTailAgain(db, log, without);
    extendStreamIndex(db);
    storeEpoch(db, log.tree());
    kept = againInWords(end, recordedAgainCount);
  }
  db.exec('COMMIT; PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)');
  const taken = from === null ? 'is nothing taken yet, for want of room: make room, and it is' : kept;
  return `${damage}. Of it ${taken}. The damaged file is kept in ${sources.aside}. Look at the disk.`;
}

function againInWords({ epoch, size }: EpochTree, recordedAgainCount: number): string {
  const whole = epoch === 0 ? 'no beginning was whole' : `the events up to ${epoch}/${size} were whole`;
  return `${whole}, and ${recordedAgainCount} of those behind are recorded again in epoch ${epoch + 1}; the parent gives back what is missing, where there is one`;
}

const NOTHING: EpochTree = { epoch: 0, size: 0, edge: [] };
const INSERT_INTO_TAIL = 'INSERT OR IGNORE INTO tail (key, header, data) VALUES (?, ?, ?)';

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
function readable<Result>(read: () => Result): Result | null {
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

function copyRows(old: DatabaseSync, db: DatabaseSync, table: string, condition = 'true'): void {
  let insert: StatementSync | null = null;
  for (const row of old.prepare(`SELECT * FROM ${table} WHERE ${condition}`).iterate()) {
    const values = Object.values(row);
    insert ??= db.prepare(`INSERT INTO ${table} VALUES (${values.map(() => '?').join(', ')})`);
    insert.run(...values);
  }
}

/** Those that follow one upon the other into the log, all others into the table `tail`. Returns how many those are. */
function takeEvents(
  old: DatabaseSync,
  to: {
    readonly db: DatabaseSync;
    readonly proof: HistoryProof;
    readonly site: SiteId;
    readonly hasCut: boolean;
  },
): number {
  const { db, proof, site } = to;
  const statements = prepareEventStatements(db);
  const insertTail = db.prepare(INSERT_INTO_TAIL);
  let count = 0;
  let tailCount = 0;
  db.exec('BEGIN IMMEDIATE');
  for (const table of to.hasCut ? (['event'] as const) : (['carried_event', 'event'] as const)) {
    for (const row of readableRows(old, { table, site })) {
      const event = tailCount > 0 || table === 'carried_event' ? null : proved(row, proof);
      if (event !== null) storeProven(event, statements);
      else {
        insertTail.run(row.key, row.header, row.data);
        tailCount += 1;
      }
      count += 1;
      if (count % EVENTS_PER_COMMIT === 0) db.exec('COMMIT; BEGIN IMMEDIATE');
    }
  }
  db.exec('COMMIT');
  return tailCount;
}

/** Those on pages that no table leads to any more: their places are not trusted, so all of them go into the table `tail`. */
function takeUnreached(
  file: string,
  { db, site, end }: { readonly db: DatabaseSync; readonly site: SiteId; readonly end: EpochTree },
): void {
  const insertTail = db.prepare(INSERT_INTO_TAIL);
  const endKey = placeKey({ epoch: end.epoch, position: end.size });
  for (const { key, header, data } of scanPages(file, site)) {
    if (key > endKey) insertTail.run(key, header, data);
  }
}

/** All of a whole log, behind what is in the table `tail`. */
function takeMeanwhile(
  file: string,
  { db, site }: { readonly db: DatabaseSync; readonly site: SiteId },
): void {
  using log = openForReading(file);
  const last = db.prepare('SELECT coalesce(max(key), 0) AS last FROM tail').get() as { last: number };
  const insertTail = db.prepare(INSERT_INTO_TAIL);
  let key = last.last;
  for (const { header, data } of readableRows(log, { table: 'event', site })) {
    key += 1;
    insertTail.run(key, header, data);
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

/** Of the events that are whole; what cannot be read is made again, or a witness has it. */
function takeNotes(old: DatabaseSync, db: DatabaseSync, { epoch, size }: EpochTree): void {
  for (const table of ['checkpoint', 'receipt']) {
    readable(() => copyRows(old, db, table, `epoch < ${epoch} OR (epoch = ${epoch} AND size <= ${size})`));
  }
}

function isEndOf(epochs: readonly EpochState[] | null, { epoch, size, edge }: EpochTree): boolean {
  const last = epochs?.at(-1);
  return last?.epoch === epoch && last.size === size && equalBytes(encodeEdge(last.edge), encodeEdge(edge));
}

function opening({ epoch, size, edge }: EpochTree, { site, nowMs, damage }: SalvageSources): NewEvent {
  const reason = `the file of the log was damaged: ${damage}`.slice(0, REASON_CHARACTERS_MAX);
  if (epoch === 0) return firstEventOf(site, nowMs, sha256, reason).events[0]!;
  return epochOpening({ epoch, size, root: rootOf(edge, size, sha256) }, reason, { site, nowMs, sha256 });
}
