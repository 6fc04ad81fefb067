import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { deviceTimeline, timelineFacts } from '@holdfast/core';
import type {
  DeviceId,
  EventId,
  HoldfastEvent,
  RecordingServerId,
  RetrievalId,
  SegmentId,
} from '@holdfast/schema';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FeedFixture } from '../../intake/feed-fixture.js';
import { type Database, openDatabase } from '../../postgres/database.js';
import { auditTrailReadModel } from '../audit/audit-trail.read-model.js';
import { eventDevicesReadModel } from '../event/event-devices.read-model.js';
import type { FeedEvent } from '../feed-event.js';
import { concerns } from '../model-fold.js';
import { readDeviceRecordings } from './device-recordings.query.js';
import { readDeviceTimelines } from './device-timelines.query.js';
import { heldSegmentsReadModel } from './held-segments.read-model.js';
import { recordingsReadModel } from './recordings.read-model.js';

const test = suite('device timelines');
let directory = '';
let database: Database;
test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-timelines-'));
  database = await openDatabase({ directory, databaseUrl: null });
});
test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const HISTORIES = 20;
const own = new FeedFixture();
const child = new FeedFixture();
const devices = [randomUUID() as DeviceId, randomUUID() as DeviceId];
const servers = [randomUUID() as RecordingServerId, randomUUID() as RecordingServerId];

/** One thing that happens; numbers choose among what there is at that moment. */
const anyStep = fc.record({
  what: fc.constantFrom(
    'SEAL',
    'SEAL',
    'SEAL',
    'DELETE',
    'DAMAGE',
    'REDUCE',
    'RETRIEVE',
    'REDUCE_HELD',
    'DELETE_HELD',
    'SEAL_AGAIN',
  ),
  device: fc.nat(1),
  server: fc.nat(1),
  /** From the end of the last segment to the next: seams, holes, and a clock that was set back. */
  holesMs: fc.array(fc.constantFrom(0, 0, 0, 40, 150, 199, 200, 5000, -700, -90_000), {
    minLength: 1,
    maxLength: 6,
  }),
  chosen: fc.array(fc.nat(1000), { minLength: 1, maxLength: 6 }),
  /** How many steps share a batch with this one. */
  endsBatch: fc.boolean(),
});
type Step = typeof anyStep extends fc.Arbitrary<infer Value> ? Value : never;

interface Segment {
  readonly segmentId: SegmentId;
  readonly fromMs: number;
  readonly toMs: number;
}

/** A history of a device's segments at its site, and of copies here. */
class History {
  readonly batches: FeedEvent[][] = [[]];
  endMs = 0;
  #seq = 0;
  readonly #sealed = devices.map((): Segment[] => []);

  take(step: Step): void {
    const { what, device, chosen } = step;
    const deviceId = devices[device]!;
    const ofDevice = { deviceId, recordingServerId: servers[step.server]! };
    const sealed = this.#sealed[device]!;
    const some = [...new Set(chosen.flatMap(number => sealed[number % sealed.length] ?? []))];
    const span = {
      fromMs: Math.min(...some.map(one => one.fromMs)),
      toMs: Math.max(...some.map(one => one.toMs)),
    };
    if (what === 'SEAL') {
      const segments = step.holesMs.map((holeMs, index) => this.#next(holeMs, chosen[index] ?? 60));
      sealed.push(...segments);
      this.#add(child, { type: 'RecordingSealed', data: { ...ofDevice, segments, gaps: [] } });
    } else if (some.length === 0) {
      return;
    } else if (what === 'SEAL_AGAIN') {
      this.#add(child, {
        type: 'RecordingSealed',
        data: { ...ofDevice, segments: some.map(full), gaps: [] },
      });
    } else if (what === 'DAMAGE') {
      const { segmentId, fromMs, toMs } = some[0]!;
      this.#add(child, {
        type: 'RecordingDamaged',
        data: { ...ofDevice, segmentId, fromMs, toMs, detail: '' },
      });
    } else if (what === 'RETRIEVE') {
      const keyFramesOnly = step.server === 1;
      const retrieved = some.map(one => ({ ...one, byteLength: 1, digest: 'ab'.repeat(32), keyFramesOnly }));
      const data = { retrievalId: randomUUID() as RetrievalId, deviceId, segments: retrieved };
      this.#add(own, {
        type: 'RetrievalProgressed',
        data: { ...data, transferredBytes: 1 },
      } as HoldfastEvent);
    } else if (what === 'REDUCE' || what === 'REDUCE_HELD') {
      const previousDigest = 'ab'.repeat(32);
      const reduced = some.map(one => ({ ...full(one), digest: 'cd'.repeat(32), previousDigest }));
      this.#add(what === 'REDUCE' ? child : own, {
        type: 'RecordingReduced',
        data: { ...ofDevice, ...span, segments: reduced },
      });
    } else {
      const segmentIds = some.map(one => one.segmentId);
      this.#add(what === 'DELETE' ? child : own, {
        type: 'RecordingDeleted',
        data: { ...ofDevice, ...span, segmentIds, policy: 'RETENTION_AGE' },
      });
    }
    if (step.endsBatch) this.batches.push([]);
  }

  #next(holeMs: number, lengthNumber: number) {
    const fromMs = Math.max(0, this.endMs + holeMs);
    this.endMs = fromMs + 1 + (lengthNumber % 64) * 1000;
    return full({ segmentId: randomUUID() as SegmentId, fromMs, toMs: this.endMs });
  }

  #add({ site }: FeedFixture, event: HoldfastEvent): void {
    this.#seq += 1;
    const envelope = { seq: this.#seq, site, epoch: 1, position: this.#seq, id: randomUUID(), stream: '' };
    const times = { recordedAtMs: 0, occurredAtMs: 0, actor: '' };
    this.batches.at(-1)!.push({ ...envelope, ...times, event } as FeedEvent);
  }
}

function full(segment: Segment) {
  return {
    ...{ segmentId: segment.segmentId, fromMs: segment.fromMs, toMs: segment.toMs },
    ...{ fragmentCount: 1, byteLength: 1, digest: 'ab'.repeat(32), timeSource: 'SENDER_REPORT' as const },
    ...{ beganBecause: 'RECORDING_CONTINUED' as const, endedBecause: 'RECORDING_CONTINUED' as const },
  };
}

async function fold(
  batches: readonly (readonly FeedEvent[])[],
  isAlone: boolean,
  models = [recordingsReadModel, heldSegmentsReadModel],
): Promise<void> {
  const { sql } = database;
  await sql.unsafe(`truncate ${models.flatMap(model => model.tables).join(', ')}`);
  for (const batch of batches) {
    for (const model of models) {
      const events = batch.filter(({ event }) => concerns(model, event.type));
      if (events.length === 0) continue;
      await sql.begin(tx => model.fold(events, { tx, isAlone, ownSite: own.site, changed: () => undefined }));
    }
  }
}

async function rowsOf(names: readonly string[]): Promise<readonly object[]> {
  const { sql } = database;
  const rows: object[] = [];
  for (const name of names) {
    for (const row of await sql`select * from ${sql(name)} as each order by each::text`)
      rows.push({ name, ...row });
  }
  return rows;
}

async function stretches(): Promise<readonly object[]> {
  const { sql } = database;
  const recorded = await sql`
    select * from recording_span order by device_id, site_id, recording_server_id, state, to_ms`;
  const held = await sql`select * from held_span order by device_id, state, to_ms`;
  return [...recorded, ...held].map(row => ({ ...row }));
}

/** As an operator of another site sees it, and as one of the device's own. */
async function compare(history: History, window: { readonly fromMs: number; readonly toMs: number }) {
  const { sql } = database;
  const siteId = child.site;
  const facts = await readDeviceTimelines(
    sql,
    devices.map(deviceId => ({ deviceId, siteId, isAway: () => false })),
    window,
  );
  const away = await readDeviceTimelines(
    sql,
    devices.map(deviceId => ({ deviceId, siteId, isAway: () => true })),
    window,
  );
  for (const [index, { sealed, running }] of away.entries()) {
    assert.ok(sealed.every(stretch => typeof stretch.away === 'string'));
    assert.is(running === null, facts[index]!.running === null);
    assert.ok(running === null || typeof running.away === 'string');
  }
  for (const [index, deviceId] of devices.entries()) {
    for (const link of [null, { state: 'UP', sinceMs: 0 }, { state: 'DOWN', sinceMs: 90_000 }] as const) {
      const ofSegments = await readDeviceRecordings(sql, { siteId, deviceId, ...window }, link);
      const nowMs = history.endMs + 10_000;
      assert.equal(
        deviceTimeline({ ...facts[index]!, link }, window, nowMs),
        deviceTimeline(timelineFacts(ofSegments.timeline), window, nowMs),
      );
    }
  }
}

test('stretches say exactly what the segments say, whatever happened and in whatever batches', async () => {
  const anyHistory = fc.array(anyStep, { minLength: 1, maxLength: 25 });
  await fc.assert(
    fc.asyncProperty(
      anyHistory,
      fc.nat(1000),
      fc.integer({ min: 1, max: 1000 }),
      async (steps, at, length) => {
        const history = new History();
        for (const step of steps) history.take(step);
        await fold(history.batches, false);
        const fromMs = Math.floor((history.endMs * at) / 1000);
        await compare(history, { fromMs: 0, toMs: history.endMs + 20_000 });
        await compare(history, { fromMs, toMs: fromMs + length * 300 });
        const inBatches = await stretches();
        const segments = await rowsOf(['recording_segment']);
        // As a build folds it: in the same batches, or in one.
        await fold(at % 2 === 0 ? [history.batches.flat()] : history.batches, true);
        assert.equal(await stretches(), inBatches);
        assert.equal(await rowsOf(['recording_segment']), segments);
      },
    ),
    { numRuns: HISTORIES },
  );
});

test('what a build copies in is what the projector inserts', async () => {
  const count = 1500;
  const deviceId = devices[0]!;
  const events = Array.from({ length: count }, (_, index): FeedEvent => {
    const fromMs = index * 1000;
    const sealed = full({ segmentId: randomUUID() as SegmentId, fromMs, toMs: fromMs + 1000 });
    const data = { deviceId, recordingServerId: servers[0]!, segments: [sealed], gaps: [] };
    return {
      ...{ seq: index + 1, site: child.site, epoch: 1, position: index + 1, id: randomUUID() as EventId },
      ...{ stream: 'Tür\u0000 😀 \ud800', recordedAtMs: fromMs, occurredAtMs: 0, actor: 'user:"a\\b"' },
      event: { type: 'RecordingSealed', data },
    };
  });
  // Told once more, some of it twice, after some of it was deleted.
  const again = [...events.slice(0, 500), ...events].map((one, index) => ({
    ...one,
    seq: count + index + 1,
  }));
  const deleted = { ...again[0]!, seq: 9999, event: deletionOf(events.slice(700, 800)) };
  const models = [recordingsReadModel, eventDevicesReadModel, auditTrailReadModel];
  const names = models.flatMap(model => model.tables);
  const batches = [events.slice(0, 1200), [...events.slice(1200), deleted, ...again]];
  await fold(batches, false, models);
  const inserted = await rowsOf(names);
  await fold(batches, true, models);
  assert.equal(await rowsOf(names), inserted);
  assert.is(inserted.length > 3 * count, true);
});

function deletionOf(events: readonly FeedEvent[]): HoldfastEvent {
  const segments = events.flatMap(({ event }) =>
    event.type === 'RecordingSealed' ? event.data.segments : [],
  );
  const [fromMs, toMs] = [segments[0]!.fromMs, segments.at(-1)!.toMs];
  const of = { deviceId: devices[0]!, recordingServerId: servers[0]! };
  const segmentIds = segments.map(({ segmentId }) => segmentId);
  return { type: 'RecordingDeleted', data: { ...of, segmentIds, fromMs, toMs, policy: 'DISK_FULL' } };
}

test.run();
