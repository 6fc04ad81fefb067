import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { RecordedEvent } from '@holdfast/core';
import type { LinkView } from '@holdfast/interconnect';
import type { AlarmId, SiteId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FeedFixture, takeIn as takeInto } from '../intake/feed-fixture.js';
import { type Database, openDatabase } from '../postgres/database.js';
import { Freshness } from '../read-models/freshness.js';
import { Projections } from '../read-models/projections.js';
import { readModels } from '../read-models/read-models.js';
import { createRetrievalFacts } from '../read-models/retrieval/retrieval-facts.query.js';
import type { LinkHop } from '../read-models/site/sites.query.js';
import { Wakeup } from '../read-models/wakeup.js';
import { FactsWatch } from './facts-watch.js';
import { createLinkViews } from './link-views.js';

const test = suite('facts watch');
const SESSION_BEGAN_MS = Date.UTC(2026, 10, 20, 13);
let directory = '';
let database: Database;
let projections: Projections;
const own = new FeedFixture();
const child = new FeedFixture();

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-facts-'));
  database = await openDatabase({ directory, databaseUrl: null });
  const fails = (error: unknown) => {
    throw error;
  };
  projections = new Projections({
    ...{ sql: database.sql, ownSite: own.site, models: readModels, feedGrown: new Wakeup() },
    ...{ now: Date.now, random: Math.random },
    reports: {
      ...{ onHalted: fails, onGivenUp: fails, onRetry: fails, onDifference: fails, onQuarantined: fails },
      onReleased: () => undefined,
    },
  });
  await projections.settle();
});
test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const takeIn = (...events: readonly RecordedEvent[]) => takeInto(database.sql, events);

const note = (site: FeedFixture) => {
  const alarmId = randomUUID() as AlarmId;
  const what = { localNumber: 1, name: 'Door', message: '', priority: 1 } as const;
  const data = { alarmId, ...what, sourceDeviceId: null, sourceName: '', raisedAtMs: site.nowMs };
  return site.event(`alarm-${alarmId}`, { type: 'AlarmRaised', data });
};

const up = (headPosition: number | null): LinkView => ({
  ...{ state: 'UP', sinceMs: SESSION_BEGAN_MS, cause: null, clockOffsetMs: 0, headEpoch: 1, headPosition },
  ...{ roundTripMs: headPosition === null ? null : 5, headRoot: null, relayed: null },
});

/** As a projection is that stood still and was set going again: of those that have folded nothing here, so that nothing is there twice. */
const setBack = (name: string, seq: number) =>
  database.sql`update projection set seq = ${seq} where name = ${name}`;

test('a link is up for the timeline only when all that the child says it has is folded', async () => {
  const facts = new FactsWatch(database.sql);
  await takeIn(note(child), note(child));
  const knownMs = child.nowMs;
  await projections.projector.catchUp();
  await facts.look();
  assert.equal(facts.link(child.site, up(null)), { state: 'CONNECTING', sinceMs: knownMs }, 'not said yet');
  assert.equal(facts.link(child.site, up(2)), { state: 'UP', sinceMs: SESSION_BEGAN_MS });
  await takeIn(note(child));
  await facts.look();
  assert.equal(facts.link(child.site, up(3)), { state: 'CONNECTING', sinceMs: knownMs }, 'held, not folded');
  await projections.projector.catchUp();
  await facts.look();
  assert.is(facts.linkState(child.site, up(3)), 'UP');
});

test('a link that was lost before everything had arrived leaves unknown what was recorded since', async () => {
  const facts = new FactsWatch(database.sql);
  await facts.look();
  const down = { ...up(9), state: 'DOWN', sinceMs: SESSION_BEGAN_MS + 5000, roundTripMs: null } as const;
  assert.equal(facts.link(child.site, down), { state: 'DOWN', sinceMs: child.nowMs });
  assert.equal(facts.link(child.site, { ...down, headPosition: 3 }), {
    ...{ state: 'DOWN', sinceMs: SESSION_BEGAN_MS + 5000 },
  });
});

test('the link of a site below a child is up for the timeline only when what it said in that session is folded', async () => {
  const facts = new FactsWatch(database.sql);
  await facts.look();
  const links = new Map<SiteId, LinkView>();
  const via = randomUUID() as SiteId;
  const views = createLinkViews({ view: site => links.get(site)!, relayedHead: () => null }, facts);
  const says = (relayed: LinkView['relayed']) => links.set(via, { ...up(1), relayed });
  const said = (session: number, size: number) =>
    new Map([[child.site, { origin: child.site, session, epoch: 1, size }]]);
  const hop: LinkHop = {
    ...{ siteId: child.site, state: 'UP', sinceMs: SESSION_BEGAN_MS, session: 7 },
    ...{ lastEpoch: null, lastPosition: null },
  };
  const connecting = { state: 'CONNECTING', sinceMs: child.nowMs };
  says(new Map());
  assert.equal(views.relayed(hop, via), connecting, 'nobody has said how far it reaches');
  says(said(6, 3));
  assert.equal(views.relayed(hop, via), connecting, 'said in the session before');
  says(said(7, 4));
  assert.equal(views.relayed(hop, via), connecting, 'one event is missing');
  says(said(7, 3));
  assert.equal(views.relayed(hop, via), { state: 'UP', sinceMs: SESSION_BEGAN_MS });
  says(null);
  assert.equal(
    views.relayed(hop, via),
    { state: 'UP', sinceMs: SESSION_BEGAN_MS },
    'older software cannot say',
  );
  says(new Map());
  const down = {
    ...hop,
    state: 'DOWN',
    sinceMs: SESSION_BEGAN_MS + 5000,
    lastEpoch: 1,
    lastPosition: 9,
  } as const;
  assert.equal(views.relayed(down, via), { state: 'DOWN', sinceMs: child.nowMs }, 'held there, not here');
  assert.equal(views.relayed({ ...down, lastPosition: 3 }, via), {
    ...{ state: 'DOWN', sinceMs: SESSION_BEGAN_MS + 5000 },
  });
});

test('one projection that is behind holds back what is told of all of them', async () => {
  const facts = new FactsWatch(database.sql);
  await setBack('recordings', 2);
  await facts.look();
  assert.equal(facts.link(child.site, up(3)), { state: 'CONNECTING', sinceMs: child.nowMs - 10 });
  await database.sql`update projection set version = 0 where name = 'held-segments'`;
  await facts.look();
  assert.equal(facts.link(child.site, up(3)), { state: 'CONNECTING', sinceMs: 0 }, 'not served at all');
  await database.sql`
    update projection set version = ${readModels.find(({ name }) => name === 'held-segments')!.version}
    where name = 'held-segments'`;
  await projections.projector.catchUp();
  await facts.look();
  assert.is(facts.linkState(child.site, up(3)), 'UP');
  await setBack('bookmarks', 0);
  await facts.look();
  assert.is(facts.linkState(child.site, up(3)), 'UP', 'bookmarks are no part of a timeline');
  await projections.projector.catchUp();
});

test('who waits for his own change waits for every projection, but for none that stands still', async () => {
  await takeIn(note(own));
  await projections.projector.catchUp();
  const projected = new Wakeup();
  const ownHead = () => ({ site: own.site, epoch: 1, size: own.position, root: new Uint8Array(32) });
  const freshness = new Freshness({ sql: database.sql, ownHead, projected });
  await freshness.untilOwnLog();
  await setBack('bookmarks', 1);
  let isFresh = false;
  const waiting = freshness.untilOwnLog().then(() => {
    isFresh = true;
  });
  projected.fire();
  await database.sql`select pg_sleep(0.1)`;
  assert.is(isFresh, false);
  await projections.projector.catchUp();
  projected.fire();
  await waiting;
  await database.sql`update projection set seq = 1, halted_because = 'a test' where name = 'bookmarks'`;
  await freshness.untilOwnLog(AbortSignal.timeout(60_000));
});

test('open retrievals are as of a place that is no newer than they are', async () => {
  await setBack('retrievals', 3);
  const facts = createRetrievalFacts(database.sql, own.site);
  assert.equal((await facts.openRetrievals()).asOf, { epoch: 0, position: 0 });
  await projections.projector.catchUp();
  assert.equal((await facts.openRetrievals()).asOf, { epoch: 1, position: own.position });
});

test.run();
