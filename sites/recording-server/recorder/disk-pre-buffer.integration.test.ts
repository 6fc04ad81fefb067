import { readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TriggerChange } from '@holdfast/core';
import type { RecordingPolicy } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSimulatedCameras } from '../../simulated-cameras/simulated-cameras.js';
import { MEDIA_DATABASE_LIMITS } from '../media-database/media-database.js';
import { collect, fragmentsOf, never, temporaryFolder } from '../media-database/media-fixture.js';
import { verifyMedia } from '../media-database/verify-media.js';
import { arrivalSpan } from '../pre-buffer/pre-buffer.js';
import {
  addHardware,
  cameraId,
  eventsOf,
  openLog,
  ScriptedCamera,
  serverA,
  start,
  until,
} from '../recording-server.fixture.js';
import type { RecordingServerOptions } from '../recording-server-options.js';
import { at, changeOf, groupAt, groups, runOf, setPolicy } from './triggered-recording.fixture.js';

const test = suite('pre-buffer on the disk at a recording server');
const policyOf = (policy: Partial<RecordingPolicy>): RecordingPolicy => ({
  ...{ mode: 'EVENT', preBufferMs: 20_000, postMs: 0, keyFramesOnly: false, recordRelated: [] },
  ...policy,
});
const event = (change: 'BEGAN' | 'ENDED', atMs: number) => changeOf('EVENT', change, atMs);

/** A server with one camera of this policy. */
async function opened(
  policy: Partial<RecordingPolicy>,
  { address = 'rtsp://127.0.0.1:1/none', ...options }: Partial<RecordingServerOptions> & { address?: string },
) {
  const stack = new AsyncDisposableStack();
  const folder = stack.use(await temporaryFolder());
  const log = stack.use(await openLog(folder.path));
  await addHardware(log, address);
  const set = (changed: Partial<RecordingPolicy>) => setPolicy(log, policyOf({ ...policy, ...changed }));
  await set({});
  const mediaLimits = { ...MEDIA_DATABASE_LIMITS, segmentMsMax: 1e9 };
  const running = stack.use(
    await start(log, folder.path, { preBufferMemoryMsMax: 4_000, mediaLimits, ...options }),
  );
  const dir = path.join(folder.path, 'media', serverA);
  const files = async () => {
    const names = await readdir(path.join(dir, 'pre-buffer')).catch(() => []);
    return names.map(name => path.join(dir, 'pre-buffer', name));
  };
  return {
    ...{ log, running, server: running.server, set, files },
    trigger: (change: TriggerChange) => running.server.trigger(cameraId, change),
    count: async (type: 'RecordingStarted' | 'RecordingStopped') => (await eventsOf(log, type)).length,
    async sealed() {
      await running.stop();
      const facts = await eventsOf(log, 'RecordingSealed');
      const sealed = facts.flatMap(({ deviceId, segments }) =>
        segments.map(segment => ({ deviceId, segment })),
      );
      const verified = await verifyMedia({ dir, sealedFacts: sealed, deleted: new Set(), signal: never });
      assert.equal(verified.damages, []);
      assert.is(verified.checkedSegmentCount, sealed.length);
      assert.equal(await files(), [], 'nothing is left of it');
      const segments = sealed.map(({ segment }) => segment).sort((one, other) => one.fromMs - other.fromMs);
      return { segments, gaps: facts.flatMap(({ gaps }) => gaps) };
    },
    [Symbol.asyncDispose]: () => stack[Symbol.asyncDispose](),
  };
}

/** As `opened`, with a camera that has sent groups 0 to 59. */
async function scripted(policy: Partial<RecordingPolicy>) {
  const camera = new ScriptedCamera();
  const server = await opened(policy, { runCameraSession: camera.run, now: () => at(60) });
  await until(() => camera.sinks.length === 1, 'the session runs');
  camera.begin(...groups(0, 60));
  return {
    ...{ ...server, camera },
    send: (from: number, to: number) => {
      for (const group of groups(from, to)) camera.send(group);
    },
    /** First and last group of every run, and why it began and ended; also that it is whole. */
    async recorded() {
      const { segments } = await server.sealed();
      for (const { fromMs, toMs, fragmentCount } of segments) {
        assert.is(fragmentCount, groupAt(toMs) - groupAt(fromMs));
      }
      return segments.map(runOf);
    },
    [Symbol.asyncDispose]: server[Symbol.asyncDispose],
  };
}

test('a real camera is recorded from before the event on, without a hole, from the disk', async () => {
  await using cameras = await openSimulatedCameras({
    port: 0,
    cameras: [{ path: 'entrance', clip: 'entrance' }],
  });
  await using camera = await opened(
    { preBufferMs: 3_000 },
    { preBufferMemoryMsMax: 100, address: `rtsp://127.0.0.1:${cameras.port}/entrance` },
  );
  const bytesOnDisk = async () => {
    const files = await Promise.all(
      (await camera.files()).map(file => stat(file).catch(() => ({ size: 0 }))),
    );
    return files.reduce((sum, { size }) => sum + size, 0);
  };
  await until(async () => (await bytesOnDisk()) > 0, 'a group of pictures is on the disk, and one in memory');
  assert.is(camera.server.database.usageBytes(), 0, 'and not recorded');
  const beganMs = Date.now();
  camera.trigger(event('BEGAN', beganMs));
  await until(async () => (await camera.count('RecordingStarted')) === 1, 'it is recorded');
  await until(() => (camera.server.database.openSpan(cameraId)?.toMs ?? 0) > beganMs, 'so is what comes');
  const items = await collect(
    camera.server.database.read({ deviceId: cameraId, fromMs: 0, toMs: 1e15, signal: never }),
  );
  const read = fragmentsOf(items);
  for (const [index, group] of read.entries()) {
    if (index > 0)
      assert.ok(Math.abs(group.fromMs - read[index - 1]!.toMs) < 100, 'one goes on from the other');
  }
  assert.ok(read[0]!.beginsWithKeyFrame);
  const { segments, gaps } = await camera.sealed();
  assert.is(segments.length, 1);
  assert.equal(gaps, []);
  const { fromMs, toMs } = segments[0]!;
  const startedMs = (await eventsOf(camera.log, 'RecordingStarted'))[0]!.atMs;
  assert.is(startedMs, fromMs);
  const wantedMs = beganMs - 3_000;
  assert.ok(fromMs <= wantedMs + 200, `begins ${fromMs - wantedMs} ms late`);
  assert.ok(arrivalSpan(read[0]!).toMs >= wantedMs, 'and no group sooner than it must');
  assert.ok(toMs > beganMs);
});

test('an end, another event and a lost camera in the middle of it: each run has what is its own, in order', async () => {
  await using server = await scripted({});
  server.trigger(event('BEGAN', at(60)));
  server.send(60, 64);
  server.trigger(event('ENDED', at(64)));
  server.send(64, 90);
  server.trigger(event('BEGAN', at(90)));
  server.send(90, 92);
  server.camera.end();
  server.camera.begin(...groups(95, 97));
  assert.is(server.server.database.usageBytes(), 0, 'all of this in the middle of it');
  assert.equal(await server.recorded(), [
    [50, 63, 'EVENT', 'EVENT_ENDED'],
    [80, 91, 'EVENT', 'CAMERA_DISCONNECTED'],
    [95, 96, 'EVENT', 'SERVER_STOPPED'],
  ]);
  const types = ['RecordingStarted', 'RecordingStopped'] as const;
  for (const type of types) assert.is(await server.count(type), 3);
});

test('a policy that is set in the middle of it has its run behind what was claimed', async () => {
  await using server = await scripted({ preBufferMs: 90_000 });
  server.trigger(event('BEGAN', at(60)));
  server.send(60, 62);
  await server.set({ mode: 'CONTINUOUS' });
  await until(() => server.server.policyOf(cameraId)?.mode === 'CONTINUOUS', 'the policy is heard of');
  server.send(62, 70);
  assert.equal(await server.recorded(), [
    [15, 61, 'EVENT', 'POLICY_SET'],
    [62, 69, 'POLICY_SET', 'SERVER_STOPPED'],
  ]);
});

test('while recording is halted, what was claimed waits for its end', async () => {
  await using server = await scripted({});
  await server.server.database.halt(new Map([['', 'DISK_FULL']]));
  server.trigger(event('BEGAN', at(60)));
  server.send(60, 80);
  // As long as this, nothing may come of it.
  await delay(200);
  assert.is(await server.count('RecordingStarted'), 0);
  server.server.database.unhalt();
  await until(async () => (await server.count('RecordingStarted')) === 1, 'it is recorded');
  assert.is(server.server.status().droppedFragmentCount, 0);
  assert.equal(await server.recorded(), [[50, 79, 'EVENT', 'SERVER_STOPPED']]);
});

test('what nothing happens to is never recorded, and is gone when its policy is', async () => {
  await using server = await scripted({});
  await until(async () => (await server.files()).length > 0, 'it is on the disk');
  await server.set({ mode: 'CONTINUOUS' });
  await until(() => server.server.policyOf(cameraId)?.mode === 'CONTINUOUS', 'the policy is heard of');
  await until(async () => (await server.files()).length === 0, 'it is gone');
  server.send(60, 62);
  assert.equal(await server.recorded(), [[60, 61, 'POLICY_SET', 'SERVER_STOPPED']]);
});

test.run();
