import { existsSync, readdirSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs';
import path from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { Worker } from 'node:worker_threads';
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
import { makeFolder } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { Ballast } from '../ballast.js';
import { isCorrupt, isUnreadable } from '../sqlite-result.js';
import { syncFolder } from '../sync-folder.js';
import { prepareEventStatements } from './append-group.js';
import { scanPages } from './page-scan.js';
import { readableRows } from './readable-rows.js';
import { ReopenedEpoch, recordTailAgain, storeEpoch, storeProven } from './reopened-epoch.js';
import { sha256 } from './sha256.js';
import { type EpochState, readEpochs, SiteLogFileError } from './site-log-file.js';
import { lockLog, openSiteLogForWriting } from './site-log-opening.js';
import { openForReading } from './site-log-reader.js';
import type { EventRow } from './site-log-row.js';
import { extendStreamIndex } from './stream-index.js';

/** Each puts a whole file aside: a disk that damages one after the other needs a person. */
const SALVAGES_PER_HOUR_MAX = 3;
const HOUR_MS = 3_600_000;
/** Events in one commit: the write-ahead log of the new file stays small. */
const EVENTS_PER_COMMIT = 10_000;
const REASON_CHARACTERS_MAX = 500;
/** For the write-ahead log of the new file, and for others meanwhile. */
const ROOM_BYTES = 32 * 1024 * 1024;

/** What was removed from a log by truncation, and what stays of it. */
const tablesOfCut = ['truncated_stream', 'truncated_id', 'truncated_leaves', 'carried_event'] as const;

export interface SiteLogSalvage {
  readonly file: string;
  readonly site: SiteId;
  /** Wall clock. */
  readonly nowMs: number;
  /** How it showed, for people. */
  readonly damage: string;
}

/** A damaged log cannot be salvaged: too often within an hour, or for want of room. */
export class NotSalvagedError extends Error {
  override readonly name = 'NotSalvagedError';
  readonly code = 'LOG_NOT_SALVAGED';
}

/**
 * Puts a damaged log aside, whole and for good, and makes one of all of its events that can be read: as they were, up to the first
 * that cannot, and recorded again in a new epoch behind it. What is missing then is what a parent gives back, as after the restore
 * of an old copy. Nobody may have it open. Returns what was done, for people. Throws `SiteLogFileError` and `NotSalvagedError`.
 */
export async function salvageSiteLog(salvage: SiteLogSalvage): Promise<string> {
  const { file, nowMs } = salvage;
  const directory = path.dirname(file);
  assertSalvageable(file, nowMs);
  const aside = `${directory}.damaged-${new Date(nowMs).toISOString().replaceAll(':', '-')}`;
  const made = salvagedDirectoryOf(file);
  rmSync(made, { recursive: true, force: true });
  try {
    using _ = lockLog(file);
    makeFolder(made);
    const done = await fill(path.join(made, path.basename(file)), { ...salvage, aside });
    renameSync(directory, aside);
    await finishSalvage(file);
    for (const name of ['ballast', 'opening-ballast']) {
      new Ballast(path.join(aside, `${path.basename(file)}.${name}`)).throwOff();
    }
    return done;
  } catch (cause) {
    if (existsSync(directory)) rmSync(made, { recursive: true, force: true });
    if (cause instanceof SiteLogFileError) throw cause;
    throw new NotSalvagedError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** The same in a thread of its own, for those who have pictures to record meanwhile. */
export function salvageOffThread(salvage: SiteLogSalvage): Promise<string> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./salvage-site-log.worker.js', import.meta.url), {
      workerData: salvage,
      name: 'site-log-salvage',
    });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new NotSalvagedError('the thread ended before it was done')));
  });
}

/** Goes on with what a kill cut off: the damaged log is aside, the new one not in its place yet. */
export async function finishSalvage(file: string): Promise<void> {
  const directory = path.dirname(file);
  const made = salvagedDirectoryOf(file);
  if (existsSync(directory) || !existsSync(made)) return;
  await syncFolder(made);
  renameSync(made, directory);
  await syncFolder(path.dirname(directory));
}

function salvagedDirectoryOf(file: string): string {
  return `${path.dirname(file)}.salvaged`;
}

/** Throws `NotSalvagedError` when it is too often, or there is no room for another file. */
export function assertSalvageable(file: string, nowMs: number): void {
  const directory = path.dirname(file);
  const prefix = `${path.basename(directory)}.damaged-`;
  const recent = readdirSync(path.dirname(directory)).filter(name => {
    const [date, time] = name.slice(prefix.length).split('T');
    const madeMs = Date.parse(`${date}T${time?.replaceAll('-', ':')}`);
    return name.startsWith(prefix) && Math.abs(nowMs - madeMs) < HOUR_MS;
  });
  if (recent.length >= SALVAGES_PER_HOUR_MAX) {
    const often = `${recent.length} damaged logs were put aside within an hour`;
    throw new NotSalvagedError(`${often}: replace the disk, then start again`);
  }
  const neededBytes = [file, `${file}-wal`].reduce(
    (sum, each) => sum + (statSync(each, { throwIfNoEntry: false })?.size ?? 0),
    ROOM_BYTES,
  );
  const { bavail, bsize } = statfsSync(directory);
  if (bavail * bsize >= neededBytes) return;
  throw new NotSalvagedError('the disk has no room for another file as large as the damaged one: make room');
}

async function fill(newFile: string, salvage: SiteLogSalvage & { readonly aside: string }): Promise<string> {
  const { file, site, nowMs } = salvage;
  using old = openReadable(file);
  using opened = openSiteLogForWriting(newFile, site);
  const { db } = opened;
  // Nobody knows this file yet: the last commit brings all of it to the disk.
  db.exec('PRAGMA synchronous = NORMAL');
  db.exec('CREATE TEMP TABLE tail (key INTEGER PRIMARY KEY, header BLOB, data BLOB)');
  const epochs = old === null ? null : readable(() => readEpochs(old, file));
  const cut = old === null || epochs === null ? null : takeCut(old, db, epochs);
  const proof = new HistoryProof({ site, common: cut ?? NOTHING, recordedAt: 0n, sha256 });
  const tailCount = old === null ? 0 : takeEvents(old, { db, proof, site, hasCut: cut !== null });
  db.exec('BEGIN IMMEDIATE');
  extendStreamIndex(db);
  for (const tree of proof.trees) storeEpoch(db, tree);
  const end = proof.trees.at(-1) ?? NOTHING;
  if (old !== null) takeNotes(old, db, end);
  let kept = `all events were whole, up to ${end.epoch}/${end.size}`;
  if (tailCount > 0 || !isEndOf(epochs, end)) {
    takeUnreached(file, { db, site, end });
    const log = new ReopenedEpoch(db, prepareEventStatements(db), {
      site,
      nowMs,
      epoch: end.epoch + 1,
      proof,
    });
    log.record(LOG_STREAM, opening(end, salvage));
    const { recordedAgainCount } = await recordTailAgain(db, log);
    extendStreamIndex(db);
    storeEpoch(db, log.tree());
    const whole =
      end.epoch === 0 ? 'no beginning was whole' : `the events up to ${end.epoch}/${end.size} were whole`;
    kept = `${whole}, and ${recordedAgainCount} of those behind are recorded again in epoch ${end.epoch + 1}; the parent gives back what is missing, where there is one`;
  }
  db.exec('COMMIT; PRAGMA synchronous = FULL; PRAGMA wal_checkpoint(TRUNCATE)');
  return `${salvage.damage}. Of it ${kept}. The damaged file is kept in ${salvage.aside}. Look at the disk.`;
}

const NOTHING: EpochTree = { epoch: 0, size: 0, edge: [] };
const INSERT_INTO_TAIL = 'INSERT OR IGNORE INTO tail (key, header, data) VALUES (?, ?, ?)';

/** Null: not even its tables can be read. */
function openReadable(file: string): DatabaseSync | null {
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

function opening({ epoch, size, edge }: EpochTree, { site, nowMs, damage }: SiteLogSalvage): NewEvent {
  const reason = `the file of the log was damaged: ${damage}`.slice(0, REASON_CHARACTERS_MAX);
  if (epoch === 0) return firstEventOf(site, nowMs, sha256, reason).events[0]!;
  return epochOpening({ epoch, size, root: rootOf(edge, size, sha256) }, reason, { site, nowMs, sha256 });
}
