import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { epochMs, openTestDatabase, server1, temporaryFolder } from './media-fixture.js';
import { SegmentIndex } from './segment-index.js';

const test = suite('segment index');

/** So many rows of 64 devices, as a server has them whose archives hold two weeks; made by SQLite itself, which takes seconds. */
function fill(file: string, rowCount: number): void {
  new SegmentIndex({ file, recordingServerId: server1 }).close();
  const database = new DatabaseSync(file);
  database.exec(`
    PRAGMA synchronous = OFF;
    BEGIN;
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 64)
      INSERT INTO device (device_key, device_id)
      SELECT n, printf('0198c0de-0000-7000-8000-%012x', n) FROM number;
    WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < ${rowCount})
      INSERT INTO segment (segment_id, device_key, from_ms, to_ms, fragment_count, byte_length, file_byte_length, digest,
        time_source, began_because, ended_because, origin, reported)
      SELECT unhex(printf('0198c0de5e6070008000%012x', n)), 1 + n % 64, ${epochMs} + (n / 64) * 64000,
        ${epochMs} + (n / 64) * 64000 + 64000, 32, 30000000, 30010000, zeroblob(32), 'SENDER_REPORT',
        'RECORDING_CONTINUED', 'RECORDING_CONTINUED', 'RECORDED', 1
      FROM number;
    UPDATE meta SET agrees_with_log = 1;
    COMMIT;
    PRAGMA wal_checkpoint(TRUNCATE);
  `);
  database.close();
}

/** The shortest of some: a loaded machine makes single ones long. */
async function openingMs(dir: string): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < 7; round += 1) {
    const beganMs = performance.now();
    await using database = await openTestDatabase(dir);
    for (const deviceId of database.devices()) database.newestEndMs(deviceId);
    assert.ok(database.usageBytes() > 0);
    times.push(performance.now() - beganMs);
  }
  return Math.min(...times);
}

test('opening a million segments takes no longer than opening a thousand, and a day of a camera is found in milliseconds', async () => {
  await using small = await temporaryFolder();
  await using large = await temporaryFolder();
  fill(path.join(small.path, 'index.sqlite'), 1_000);
  fill(path.join(large.path, 'index.sqlite'), 1_000_000);
  const smallMs = await openingMs(small.path);
  const largeMs = await openingMs(large.path);
  // Reading each row, or only its entry in an index, takes a hundred milliseconds and more.
  assert.ok(largeMs < 2 * smallMs + 15, `${largeMs} ms, and ${smallMs} ms with a thousand`);
  await using database = await openTestDatabase(large.path);
  assert.is(database.usageBytes(), 1_000_000 * 30_010_000);

  const times = database.devices().map(deviceId => {
    const fromMs = epochMs + 3 * 24 * 3600_000;
    // Of the processor: it is found without a wait, and a machine that does much else says nothing about it.
    const before = process.cpuUsage();
    const spans = database.spans({ deviceId, fromMs, toMs: fromMs + 24 * 3600_000 });
    const { user, system } = process.cpuUsage(before);
    assert.is(spans.length, 1);
    return (user + system) / 1000;
  });
  const median = times.toSorted((one, other) => one - other)[32]!;
  assert.ok(median < 20, `${median} ms`);
});

test.run();
