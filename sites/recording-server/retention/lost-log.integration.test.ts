import { cp, rm } from 'node:fs/promises';
import path from 'node:path';
import type { EvidenceLockId, SegmentId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder, testFragment } from '../media-database/media-fixture.js';
import {
  addHardware,
  cameraId,
  eventsOf,
  openLog,
  type Running,
  ScriptedCamera,
  say,
  serverA,
  start,
  until,
} from '../recording-server.fixture.js';

const test = suite('a recording server whose log was lost');

type Log = Awaited<ReturnType<typeof openLog>>;

const idsIn = (told: readonly { readonly segments: readonly { readonly segmentId: SegmentId }[] }[]) =>
  told.flatMap(({ segments }) => segments.map(({ segmentId }) => segmentId));
const sealedIn = async (log: Log) => idsIn(await eventsOf(log, 'RecordingSealed'));
const foundIn = async (log: Log) =>
  (await eventsOf(log, 'RecordingFound')).flatMap(({ segmentIds }) => segmentIds);
const deletedIn = async (log: Log) =>
  (await eventsOf(log, 'RecordingDeleted')).flatMap(({ segmentIds }) => segmentIds);
const heldBy = ({ server }: Running) =>
  server.database
    .segments({ deviceId: cameraId, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, after: null, limit: 100 })
    .map(({ segment }) => segment.segmentId);

async function recorder() {
  const folder = await temporaryFolder();
  const camera = new ScriptedCamera();
  let count = 0;
  const segment = () => {
    camera.begin(testFragment(count * 10));
    camera.end();
    count += 1;
  };
  return {
    ...{ camera, segment, dir: folder.path },
    /** Records so many segments, and stops when the log has been told. */
    async record(log: Log, segmentCount: number, options: Parameters<typeof start>[2] = {}): Promise<void> {
      await using running = await start(log, folder.path, { runCameraSession: camera.run, ...options });
      const begun = camera.sinks.length;
      await until(() => camera.sinks.length >= begun && camera.sinks.length > 0, 'the session runs');
      await until(() => running.server.status().cameraCount === 1, 'the camera is there');
      const toldBefore = (await sealedIn(log)).length;
      for (let index = 0; index < segmentCount; index += 1) segment();
      const isTold = async () => (await sealedIn(log)).length >= toldBefore + segmentCount;
      await until(isTold, 'the log has been told');
      await running.stop();
    },
    loseLog: async () => {
      for (const lost of ['log', 'folds']) await rm(path.join(folder.path, lost), { recursive: true });
      const log = await openLog(folder.path);
      await addHardware(log, 'rtsp://127.0.0.1:1/none');
      return log;
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function firstLog(dir: string): Promise<Log> {
  const log = await openLog(dir);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  return log;
}

test('deletes nothing of before while its history is awaited, by age, size or for want of room, and records on', async () => {
  await using recording = await recorder();
  const { camera, dir, segment } = recording;
  {
    await using log = await firstLog(dir);
    await recording.record(log, 3);
    assert.is((await sealedIn(log)).length, 3);
  }
  await using log = await recording.loseLog();
  let freeBytes = 1000;
  const options = {
    ...{ runCameraSession: camera.run, freeBytes: async () => freeBytes, retentionIntervalMs: 50 },
    retention: {
      ...{ retentionMs: 1, usageBytesMax: 1 },
      ...{ freeBytesLow: 200, freeBytesCritical: 150, freeBytesStop: 100, freeBytesResume: 150 },
    },
    isHistoryAwaited: () => true,
  };
  await using running = await start(log, dir, options);
  const before = heldBy(running);
  assert.is(before.length, 3);
  assert.match(running.server.awaited ?? '', /the log was lost/);
  await until(() => running.alarms.length > 0, 'the alarm is raised');
  assert.match(running.alarms[0]!, /Nothing that was recorded before is deleted for now/);
  // Between low and critical.
  freeBytes = 180;
  const begun = camera.sinks.length;
  await until(() => camera.sinks.length >= Math.max(begun, 2), 'the session runs');
  segment();
  segment();
  await until(async () => (await sealedIn(log)).length === 2, 'what is recorded now is told');
  assert.equal(await deletedIn(log), []);
  const since = await sealedIn(log);

  freeBytes = 0;
  await until(async () => (await eventsOf(log, 'RecordingHalted')).length === 1, 'recording is halted');
  assert.equal((await deletedIn(log)).toSorted(), since.toSorted(), 'what was recorded since gave way');
  assert.equal(heldBy(running), before);
  const [halt] = await eventsOf(log, 'RecordingHalted');
  assert.is(halt?.cause, 'LOCKS_UNREADABLE');
  assert.match(halt?.detail ?? '', /until its history is back, and nothing else is left to delete/);
  assert.equal(await foundIn(log), [], 'nothing is told twice that may be told already');
});

test('tells what no log tells of again once nobody is waited for, over a restart meanwhile, and then deletes as ever', async () => {
  await using recording = await recorder();
  const { camera, dir } = recording;
  {
    await using log = await firstLog(dir);
    await recording.record(log, 3);
  }
  await using log = await recording.loseLog();
  let isAwaited = true;
  const options = { runCameraSession: camera.run, isHistoryAwaited: () => isAwaited };
  await recording.record(log, 1, options);
  const [since] = await sealedIn(log);
  await using running = await start(log, dir, options);
  const before = heldBy(running).filter(segmentId => segmentId !== since);
  assert.is(before.length, 3);
  assert.ok(running.server.awaited);
  assert.equal(await foundIn(log), []);
  isAwaited = false;
  await until(async () => (await sealedIn(log)).length === 4, 'all is told');
  assert.equal(await foundIn(log), before);
  assert.equal(await sealedIn(log), [since, ...before]);
  await until(() => running.server.awaited === null, 'nothing is awaited');
  await until(() => running.alarms.some(text => /were found/.test(text)), 'the alarm is raised');
  await running.stop();

  const limits = { retention: { retentionMs: 1 }, retentionIntervalMs: 50 };
  await using again = await start(log, dir, { ...options, ...limits });
  await until(async () => (await deletedIn(log)).length === 4, 'what is too old is deleted');
  assert.equal(heldBy(again), []);
  assert.is((await foundIn(log)).length, 3, 'once');
});

test('tells again what only the lost end of a log was told of, and nothing else', async () => {
  await using recording = await recorder();
  const { dir } = recording;
  const [logFolder, copy] = [path.join(dir, 'log'), path.join(dir, 'copy')];
  {
    await using log = await firstLog(dir);
    await recording.record(log, 2);
  }
  await cp(logFolder, copy, { recursive: true });
  let lost: readonly SegmentId[];
  {
    await using log = await openLog(dir);
    await recording.record(log, 2);
    lost = (await sealedIn(log)).slice(2);
    assert.is(lost.length, 2);
  }
  for (const folder of [logFolder, path.join(dir, 'folds')]) await rm(folder, { recursive: true });
  await cp(copy, logFolder, { recursive: true });
  await using log = await openLog(dir);
  await recording.record(log, 1);
  assert.equal(await foundIn(log), lost);
  assert.is((await sealedIn(log)).length, 5);
});

test('of a log that is whole nothing is told again, whatever was locked or restarted', async () => {
  await using recording = await recorder();
  await using log = await firstLog(recording.dir);
  const isHistoryAwaited = () => true;
  for (let run = 0; run < 3; run += 1) {
    await recording.record(log, 1, { isHistoryAwaited });
    const evidenceLockId = v7() as EvidenceLockId;
    await say(log, `evidence-lock-${evidenceLockId}`, {
      type: 'EvidenceLockReleased',
      data: { evidenceLockId, reason: '' },
    });
  }
  await using running = await start(log, recording.dir, { isHistoryAwaited });
  assert.is(running.server.awaited, null);
  assert.equal(await foundIn(log), []);
  assert.is((await sealedIn(log)).length, 3);
});

test('where the index was lost with the log nothing is deleted either', async () => {
  await using recording = await recorder();
  const { dir } = recording;
  {
    await using log = await firstLog(dir);
    await recording.record(log, 2);
  }
  await rm(path.join(dir, 'media', serverA, 'index.sqlite'));
  await using log = await recording.loseLog();
  await using running = await start(log, dir, { isHistoryAwaited: () => true });
  assert.ok(running.server.awaited);
  assert.is(heldBy(running).length, 2);
});

test.run();
