import type { DatabaseSync } from 'node:sqlite';
import type { RecordingServerId } from '@holdfast/schema';

/**
 * Raised when the layout changes. An index of an earlier version is brought to this one; one that cannot be is rebuilt from
 * the files.
 */
export const INDEX_VERSION = 7;

/** What is kept summed, so that opening reads no row of a segment: the sums move in the transaction of what they sum. */
const sums = `
  CREATE TRIGGER segment_added AFTER INSERT ON segment BEGIN
    UPDATE stage SET total_byte_length = total_byte_length + new.file_byte_length WHERE stage_key = new.stage_key;
    UPDATE device SET duration_ms_max = max(duration_ms_max, new.to_ms - new.from_ms) WHERE device_key = new.device_key;
  END;
  CREATE TRIGGER segment_removed AFTER DELETE ON segment BEGIN
    UPDATE stage SET total_byte_length = total_byte_length - old.file_byte_length WHERE stage_key = old.stage_key;
  END;
  CREATE TRIGGER segment_moved AFTER UPDATE OF stage_key ON segment BEGIN
    UPDATE stage SET total_byte_length = total_byte_length - old.file_byte_length WHERE stage_key = old.stage_key;
    UPDATE stage SET total_byte_length = total_byte_length + new.file_byte_length WHERE stage_key = new.stage_key;
  END;
`;

/** Where recording ended is known also when nothing of it is kept: the gap behind it begins there. */
const ends = `
  CREATE TRIGGER segment_deleted AFTER UPDATE OF deleted_by ON segment
  WHEN new.deleted_by IS NOT NULL AND new.origin = 'RECORDED' BEGIN
    UPDATE device SET gone_to_ms = new.to_ms, gone_because = new.ended_because
      WHERE device_key = new.device_key AND coalesce(gone_to_ms, -1) < new.to_ms;
  END;
`;

const stages = `
  -- Folders over which the files are spread. The first is the media directory itself.
  CREATE TABLE stage (
    stage_key INTEGER PRIMARY KEY,
    path TEXT NOT NULL UNIQUE,
    total_byte_length INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  INSERT INTO stage (stage_key, path) VALUES (0, '');
  -- Files that a move or a reduction leaves behind wherever it ends: to be removed.
  CREATE TABLE unneeded_file (stage_key INTEGER NOT NULL, path TEXT NOT NULL PRIMARY KEY) STRICT;
`;

const mediaKeys = `
  -- Until when recordings are encrypted with which key: one that is missing is told of for as long as there are any.
  CREATE TABLE media_key (key_id TEXT NOT NULL PRIMARY KEY, to_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;
`;

const stageIndex = `
  CREATE INDEX segment_by_stage ON segment (stage_key, device_key, from_ms, segment_id) WHERE deleted_by IS NULL;
`;

/**
 * Which log was told what the index says was told: it is known by the last fact that it took (null: none did, or software that noted
 * none told it). Logs that were lost are counted: what was told to an earlier one is disowned.
 */
const toldColumns = [
  ...['told_epoch INTEGER', 'told_position INTEGER', 'told_event_id TEXT'],
  'log_number INTEGER NOT NULL DEFAULT 1',
];
/** Up to where all that there is of a device may be locked by what an earlier log knew; null: nothing is. */
const disownedColumn = 'disowned_to_ms INTEGER';

const schema = `
  CREATE TABLE meta (
    recording_server_id TEXT NOT NULL,
    index_version INTEGER NOT NULL,
    -- 0: rows were made from files, which do not say what the log was told of them.
    agrees_with_log INTEGER NOT NULL,
    ${toldColumns.join(', ')}
  ) STRICT;
  CREATE TABLE device (
    device_key INTEGER PRIMARY KEY,
    device_id TEXT NOT NULL UNIQUE,
    duration_ms_max INTEGER NOT NULL DEFAULT 0,
    -- How the newest recording ended that was made here and is deleted.
    gone_to_ms INTEGER,
    gone_because TEXT,
    ${disownedColumn}
  ) STRICT;
  CREATE TABLE segment (
    segment_id BLOB NOT NULL PRIMARY KEY,
    device_key INTEGER NOT NULL REFERENCES device,
    from_ms INTEGER NOT NULL,
    to_ms INTEGER NOT NULL,
    fragment_count INTEGER NOT NULL,
    byte_length INTEGER NOT NULL,
    file_byte_length INTEGER NOT NULL,
    digest BLOB NOT NULL,
    time_source TEXT NOT NULL,
    began_because TEXT NOT NULL,
    ended_because TEXT NOT NULL,
    origin TEXT NOT NULL,
    gap_from_ms INTEGER,
    gap_to_ms INTEGER,
    gap_cause TEXT,
    -- The number of the log that was told; 0: none was.
    reported INTEGER NOT NULL,
    deleted_by TEXT,
    stage_key INTEGER NOT NULL DEFAULT 0,
    -- The digest that it had before it was reduced to key frames.
    reduced_from BLOB
  ) STRICT, WITHOUT ROWID;
  -- Answers every question about time by itself.
  CREATE INDEX segment_by_time ON segment (device_key, deleted_by, from_ms, segment_id, to_ms, file_byte_length);
  CREATE INDEX segment_unreported ON segment (device_key, from_ms) WHERE reported = 0;
  CREATE INDEX segment_garbage ON segment (deleted_by) WHERE deleted_by IS NOT NULL;
  CREATE TABLE outgoing_fact (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL UNIQUE,
    stream TEXT NOT NULL,
    type TEXT NOT NULL,
    occurred_at_ms INTEGER NOT NULL,
    data TEXT NOT NULL
  ) STRICT;
  ${stages} ${stageIndex} ${mediaKeys} ${sums} ${ends}
`;

export function createIndex(database: DatabaseSync, recordingServerId: RecordingServerId): void {
  database.exec(schema);
  database
    .prepare('INSERT INTO meta (recording_server_id, index_version, agrees_with_log) VALUES (?, ?, 0)')
    .run(recordingServerId, INDEX_VERSION);
}

/** Facts that the log was not told yet are in the index alone: it is brought on, not made again. */
export function migrateIndex(database: DatabaseSync, fromVersion: number): void {
  if (fromVersion < 1 || fromVersion >= INDEX_VERSION) return;
  if (fromVersion < 3) migrateToStages(database, fromVersion);
  if (fromVersion < 4) database.exec('ALTER TABLE segment ADD COLUMN reduced_from BLOB;');
  if (fromVersion < 5) {
    database.exec(`
      ALTER TABLE device ADD COLUMN gone_to_ms INTEGER;
      ALTER TABLE device ADD COLUMN gone_because TEXT;
      ${ends}
    `);
  }
  if (fromVersion < 6) database.exec(mediaKeys);
  for (const column of toldColumns) database.exec(`ALTER TABLE meta ADD COLUMN ${column};`);
  database.exec(`
    ALTER TABLE device ADD COLUMN ${disownedColumn};
    UPDATE meta SET index_version = ${INDEX_VERSION};
  `);
}

function migrateToStages(database: DatabaseSync, fromVersion: number): void {
  if (fromVersion === 1) {
    database.exec(`
      ALTER TABLE meta ADD COLUMN agrees_with_log INTEGER NOT NULL DEFAULT 1;
      ALTER TABLE device ADD COLUMN duration_ms_max INTEGER NOT NULL DEFAULT 0;
      UPDATE device SET duration_ms_max = (
        SELECT coalesce(max(to_ms - from_ms), 0) FROM segment WHERE segment.device_key = device.device_key);
    `);
  } else {
    database.exec(`
      DROP TRIGGER segment_added;
      DROP TRIGGER segment_removed;
      ALTER TABLE meta DROP COLUMN file_byte_length;
    `);
  }
  database.exec(`
    ALTER TABLE segment ADD COLUMN stage_key INTEGER NOT NULL DEFAULT 0;
    ${stages} ${stageIndex}
    UPDATE stage SET total_byte_length = (SELECT coalesce(sum(file_byte_length), 0) FROM segment);
    ${sums}
  `);
}
