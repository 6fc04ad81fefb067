import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { RecordingServerId } from '@holdfast/schema';
import { Registry } from 'prom-client';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LiveViewers } from '../recording-server/camera/live-viewers.js';
import { defineLogMetrics } from '../truncate-log.js';
import { defineLiveMetrics } from './live-metrics.js';
import { defineRecordingMetrics, defineStorageMetrics } from './recording-metrics.js';

const test = suite('metrics of recording servers');

const id = 'a server' as RecordingServerId;
const status = {
  ...{ usageBytes: 5e9, halted: true, cameraCount: 12, lostCameraCount: 2, lostAccessUnitCount: 7 },
  ...{ droppedFragmentCount: 3, writeFailureCount: 4, overflowCount: 1, overloaded: false },
  ...{ diskSlow: true, writeMs: 612, waitingMs: 4500, eventLoopMs: 20 },
};

test('each recording server is told by its name, as it is when it is asked', async () => {
  const registry = new Registry();
  let cameraCount = 12;
  let open = true;
  defineRecordingMetrics(registry, () =>
    open
      ? {
          management: { state: { recordingServers: new Map([[id, { name: 'Recorder 1' }]]) } },
          recordingServers: new Map([
            [id, { status: () => ({ ...status, cameraCount }), measuredStages: () => [] }],
          ]),
        }
      : null,
  );
  const text = await registry.metrics();
  for (const line of [
    'holdfast_recording_cameras{recording_server="Recorder 1"} 12',
    'holdfast_recording_halted{recording_server="Recorder 1"} 1',
    'holdfast_recording_write_queue_seconds{recording_server="Recorder 1"} 4.5',
  ]) {
    assert.ok(text.includes(line), `${line}\n${text}`);
  }
  cameraCount = 13;
  const endMs = performance.now() + 20_000;
  for (let later = text; !later.includes('cameras{recording_server="Recorder 1"} 13'); ) {
    assert.ok(performance.now() < endMs, later);
    later = await registry.metrics();
  }
  open = false;
  for (let later = text; later.includes('Recorder 1'); later = await registry.metrics()) {
    assert.ok(performance.now() < endMs, later);
  }
});

test('each stage of a storage is told by its place, and what is not known of it is left out', async () => {
  const registry = new Registry();
  const stage = (name: string, measure: object) => ({
    ...{ stage: '', storageId: null, name: { storage: 'Vault', stage: name }, limits: null, comesAfterMs: 0 },
    measure: { usageBytes: 5, lockedBytes: 2, freeBytes: 7, fullAtMs: 90_000, ...measure } as never,
  });
  const stages = [
    stage('live', { unavailableBecause: null }),
    stage('archive 1', { freeBytes: null, fullAtMs: null, unavailableBecause: 'it is gone' }),
    { ...stage('', {}), name: null },
  ];
  defineStorageMetrics(registry, () => ({
    management: { state: { recordingServers: new Map([[id, { name: 'Recorder 1' }]]) } },
    recordingServers: new Map([[id, { status: () => status, measuredStages: () => stages }]]),
  }));
  const lines = (await registry.metrics()).split('\n').filter(line => line !== '' && !line.startsWith('#'));
  const of = (place: string) => `{recording_server="Recorder 1",storage="Vault",stage="${place}"}`;
  assert.equal(lines, [
    `holdfast_storage_usage_bytes${of('live')} 5`,
    `holdfast_storage_usage_bytes${of('archive 1')} 5`,
    `holdfast_storage_locked_bytes${of('live')} 2`,
    `holdfast_storage_locked_bytes${of('archive 1')} 2`,
    `holdfast_storage_free_bytes${of('live')} 7`,
    `holdfast_storage_full_timestamp_seconds${of('live')} 90`,
    `holdfast_storage_unreachable${of('live')} 0`,
    `holdfast_storage_unreachable${of('archive 1')} 1`,
  ]);
});

test('every metric of a site is in docs/METRICS.md', async () => {
  const registry = new Registry();
  defineRecordingMetrics(registry, () => null);
  defineStorageMetrics(registry, () => null);
  defineLiveMetrics(registry, () => [new LiveViewers()]);
  defineLogMetrics(registry, () => null);
  const docs = readFileSync(path.resolve(import.meta.dirname, '../../../docs/METRICS.md'), 'utf8');
  const names = (await registry.getMetricsAsJSON()).map(({ name }) => name);
  assert.ok(names.length > 15);
  assert.equal(
    names.filter(name => !docs.includes(`\`${name}\``)),
    [],
  );
});

test.run();
