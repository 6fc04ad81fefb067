import type { DeviceId, SegmentId } from '@holdfast/schema';
import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  freeSpaceLimits,
  isProtected,
  planRetention,
  type RetentionFacts,
  type RetentionLimits,
  type RetentionSegment,
} from './retention.plan.js';

const test = suite('retention plan');

const camera = 'camera' as DeviceId;
const limits: RetentionLimits = {
  retentionMs: 1000,
  usageBytesMax: null,
  freeBytesLow: 500,
  freeBytesCritical: 0,
  freeBytesStop: 100,
  freeBytesResume: 200,
};
const segment = (index: number, deviceId = camera): RetentionSegment => ({
  segmentId: `${deviceId}-${index}` as SegmentId,
  deviceId,
  fromMs: index * 100,
  toMs: index * 100 + 100,
  fileByteLength: 100,
});
const facts = (change: Partial<RetentionFacts>): RetentionFacts => ({
  nowMs: 1000,
  usageBytes: 1000,
  freeBytes: 1000,
  candidates: [0, 1, 2, 3, 4].map(index => segment(index)),
  candidatesComplete: true,
  protection: { readable: true, spans: [] },
  halted: false,
  ...change,
});
const brief = (plan: ReturnType<typeof planRetention>) =>
  plan.deletions.map(({ segment: { fromMs }, policy }) => [fromMs / 100, policy]);

test('keeps everything while it is young and there is room', () => {
  assert.equal(planRetention(facts({}), limits), {
    deletions: [],
    moves: [],
    recording: { action: 'RECORD' },
  });
});

test('deletes what is older than the retention, and only that', () => {
  assert.equal(brief(planRetention(facts({ nowMs: 1200 }), limits)), [
    [0, 'RETENTION_AGE'],
    [1, 'RETENTION_AGE'],
  ]);
});

test('deletes the oldest until the size is met', () => {
  const plan = planRetention(facts({ usageBytes: 1050 }), { ...limits, usageBytesMax: 900 });
  assert.equal(brief(plan), [
    [0, 'RETENTION_SIZE'],
    [1, 'RETENTION_SIZE'],
  ]);
});

test('deletes the oldest of all devices until there is free space again', () => {
  const other = 'other' as DeviceId;
  const plan = planRetention(
    facts({ freeBytes: 210, candidates: [segment(4), segment(3), segment(2, other), segment(9)] }),
    limits,
  );
  assert.equal(brief(plan), [
    [2, 'DISK_FULL'],
    [3, 'DISK_FULL'],
    [4, 'DISK_FULL'],
  ]);
  assert.equal(plan.recording, { action: 'RECORD' });
});

test('a locked segment stays, whatever its age and however full the disk; the next oldest goes', () => {
  const protection = { readable: true, spans: [{ deviceId: camera, fromMs: 150, toMs: 210 }] } as const;
  const plan = planRetention(facts({ nowMs: 1200, freeBytes: 310, protection }), limits);
  assert.equal(brief(plan), [
    [0, 'RETENTION_AGE'],
    [3, 'DISK_FULL'],
  ]);
});

test('a lock ends where it ends: a segment that only meets it is not locked', () => {
  const spans = [{ deviceId: camera, fromMs: 100, toMs: 200 }];
  assert.equal(
    [0, 1, 2].map(index => isProtected(segment(index), spans)),
    [false, true, false],
  );
  assert.is(isProtected(segment(1, 'other' as DeviceId), spans), false);
});

test('stops recording when nothing unlocked is left and the disk is full', () => {
  const protection = { readable: true, spans: [{ deviceId: camera, fromMs: 0, toMs: 400 }] } as const;
  const plan = planRetention(
    facts({ freeBytes: 0, protection, candidates: [segment(1), segment(2)] }),
    limits,
  );
  assert.equal(plan.deletions, []);
  assert.is(plan.recording.action, 'HALT');
  assert.match(JSON.stringify(plan.recording), /DISK_FULL.*nothing that is not locked/);
});

test('does not stop while there is more to delete than was looked at', () => {
  const plan = planRetention(facts({ freeBytes: -1000, candidatesComplete: false }), limits);
  assert.is(plan.deletions.length, 5);
  assert.equal(plan.recording, { action: 'RECORD' });
});

test('goes on recording only with clearly more room than it stopped at', () => {
  const none = { candidates: [], halted: true };
  assert.is(planRetention(facts({ ...none, freeBytes: 150 }), limits).recording.action, 'HALT');
  assert.is(planRetention(facts({ ...none, freeBytes: 200 }), limits).recording.action, 'RECORD');
  assert.is(
    planRetention(facts({ ...none, freeBytes: 150, halted: false }), limits).recording.action,
    'RECORD',
  );
});

test('a recording server that stopped waits until room is made, not until it is decided to make some', () => {
  const stopped = { halted: true, candidates: [0, 1, 2, 3, 4, 5, 6, 7, 8].map(index => segment(index)) };
  const making = planRetention(facts({ ...stopped, freeBytes: 50 }), limits);
  assert.is(making.deletions.length, 5);
  assert.equal(making.recording, { action: 'HALT', cause: 'DISK_FULL', detail: 'room is being made' });
  const made = planRetention(facts({ ...stopped, freeBytes: 550 }), limits);
  assert.equal([made.deletions, made.recording], [[], { action: 'RECORD' }]);
});

test('counts the last that can be deleted as room, to the byte', () => {
  const last = { candidates: [segment(0)], halted: true };
  assert.is(planRetention(facts({ ...last, freeBytes: 99 }), limits).recording.action, 'HALT');
  assert.is(planRetention(facts({ ...last, freeBytes: 100 }), limits).recording.action, 'RECORD');
});

test('deletes nothing at a limit, and the oldest one byte beyond it', () => {
  const deleted = (change: Partial<RetentionFacts>) =>
    brief(planRetention(facts(change), { ...limits, usageBytesMax: 1000 }));
  assert.equal(deleted({ freeBytes: 500, usageBytes: 1000 }), []);
  assert.equal(deleted({ freeBytes: 499 }), [[0, 'DISK_FULL']]);
  assert.equal(deleted({ usageBytes: 1001 }), [[0, 'RETENTION_SIZE']]);
  assert.equal(deleted({ nowMs: 1099 }), []);
  assert.equal(deleted({ nowMs: 1100 }), [[0, 'RETENTION_AGE']]);
});

test('deletes in the same order, whatever the order in which segments of one moment are found', () => {
  const [one, other] = [segment(0, 'a' as DeviceId), segment(0, 'b' as DeviceId)];
  for (const candidates of [
    [one, other],
    [other, one],
  ]) {
    const { deletions } = planRetention(facts({ nowMs: 9999, candidates }), limits);
    assert.equal(
      deletions.map(deletion => deletion.segment.segmentId),
      ['a-0', 'b-0'],
    );
  }
});

test('while locks cannot be read nothing is deleted, and a full disk stops recording for that cause', () => {
  const protection = { readable: false, reason: 'version 9' } as const;
  assert.equal(planRetention(facts({ nowMs: 9999, protection }), limits), {
    deletions: [],
    moves: [],
    recording: { action: 'RECORD' },
  });
  const full = planRetention(facts({ nowMs: 9999, freeBytes: 50, protection }), limits);
  assert.equal(full.deletions, []);
  assert.is(full.recording.action === 'HALT' && full.recording.cause, 'LOCKS_UNREADABLE');
});

test('whatever the facts, nothing protected is deleted and nothing is deleted twice', () => {
  const spans = fc.array(
    fc.record({
      deviceId: fc.constantFrom('a' as DeviceId, 'b' as DeviceId),
      fromMs: fc.integer({ min: 0, max: 3000 }),
      toMs: fc.integer({ min: 0, max: 3000 }),
    }),
    { maxLength: 6 },
  );
  const candidates = fc.uniqueArray(
    fc
      .tuple(fc.integer({ min: 0, max: 30 }), fc.constantFrom('a' as DeviceId, 'b' as DeviceId))
      .map(([index, deviceId]) => segment(index, deviceId)),
    { selector: candidate => candidate.segmentId },
  );
  fc.assert(
    fc.property(
      spans,
      candidates,
      fc.integer({ min: 0, max: 5000 }),
      fc.integer({ min: 0, max: 1000 }),
      (locks, list, nowMs, freeBytes) => {
        const protection = { readable: true, spans: locks } as const;
        const plan = planRetention(facts({ candidates: list, nowMs, freeBytes, protection }), limits);
        const ids = plan.deletions.map(deletion => deletion.segment.segmentId);
        assert.is(new Set(ids).size, ids.length);
        assert.not(plan.deletions.some(deletion => isProtected(deletion.segment, locks)));
      },
    ),
  );
});

test('keeps 5 GB free, deletes what an archive would take below 1 GB, and stops at 250 MB; a small disk less', () => {
  const [gigabyte, megabyte] = [1e9, 1e6];
  assert.equal(freeSpaceLimits(5 * gigabyte), {
    ...{ freeBytesLow: 5 * gigabyte, freeBytesCritical: gigabyte },
    ...{ freeBytesStop: 250 * megabyte, freeBytesResume: 500 * megabyte },
  });
  assert.equal(freeSpaceLimits(400 * megabyte), {
    ...{ freeBytesLow: 400 * megabyte, freeBytesCritical: 200 * megabyte },
    ...{ freeBytesStop: 100 * megabyte, freeBytesResume: 200 * megabyte },
  });
});

test('while locks are awaited nothing goes by age or size, and for want of room only what they cannot cover, as late as can be', () => {
  const awaited = 'the log was lost';
  const protection = {
    readable: true,
    spans: [{ deviceId: camera, fromMs: 0, toMs: 250 }],
    awaited,
  } as const;
  const candidates = [segment(0), segment(1), segment(2), segment(3), segment(4)];
  const awaiting = facts({ nowMs: 1e6, usageBytes: 1e9, freeBytes: 400, protection, candidates });
  const tight = { ...limits, usageBytesMax: 1, freeBytesCritical: 300 };
  for (const next of [null, { isAvailable: false, isDue: true, totalRetentionMs: 1, locked: [] }]) {
    const plan = planRetention({ ...awaiting, next }, tight);
    assert.equal([plan.deletions, plan.recording], [[], { action: 'RECORD' }]);
    const [fourth] = planRetention({ ...awaiting, next, freeBytes: 250 }, tight).deletions;
    assert.equal(fourth, { segment: segment(3), policy: 'DISK_FULL' });
  }
  const full = planRetention({ ...awaiting, freeBytes: 0, candidates: candidates.slice(0, 3) }, tight);
  assert.equal(full.deletions, []);
  assert.equal(full.recording, {
    ...{ action: 'HALT', cause: 'LOCKS_UNREADABLE' },
    detail: '0 bytes are free, 100 are needed; the log was lost, and nothing else is left to delete',
  });
});

test('however small the disk is, the oldest goes before recording stops', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1000, max: 10 ** 13 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (low, share) => {
        const small = { ...limits, retentionMs: 1e9, ...freeSpaceLimits(low) };
        assert.ok(small.freeBytesStop < small.freeBytesResume && small.freeBytesResume < low);
        const held = { ...segment(0), fileByteLength: low };
        const freeBytes = Math.floor(low * share * 0.999);
        const plan = planRetention(facts({ freeBytes, candidates: [held] }), small);
        assert.is(plan.deletions.length, 1);
        assert.is(plan.recording.action, 'RECORD');
      },
    ),
  );
});

test.run();
