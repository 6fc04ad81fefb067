import { DatabaseSync } from 'node:sqlite';
import { UUID_BYTES, writeUuid } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { primaryCodeOf, sqliteResult } from '../sqlite-result.js';
import { lockFile } from './file-lock.js';
import {
  pragma,
  readSiteLogState,
  SITE_LOG_APPLICATION_ID,
  SITE_LOG_USER_VERSION,
  SiteLogFileError,
  type SiteLogState,
  siteLogTables,
} from './site-log-file.js';
import { migrateSiteLog } from './site-log-migration.js';
import { verifyTail } from './site-log-tail.js';

/** Pages (of 4 KiB) in the write-ahead log before they are moved into the file: SQLite's 1000 stalls commits more often. */
export const WAL_CHECKPOINT_PAGES = 4000;
/** The write-ahead log is cut back to this many bytes after a burst. */
export const WAL_BYTES_KEPT = 64 * 1024 * 1024;
/** A reader may hold the file for a moment; a second writer is caught by the lock file long before. */
const BUSY_TIMEOUT_MS = 5000;

/** A log file that nobody else writes, in today's layout, with a proved tail. */
export interface SiteLogForWriting extends Disposable {
  readonly db: DatabaseSync;
  readonly state: SiteLogState;
  /** The clock of the last event. */
  readonly recordedAt: bigint;
}

/** Opens a log file, or creates it without an event. Throws `SiteLogFileError`. */
export function openSiteLogForWriting(file: string, site: SiteId): SiteLogForWriting {
  const lock = lockLog(file);
  let db: DatabaseSync | null = null;
  const close = () => {
    db?.close();
    lock[Symbol.dispose]();
  };
  try {
    db = openForWriting(file);
    createTables(db, file, site);
    const state = readSiteLogState(db, file);
    if (state.site !== site) {
      throw new SiteLogFileError('WRONG_SITE', file, `it is the log of ${state.site}, not of ${site}`);
    }
    return { db, state, recordedAt: verifyTail(db, file, state), [Symbol.dispose]: close };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Proves that a log whose writer has failed can be written again, and makes sure of what was not committed: SQLite finds in the
 * write-ahead log also what no sync has brought to the disk, and would write on behind it. Throws.
 */
export function settleSiteLogFile(file: string, site: SiteId): void {
  using opened = openSiteLogForWriting(file, site);
  const settled = opened.db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get();
  if (settled?.busy !== 0) throw new SiteLogFileError('IN_USE', file, 'somebody is reading it');
}

/** Two writers would each believe in their own tail. */
export function lockLog(file: string): Disposable {
  const lock = lockFile(`${file}.lock`);
  if (lock === null)
    throw new SiteLogFileError('IN_USE', file, 'another process writes this log: end it first');
  return lock;
}

function openForWriting(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    // Must stand before the first table; lets retention give pages back in small steps.
    db.exec('PRAGMA auto_vacuum = INCREMENTAL');
    db.exec('PRAGMA journal_mode = WAL');
    // An acknowledged event survives a power cut. Group commit makes this cheap.
    db.exec('PRAGMA synchronous = FULL');
    db.exec(`PRAGMA wal_autocheckpoint = ${WAL_CHECKPOINT_PAGES}`);
    db.exec(`PRAGMA journal_size_limit = ${WAL_BYTES_KEPT}`);
    return db;
  } catch (cause) {
    db.close();
    const fault = primaryCodeOf(cause) === sqliteResult.CORRUPT ? 'DAMAGED' : 'UNREADABLE';
    throw new SiteLogFileError(fault, file, String(cause), { cause });
  }
}

/** Gives an empty file its tables; any other it demands to be a log of ours, and brings to today's layout. */
function createTables(db: DatabaseSync, file: string, site: SiteId): void {
  const tableCount = db.prepare('SELECT count(*) AS count FROM sqlite_schema').get()?.count;
  if (tableCount !== 0 || pragma(db, 'application_id') !== 0) {
    migrateSiteLog(db, file);
    return;
  }
  const siteBytes = new Uint8Array(UUID_BYTES);
  if (!writeUuid(site, siteBytes, 0)) throw new TypeError(`'${site}' is not a lower-case UUID`);
  db.exec('BEGIN IMMEDIATE');
  db.exec(siteLogTables);
  db.exec(`PRAGMA application_id = ${SITE_LOG_APPLICATION_ID}`);
  db.exec(`PRAGMA user_version = ${SITE_LOG_USER_VERSION}`);
  db.prepare('INSERT INTO log (singleton, site) VALUES (1, ?)').run(siteBytes);
  db.exec("INSERT INTO epoch (epoch, kept_after, kept_edge, size, tree_edge) VALUES (1, 0, x'', 0, x'')");
  db.exec('COMMIT');
}
