import type { DeviceId, EvidenceLockEvent, EvidenceLockId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fold } from '../decider/decider.js';
import { given } from '../decider/decider-specification.js';
import type { EvidenceLockCommand } from './evidence-lock.commands.js';
import { evidenceLockDecider, isEvidenceLockActive } from './evidence-lock.decider.js';

const test = suite('evidence lock');
const evidenceLockId = '018f0000-0000-7000-8000-000000000001' as EvidenceLockId;
const deviceId = '018f0000-0000-7000-8000-000000000002' as DeviceId;
const data = {
  ...{ evidenceLockId, headline: 'Theft', description: 'till 4', deviceIds: [deviceId] },
  ...{ fromMs: 1000, toMs: 2000, expiresAtMs: 9000 },
};
const create: EvidenceLockCommand = {
  kind: 'CreateEvidenceLock',
  ...data,
  unknownDeviceIds: [],
  nowMs: 5000,
};
const created: EvidenceLockEvent = { type: 'EvidenceLockCreated', data };
const released: EvidenceLockEvent = {
  type: 'EvidenceLockReleased',
  data: { evidenceLockId, reason: 'case closed' },
};

test('a lock is created once, each device counted once', () => {
  given(evidenceLockDecider)
    .when({ ...create, deviceIds: [deviceId, deviceId] })
    .then(created);
  given(evidenceLockDecider, created).when(create).thenRefused('EVIDENCE_LOCK_EXISTS');
});

test('a lock that would protect nothing is refused', () => {
  given(evidenceLockDecider)
    .when({ ...create, toMs: 1000 })
    .thenRefused('SPAN_EMPTY');
  given(evidenceLockDecider)
    .when({ ...create, expiresAtMs: 5000 })
    .thenRefused('EXPIRY_PAST');
  given(evidenceLockDecider)
    .when({ ...create, unknownDeviceIds: [deviceId] })
    .thenRefused('DEVICE_NOT_FOUND');
});

test('a lock can be widened and prolonged', () => {
  given(evidenceLockDecider, created)
    .when({ kind: 'ExtendEvidenceLock', evidenceLockId, fromMs: 500, expiresAtMs: null, nowMs: 5000 })
    .then({
      type: 'EvidenceLockExtended',
      data: { evidenceLockId, fromMs: 500, toMs: 2000, expiresAtMs: null },
    });
});

test('what is told of a lock that was never created makes none', () => {
  const prolonged: EvidenceLockEvent = {
    type: 'EvidenceLockExtended',
    data: { evidenceLockId, fromMs: 500, toMs: 2000, expiresAtMs: null },
  };
  given(evidenceLockDecider, prolonged, released).when(create).then(created);
});

test('one end of a lock can be moved alone', () => {
  const extend = { kind: 'ExtendEvidenceLock', evidenceLockId, nowMs: 5000 } as const;
  const now = { evidenceLockId, fromMs: 1000, toMs: 2000, expiresAtMs: 9000 };
  for (const moved of [{ fromMs: 999 }, { toMs: 2001 }, { expiresAtMs: 9001 }, { expiresAtMs: null }]) {
    given(evidenceLockDecider, created)
      .when({ ...extend, ...moved })
      .then({ type: 'EvidenceLockExtended', data: { ...now, ...moved } });
  }
});

test('a lock that has expired is prolonged only beyond this moment', () => {
  const extend = { kind: 'ExtendEvidenceLock', evidenceLockId, nowMs: 10_000 } as const;
  for (const past of [{ toMs: 3000 }, { expiresAtMs: 10_000 }]) {
    given(evidenceLockDecider, created)
      .when({ ...extend, ...past })
      .thenRefused('EXPIRY_PAST');
  }
  given(evidenceLockDecider, created)
    .when({ ...extend, expiresAtMs: 10_001 })
    .then({
      type: 'EvidenceLockExtended',
      data: { evidenceLockId, fromMs: 1000, toMs: 2000, expiresAtMs: 10_001 },
    });
});

test('extending never shortens', () => {
  const extend = { kind: 'ExtendEvidenceLock', evidenceLockId, nowMs: 5000 } as const;
  for (const shorter of [
    { fromMs: 1500 },
    { toMs: 1500 },
    { expiresAtMs: 8000 },
    {},
    { fromMs: 1000, toMs: 2000, expiresAtMs: 9000 },
    { fromMs: 500, toMs: 1999 },
  ]) {
    given(evidenceLockDecider, created)
      .when({ ...extend, ...shorter })
      .thenRefused('EVIDENCE_LOCK_NOT_EXTENDED');
  }
});

test('a lock is released once and then neither released nor extended', () => {
  given(evidenceLockDecider, created)
    .when({ kind: 'ReleaseEvidenceLock', evidenceLockId, reason: 'case closed' })
    .then(released);
  given(evidenceLockDecider, created, released)
    .when({ kind: 'ReleaseEvidenceLock', evidenceLockId, reason: '' })
    .thenRefused('EVIDENCE_LOCK_RELEASED');
  given(evidenceLockDecider, created, released)
    .when({ kind: 'ExtendEvidenceLock', evidenceLockId, toMs: 3000, nowMs: 5000 })
    .thenRefused('EVIDENCE_LOCK_RELEASED');
  for (const command of [
    { kind: 'ReleaseEvidenceLock', evidenceLockId, reason: '' },
    { kind: 'ExtendEvidenceLock', evidenceLockId, toMs: 3000, nowMs: 5000 },
  ] as const) {
    given(evidenceLockDecider).when(command).thenRefused('EVIDENCE_LOCK_NOT_FOUND');
  }
});

test('a lock is active until it expires or is released', () => {
  const lock = fold(evidenceLockDecider, [created]);
  assert.is(isEvidenceLockActive(lock, 8999), true);
  assert.is(isEvidenceLockActive(lock, 9000), false);
  assert.is(isEvidenceLockActive(fold(evidenceLockDecider, [created, released]), 8999), false);
  assert.is(isEvidenceLockActive(null, 0), false);
  const prolonged: EvidenceLockEvent = {
    type: 'EvidenceLockExtended',
    data: { evidenceLockId, fromMs: 500, toMs: 2000, expiresAtMs: 10_000 },
  };
  assert.is(isEvidenceLockActive(fold(evidenceLockDecider, [created, prolonged]), 9000), true);
  assert.is(isEvidenceLockActive(fold(evidenceLockDecider, [created, prolonged]), 10_000), false);
});

test.run();
