import { DatabaseSync } from 'node:sqlite';
import { placeKey } from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ChangedLogs } from './changed-logs.fixture.js';
import { SITE_LOG_APPLICATION_ID } from './site-log-file.js';

const test = suite('a site log that is killed while it is brought to today’s layout');
const EVENTS = 2000;
const SIZE = EVENTS + 1;

test('has been brought to it wholly or not at all', async () => {
  using logs = new ChangedLogs();
  await logs.append(logs.file('today'), EVENTS);
  const old = logs.file('old');
  const db = new DatabaseSync(old);
  db.exec(`
    PRAGMA auto_vacuum = INCREMENTAL;
    PRAGMA application_id = ${SITE_LOG_APPLICATION_ID};
    PRAGMA user_version = 1;
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
    ATTACH '${logs.file('today')}' AS today;
    INSERT INTO event
    SELECT key - ${placeKey({ epoch: 1, position: 0 })}, id, stream, revision, header, data, leaf_hash FROM today.event;
    CREATE TABLE log AS SELECT singleton, site, epoch, size, tree_edge FROM today.log, today.epoch;
    CREATE TABLE checkpoint AS SELECT size, note, signed_at_ms FROM today.checkpoint;
  `);
  db.close();
  const whole = async (file: string) => {
    const { head, eventCount } = await logs.openedAgain(file);
    assert.equal([head?.size, eventCount], [SIZE, SIZE]);
  };
  await logs.changeAndKill(old, { lost: null }, { whole, killed: whole });
});

test.run();
