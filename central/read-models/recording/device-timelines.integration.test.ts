import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { deviceTimeline, timelineFacts } from '@holdfast/core';
import type { DeviceId, HoldfastEvent, RecordingServerId, RetrievalId, SegmentId } from '@holdfast/schema';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FeedFixture } from '../../intake/feed-fixture.js';
import { type Database, openDatabase } from '../../postgres/database.js';
import type { FeedEvent } from '../feed-event.js';
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
const tables = [...recordingsReadModel.tables, ...heldSegmentsReadModel.tables];

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

async function fold(batches: readonly (readonly FeedEvent[])[]): Promise<void> {
  const { sql } = database;
  await sql.unsafe(`truncate ${tables.join(', ')}`);
  for (const batch of batches) {
    for (const model of [recordingsReadModel, heldSegmentsReadModel]) {
      const events = batch.filter(({ event }) =>
        (model.eventTypes as readonly string[]).includes(event.type),
      );
      if (events.length === 0) continue;
      await sql.begin(tx =>
        model.fold(events, { tx, isAlone: false, ownSite: own.site, changed: () => undefined }),
      );
    }
  }
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
        await fold(history.batches);
        const fromMs = Math.floor((history.endMs * at) / 1000);
        await compare(history, { fromMs: 0, toMs: history.endMs + 20_000 });
        await compare(history, { fromMs, toMs: fromMs + length * 300 });
        const inBatches = await stretches();
        await fold([history.batches.flat()]);
        assert.equal(await stretches(), inBatches);
      },
    ),
    { numRuns: HISTORIES },
  );
});

test.run();
