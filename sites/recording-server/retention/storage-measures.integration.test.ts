import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { RETENTION_LIMITS, type Storage } from '@holdfast/core';
import type { HoldfastEvent } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  camera1,
  camera2,
  openTestDatabase,
  server1,
  temporaryFolder,
  testFragment,
  testInit,
} from '../media-database/media-fixture.js';
import { StorageMeasures } from './storage-measures.js';

const test = suite('measures of storages');
const dayMs = 24 * 3600_000;

test('storages on one volume are full when all of them together have filled it', async () => {
  await using folder = await temporaryFolder();
  const stages = ['one', 'other'].map(name => path.join(folder.path, name));
  for (const stage of stages) await mkdir(stage);
  const limits = { ...RETENTION_LIMITS, retentionMs: 1000 * dayMs, freeBytesLow: 0 };
  const storages = stages.map((stage): Storage => {
    const isEncrypted = false;
    return { storageId: stage, name: stage, isEncrypted, live: { stage, limits }, archives: [] };
  });
  const dir = path.join(folder.path, 'own');
  await using database = await openTestDatabase(dir, {
    stages,
    liveStageOf: deviceId => stages[deviceId === camera1 ? 0 : 1]!,
  });
  const nowMs = testFragment(400).toMs;
  const fullAfterDays = async () => {
    const told: HoldfastEvent[] = [];
    const measures = new StorageMeasures({
      ...{ recordingServerId: server1, database, dir, storages: { storages, whyUnavailable: () => null } },
      ...{ freeBytes: async () => 10e6, protection: () => ({ readable: true, spans: [] }), now: () => nowMs },
      monotonicMs: () => performance.now(),
      report: (_stream, event) => told.push(event) > 0,
    });
    await measures.tell();
    const [event] = told;
    if (event?.type !== 'StorageMeasured') throw new Error('nothing is told');
    return event.data.stages.map(({ fullAtMs }) => (fullAtMs === null ? null : (fullAtMs - nowMs) / dayMs));
  };
  const record = async (deviceId: typeof camera1) => {
    database.beginRun({ deviceId, init: testInit(), cause: 'SERVER_STARTED' });
    for (const index of [0, 200, 400]) database.append(deviceId, testFragment(index, { byteLength: 30_000 }));
    await database.endRun({ deviceId, cause: 'SERVER_STOPPED' });
  };
  await record(camera1);
  const [alone, beside] = await fullAfterDays();
  // Ten megabytes, at about 100 kB in 800 seconds.
  assert.ok(alone! > 0.8 && alone! < 1.2, `${alone}`);
  assert.is(beside, alone, 'nothing comes into the other, and there is no room for it either');
  await record(camera2);
  const together = await fullAfterDays();
  assert.is(together[0], together[1]);
  assert.ok(Math.abs(together[0]! - alone! / 2) < 0.001, `${together[0]}`);
});

test.run();
