import { randomUUID } from 'node:crypto';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { decodeData, decodeEvent, EventDecodeError, versionFor } from './catalogue.js';
import { CommandIssued } from './command.js';
import { defineEvent, forOlderSoftware, raised } from './event-definition.js';
import { sealedToken } from './personal.js';

const test = suite('decoding of events');

/** Three versions of one type: a name, then the two parts of it, then a list of them. */
const Named = defineEvent('Named', 3, z.object({ names: z.array(z.string()).min(1) }), [
  raised(z.object({ name: z.string() }), ({ name }) => {
    const [first = '', last = ''] = name.split(' ');
    return { first, last };
  }),
  raised(z.object({ first: z.string(), last: z.string() }), ({ first, last }) => ({ names: [first, last] })),
]);

function failureOf(decode: () => unknown): EventDecodeError {
  try {
    decode();
  } catch (error) {
    if (error instanceof EventDecodeError) return error;
    throw error;
  }
  throw new Error('expected EventDecodeError');
}

test('every version ever written is raised to what the type is today', () => {
  const today = { names: ['Ada', 'Lovelace'] };
  assert.equal(decodeData(Named, 1, { name: 'Ada Lovelace' }), today);
  assert.equal(decodeData(Named, 2, { first: 'Ada', last: 'Lovelace' }), today);
  assert.equal(decodeData(Named, 3, today), today);
});

test('data is checked as the version that it was written under, and as what it becomes', () => {
  for (const [version, data] of [
    [1, { first: 'Ada', last: 'Lovelace' }],
    [2, { name: 'Ada Lovelace' }],
    [3, { names: [] }],
    [0, { name: 'Ada Lovelace' }],
  ] as const) {
    const error = failureOf(() => decodeData(Named, version, data));
    assert.is(error.failure, 'INVALID_DATA');
    assert.is(error.isFromNewerSoftware, false);
  }
});

test('what older software must understand is written under the lowest version that takes it as it is', () => {
  const Asked = forOlderSoftware(
    defineEvent('Asked', 3, z.object({ what: z.string(), where: z.string().optional() }), [
      raised(z.object({ what: z.string().max(5) }), data => data),
      raised(z.object({ what: z.string() }), data => data),
    ]),
  );
  assert.is(versionFor(Asked, { what: 'close', where: undefined }), 1);
  assert.is(versionFor(Asked, { what: 'close at once' }), 2);
  // Older software would leave out where, and close everything.
  assert.is(versionFor(Asked, { what: 'close', where: 'here' }), 3);
  assert.is(versionFor(Named, { names: ['Ada', 'Lovelace'] }), 3);
});

test('a command is written under the version in which it could first be given', () => {
  const ids = { commandId: randomUUID(), targetSiteId: randomUUID(), notAfterMs: null };
  const versionOf = (command: object) => versionFor(CommandIssued, { ...ids, command });
  const alarmId = randomUUID();
  const hardwareId = randomUUID();
  const deviceId = randomUUID();
  const sealed = sealedToken(randomUUID(), 'A'.repeat(40));
  const camera = {
    ...{ kind: 'AddHardware', hardwareId, name: 'Door', address: 'rtsp://10.0.0.7/door' },
    ...{ sealedCredentials: null, recordingServerId: randomUUID() },
    devices: [{ deviceId, type: 'CAMERA', name: 'Door' }],
  };
  const alarm = { kind: 'RaiseAlarm', alarmId, name: 'Door forced', message: '', priority: 1 };
  assert.is(versionOf({ ...alarm, sourceDeviceId: null }), 1);
  assert.is(versionOf(camera), 1);
  assert.is(versionOf({ ...camera, driver: 'rtsp', transport: 'UDP' }), 3);
  assert.is(versionOf({ kind: 'HandleAlarm', alarmId, state: 'CLOSED' }), 1);
  assert.is(versionOf({ kind: 'HandleAlarm', alarmId, comment: sealed }), 2);
  assert.is(versionOf({ kind: 'HandleAlarm', alarmId, state: 'CLOSED', expectedLastId: alarmId }), 7);
  const device = { kind: 'ConfigureDevice', hardwareId, deviceId };
  assert.is(versionOf({ ...device, name: 'Gate' }), 1);
  assert.is(versionOf({ ...device, motionDetection: undefined, name: 'Gate' }), 1);
  assert.is(versionOf({ kind: 'StopRecording', deviceId }), 3);
  const policy = { mode: 'MOTION', postMs: 0, keyFramesOnly: false, recordRelated: [] };
  assert.is(versionOf({ ...device, recordingPolicy: { ...policy, preBufferMs: 15_000 } }), 3);
  // Older software would refuse it as broken.
  assert.is(versionOf({ ...device, recordingPolicy: { ...policy, preBufferMs: 15_001 } }), 6);
});

test('what newer software wrote is told apart from what is broken', () => {
  const newerVersion = failureOf(() => decodeData(Named, 4, {}));
  assert.is(newerVersion.failure, 'NEWER_VERSION');
  assert.is(newerVersion.isFromNewerSoftware, true);
  assert.match(newerVersion.message, 'Named version 4: this software knows versions up to 3');
  const unknownType = failureOf(() => decodeEvent('DoorOpened', 1, {}));
  assert.is(unknownType.failure, 'UNKNOWN_TYPE');
  assert.is(unknownType.isFromNewerSoftware, true);
});

test('a version without the one before it cannot be defined', () => {
  assert.throws(() => defineEvent('Named', 2, z.object({})), /Named version 2: 0 earlier versions/);
});

test.run();
