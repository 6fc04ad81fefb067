import type { DeviceId, HardwareId, HoldfastEvent, RecordingServerId } from '@holdfast/schema';
import pino from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { InputReports } from './input-reports.js';

const test = suite('what inputs of cameras do');

function open() {
  const events: HoldfastEvent[] = [];
  const reports = new InputReports({
    hardwareId: 'hardware' as HardwareId,
    deviceId: 'camera' as DeviceId,
    recordingServerId: 'server' as RecordingServerId,
    report: (stream, event) => {
      assert.is(stream, 'hardware-signals-hardware');
      events.push(event);
    },
    logger: pino({ level: 'silent' }),
  });
  const take = (source: string, active: boolean, atMs: number) =>
    reports.take({ kind: 'INPUT', source, active, atMs: null }, atMs);
  return { events, take };
}

test('each change is told once; what a camera says again is not', () => {
  const { events, take } = open();
  take('door', false, 1);
  take('door', true, 2);
  take('door', true, 3);
  take('gate', true, 4);
  take('door', false, 5.4);
  const data = { hardwareId: 'hardware', deviceId: 'camera', recordingServerId: 'server' };
  assert.equal(events, [
    { type: 'InputActivated', data: { ...data, atMs: 2, input: 'door' } },
    { type: 'InputActivated', data: { ...data, atMs: 4, input: 'gate' } },
    { type: 'InputDeactivated', data: { ...data, atMs: 5, input: 'door' } },
  ]);
});

test('a loose contact does not fill the log, and is heard again later', () => {
  const { events, take } = open();
  for (let change = 0; change < 1000; change += 1) take('door', change % 2 === 0, change);
  assert.is(events.length, 60);
  take('door', true, 61_000);
  assert.is(events.length, 61);
  for (let change = 0; change < 1000; change += 1) take('door', change % 2 === 1, 61_001 + change);
  assert.is(events.length, 120);
  take('gate', true, 61_001 - 3_600_000);
  assert.is(events.length, 121, 'the clock was set back by an hour');
});

test.run();
