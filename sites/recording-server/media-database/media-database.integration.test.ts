import { readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import type { Fragment } from '@holdfast/core';
import type { EventId, RecordingCause, RecordingGap, SegmentId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MediaDatabase, OutgoingFact, PreviousEnd, SealReport } from './media-database.js';
import {
  camera1,
  camera2,
  collect,
  epochMs,
  fragmentsOf,
  never,
  openTestDatabase,
  segmentIds,
  temporaryFolder,
  testFragment,
  testInit,
} from './media-fixture.js';
import { MediaDatabaseForeignError, MediaDatabaseInUseError } from './segment-index.js';

const test = suite('media database');

const always = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
const allSegments = (database: MediaDatabase, deviceId = camera1) =>
  database.segments({ deviceId, ...always, after: null, limit: 1000 });
const everything = async (database: MediaDatabase, deviceId = camera1) =>
  collect(database.read({ deviceId, ...always, signal: never }));

/** Two seconds each, beginning with the `first`th. */
async function record(
  database: MediaDatabase,
  first: number,
  count: number,
  deviceId = camera1,
): Promise<void> {
  database.beginRun({ deviceId, init: testInit(), cause: 'CAMERA_CONNECTED' });
  for (let index = first; index < first + count; index += 1) {
    assert.equal(database.append(deviceId, testFragment(index)), { accepted: true });
  }
  await database.endRun({ deviceId, cause: 'CAMERA_DISCONNECTED' });
}

test('gives back what was recorded, byte for byte and with its times', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  await record(database, 0, 5);
  const items = await everything(database);
  assert.equal(items[0], { kind: 'init', init: testInit() });
  assert.equal(
    fragmentsOf(items),
    [0, 1, 2, 3, 4].map(index => testFragment(index)),
  );
});

test('holds the memory of a fragment until it is written, and not longer', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  let releasedCount = 0;
  /** Memory that is used again at once: a byte that was not written and hashed by then would be another's. */
  const leased = (index: number): Fragment => {
    const { bytes, ...facts } = testFragment(index, { byteLength: 300_000 });
    const pieces = [bytes.subarray(0, 70_000), bytes.subarray(70_000)];
    return {
      ...facts,
      pieces,
      get bytes() {
        return Buffer.concat(pieces);
      },
      release: () => {
        releasedCount += 1;
        bytes.fill(0xff);
      },
    };
  };
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'CAMERA_CONNECTED' });
  for (let index = 0; index < 20; index += 1) {
    database.append(camera1, leased(index));
    assert.is(releasedCount, index, 'nothing is written yet');
    while (releasedCount === index) await setImmediate();
  }
  for (let index = 20; index < 40; index += 1) database.append(camera1, leased(index));
  await database.endRun({ deviceId: camera1, cause: 'CAMERA_DISCONNECTED' });
  assert.is(releasedCount, 40);
  assert.equal(
    fragmentsOf(await everything(database)).map(({ bytes }) => bytes),
    Array.from({ length: 40 }, (_, index) => testFragment(index, { byteLength: 300_000 }).bytes),
  );
  assert.not(database.append(camera1, leased(40)).accepted);
  assert.not(database.append(camera2, leased(41)).accepted);
  assert.is(releasedCount, 42);
});

test('plays what is still being recorded', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  await record(database, 0, 2);
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'CAMERA_CONNECTED' });
  database.append(camera1, testFragment(2));
  await database.endRun({ deviceId: camera2, cause: 'SERVER_STOPPED' });
  let count = 0;
  while (count < 3) {
    count = fragmentsOf(await everything(database)).length;
    await setImmediate();
  }
  assert.is(allSegments(database).length, 1);
});

test('answers a span with the fragments that touch it, and nothing else', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  await record(database, 0, 100);
  const items = await collect(
    database.read({ deviceId: camera1, fromMs: epochMs + 131_000, toMs: epochMs + 136_000, signal: never }),
  );
  assert.equal(
    fragmentsOf(items).map(fragment => (fragment.fromMs - epochMs) / 1000),
    [130, 132, 134],
  );
});

test('ends a segment at the first key frame after 64 s', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  await record(database, 0, 100);
  assert.equal(
    allSegments(database).map(({ segment }) => [
      (segment.toMs - segment.fromMs) / 1000,
      segment.fragmentCount,
      segment.beganBecause,
      segment.endedBecause,
    ]),
    [
      [64, 32, 'CAMERA_CONNECTED', 'RECORDING_CONTINUED'],
      [64, 32, 'RECORDING_CONTINUED', 'RECORDING_CONTINUED'],
      [64, 32, 'RECORDING_CONTINUED', 'RECORDING_CONTINUED'],
      [8, 4, 'RECORDING_CONTINUED', 'CAMERA_DISCONNECTED'],
    ],
  );
  assert.equal(database.spans({ deviceId: camera1, ...always }), [
    { fromMs: epochMs, toMs: epochMs + 200_000 },
  ]);
});

test('ends a segment before it grows over its bytes, but not within a group of pictures', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path, { testLimits: { segmentBytesMax: 10_000 } });
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'CAMERA_CONNECTED' });
  for (let index = 0; index < 9; index += 1) {
    database.append(camera1, testFragment(index, { byteLength: 4000, beginsWithKeyFrame: index % 3 === 0 }));
  }
  await database.endRun({ deviceId: camera1, cause: 'CAMERA_DISCONNECTED' });
  assert.equal(
    allSegments(database).map(({ segment }) => segment.fragmentCount),
    [3, 3, 3],
  );
});

test('tells a hole within a run, and what lies between two runs, each with its cause', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  database.append(camera1, testFragment(0));
  database.append(camera1, testFragment(3));
  await database.endRun({ deviceId: camera1, cause: 'CAMERA_DISCONNECTED' });
  await record(database, 10, 1);
  const reports: SealReport[] = [];
  database.reportSealed(report => {
    reports.push(report);
    return [];
  });
  assert.equal(reports[0]!.gaps, [
    { fromMs: epochMs + 2000, toMs: epochMs + 6000, cause: 'MEDIA_LOST' },
    { fromMs: epochMs + 8000, toMs: epochMs + 20_000, cause: 'CAMERA_DISCONNECTED' },
  ]);
  assert.is(database.spans({ deviceId: camera1, ...always }).length, 3);
});

test('a gap begins where what is held ends, with the cause of that, or of the log where a crash left none', async () => {
  await using folder = await temporaryFolder();
  const gapsAfter = async (
    first: number,
    previousEnd: PreviousEnd | null,
    endedBecause: RecordingCause,
  ): Promise<readonly RecordingGap[]> => {
    await using database = await openTestDatabase(folder.path, { newSegmentId: segmentIds(first * 100) });
    const cause = 'SERVER_STARTED';
    database.beginRun({ deviceId: camera1, init: testInit(), cause, previousEnd });
    database.append(camera1, testFragment(first));
    await database.endRun({ deviceId: camera1, cause: endedBecause });
    const gaps: RecordingGap[] = [];
    database.reportSealed(report => {
      gaps.push(...report.gaps);
      return [];
    });
    return gaps;
  };
  assert.equal(await gapsAfter(1, null, 'DISK_UNAVAILABLE'), []);
  const [end1, end10, end20] = [1, 10, 20].map(index => testFragment(index).toMs);
  // The run went on for a moment, of which nothing is held.
  const stepped = { toMs: end1! + 600, cause: 'CLOCK_STEPPED' as const, elsewhere: false };
  assert.equal(await gapsAfter(10, stepped, 'RECORDING_CONTINUED'), [
    { fromMs: end1, toMs: testFragment(10).fromMs, cause: 'DISK_UNAVAILABLE' },
  ]);
  const crashed = { toMs: end10!, cause: 'SERVER_CRASHED' as const, elsewhere: false };
  assert.equal(await gapsAfter(20, crashed, 'HARDWARE_MOVED'), [
    { fromMs: end10, toMs: testFragment(20).fromMs, cause: 'SERVER_CRASHED' },
  ]);
  const other = { toMs: end20! + 5000, cause: 'CAMERA_DISCONNECTED' as const, elsewhere: true };
  assert.equal(await gapsAfter(30, other, 'SERVER_STOPPED'), [
    { fromMs: end20! + 5000, toMs: testFragment(30).fromMs, cause: 'CAMERA_DISCONNECTED' },
  ]);
});

test('a clock that steps back begins another segment', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  for (const index of [10, 11, 5, 6]) database.append(camera1, testFragment(index));
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
  assert.equal(
    allSegments(database).map(({ segment }) => [segment.beganBecause, segment.endedBecause]),
    [
      ['CLOCK_STEPPED', 'SERVER_STOPPED'],
      ['SERVER_STARTED', 'CLOCK_STEPPED'],
    ],
  );
});

test('sends the init again when the stream format changes, and only then', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  await record(database, 0, 1);
  await record(database, 1, 1);
  const changed = testInit('format 2');
  database.beginRun({ deviceId: camera1, init: changed, cause: 'CAMERA_FORMAT_SWITCHED' });
  database.append(camera1, testFragment(2));
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
  const items = await everything(database);
  assert.equal(
    items.map(item => item.kind),
    ['init', 'fragment', 'fragment', 'init', 'fragment'],
  );
  assert.equal(items[3], { kind: 'init', init: changed });
});

test('a full queue refuses and counts, and keeps what it took', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path, { testLimits: { queueFragmentsMax: 4 } });
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  const outcomes = [0, 1, 2, 3, 4, 5].map(index => database.append(camera1, testFragment(index)));
  assert.equal(outcomes.slice(3), [
    { accepted: true },
    { accepted: false, refusal: 'QUEUE_FULL' },
    { accepted: false, refusal: 'QUEUE_FULL' },
  ]);
  assert.is(database.observed.dropped.length, 2);
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
  assert.is(fragmentsOf(await everything(database)).length, 4);
});

test('a fragment in pieces is stored as one, and joined only when it has to wait', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  const joined: number[] = [];
  const whole = [0, 1, 2].map(index => testFragment(index));
  for (const [index, fragment] of whole.entries()) {
    const { bytes, ...facts } = fragment;
    const pieces = [bytes.subarray(0, 20), bytes.subarray(20, 700), bytes.subarray(700)];
    const inPieces = {
      ...facts,
      pieces,
      get bytes() {
        joined.push(index);
        return Buffer.concat(pieces);
      },
    };
    assert.is(database.append(camera1, inPieces).accepted, true);
  }
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
  assert.equal(joined, [1, 2]);
  const stored = fragmentsOf(await everything(database));
  assert.equal(
    stored.map(fragment => Buffer.from(fragment.bytes).toString('hex')),
    whole.map(fragment => Buffer.from(fragment.bytes).toString('hex')),
  );
});

test('without a run nothing is taken', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  assert.equal(database.append(camera1, testFragment(0)), { accepted: false, refusal: 'NO_RUN' });
});

test('while halted it refuses, and afterwards the run goes on behind a gap for a full disk', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  database.append(camera1, testFragment(0));
  await database.halt(new Map([['', 'DISK_FULL']]));
  assert.equal(database.append(camera1, testFragment(1)), { accepted: false, refusal: 'HALTED' });
  database.unhalt();
  database.append(camera1, testFragment(2));
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
  const reports: SealReport[] = [];
  database.reportSealed(report => {
    reports.push(report);
    return [];
  });
  assert.equal(reports[0]!.gaps, [{ fromMs: epochMs + 2000, toMs: epochMs + 4000, cause: 'DISK_FULL' }]);
  assert.equal(
    reports[0]!.segments.map(segment => segment.endedBecause),
    ['DISK_FULL', 'SERVER_STOPPED'],
  );
});

test('gives out whole segments: manifest, init, the stored bytes, from a fragment on', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  await record(database, 0, 40);
  const [first, second] = allSegments(database).map(({ segment }) => segment.segmentId);
  const unknown = segmentIds(900)();
  const items = await collect(
    database.readSegments({
      deviceId: camera1,
      segmentIds: [first!, unknown, second!],
      resumeAtFragment: 30,
      signal: never,
    }),
  );
  assert.equal(
    items.map(item => item.kind),
    ['manifest', 'init', 'fragment', 'fragment', 'missing', 'manifest', 'init', ...Array(8).fill('fragment')],
  );
  assert.equal(
    fragmentsOf(items).map(fragment => fragment.bytes),
    [30, 31, 32, 33, 34, 35, 36, 37, 38, 39].map(index => testFragment(index).bytes),
  );
});

test('each segment is reported once, and its facts are kept until they are removed', async () => {
  await using folder = await temporaryFolder();
  const fact = (index: number): OutgoingFact => ({
    eventId: `0198c0de-e0e0-7000-8000-00000000000${index}` as EventId,
    stream: `recording-${camera1}`,
    type: 'RecordingSealed',
    occurredAtMs: epochMs,
    data: JSON.stringify({ index }),
  });
  {
    await using database = await openTestDatabase(folder.path);
    await record(database, 0, 2);
    assert.is(
      database.reportSealed(() => [fact(1)]),
      1,
    );
    assert.is(
      database.reportSealed(() => [fact(2)]),
      0,
    );
  }
  await using database = await openTestDatabase(folder.path);
  assert.is(
    database.reportSealed(() => [fact(3)]),
    0,
  );
  assert.equal(database.facts(10), [fact(1)]);
  database.removeFacts([fact(1).eventId], null);
  assert.equal(database.facts(10), []);
});

test('a fact that cannot be composed leaves its segments to be reported', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  await record(database, 0, 1);
  assert.throws(() =>
    database.reportSealed(() => {
      throw new Error('no ids left');
    }),
  );
  assert.is(
    database.reportSealed(() => []),
    1,
  );
});

test('deletes in two steps: hidden at once, removed from the disk with the garbage', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path, { newSegmentId: segmentIds(1) });
  await record(database, 0, 64);
  const [first, second] = allSegments(database);
  const before = database.usageBytes();
  const marked = await database.markDeleted({
    segmentIds: [first!.segment.segmentId, segmentIds(900)()],
    policy: 'RETENTION_AGE',
    compose: () => [],
  });
  assert.equal(
    marked.map(({ segment }) => segment.segmentId),
    [first!.segment.segmentId],
  );
  assert.equal(
    allSegments(database).map(({ segment }) => segment.segmentId),
    [second!.segment.segmentId],
  );
  assert.is(database.usageBytes(), before);
  assert.equal(await database.collectGarbage(), { segmentCount: 1, byteLength: first!.fileByteLength });
  assert.is(database.usageBytes(), before - first!.fileByteLength);
  assert.is((await mediaFiles(folder.path)).length, 1);
});

test('what was marked as deleted before a crash is removed when it opens again', async () => {
  await using folder = await temporaryFolder();
  {
    await using database = await openTestDatabase(folder.path);
    await record(database, 0, 1);
    const segmentIdsToDelete = allSegments(database).map(({ segment }) => segment.segmentId);
    await database.markDeleted({ segmentIds: segmentIdsToDelete, policy: 'DISK_FULL', compose: () => [] });
  }
  await using database = await openTestDatabase(folder.path);
  assert.equal(await mediaFiles(folder.path), []);
  assert.is(database.usageBytes(), 0);
});

test('playback goes on over segments that are deleted meanwhile', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  await record(database, 0, 64);
  const iterator = database.read({ deviceId: camera1, ...always, signal: never })[Symbol.asyncIterator]();
  await iterator.next();
  const all = allSegments(database).map(({ segment }) => segment.segmentId);
  await database.markDeleted({ segmentIds: all, policy: 'DISK_FULL', compose: () => [] });
  await database.collectGarbage();
  let count = 0;
  while (!(await iterator.next()).done) count += 1;
  assert.is(count, 32);
  assert.equal(database.observed.damages, []);
});

test('a lost index is made again from the files, to the same digests', async () => {
  await using folder = await temporaryFolder();
  let before: readonly unknown[];
  {
    await using database = await openTestDatabase(folder.path);
    await record(database, 0, 40);
    await record(database, 50, 3, camera2);
    before = [...allSegments(database), ...allSegments(database, camera2)].map(({ segment }) => segment);
  }
  await rm(path.join(folder.path, 'index.sqlite'));
  await using database = await openTestDatabase(folder.path);
  assert.is(database.recovery.indexRebuilt, true);
  assert.is(database.recovery.reindexedCount, before.length);
  assert.equal(
    [...allSegments(database), ...allSegments(database, camera2)].map(({ segment }) => segment),
    before,
  );
});

test('an index of the first layout is brought on, with what the log was not told yet', async () => {
  await using folder = await temporaryFolder();
  let before: { readonly segments: unknown; readonly usageBytes: number };
  {
    await using database = await openTestDatabase(folder.path);
    await record(database, 0, 40);
    database.reportSealed(() => [
      { eventId: v7() as EventId, stream: 's', type: 'T', occurredAtMs: 1, data: '{}' },
    ]);
    before = { segments: allSegments(database), usageBytes: database.usageBytes() };
  }
  {
    const index = new DatabaseSync(path.join(folder.path, 'index.sqlite'));
    index.exec(`
      DROP TRIGGER segment_added;
      DROP TRIGGER segment_removed;
      DROP TRIGGER segment_moved;
      DROP TRIGGER segment_deleted;
      DROP INDEX segment_by_stage;
      ALTER TABLE segment DROP COLUMN stage_key;
      ALTER TABLE segment DROP COLUMN reduced_from;
      DROP TABLE stage;
      DROP TABLE unneeded_file;
      ALTER TABLE meta DROP COLUMN agrees_with_log;
      ALTER TABLE device DROP COLUMN duration_ms_max;
      ALTER TABLE device DROP COLUMN gone_to_ms;
      ALTER TABLE device DROP COLUMN gone_because;
      ALTER TABLE device DROP COLUMN disowned_to_ms;
      ALTER TABLE meta DROP COLUMN told_epoch;
      ALTER TABLE meta DROP COLUMN told_position;
      ALTER TABLE meta DROP COLUMN told_event_id;
      ALTER TABLE meta DROP COLUMN log_number;
      DROP TABLE media_key;
      UPDATE meta SET index_version = 1;
    `);
    index.close();
  }
  await using database = await openTestDatabase(folder.path);
  assert.is(database.recovery.indexRebuilt, false);
  assert.equal({ segments: allSegments(database), usageBytes: database.usageBytes() }, before);
  assert.is(database.facts(10).length, 1);
  const window = { deviceId: camera1, fromMs: epochMs + 63_000, toMs: epochMs + 63_001 };
  assert.is(database.spans(window).length, 1);
});

test('an index that is no database is put aside and made again', async () => {
  await using folder = await temporaryFolder();
  {
    await using database = await openTestDatabase(folder.path);
    await record(database, 0, 3);
  }
  await writeFile(path.join(folder.path, 'index.sqlite'), 'this is no database, whatever its name says');
  await using database = await openTestDatabase(folder.path);
  assert.is(fragmentsOf(await everything(database)).length, 3);
  const names = await readdir(folder.path);
  assert.ok(names.some(name => name.includes('unusable')));
});

test('a file that is lost or damaged is named, played around and not given out as a copy', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  await record(database, 0, 96);
  const [lost, damaged, whole] = allSegments(database).map(({ segment }) => segment.segmentId);
  const files = await mediaFiles(folder.path);
  await rm(files.find(file => file.includes(lost!))!);
  await flipByte(files.find(file => file.includes(damaged!))!, 5000);
  const verified = await collect(database.verify({ signal: never }));
  assert.equal(
    verified.map(damage => [damage.segmentId, damage.kind]),
    [
      [lost, 'FILE_MISSING'],
      [damaged, 'FILE_DAMAGED'],
    ],
  );
  assert.is(fragmentsOf(await everything(database)).length, 31 + 32);
  const copies = await collect(
    database.readSegments({
      deviceId: camera1,
      segmentIds: [lost!, damaged!, whole!],
      resumeAtFragment: 0,
      signal: never,
    }),
  );
  assert.equal(
    copies.flatMap(item => (item.kind === 'missing' ? [item.segmentId] : [])),
    [lost, damaged],
  );
  assert.equal(
    copies.flatMap(item => (item.kind === 'manifest' ? [item.manifest.segmentId] : [])),
    [whole],
  );
});

test('a file that was cut off is damaged, not a crash', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  await record(database, 0, 3);
  const [file] = await mediaFiles(folder.path);
  for (const byteLength of [4000, 700, 3, 0]) {
    await truncate(file!, byteLength);
    const [damage] = await collect(database.verify({ signal: never }));
    assert.is(damage?.kind, 'FILE_DAMAGED');
    assert.equal(await everything(database), []);
  }
});

test('one directory has one owner', async () => {
  await using folder = await temporaryFolder();
  {
    await using _ = await openTestDatabase(folder.path);
    const error = await openTestDatabase(folder.path).catch((reason: unknown) => reason);
    assert.instance(error, MediaDatabaseInUseError);
  }
  const foreign = await openTestDatabase(folder.path, {
    recordingServerId: '0198c0de-0000-7000-8000-00000000aa02' as never,
  }).catch((reason: unknown) => reason);
  assert.instance(foreign, MediaDatabaseForeignError);
});

test('reading stops when it is told to', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  await record(database, 0, 64);
  const controller = new AbortController();
  const error = await (async () => {
    for await (const item of database.read({ deviceId: camera1, ...always, signal: controller.signal })) {
      if (item.kind === 'fragment') controller.abort(new Error('seen enough'));
    }
  })().catch((reason: Error) => reason);
  assert.is((error as Error).message, 'seen enough');
});

test('an unknown device has nothing', async () => {
  await using folder = await temporaryFolder();
  await using database = await openTestDatabase(folder.path);
  assert.equal(await everything(database, camera2), []);
  assert.equal(database.spans({ deviceId: camera2, ...always }), []);
  assert.is(database.segment(segmentIds(900)() as SegmentId), null);
});

async function mediaFiles(dir: string): Promise<string[]> {
  const names = await readdir(path.join(dir, 'segments'), { recursive: true });
  return names
    .filter(name => name.endsWith('.mp4'))
    .map(name => path.join(dir, 'segments', name))
    .sort();
}

async function flipByte(file: string, at: number): Promise<void> {
  const bytes = await readFile(file);
  bytes[at]! ^= 0xff;
  await writeFile(file, bytes);
}

test.run();
