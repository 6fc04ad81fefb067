import { setTimeout as wait } from 'node:timers/promises';
import { type Fragment, readMetadata } from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { driverConformance } from '../driver-conformance.fixture.js';
import { RecordedSession } from '../rtsp/recorded-session.fixture.js';
import { SimulatedDevices } from './simulated-devices.js';
import { simulatedDriver } from './simulated-driver.js';

const test = suite('simulated cameras');
const { signal } = new AbortController();

test('are turned to a preset by showing another clip, and open a door that says so', async () => {
  const driver = simulatedDriver(new SimulatedDevices());
  const address = 'simulated:entrance/1';
  const commands = driver.openCommands!({ address, credentials: null, now: Date.now, random: Math.random });
  await using session = new RecordedSession({ run: driver.run, address });
  await session.until('recorded', () => session.recorded.length >= 1);
  const presets = await commands.presets(signal);
  assert.equal(presets[1], { token: 'car-park', name: 'car park' });
  await commands.goToPreset('car-park', signal);
  await session.until('turned', () => (session.runs[1]?.recorded.length ?? 0) >= 1);
  assert.is(session.runs[0]!.ended, 'CAMERA_FORMAT_SWITCHED');
  assert.is(session.connectedCount, 1, 'it stays connected');
  assert.ok(session.runs[1]!.recorded.some(({ bytes }) => readMetadata(bytes).length > 0));
  await commands.setOutput('door', true, signal);
  await commands.setOutput('door', false, signal);
  await session.stop();
  assert.equal(
    session.signals.map(({ kind, source, active }) => [kind, source, active]),
    [
      ['INPUT', 'door contact', true],
      ['INPUT', 'door contact', false],
    ],
  );
});

test('begin anew where the clock was set', async () => {
  const { run } = simulatedDriver(new SimulatedDevices());
  let stepMs = 0;
  const ends: [string, number][] = [];
  const recorded: Fragment[] = [];
  const controller = new AbortController();
  const running = run(
    {
      ...{ address: 'simulated:entrance', credentials: null, random: Math.random },
      now: () => Date.now() + stepMs,
      sink: {
        ...{ connected: () => {}, format: () => {}, accessUnitsLost: () => {}, connectionLost: () => {} },
        liveFragment: () => {},
        recordedFragment: fragment => recorded.push(fragment),
        runEnded: (cause, atMs) => ends.push([cause, atMs]),
      },
    },
    controller.signal,
  );
  const until = async (condition: () => boolean) => {
    while (!condition()) await wait(20);
  };
  await until(() => recorded.length >= 1);
  stepMs = -3_600_000;
  await until(() => ends.length === 1);
  const before = recorded.length;
  await until(() => recorded.length > before);
  controller.abort();
  await running;
  assert.is(ends[0]![0], 'CLOCK_STEPPED');
  assert.ok(Math.abs(recorded.at(-1)!.toMs - recorded[0]!.fromMs + 3_600_000) < 60_000);
});

test('that do not exist are named as such', async () => {
  const { run } = simulatedDriver(new SimulatedDevices());
  await using session = new RecordedSession({ run, address: 'simulated:moon' });
  await session.until('lost', () => session.losses.length > 0);
  assert.equal(session.losses[0], {
    cause: 'NOT_FOUND',
    detail: 'there is no simulated camera moon; there are entrance, car-park, platform, corridor',
  });
});

const devices = new SimulatedDevices();
let lastPort = 0;
const conformance = driverConformance({
  driver: simulatedDriver(devices),
  openCamera: async ({ port = ++lastPort, credentials = null }) => {
    const address = `simulated:entrance/${port}`;
    const device = devices.at(address);
    device.plug();
    device.protect(credentials);
    return { address, port, [Symbol.asyncDispose]: async () => device.unplug() };
  },
});

test.run();
conformance.run();
