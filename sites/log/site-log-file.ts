import type { DatabaseSync } from 'node:sqlite';
import { decodeEdge, LOG_START, type LogPlace, readUuid, type TreeEdge } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { receiptTable } from './site-log-receipts.js';

/** The name of a site's log in its data directory. */
export const SITE_LOG_FILE_NAME = 'site-log.sqlite';
/** `HFSL`: says to `file` and to us what the file is (SQLite file format §1.3.7). */
export const SITE_LOG_APPLICATION_ID = 0x4846_534c;
/** The layout of the tables below. Earlier ones are brought to it by `migrateSiteLog`, one step at a time. */
export const SITE_LOG_USER_VERSION = 4;

export const streamIndexTable = `
  CREATE TABLE stream_index (
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    key INTEGER NOT NULL,
    PRIMARY KEY (stream, revision)
  ) STRICT, WITHOUT ROWID;`;

/**
 * One file holds all epochs of a log. `header` and `data` are the event; the other columns of `event` repeat what the header
 * says so that it can be found, and `holdfast verify` compares them. `key` is the place: epoch × 2⁴⁰ + position.
 *
 * `stream_index` has the events up to `log.indexed_key`, by their streams. It follows in batches: an append that wrote to it would
 * touch a page of its own for every stream, which costs as much as all the rest. What is behind is found by reading it (`stream-index.ts`).
 *
 * `epoch` has the tree over positions 1..`size`. Those up to `kept_after` are not in the file any more, and `kept_edge` is the
 * tree over them. Of what was removed there stay: `truncated_leaves`, the leaf hashes, one after the other, so that every tree
 * over the log can still be computed; `truncated_id`, so that an append of an old event is still known as one; `truncated_stream`,
 * the last revision that was removed of each stream; and `carried_event`, whole as they were, the events of which folds are made.
 * `receipt` has what witnesses cosigned. The epoch with the greatest number is the one that grows.
 */
export const siteLogTables = `
  CREATE TABLE event (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    header BLOB NOT NULL,
    data BLOB NOT NULL,
    leaf_hash BLOB NOT NULL
  ) STRICT;
  ${streamIndexTable}
  CREATE TABLE log (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    site BLOB NOT NULL,
    indexed_key INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE TABLE epoch (
    epoch INTEGER PRIMARY KEY,
    kept_after INTEGER NOT NULL,
    kept_edge BLOB NOT NULL,
    size INTEGER NOT NULL,
    tree_edge BLOB NOT NULL
  ) STRICT;
  CREATE TABLE checkpoint (
    epoch INTEGER NOT NULL,
    size INTEGER NOT NULL,
    note TEXT NOT NULL,
    signed_at_ms INTEGER NOT NULL,
    PRIMARY KEY (epoch, size)
  ) STRICT, WITHOUT ROWID;
  ${receiptTable}
  CREATE TABLE truncated_stream (
    number INTEGER PRIMARY KEY,
    stream TEXT NOT NULL UNIQUE,
    revision INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE truncated_id (
    id BLOB PRIMARY KEY,
    key INTEGER NOT NULL,
    stream INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE truncated_leaves (
    first_key INTEGER PRIMARY KEY,
    hashes BLOB NOT NULL
  ) STRICT;
  CREATE TABLE carried_event (
    key INTEGER PRIMARY KEY,
    id BLOB NOT NULL,
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    header BLOB NOT NULL,
    data BLOB NOT NULL,
    leaf_hash BLOB NOT NULL,
    UNIQUE (stream, revision)
  ) STRICT;
`;

export type SiteLogFileFault =
  | 'NOT_A_SITE_LOG'
  | 'NEWER_LAYOUT'
  /** A layout of earlier software: a site that writes the file brings it to today's. */
  | 'OLDER_LAYOUT'
  | 'WRONG_SITE'
  | 'IN_USE'
  | 'DAMAGED'
  /** Its index of streams is, which the site that writes the file builds anew from the events. */
  | 'INDEX_DAMAGED'
  | 'UNREADABLE';

/** A file that is not the log that it should be. */
export class SiteLogFileError extends Error {
  override readonly name = 'SiteLogFileError';
  readonly code = 'SITE_LOG_FILE';
  readonly fault: SiteLogFileFault;
  readonly file: string;
  readonly detail: string;
  /** Where in the log, when the fault has a place. */
  readonly position: number | null;

  constructor(
    fault: SiteLogFileFault,
    file: string,
    detail: string,
    at: { readonly position?: number; readonly cause?: unknown } = {},
  ) {
    super(`${file}: ${fault}: ${detail}`, { cause: at.cause });
    this.fault = fault;
    this.file = file;
    this.detail = detail;
    this.position = at.position ?? null;
  }
}

/** An epoch as the file has it. */
export interface EpochState {
  readonly epoch: number;
  /** Positions up to here are not in the file any more. */
  readonly keptAfter: number;
  /** The tree over them. */
  readonly keptEdge: TreeEdge;
  readonly size: number;
  readonly edge: TreeEdge;
}

/** The epoch that grows, and whose it is. */
export interface SiteLogState extends EpochState {
  readonly site: SiteId;
}

/** Throws `SiteLogFileError` unless the file is a site log in the layout of this software. */
export function assertSiteLogFile(db: DatabaseSync, file: string): void {
  const layout = siteLogLayout(db, file);
  if (layout === SITE_LOG_USER_VERSION) return;
  const detail = `layout ${layout}; start its site with this software once, which brings it to layout ${SITE_LOG_USER_VERSION}`;
  throw new SiteLogFileError('OLDER_LAYOUT', file, detail);
}

/** The layout of a site log, this software's or an earlier one. Throws `SiteLogFileError` when it is none. */
export function siteLogLayout(db: DatabaseSync, file: string): number {
  const applicationId = pragma(db, 'application_id');
  if (applicationId !== SITE_LOG_APPLICATION_ID) {
    throw new SiteLogFileError('NOT_A_SITE_LOG', file, `its application id is ${applicationId}`);
  }
  const layout = pragma(db, 'user_version');
  if (layout <= SITE_LOG_USER_VERSION) return layout;
  const detail = `layout ${layout} of newer software, this one knows ${SITE_LOG_USER_VERSION}: run the newer one again`;
  throw new SiteLogFileError('NEWER_LAYOUT', file, detail);
}

/** What is written with every commit. Throws `SiteLogFileError` when it is not there. */
export function readSiteLogState(db: DatabaseSync, file: string): SiteLogState {
  const current = readEpochs(db, file).at(-1);
  if (current === undefined) throw new SiteLogFileError('DAMAGED', file, 'the table epoch has no row');
  return { site: readSite(db, file), ...current };
}

/** All epochs, oldest first. Throws `SiteLogFileError`. */
export function readEpochs(db: DatabaseSync, file: string): readonly EpochState[] {
  const rows = db
    .prepare('SELECT epoch, kept_after, kept_edge, size, tree_edge FROM epoch ORDER BY epoch')
    .all();
  return rows.map(row => {
    const isWhole =
      [row.kept_edge, row.tree_edge].every(edge => edge instanceof Uint8Array) &&
      [row.epoch, row.kept_after, row.size].every(Number.isSafeInteger);
    if (!isWhole) throw new SiteLogFileError('DAMAGED', file, 'a row of the table epoch is malformed');
    const epoch = row.epoch as number;
    const keptAfter = row.kept_after as number;
    const size = row.size as number;
    try {
      const keptEdge = decodeEdge(row.kept_edge as Uint8Array, keptAfter);
      return { epoch, keptAfter, keptEdge, size, edge: decodeEdge(row.tree_edge as Uint8Array, size) };
    } catch (cause) {
      const detail = `the stored tree edge of epoch ${epoch} is malformed`;
      throw new SiteLogFileError('DAMAGED', file, detail, { cause });
    }
  });
}

/** Where the events begin that are in the file: reading after this place skips nothing. */
export function keptAfterOf(epochs: readonly EpochState[]): LogPlace {
  const last = epochs.findLast(({ keptAfter }) => keptAfter > 0);
  return last === undefined ? LOG_START : { epoch: last.epoch, position: last.keptAfter };
}

function readSite(db: DatabaseSync, file: string): SiteId {
  const row = db.prepare('SELECT site FROM log').get();
  if (row === undefined) throw new SiteLogFileError('DAMAGED', file, 'the table log has no row');
  const site = row.site instanceof Uint8Array ? readUuid(row.site, 0) : null;
  if (site === null) throw new SiteLogFileError('DAMAGED', file, 'the table log names no site');
  return site as SiteId;
}

/** The value of a pragma that has one number. */
export function pragma(db: DatabaseSync, name: 'application_id' | 'user_version' | 'data_version'): number {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0] as number;
}
