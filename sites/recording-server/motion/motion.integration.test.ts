import { existsSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import {
  encodeHeatMap,
  type Fragment,
  MOTION_DETECTION,
  RECORDING_POLICY,
  type TriggerChange,
} from '@holdfast/core';
import type { DeviceId } from '@holdfast/schema';
import pino from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSimulatedCameras } from '../../simulated-cameras/simulated-cameras.js';
import { camera1, temporaryFolder } from '../media-database/media-fixture.js';
import {
  addHardware,
  cameraId,
  eventsOf,
  hardwareId,
  openLog,
  say,
  start,
  until,
} from '../recording-server.fixture.js';
import { probeFfmpeg } from '../snapshot/ffmpeg.js';
import { HeatMapStore, minutesWithout } from './heat-map-store.js';
import { encodeKeyPictures } from './key-pictures.fixture.js';
import { MotionDetector } from './motion-detector.js';

const test = suite('motion of cameras');
const logger = pino({ level: 'silent' });
const policy = { ...RECORDING_POLICY, mode: 'MOTION' as const };
const everywhere = '1'.repeat(64);
const always = { mask: everywhere, fromMs: 0, toMs: 1e12, thresholdPermille: 1 };

function detectorOf(dir: string, ffmpeg: readonly string[]) {
  const changes: (readonly [DeviceId, TriggerChange['change'], number])[] = [];
  const heatMaps = new HeatMapStore({ file: path.join(dir, 'heat-map.sqlite'), logger });
  const detector = new MotionDetector({
    ...{ ffmpeg, heatMaps, now: () => 999_000, logger },
    trigger: (deviceId, change) => changes.push([deviceId, change.change, change.atMs]),
  });
  return { detector, heatMaps, changes };
}

const size = { width: 640, height: 360 };
/** A wall; from the fifth second on a square goes over it. */
const mover = (width: number, height: number) =>
  `${wall(width, height)}[wall];color=c=white:size=${width / 4}x${height / 4}:rate=1[square];[wall][square]overlay=x='if(lt(t,5),0,(t-4)*${width / 8})':y=${height / 4}`;
const wall = (width: number, height: number) =>
  `color=c=gray:size=${width}x${height}:rate=1,drawgrid=w=40:h=40:c=black`;

test('finds motion in pictures of several cameras, codecs and sizes that go through one decoder each', async () => {
  await using folder = await temporaryFolder();
  const { detector, heatMaps, changes } = detectorOf(folder.path, ['ffmpeg']);
  await using _ = detector;
  const hd = { width: 1280, height: 720 };
  const sources = await Promise.all([
    encodeKeyPictures({ codec: 'H264', source: mover(640, 360), size, count: 10 }),
    encodeKeyPictures({ codec: 'H264', source: wall(1280, 720), size: hd, count: 10 }),
    encodeKeyPictures({ codec: 'H265', source: mover(1280, 720), size: hd, count: 10 }),
    encodeKeyPictures({ codec: 'MJPEG', source: mover(640, 360), size, count: 10 }),
  ]);
  const [moving, still, hevc, jpeg] = sources.map(() => v7() as DeviceId);
  const watches = [moving!, still!, hevc!, jpeg!].map(deviceId => {
    const watch = detector.watch(deviceId);
    watch.configure(policy, MOTION_DETECTION);
    return watch;
  });
  // What the first picture is asked for is whether there is an ffmpeg at all.
  for (const [index, source] of sources.entries())
    watches[index]!.keyFrame(source.init, source.pictures[0]!(0));
  await until(() => detector.isReady, 'ffmpeg is found');
  for (let second = 0; second < 10; second += 1) {
    for (const [index, { init, pictures }] of sources.entries()) {
      const picture = pictures[second]!(1_000_000 + second * 1000);
      // One picture of the camera that stands still is broken: those of the others must not be taken for it.
      watches[index]!.keyFrame(init, index === 1 && second === 3 ? broken(picture) : picture);
    }
    await until(() => watches.every(watch => watch.underWay <= 1), 'the pictures are decoded');
  }
  await until(() => new Set(changes.map(([deviceId]) => deviceId)).size === 3, 'three cameras have moved');
  for (const watch of watches) watch.runEnded();
  for (const deviceId of [moving!, hevc!, jpeg!]) {
    const own = changes.filter(([of]) => of === deviceId);
    assert.equal(
      own.map(([, change, atMs]) => [change, atMs]),
      [
        ['BEGAN', 1_005_000],
        ['ENDED', 999_000],
      ],
    );
    assert.is(heatMaps.search(deviceId, always)[0], 1_005_000);
  }
  assert.equal(
    changes.filter(([deviceId]) => deviceId === still),
    [],
  );
  assert.equal(heatMaps.search(still!, always), []);
  // The square goes through the second quarter from above, and never through the lowest row.
  const row = (from: number) => '0'.repeat(from * 8) + '1'.repeat(8) + '0'.repeat(56 - from * 8);
  assert.ok(heatMaps.search(moving!, { ...always, mask: row(2) }).length >= 3);
  assert.equal(heatMaps.search(moving!, { ...always, mask: row(7) }), []);
});

/** All but the beginning of the picture is noughts. */
function broken(fragment: Fragment): Fragment {
  const bytes = Uint8Array.from(fragment.bytes);
  bytes.fill(0x55, bytes.length - (fragment.bytes.length - 200));
  return { ...fragment, bytes };
}

test('without ffmpeg it says what is missing, and motion is taken to be always', async () => {
  await using folder = await temporaryFolder();
  const { detector, changes } = detectorOf(folder.path, ['/nowhere/ffmpeg']);
  await using _ = detector;
  const { init, pictures } = await encodeKeyPictures({
    codec: 'H264',
    source: wall(640, 360),
    size,
    count: 1,
  });
  const watch = detector.watch(camera1);
  watch.configure(policy, MOTION_DETECTION);
  watch.keyFrame(init, pictures[0]!(1000));
  await until(() => detector.isReady, 'it has been looked for');
  assert.match(detector.missing!, 'install ffmpeg');
  for (let second = 2; second < 6; second += 1) watch.keyFrame(init, pictures[0]!(second * 1000));
  await until(() => changes.length === 1, 'it is recorded');
  assert.equal(changes, [[camera1, 'BEGAN', 4000]]);
});

test('nothing is decoded of a camera whose motion nobody wants', async () => {
  await using folder = await temporaryFolder();
  const { detector } = detectorOf(folder.path, ['ffmpeg']);
  await using _ = detector;
  const { init, pictures } = await encodeKeyPictures({
    codec: 'H264',
    source: wall(640, 360),
    size,
    count: 1,
  });
  const watch = detector.watch(camera1);
  watch.configure(RECORDING_POLICY, MOTION_DETECTION);
  watch.keyFrame(init, pictures[0]!(1000));
  await delay(50);
  assert.is(detector.isReady, false);
  assert.is(existsSync(path.join(folder.path, 'heat-map.sqlite')), false);
});

test('heat maps outlive a restart, and damage to their file', async () => {
  await using folder = await temporaryFolder();
  const file = path.join(folder.path, 'heat-map.sqlite');
  const cells = new Uint8Array(256).fill(1, 0, 4);
  {
    using store = new HeatMapStore({ file, logger });
    store.add(camera1, 16, { atMs: 60_500, cells });
    store.add(camera1, 16, { atMs: 130_000, cells });
    assert.equal(store.search(camera1, always), [60_500, 130_000]);
  }
  {
    using store = new HeatMapStore({ file, logger });
    assert.equal(store.search(camera1, always), [60_500, 130_000]);
    store.delete(camera1, { fromMs: 60_000, toMs: 120_000 });
    assert.equal(store.search(camera1, always), [130_000]);
  }
  const { writeFileSync } = await import('node:fs');
  writeFileSync(file, 'this is no database');
  using store = new HeatMapStore({ file, logger });
  assert.equal(store.search(camera1, always), []);
  store.add(camera1, 16, { atMs: 1, cells });
  assert.equal(store.search(camera1, always), [1]);
});

test('heat maps are encrypted where the recordings are, and found with their keys alone', async () => {
  await using folder = await temporaryFolder();
  const file = path.join(folder.path, 'heat-map.sqlite');
  const cells = new Uint8Array(256).fill(1);
  const key = { keyId: '0198c0de-0000-7000-8000-0000000000ee', key: Buffer.alloc(32, 7) };
  const keys = { get: (keyId: string) => (keyId === key.keyId ? key.key : null) };
  {
    // As it was before heat maps could be encrypted.
    const database = new DatabaseSync(file);
    database.exec(
      'CREATE TABLE heat_map (device_id TEXT NOT NULL, from_ms INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT',
    );
    const plain = encodeHeatMap(0, 16, [{ atMs: 500, cells }]);
    database.prepare('INSERT INTO heat_map VALUES (?, ?, ?)').run(camera1, 0, plain);
    database.close();
    using store = new HeatMapStore({ file, logger, keys, encryptionOf: () => key });
    store.add(camera1, 16, { atMs: 60_500, cells });
  }
  {
    using store = new HeatMapStore({ file, logger, keys });
    assert.equal(store.search(camera1, always), [500, 60_500]);
    using keyless = new HeatMapStore({ file, logger });
    assert.equal(keyless.search(camera1, always), [500]);
  }
  const database = new DatabaseSync(file);
  const plain = encodeHeatMap(60_000, 16, [{ atMs: 60_500, cells }]);
  const row = database.prepare('SELECT bytes FROM heat_map WHERE from_ms = 60000').get()!;
  assert.is(Buffer.from(row.bytes as Uint8Array).includes(Buffer.from(plain)), false);
  // A row that is put where another belongs is not believed.
  database.exec('UPDATE heat_map SET from_ms = 120000 WHERE from_ms = 60000');
  database.close();
  using store = new HeatMapStore({ file, logger, keys });
  assert.equal(store.search(camera1, always), [500]);
});

test('a minute of a heat map goes with the last recording that touches it', () => {
  const minute = 60_000;
  assert.equal(
    minutesWithout({ fromMs: 30_000, toMs: 4 * minute }, [{ fromMs: 3.5 * minute, toMs: 5 * minute }]),
    [{ fromMs: 0, toMs: 3 * minute }],
  );
  assert.equal(
    minutesWithout({ fromMs: minute, toMs: 4 * minute }, [
      { fromMs: 0, toMs: 1.2 * minute },
      { fromMs: 2.5 * minute, toMs: 2.6 * minute },
    ]),
    [
      { fromMs: 2 * minute, toMs: 2 * minute },
      { fromMs: 3 * minute, toMs: 5 * minute },
    ].filter(({ fromMs, toMs }) => toMs > fromMs),
  );
});

test('a real camera is recorded while something moves in its picture, and can be searched for it', async () => {
  await using folder = await temporaryFolder();
  await using cameras = await openSimulatedCameras({
    port: 0,
    cameras: [{ path: 'entrance', clip: 'entrance' }],
  });
  await using log = await openLog(folder.path);
  await addHardware(log, `rtsp://127.0.0.1:${cameras.port}/entrance`);
  await say(log, `hardware-${hardwareId}`, {
    type: 'DeviceRecordingPolicySet',
    data: { hardwareId, deviceId: cameraId, policy },
  });
  await using running = await start(log, folder.path);
  await until(async () => (await eventsOf(log, 'RecordingStarted')).length === 1, 'it is recorded');
  assert.is((await eventsOf(log, 'RecordingStarted'))[0]!.cause, 'MOTION');
  const found = () => running.server.searchMotion(cameraId, { ...always, toMs: Number.MAX_SAFE_INTEGER });
  await until(() => found().length > 0, 'motion is found in what is recorded');
  const recorded = running.server.database.openSpan(cameraId);
  assert.ok(found().every(atMs => atMs >= recorded!.fromMs && atMs < recorded!.toMs));
});

const probe = await probeFfmpeg(['ffmpeg']);
if (probe.found) test.run();
else {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED = [...(skipped.HOLDFAST_SKIPPED ?? []), `motion.integration: ${probe.detail}`];
}
