import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { createMemorySiteLog, newEvent, type RecordedEvent } from '@holdfast/core';
import type { DeviceId, EventId, EvidenceLockId, HoldfastEvent, SiteId } from '@holdfast/schema';
import { sha256 } from '@holdfast/sites';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FeedFixture, takeIn as takeInto } from '../intake/feed-fixture.js';
import { openDatabase } from '../postgres/database.js';
import { Projections } from '../read-models/projections.js';
import { readModels } from '../read-models/read-models.js';
import { Wakeup } from '../read-models/wakeup.js';
import { EvidenceLockPins, type EvidenceLocksUnknownError } from './evidence-lock-pins.js';
import { isWrittenOff, writtenOffStream } from './written-off-sites.js';

const test = suite('what evidence locks of sites protect at the central');

/** A database into which the log of one site is taken and folded. */
async function openCentral(stack: AsyncDisposableStack) {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-pins-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const { sql } = stack.use(await openDatabase({ directory, databaseUrl: null }));
  const fails = (error: unknown) => {
    throw error;
  };
  const projections = new Projections({
    ...{ sql, ownSite: randomUUID() as SiteId, models: readModels, feedGrown: new Wakeup() },
    ...{ now: Date.now, random: Math.random },
    reports: {
      ...{ onHalted: fails, onGivenUp: fails, onRetry: fails, onDifference: fails, onQuarantined: fails },
      onReleased: () => undefined,
    },
  });
  await projections.settle();
  const feed = new FeedFixture();
  const lock = (deviceId: DeviceId, { expiresAtMs = null }: { expiresAtMs?: number | null } = {}) => {
    const evidenceLockId = randomUUID() as EvidenceLockId;
    return feed.event(`evidence-lock-${evidenceLockId}`, {
      type: 'EvidenceLockCreated',
      data: {
        ...{ evidenceLockId, headline: 'Theft', description: '', deviceIds: [deviceId] },
        ...{ fromMs: 1, toMs: 2, expiresAtMs },
      },
    });
  };
  const takeIn = async (events: readonly RecordedEvent[]) => {
    await takeInto(sql, events);
    await projections.projector.catchUp();
  };
  return { sql, feed, lock, takeIn, report: (deviceId: DeviceId) => takeIn([lock(deviceId)]) };
}

test('is not known, so that nothing is deleted, while a restored database lacks what was held of a log', async () => {
  await using stack = new AsyncDisposableStack();
  const { sql, feed, takeIn, report } = await openCentral(stack);
  const [first, second] = [randomUUID() as DeviceId, randomUUID() as DeviceId];
  await report(first);
  const pins = new EvidenceLockPins({ sql, now: Date.now });
  const known = async () => {
    await pins.refresh();
    return pins.spans().map(({ deviceId }) => deviceId);
  };
  assert.equal(await known(), [first]);
  pins.expect(new Map([[feed.site, { epoch: 1, position: 2 }]]));
  const lost = await known().catch((error: unknown) => String(error));
  assert.match(String(lost), `EvidenceLocksUnknownError: the log of site ${feed.site} was held up to 1/2`);
  await report(second);
  assert.equal(new Set(await known()), new Set([first, second]));

  await sql`insert into replaced_tail (site, epoch, event_count) values (${feed.site}, 1, 3)`;
  const replaced = await known().catch((error: unknown) => String(error));
  assert.match(String(replaced), `the end of the log of site ${feed.site} was replaced`);
  Object.assign(feed, { epoch: 2, position: 0 });
  const third = randomUUID() as DeviceId;
  await report(third);
  assert.match(String(await known().catch(String)), 'was replaced', 'not all of it is recorded again');
  const data = {
    ...{ commonEpoch: 1, commonPosition: 1, pulledBackCount: 1, pulledBackFromMs: 1, pulledBackToMs: 2 },
    ...{ recordedAgainCount: 1, recordedAgainFromMs: 1, recordedAgainToMs: 2, knownAlreadyCount: 0 },
  };
  await takeIn([feed.event('log', { type: 'LogHistoryRecovered', data })]);
  assert.equal(new Set(await known()), new Set([first, second, third]));

  // A site that is scrapped never reports again: a person says so, and what is known of its locks stays.
  await using log = createMemorySiteLog({ site: randomUUID() as SiteId, now: Date.now, sha256 });
  const write = async (stream: string, event: HoldfastEvent) => {
    const facts = { id: randomUUID() as EventId, actor: 'user:admin', occurredAtMs: 1 };
    const events = [newEvent(event, { ...facts, clockQuality: 'NTP' })];
    assert.ok((await log.append([{ stream, expected: 'any', events }])).appended);
  };
  const { site: siteId } = feed;
  pins.expect(new Map([[siteId, { epoch: 2, position: 9 }]]), site => isWrittenOff(log, site));
  assert.match(String(await known().catch(String)), 'was held up to 2/9');
  assert.equal([...pins.awaited()], [siteId]);
  await write(writtenOffStream(siteId), { type: 'SiteWrittenOff', data: { siteId } });
  assert.equal(new Set(await known()), new Set([first, second, third]));
  assert.equal([...pins.awaited()], []);
  await write(`link-${siteId}`, { type: 'LinkEstablished', data: { siteId, atMs: 1, session: 1 } });
  assert.match(String(await known().catch(String)), 'was held up to 2/9', 'it has dialled again');
});

test('is what is locked now, as it was read lately, and not known otherwise', async () => {
  await using stack = new AsyncDisposableStack();
  const { sql, feed, lock, takeIn } = await openCentral(stack);
  const [kept, expiring, released] = [randomUUID(), randomUUID(), randomUUID()] as [
    DeviceId,
    DeviceId,
    DeviceId,
  ];
  let nowMs = 1_000_000;
  const pins = new EvidenceLockPins({ sql, now: () => nowMs });
  const unknown = (run: () => unknown, because: RegExp) =>
    assert.throws(run, (error: EvidenceLocksUnknownError) => {
      assert.is(error.code, 'EVIDENCE_LOCKS_UNKNOWN');
      return because.test(error.message);
    });
  unknown(() => pins.spans(), /could not be read lately/);

  const ended = lock(released);
  await takeIn([ended, lock(kept), lock(expiring, { expiresAtMs: nowMs + 10 })]);
  await pins.refresh();
  assert.equal(new Set(pins.spans().map(({ deviceId }) => deviceId)), new Set([kept, expiring, released]));
  const evidenceLockId = ended.stream.slice('evidence-lock-'.length) as EvidenceLockId;
  await takeIn([
    feed.event(ended.stream, { type: 'EvidenceLockReleased', data: { evidenceLockId, reason: 'closed' } }),
  ]);
  nowMs += 9;
  await pins.refresh();
  assert.equal(new Set(pins.spans().map(({ deviceId }) => deviceId)), new Set([kept, expiring]));
  nowMs += 1;
  await pins.refresh();
  assert.equal(pins.spans(), [{ deviceId: kept, fromMs: 1, toMs: 2 }]);

  // While the database does not answer, what it said holds for two minutes.
  await sql`alter table evidence_lock rename to away`;
  nowMs += 120_000;
  await pins.refresh().then(
    () => assert.unreachable(),
    () => undefined,
  );
  assert.is(pins.spans().length, 1);
  nowMs += 1;
  unknown(() => pins.spans(), /could not be read lately/);
  await sql`alter table away rename to evidence_lock`;
  await pins.refresh();
  assert.is(pins.spans().length, 1);

  // More than are looked at: some of them would not be protected.
  await sql`update evidence_lock set device_ids = array(select gen_random_uuid() from generate_series(1, 100001))
    where expires_at_ms is null and released_at_ms is null`;
  const tooMany = await pins.refresh().catch((error: unknown) => error);
  unknown(() => {
    throw tooMany;
  }, /more than 100000/);
});

test.run();
