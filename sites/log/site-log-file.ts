import type { DatabaseSync } from 'node:sqlite';
import { decodeEdge, readUuid, type TreeEdge } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';

/** The name of a site's log in its data directory. */
export const SITE_LOG_FILE_NAME = 'site-log.sqlite';
/** `HFSL`: says to `file` and to us what the file is (SQLite file format §1.3.7). */
export const SITE_LOG_APPLICATION_ID = 0x4846_534c;
/** The layout of the tables below. Later layouts are reached by migrations, one at a time. */
export const SITE_LOG_USER_VERSION = 1;

/**
 * One file holds one epoch. `header` and `data` are the event; the other columns of `event` repeat what the header says
 * so that it can be found, and `holdfast verify` compares them.
 */
export const siteLogTables = `
  CREATE TABLE event (
    position INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    header BLOB NOT NULL,
    data BLOB NOT NULL,
    leaf_hash BLOB NOT NULL,
    UNIQUE (stream, revision)
  ) STRICT;
  CREATE TABLE log (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    site BLOB NOT NULL,
    epoch INTEGER NOT NULL,
    size INTEGER NOT NULL,
    tree_edge BLOB NOT NULL
  ) STRICT;
  CREATE TABLE checkpoint (
    size INTEGER PRIMARY KEY,
    note TEXT NOT NULL,
    signed_at_ms INTEGER NOT NULL
  ) STRICT;
`;

export type SiteLogFileFault =
  | 'NOT_A_SITE_LOG'
  | 'NEWER_LAYOUT'
  | 'WRONG_SITE'
  | 'IN_USE'
  | 'DAMAGED'
  | 'UNREADABLE';

/** A file that cannot be opened as the log that it should be. */
export class SiteLogFileError extends Error {
  override readonly name = 'SiteLogFileError';
  readonly code = 'SITE_LOG_FILE';
  readonly fault: SiteLogFileFault;
  readonly file: string;
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
    this.position = at.position ?? null;
  }
}

export interface SiteLogState {
  readonly site: SiteId;
  readonly epoch: number;
  readonly size: number;
  readonly edge: TreeEdge;
}

/** Throws `SiteLogFileError` unless the file is a site log in the layout of this software. */
export function assertSiteLogFile(db: DatabaseSync, file: string): void {
  const applicationId = pragma(db, 'application_id');
  if (applicationId !== SITE_LOG_APPLICATION_ID) {
    throw new SiteLogFileError('NOT_A_SITE_LOG', file, `its application id is ${applicationId}`);
  }
  const userVersion = pragma(db, 'user_version');
  if (userVersion !== SITE_LOG_USER_VERSION) {
    throw new SiteLogFileError(
      'NEWER_LAYOUT',
      file,
      `layout ${userVersion}, this software knows layout ${SITE_LOG_USER_VERSION}`,
    );
  }
}

/** The row that is written with every commit. Throws `SiteLogFileError` when it is not one. */
export function readSiteLogState(db: DatabaseSync, file: string): SiteLogState {
  const row = db.prepare('SELECT site, epoch, size, tree_edge FROM log').get();
  if (row === undefined) throw new SiteLogFileError('DAMAGED', file, 'the table log has no row');
  const site = readUuid(row.site as Uint8Array, 0);
  if (site === null) throw new SiteLogFileError('DAMAGED', file, 'the table log names no site');
  const size = row.size as number;
  try {
    return {
      site: site as SiteId,
      epoch: row.epoch as number,
      size,
      edge: decodeEdge(row.tree_edge as Uint8Array, size),
    };
  } catch (cause) {
    throw new SiteLogFileError('DAMAGED', file, 'the stored tree edge is malformed', { cause });
  }
}

/** The value of a pragma that has one number. */
export function pragma(db: DatabaseSync, name: 'application_id' | 'user_version' | 'data_version'): number {
  return Object.values(db.prepare(`PRAGMA ${name}`).get() ?? {})[0] as number;
}
