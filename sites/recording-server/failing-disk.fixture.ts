// Run in a mount namespace of its own, on a small file system: `node failing-disk.fixture.js DIR`. The site's log lies elsewhere,
// as with a disk of its own for recordings. Prints what happened as JSON.
import { spawnSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { RunCameraSession } from './drivers/driver.js';
import { MEDIA_DATABASE_LIMITS } from './media-database/media-database.js';
import { collect, fragmentsOf, never, testFragment, testInit } from './media-database/media-fixture.js';
import { addHardware, cameraId, eventsOf, openLog, start, until } from './recording-server.fixture.js';

const disk = process.argv[2]!;
const logFolder = await mkdtemp(path.join(tmpdir(), 'holdfast-failing-disk-'));
/** The disk is mounted over itself: what is opened from now on is on the mount that takes no writes. */
const run = (command: string, ...args: string[]) => {
  const { status, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
};
const becomeReadOnly = () => {
  run('mount', '--bind', disk, disk);
  run('mount', '-o', 'remount,bind,ro', disk);
};

let sent = 0;
/** A group of pictures of two seconds, every twentieth of a second. */
const camera: RunCameraSession = async ({ sink }, signal) => {
  sink.connected(testFragment(sent).fromMs);
  sink.format(testInit());
  while (!signal.aborted) {
    sink.recordedFragment(testFragment(sent++, { byteLength: 20_000 }));
    await delay(50);
  }
  sink.runEnded(signal.reason, testFragment(sent).fromMs);
};

const log = await openLog(logFolder);
await addHardware(log, 'rtsp://127.0.0.1:1/none');
const running = await start(log, disk, {
  ...{ runCameraSession: camera, retentionIntervalMs: 100 },
  mediaLimits: { ...MEDIA_DATABASE_LIMITS, segmentMsMax: 8_000, queueFragmentsMax: 10_000 },
});
const { server } = running;
await until(() => (server.database.openSpan(cameraId)?.toMs ?? 0) > testFragment(5).fromMs, 'it records');
becomeReadOnly();
await until(() => server.isHalted, 'recording is halted');
await until(async () => (await eventsOf(log, 'RecordingHalted')).length > 0, 'the log says so');
/** On a machine that has much else to do there may be others. */
const alarmsOfIt = () => running.alarms.filter(alarm => alarm.includes('DISK_UNAVAILABLE'));
await until(() => alarmsOfIt().length > 0, 'the alarm is raised');
await delay(300);
run('umount', disk);
await until(() => !server.isHalted, 'it records again');
const span = testFragment(sent).fromMs;
await until(() => (server.database.openSpan(cameraId)?.toMs ?? 0) > span, 'more is recorded');
await running.stop();

const sealed = await eventsOf(log, 'RecordingSealed');
const segments = sealed.flatMap(fact => fact.segments);
const again = await start(log, disk, { runCameraSession: async () => undefined });
const window = { deviceId: cameraId, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
const played = fragmentsOf(await collect(again.server.database.read({ ...window, signal: never })));
const damages = await collect(again.server.database.verify({ signal: never }));
await again.stop();
console.log(
  JSON.stringify({
    halts: (await eventsOf(log, 'RecordingHalted')).map(({ cause }) => cause),
    unhalts: (await eventsOf(log, 'RecordingUnhalted')).length,
    alarms: alarmsOfIt().length,
    gaps: sealed.flatMap(({ gaps }) => gaps.map(({ cause }) => cause)),
    playsAllThatIsSealed:
      played.length === segments.reduce((sum, { fragmentCount }) => sum + fragmentCount, 0),
    damages: damages.length,
  }),
);
await log[Symbol.asyncDispose]();
rmSync(logFolder, { recursive: true });
