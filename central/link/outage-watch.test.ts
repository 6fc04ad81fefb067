import { createHash } from 'node:crypto';
import { createMemorySiteLog, newEvent, type Sha256, type SiteLog, type TimeSpan } from '@holdfast/core';
import type { EventId, LinkEvent, SiteId } from '@holdfast/schema';
import { newUuid } from '@holdfast/sites';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { OutageWatch } from './outage-watch.js';

const test = suite('outages to heal');
const site = '0198c0de-0000-7000-8000-000000000001' as SiteId;
const sha256: Sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

interface World {
  isCurrent: boolean;
  fails: boolean;
  readonly requested: TimeSpan[];
  readonly watch: OutageWatch;
}

function createWorld(): World {
  const requested: TimeSpan[] = [];
  const watch = new OutageWatch({
    isCurrent: () => world.isCurrent,
    request: async (_site, outage) => {
      if (world.fails) throw new Error('the database is away');
      requested.push(outage);
    },
    onFailure: () => undefined,
  });
  const world: World = { isCurrent: true, fails: false, requested, watch };
  return world;
}

async function linkLog(...facts: readonly LinkEvent[]): Promise<SiteLog> {
  const log = createMemorySiteLog({ site: newUuid<SiteId>(), now: () => 0, sha256 });
  const events = facts.map(fact =>
    newEvent(fact, {
      id: newUuid<EventId>(),
      actor: 'site:test',
      occurredAtMs: fact.data.atMs,
      clockQuality: 'UNKNOWN',
    }),
  );
  await log.append([{ stream: `link-${site}`, expected: 'any', events }]);
  return log;
}

const established = (atMs: number): LinkEvent => ({
  type: 'LinkEstablished',
  data: { siteId: site, atMs, session: atMs },
});
const lost = (atMs: number): LinkEvent => ({
  type: 'LinkLost',
  data: { siteId: site, atMs, lastEpoch: 1, lastPosition: 1, cause: 'CLOSED' },
});

test('what was missed is requested once, for the span in which nothing was known', async () => {
  const { watch, requested } = createWorld();
  watch.observe(site, { state: 'UP', sinceMs: 500 });
  watch.observe(site, { state: 'DOWN', sinceMs: 1000 });
  watch.observe(site, { state: 'CONNECTING', sinceMs: 1000 });
  await watch.heal();
  assert.equal(requested, [], 'the link is not back');
  watch.observe(site, { state: 'UP', sinceMs: 4000 });
  watch.observe(site, { state: 'UP', sinceMs: 4000 });
  await Promise.all([watch.heal(), watch.heal()]);
  assert.equal(requested, [{ fromMs: 1000, toMs: 4000 }]);
});

test('a site that was never connected has missed nothing', async () => {
  const { watch, requested } = createWorld();
  watch.observe(site, { state: 'DOWN', sinceMs: null });
  watch.observe(site, { state: 'UP', sinceMs: 4000 });
  await watch.heal();
  assert.equal(requested, []);
});

test('the request waits for the facts, and one that failed is made again', async () => {
  const world = createWorld();
  world.isCurrent = false;
  world.watch.observe(site, { state: 'DOWN', sinceMs: 1000 });
  world.watch.observe(site, { state: 'UP', sinceMs: 4000 });
  await world.watch.heal();
  assert.equal(world.requested, []);
  world.isCurrent = true;
  world.fails = true;
  await world.watch.heal();
  world.fails = false;
  await world.watch.heal();
  await world.watch.heal();
  assert.equal(world.requested, [{ fromMs: 1000, toMs: 4000 }]);
});

test('after a restart the last outages are looked at again, and the one that goes on is not over', async () => {
  const { watch, requested } = createWorld();
  await using log = await linkLog(
    ...[established(1), lost(10), established(20), lost(30), established(40)],
    ...[lost(50), established(60), lost(70), established(80), lost(90)],
  );
  await watch.restore(log, site);
  watch.observe(site, { state: 'DOWN', sinceMs: 90 });
  await watch.heal();
  const last = [
    { fromMs: 30, toMs: 40 },
    { fromMs: 50, toMs: 60 },
    { fromMs: 70, toMs: 80 },
  ];
  assert.equal(requested, last);
  watch.observe(site, { state: 'UP', sinceMs: 100 });
  await watch.heal();
  assert.equal(requested, [...last, { fromMs: 90, toMs: 100 }]);
});

test.run();
