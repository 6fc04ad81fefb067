import type { DatabaseSync } from 'node:sqlite';
import { placeKey } from '@holdfast/core';
import { SITE_LOG_USER_VERSION, siteLogLayout } from './site-log-file.js';

/** Brings a log of earlier software to today's layout, in one transaction for each step: a kill in it changes nothing. */
export function migrateSiteLog(db: DatabaseSync, file: string): void {
  for (let layout = siteLogLayout(db, file); layout < SITE_LOG_USER_VERSION; layout += 1) {
    db.exec('BEGIN IMMEDIATE');
    setDefensive(db, false);
    try {
      db.exec(stepsFrom[layout]!);
      db.exec(`PRAGMA user_version = ${layout + 1}`);
      db.exec('COMMIT');
    } catch (error) {
      if (db.isTransaction) db.exec('ROLLBACK');
      throw error;
    } finally {
      setDefensive(db, true);
    }
  }
}

/** Whether SQLite refuses what writes to the schema itself, as a step does. Newer Node.js tells it to. */
export function setDefensive(
  db: DatabaseSync & { enableDefensive?(isOn: boolean): void },
  isOn: boolean,
): void {
  db.enableDefensive?.(isOn);
}

/** By the layout that they begin with. They are never changed: whatever is in the field has been through them. */
const stepsFrom: Readonly<Record<number, string>> = {
  // Layout 1 held one epoch, whose events had their position as key.
  1: `
    ALTER TABLE event RENAME COLUMN position TO key;
    UPDATE event SET key = key + (SELECT epoch FROM log) * ${placeKey({ epoch: 1, position: 0 })};
    CREATE TABLE epoch (
      epoch INTEGER PRIMARY KEY,
      kept_after INTEGER NOT NULL,
      kept_edge BLOB NOT NULL,
      size INTEGER NOT NULL,
      tree_edge BLOB NOT NULL
    ) STRICT;
    INSERT INTO epoch SELECT epoch, 0, x'', size, tree_edge FROM log;
    ALTER TABLE checkpoint RENAME TO checkpoint_1;
    CREATE TABLE checkpoint (
      epoch INTEGER NOT NULL,
      size INTEGER NOT NULL,
      note TEXT NOT NULL,
      signed_at_ms INTEGER NOT NULL,
      PRIMARY KEY (epoch, size)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO checkpoint SELECT log.epoch, checkpoint_1.size, note, signed_at_ms FROM checkpoint_1, log;
    DROP TABLE checkpoint_1;
    CREATE TABLE receipt (
      epoch INTEGER NOT NULL,
      size INTEGER NOT NULL,
      witness BLOB NOT NULL,
      note TEXT NOT NULL,
      received_at_ms INTEGER NOT NULL,
      PRIMARY KEY (epoch, size, witness)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE truncated_stream (
      stream TEXT PRIMARY KEY,
      revision INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    ALTER TABLE log DROP COLUMN epoch;
    ALTER TABLE log DROP COLUMN size;
    ALTER TABLE log DROP COLUMN tree_edge;
  `,
  // No software ever truncated a log of layout 2.
  2: `
    DROP TABLE truncated_stream;
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
    CREATE TRIGGER truncated_id_is_taken BEFORE INSERT ON event
    WHEN EXISTS (SELECT 1 FROM truncated_id WHERE id = NEW.id)
    BEGIN
      SELECT RAISE(ABORT, 'the id is that of an event that was truncated');
    END;
  `,
  // The index that SQLite kept for `UNIQUE (stream, revision)` becomes the table `stream_index`: a table without rowid has the same
  // pages and records as an index with the same columns and the key (SQLite file format, 2.4 and 2.5). So only what the schema
  // says of them changes, whatever the size of the log and however full the disk.
  3: `
    DROP TRIGGER truncated_id_is_taken;
    ALTER TABLE log ADD COLUMN indexed_key INTEGER NOT NULL DEFAULT 0;
    UPDATE log SET indexed_key = (SELECT coalesce(max(key), 0) FROM event);
    PRAGMA writable_schema = ON;
    UPDATE sqlite_schema SET sql = 'CREATE TABLE event (
      key INTEGER PRIMARY KEY,
      id BLOB NOT NULL UNIQUE,
      stream TEXT NOT NULL,
      revision INTEGER NOT NULL,
      header BLOB NOT NULL,
      data BLOB NOT NULL,
      leaf_hash BLOB NOT NULL
    ) STRICT' WHERE type = 'table' AND name = 'event';
    UPDATE sqlite_schema SET type = 'table', name = 'stream_index', tbl_name = 'stream_index', sql = 'CREATE TABLE stream_index (
      stream TEXT NOT NULL,
      revision INTEGER NOT NULL,
      key INTEGER NOT NULL,
      PRIMARY KEY (stream, revision)
    ) STRICT, WITHOUT ROWID' WHERE type = 'index' AND name = 'sqlite_autoindex_event_2';
    PRAGMA writable_schema = RESET;
    SELECT 1 FROM stream_index LIMIT 1;
  `,
};
