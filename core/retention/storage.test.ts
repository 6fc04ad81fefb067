import type { DeviceId, SegmentId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  type NextStage,
  planRetention,
  type RetentionFacts,
  type RetentionLimits,
} from './retention.plan.js';
import { chainOf, isArchivingDue, type Storage, totalRetentionMs } from './storage.js';

const test = suite('storages');

const camera = 'camera' as DeviceId;
const limits: RetentionLimits = {
  ...{ retentionMs: 1000, usageBytesMax: null, freeBytesLow: 500 },
  ...{ freeBytesCritical: 300, freeBytesStop: 100, freeBytesResume: 200 },
};
const segment = (index: number) => ({
  ...{ segmentId: `segment-${index}` as SegmentId, deviceId: camera, fileByteLength: 100 },
  ...{ fromMs: index * 100, toMs: index * 100 + 100 },
});
const next: NextStage = { isAvailable: true, isDue: true, totalRetentionMs: 5000, locked: [] };
const facts = (change: Partial<RetentionFacts>): RetentionFacts => ({
  ...{ nowMs: 1000, usageBytes: 1000, freeBytes: 1000, candidatesComplete: true, halted: false },
  candidates: [0, 1, 2, 3, 4].map(segment),
  protection: { readable: true, spans: [] },
  next,
  ...change,
});
const brief = (plan: ReturnType<typeof planRetention>) => ({
  moves: plan.moves.map(({ fromMs }) => fromMs / 100),
  deletions: plan.deletions.map(({ segment: { fromMs }, policy }) => [fromMs / 100, policy]),
});

test('what is old enough moves on when the schedule lets it, and is not deleted', () => {
  assert.equal(brief(planRetention(facts({ nowMs: 1200 }), limits)), { moves: [0, 1], deletions: [] });
  const later = { ...next, isDue: false };
  assert.equal(brief(planRetention(facts({ nowMs: 1200, next: later }), limits)), {
    moves: [],
    deletions: [],
  });
});

test('what is locked moves through the chain too, and is deleted nowhere', () => {
  const spans = [{ deviceId: camera, fromMs: 0, toMs: 150 }];
  const locked = [segment(0), segment(1)];
  const candidates = [2, 3, 4].map(segment);
  const protection = { readable: true, spans } as const;
  const plan = (change: Partial<RetentionFacts>) =>
    brief(planRetention(facts({ candidates, protection, next: { ...next, locked }, ...change }), limits));
  assert.equal(plan({ nowMs: 1200 }), { moves: [0, 1], deletions: [] });
  // Beyond the age of the whole chain only what is not locked goes.
  assert.equal(plan({ nowMs: 5350 }), { moves: [0, 1, 3, 4], deletions: [[2, 'RETENTION_AGE']] });
});

test('a stage that is too large, or whose disk runs full, moves at once', () => {
  const undue = { ...next, isDue: false };
  const large = planRetention(facts({ usageBytes: 1050, next: undue }), { ...limits, usageBytesMax: 900 });
  assert.equal(brief(large), { moves: [0, 1], deletions: [] });
  assert.equal(brief(planRetention(facts({ freeBytes: 350, next: undue }), limits)), {
    moves: [0, 1],
    deletions: [],
  });
});

test('below the critical free space the oldest is deleted, for moving may be too slow', () => {
  assert.equal(brief(planRetention(facts({ freeBytes: 250 }), limits)), {
    moves: [1, 2],
    deletions: [[0, 'DISK_FULL']],
  });
});

test('while the archive is away size and age wait, and only a disk that runs full deletes', () => {
  const away = { ...next, isAvailable: false };
  const large = facts({ nowMs: 1200, usageBytes: 1050, next: away });
  assert.equal(brief(planRetention(large, { ...limits, usageBytesMax: 900 })), { moves: [], deletions: [] });
  assert.equal(brief(planRetention(facts({ freeBytes: 350, next: away }), limits)), {
    moves: [],
    deletions: [
      [0, 'DISK_FULL'],
      [1, 'DISK_FULL'],
    ],
  });
});

test('while locks cannot be read recordings may move, but none is deleted', () => {
  const protection = { readable: false, reason: 'a newer version' } as const;
  const plan = planRetention(facts({ nowMs: 9000, freeBytes: 50, protection }), limits);
  assert.equal(brief(plan), { moves: [0, 1, 2, 3, 4], deletions: [] });
  assert.is(plan.recording.action, 'HALT');
});

test('each stage of a storage has the archive behind it, the last one none, and the oldest of all is kept longest', () => {
  const stage = (name: string, retentionMs: number) => ({
    ...{ stage: name, limits: { ...limits, retentionMs }, keyFramesOnly: false },
    schedule: { kind: 'EVERY', minutes: 60 } as const,
  });
  const [live, near, far] = [stage('', 1000), stage('/near', 5000), stage('/far', 3000)];
  const storage: Storage = {
    ...{ storageId: 'storage', name: 'Storage', isEncrypted: false, live, archives: [near, far] },
  };
  assert.equal(
    chainOf(storage).map(({ here, next: behind }) => [here.stage, behind?.stage ?? null]),
    [
      ['', '/near'],
      ['/near', '/far'],
      ['/far', null],
    ],
  );
  assert.is(totalRetentionMs(storage), 5000);
});

const day = 24 * 3600_000;
const hour = 3600_000;

test('a schedule is due after its interval, or once after its time of day', () => {
  const every = { kind: 'EVERY', minutes: 60 } as const;
  assert.equal(
    [null, 0, 1].map(lastMs => isArchivingDue(every, lastMs, hour)),
    [true, true, false],
  );
  const daily = { kind: 'DAILY', minuteOfDay: 120 } as const;
  assert.is(isArchivingDue(daily, day + 2 * hour, day + 20 * hour), false);
  assert.is(isArchivingDue(daily, day + 2 * hour, 2 * day + hour), false);
  assert.is(isArchivingDue(daily, day + 2 * hour, 2 * day + 2 * hour), true);
  // A run that was missed is made up for at any time.
  assert.is(isArchivingDue(daily, day + 2 * hour, 5 * day + hour), true);
  // The last run was by a clock that has been set back since.
  assert.is(isArchivingDue(every, 400 * day, day), true);
  assert.is(isArchivingDue(daily, 400 * day, day), true);
});

test.run();
