import { createHash } from 'node:crypto';
import {
  createMemorySiteLog,
  decodeFold,
  encodeFold,
  isProtected,
  LOG_START,
  type NewEvent,
  newEvent,
} from '@holdfast/core';
import type {
  DeviceId,
  EventId,
  EvidenceLockId,
  HardwareId,
  HoldfastEvent,
  RecordingServerId,
  SiteId,
} from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SiteView } from './site-view.js';

const test = suite('site view');
const sha256 = (...parts: readonly Uint8Array[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const recordingServerId = v7() as RecordingServerId;
const [hardwareId, deviceId] = [v7() as HardwareId, v7() as DeviceId];
const lockStream = `evidence-lock-${v7()}`;
const facts = () => ({ id: v7() as EventId, actor: 'user:a', occurredAtMs: 1, clockQuality: 'NTP' }) as const;

const added: HoldfastEvent = {
  type: 'HardwareAdded',
  data: {
    ...{
      hardwareId,
      name: 'Door',
      driver: 'rtsp',
      transport: 'AUTO',
      address: 'rtsp://10.0.0.1/1',
      sealedCredentials: null,
    },
    ...{ recordingServerId, devices: [{ deviceId, type: 'CAMERA', name: 'Door' }] },
  },
};
const locked: HoldfastEvent = {
  type: 'EvidenceLockCreated',
  data: {
    ...{ evidenceLockId: lockStream.slice('evidence-lock-'.length) as EvidenceLockId, headline: 'Theft' },
    ...{ description: '', deviceIds: [deviceId], fromMs: 1, toMs: 2, expiresAtMs: null },
  },
};
/** As newer software may have written it. */
const newer = (type: string, version: number): NewEvent => ({
  ...{ ...facts(), type, version, data: Buffer.from('{}'), causationId: null, correlationId: null },
});

async function viewOf(...events: readonly (readonly [string, NewEvent])[]): Promise<SiteView> {
  const log = createMemorySiteLog({ site: v7() as SiteId, now: () => 1, sha256 });
  for (const [stream, event] of events) await log.append([{ stream, expected: 'any', events: [event] }]);
  const view = new SiteView(recordingServerId);
  for (const recorded of await log.read({ after: LOG_START, limit: 100 })) view.read(recorded);
  return view;
}

const hardware = [`hardware-${hardwareId}`, newEvent(added, facts())] as const;
const lock = [lockStream, newEvent(locked, facts())] as const;

test('what newer software says of hardware leaves it as it was, and it is recorded on', async () => {
  const view = await viewOf(
    hardware,
    [hardware[0], newer('HardwareRelocated', 1)],
    [hardware[0], newer('HardwareMoved', 99)],
  );
  assert.is(view.hardware.get(hardwareId)?.recordingServerId, recordingServerId);
  assert.ok(view.protection(1, []).readable);
});

test('an evidence lock of newer software makes all locks unreadable, so that nothing is deleted', async () => {
  for (const unread of [
    newer('EvidenceLockTransferred', 1),
    newer('EvidenceLockReleased', 99),
    newer('Transferred', 1),
  ]) {
    const view = await viewOf(hardware, lock, [lockStream, unread]);
    assert.is(view.protection(1, []).readable, false, unread.type);
  }
});

test('a view that was kept as data knows the same', async () => {
  const view = await viewOf(hardware, lock);
  const again = new SiteView(recordingServerId);
  again.restore(decodeFold(encodeFold(view.toFold())));
  assert.equal(again.toFold(), view.toFold());
  assert.equal(again.protection(1, []), view.protection(1, []));
  assert.is(again.ownerOf(deviceId), deviceId);
});

test('what two locks cover is protected until the last of them is gone, by release or by its time', () => {
  const view = new SiteView(recordingServerId);
  const lock = (fromMs: number, toMs: number, expiresAtMs: number | null) => {
    const evidenceLockId = v7() as EvidenceLockId;
    const text = { headline: 'Theft', description: '' };
    view.apply({
      type: 'EvidenceLockCreated',
      data: { evidenceLockId, ...text, deviceIds: [deviceId], fromMs, toMs, expiresAtMs },
    });
    return () => view.apply({ type: 'EvidenceLockReleased', data: { evidenceLockId, reason: 'closed' } });
  };
  const isProtectedAt = (nowMs: number) => {
    const protection = view.protection(nowMs, []);
    return protection.readable && isProtected({ deviceId, fromMs: 140, toMs: 160 }, protection.spans);
  };
  const release = lock(0, 150, null);
  lock(100, 300, 1000);
  assert.is(isProtectedAt(500), true);
  release();
  assert.is(isProtectedAt(500), true);
  assert.is(isProtectedAt(1001), false);
});

test.run();
