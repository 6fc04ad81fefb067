import type { DeviceId, HoldfastEvent, RecordingServerId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LiveViewers, type Shedding } from '../camera/live-viewers.js';
import {
  CAMERA_LOST_ALARM_MS,
  MOTION_REST_MS,
  RecorderHealth,
  type WatchedCamera,
} from './recorder-health.js';

const test = suite('health of a recording server');

const [camera1, camera2] = ['camera 1', 'camera 2'] as unknown as [DeviceId, DeviceId];
const recordingServerId = 'server' as RecordingServerId;

function harness() {
  const world = {
    nowMs: 1_767_225_600_000,
    waitingMs: 0,
    diskIsSlow: false,
    cameras: [] as WatchedCamera[],
    shedding: [] as Shedding[],
    events: [] as HoldfastEvent[],
    alarms: [] as string[],
  };
  const health = new RecorderHealth({
    recordingServerId,
    now: () => world.nowMs,
    report: (_stream, event) => world.events.push(event),
    alarm: ({ name, message }) => world.alarms.push(`${name}: ${message}`),
    cameras: () => world.cameras,
    waitingMs: () => world.waitingMs,
    diskIsSlow: () => world.diskIsSlow,
    viewers: {
      shed: shedding => world.shedding.push(shedding),
      counts: () => ({ ...new LiveViewers().counts(), viewerCount: 3 }),
    },
  });
  const seconds = (count: number) => {
    for (let second = 0; second < count; second += 1) {
      world.nowMs += 1000;
      health.sample();
    }
  };
  const types = () => world.events.map(({ type }) => type);
  return { world, health, seconds, types };
}

const drop = (deviceId: DeviceId) => ({
  ...{ deviceId, fragmentCount: 1, byteLength: 1000 },
  cause: 'QUEUE_FULL' as const,
});

test('a camera that is away for a minute is an alarm, once, and one for all that are', () => {
  const { world, seconds } = harness();
  const lost = { sinceMs: world.nowMs, detail: 'UNREACHABLE: no route' };
  world.cameras = [
    { hardwareName: 'Entrance', deviceId: camera1, lost },
    { hardwareName: 'Yard', deviceId: camera2, lost },
  ];
  seconds(CAMERA_LOST_ALARM_MS / 1000 - 1);
  assert.equal(world.alarms, []);
  seconds(100);
  assert.is(world.alarms.length, 1);
  assert.match(world.alarms[0]!, /^2 cameras lost: .*Entrance since .*UNREACHABLE.*; Yard since/);
  world.cameras = [{ hardwareName: 'Entrance', deviceId: camera1, lost: null }];
  seconds(1);
  world.cameras = [{ hardwareName: 'Entrance', deviceId: camera1, lost: { ...lost, sinceMs: world.nowMs } }];
  seconds(100);
  assert.is(world.alarms.length, 2);
  assert.match(world.alarms[1]!, /^Camera lost: /);
});

test('an overflow is told when it begins, with its cause, and when nothing was dropped for a while', () => {
  const { world, health, seconds, types } = harness();
  health.dropped(drop(camera1));
  health.dropped(drop(camera1));
  world.waitingMs = 8_000;
  health.dropped(drop(camera2));
  seconds(9);
  assert.is(health.overflowCount, 2);
  world.waitingMs = 0;
  seconds(1);
  assert.is(health.overflowCount, 0);
  const causes = world.events.flatMap(event =>
    event.type === 'DeviceOverflowBegan' ? [[event.data.deviceId, event.data.cause]] : [],
  );
  assert.equal(causes, [
    [camera1, 'CAMERA_FLOODS'],
    [camera2, 'DISK_SLOW'],
  ]);
  const [ended] = world.events.flatMap(event => (event.type === 'DeviceOverflowEnded' ? [event.data] : []));
  assert.is(ended!.droppedFragmentCount, 2);
  assert.is(ended!.droppedByteLength, 2000);
  assert.is(types().filter(type => type === 'DeviceOverflowEnded').length, 2);
  assert.equal(
    world.alarms.map(alarm => alarm.split(':')[0]),
    ['Camera sends too much', 'Recordings are lost', 'Recording server overloaded'],
  );
});

test('a clock that is set back keeps no overflow open, and silences no alarm', () => {
  const { world, health, seconds } = harness();
  health.dropped(drop(camera1));
  world.nowMs -= 3_600_000;
  seconds(1);
  assert.is(health.overflowCount, 0);
  health.dropped(drop(camera1));
  assert.equal(
    world.alarms.map(alarm => alarm.split(':')[0]),
    ['Camera sends too much', 'Camera sends too much'],
  );
});

test('while a disk refuses writes an overflow is its fault; what a halt drops is told with the halt', () => {
  const { world, health } = harness();
  health.dropped({ ...drop(camera1), cause: 'HALTED' });
  assert.equal(world.events, []);
  health.writeFailed();
  health.dropped(drop(camera1));
  assert.is(
    world.events[0]!.type === 'DeviceOverflowBegan' && world.events[0]!.data.cause,
    'DISK_UNAVAILABLE',
  );
});

test('overload takes pictures from viewers, then all of them, is told with its cause, and ends in the log', () => {
  const { world, health, seconds } = harness();
  world.waitingMs = 6_000;
  seconds(5);
  assert.is(health.isOverloaded, true);
  const { type, data } = world.events[0]!;
  assert.is(type, 'RecordingServerOverloaded');
  assert.equal(data, {
    ...{ recordingServerId, atMs: world.nowMs, cause: 'WRITE_QUEUE', delayMs: 6_000, shedViewerCount: 3 },
  });
  assert.match(world.alarms[0]!, /3 live viewers/);
  seconds(4);
  assert.equal(world.shedding, ['KEY_FRAMES']);
  seconds(1);
  assert.equal(world.shedding, ['KEY_FRAMES', 'CLOSED']);
  world.waitingMs = 0;
  seconds(30);
  assert.is(world.events.at(-1)!.type, 'RecordingServerOverloadEnded');
  assert.is(world.shedding.at(-1), 'NONE');
});

test('motion is told once, however many detectors see it and however often it rests for a moment', () => {
  const { world, health, seconds, types } = harness();
  const began = (key: string) =>
    health.noticed(camera1, { change: 'BEGAN', key, kind: 'MOTION', atMs: world.nowMs, untilMs: null });
  const ended = (key: string) => health.noticed(camera1, { change: 'ENDED', key, atMs: world.nowMs });
  began('motion');
  began('camera');
  ended('motion');
  seconds(60);
  ended('camera');
  const restsAtMs = world.nowMs;
  seconds(MOTION_REST_MS / 1000 - 1);
  began('motion');
  seconds(60);
  assert.equal(types(), ['MotionBegan']);
  ended('motion');
  seconds(MOTION_REST_MS / 1000);
  assert.equal(types(), ['MotionBegan', 'MotionEnded']);
  assert.is(world.events[1]!.type === 'MotionEnded' && world.events[1]!.data.atMs > restsAtMs, true);
});

test('what is not of motion is no motion, and nothing stays begun when the server stops', () => {
  const { world, health, types } = harness();
  const change = { change: 'BEGAN', key: 'alarm', kind: 'EVENT', atMs: world.nowMs, untilMs: null } as const;
  health.noticed(camera1, change);
  assert.equal(types(), []);
  health.start();
  health.noticed(camera1, { ...change, kind: 'MOTION' });
  health.dropped(drop(camera1));
  health.stop();
  assert.equal(types(), ['MotionBegan', 'DeviceOverflowBegan', 'DeviceOverflowEnded', 'MotionEnded']);
});

test.run();
