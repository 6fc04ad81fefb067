import { createMemorySiteLog, decodeEventData, type SiteLog } from '@holdfast/core';
import { EventId, type LinkEvent, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sha256 } from '../replication/replication.fixture.js';
import { type LinkKeeperOptions, openLinkKeeper } from './link-keeper.js';

const test = suite('link keeper');
const child = SiteId.parse(v7());

class Bench {
  nowMs = 1_000_000;
  readonly told: string[] = [];
  readonly log: SiteLog = createMemorySiteLog({ site: SiteId.parse(v7()), now: () => this.nowMs, sha256 });

  open(options: Partial<LinkKeeperOptions> = {}) {
    return openLinkKeeper({
      log: this.log,
      sites: [child],
      replicaPosition: async () => ({ epoch: 1, position: 77 }),
      now: () => this.nowMs,
      newEventId: () => EventId.parse(v7()),
      actor: 'server:test',
      logger: pino({ level: 'silent' }),
      onUp: () => this.told.push('up'),
      onDown: () => this.told.push('down'),
      onChange: (_site, view) => this.told.push(view.state),
      ...options,
    });
  }

  async facts(): Promise<readonly LinkEvent[]> {
    const events = await this.log.readStream({ stream: `link-${child}`, afterRevision: null, limit: 100 });
    return events.map(event => decodeEventData(event) as LinkEvent);
  }
}

const measurement = {
  roundTripMs: 0,
  clockOffsetMs: -3,
  epoch: 1,
  headPosition: 90,
  headRoot: new Uint8Array(32),
  relayed: null,
};

test('a session and its loss are facts in the log of the parent', async () => {
  const bench = new Bench();
  const keeper = await bench.open();
  assert.equal(keeper.view(child).state, 'DOWN');
  keeper.connecting(child);
  keeper.established(child, 1);
  bench.nowMs += 5_000;
  keeper.lost(child, 'HEARTBEAT_MISSED', 1, 42);
  await keeper.settled();
  assert.equal(await bench.facts(), [
    { type: 'LinkEstablished', data: { siteId: child, atMs: 1_000_000, session: 1 } },
    {
      type: 'LinkLost',
      data: { siteId: child, atMs: 1_005_000, lastEpoch: 1, lastPosition: 42, cause: 'HEARTBEAT_MISSED' },
    },
  ]);
  assert.equal(bench.told, ['CONNECTING', 'UP', 'up', 'DOWN', 'down']);
  assert.is(keeper.view(child).sinceMs, 1_005_000);
  assert.is(keeper.view(child).cause, 'HEARTBEAT_MISSED');
});

test('a link that went silent was lost when the child was last heard', async () => {
  const bench = new Bench();
  const keeper = await bench.open();
  keeper.established(child, 1);
  bench.nowMs = 1_002_000;
  keeper.measured(child, measurement);
  bench.nowMs = 1_008_000;
  keeper.lost(child, 'HEARTBEAT_MISSED', 1, 42);
  await keeper.settled();
  assert.is(keeper.view(child).sinceMs, 1_002_000);
});

test('how far logs reach is told with the session in which their sites said it, over as many levels as there are', async () => {
  const bench = new Bench();
  const keeper = await bench.open();
  const below = { origin: SiteId.parse(v7()), session: 4, epoch: 1, size: 7 };
  keeper.established(child, 9);
  await keeper.settled();
  assert.equal(keeper.heads(), [], 'not said yet in this session');
  keeper.measured(child, { ...measurement, relayed: new Map([[below.origin, below]]) });
  const own = { origin: child, session: 9, epoch: 1, size: 90 };
  assert.equal(keeper.heads(), [own, below]);
  assert.equal(keeper.relayedHead(below.origin), below);
  keeper.lost(child, 'CLOSED', 1, 90);
  await keeper.settled();
  assert.equal(keeper.heads(), [], 'what lies behind a link that is down is not known');
  assert.is(keeper.relayedHead(below.origin), null);
});

test('a parent that restarts knows that no link is up, since it was last alive', async () => {
  const bench = new Bench();
  const killed = await bench.open();
  killed.established(child, 1);
  await killed.settled();
  bench.nowMs += 60_000;
  const restarted = await bench.open();
  assert.is(restarted.view(child).state, 'DOWN');
  assert.is(restarted.view(child).cause, 'PARENT_RESTARTED');
  assert.equal((await bench.facts()).at(-1), {
    type: 'LinkLost',
    data: { siteId: child, atMs: 1_000_000, lastEpoch: 1, lastPosition: 77, cause: 'PARENT_RESTARTED' },
  });
  await bench.open();
  assert.is((await bench.facts()).length, 2);
});

test('how far a log was held before is known of its losses, though a replica that was restored holds less since', async () => {
  const bench = new Bench();
  const keeper = await bench.open();
  keeper.established(child, 1);
  keeper.lost(child, 'CLOSED', 1, 90);
  await keeper.settled();
  const held = [[child, { epoch: 1, position: 90 }]];
  const restored = await bench.open({ replicaPosition: async () => ({ epoch: 1, position: 40 }) });
  assert.equal([...restored.heldBefore()], held);
  restored.established(child, 2);
  await restored.settled();
  const again = await bench.open({ replicaPosition: async () => ({ epoch: 1, position: 41 }) });
  assert.equal([...again.heldBefore()], held, 'the loss that a restart means says less');
  assert.equal([...(await new Bench().open()).heldBefore()], [], 'of a site that never reported nothing');
});

test('the same session established twice is one fact', async () => {
  const bench = new Bench();
  const keeper = await bench.open();
  keeper.established(child, 4);
  keeper.established(child, 4);
  await keeper.settled();
  assert.is((await bench.facts()).length, 1);
});

test('a loss that was told already, or of a link that was never up, is no fact', async () => {
  const bench = new Bench();
  const keeper = await bench.open();
  keeper.lost(child, 'CLOSED', 0, 0);
  keeper.established(child, 1);
  keeper.lost(child, 'CLOSED', 1, 5);
  keeper.lost(child, 'CLOSED', 1, 5);
  await keeper.settled();
  assert.equal(
    (await bench.facts()).map(fact => fact.type),
    ['LinkEstablished', 'LinkLost'],
  );
});

test('an attempt that fails is no fact and does not move the moment since when nothing is known', async () => {
  const bench = new Bench();
  const keeper = await bench.open();
  keeper.established(child, 1);
  keeper.lost(child, 'CLOSED', 1, 5);
  await keeper.settled();
  const before = keeper.view(child);
  bench.nowMs += 9_000;
  keeper.connecting(child);
  await keeper.settled();
  assert.is(keeper.view(child).state, 'CONNECTING');
  keeper.lost(child, 'PROTOCOL_ERROR', 1, 5);
  await keeper.settled();
  assert.equal(keeper.view(child), before);
  assert.is((await bench.facts()).length, 2);
});

test('who is told of a change is told only when it stands in the log', async () => {
  const bench = new Bench();
  const sizes: number[] = [];
  const note = () => sizes.push(bench.log.head().size);
  const keeper = await bench.open({ onUp: note, onDown: note, onChange: () => undefined });
  const { size } = bench.log.head();
  keeper.established(child, 1);
  keeper.lost(child, 'CLOSED', 1, 5);
  await keeper.settled();
  assert.equal(sizes, [size + 1, size + 2]);
});

test('measurements are shown while the link is up; the head that was heard of stays', async () => {
  const bench = new Bench();
  const keeper = await bench.open();
  keeper.established(child, 1);
  keeper.measured(child, measurement);
  await keeper.settled();
  assert.is(keeper.view(child).roundTripMs, 0);
  assert.is(keeper.view(child).clockOffsetMs, -3);
  keeper.lost(child, 'CLOSED', 1, 5);
  await keeper.settled();
  assert.is(keeper.view(child).roundTripMs, null);
  assert.is(keeper.view(child).headPosition, 90);
  keeper.established(child, 2);
  await keeper.settled();
  assert.is(keeper.view(child).roundTripMs, null, 'of the old session');
});

test('a child that was not known at the start is taken up where its facts end', async () => {
  const bench = new Bench();
  const first = await bench.open();
  first.established(child, 1);
  first.lost(child, 'CLOSED', 1, 5);
  await first.settled();
  const second = await bench.open({ sites: [] });
  second.established(child, 2);
  await second.settled();
  assert.is(second.view(child).state, 'UP');
  assert.is((await bench.facts()).length, 3);
});

test('a log that is closed is an error in the log of the server, not the end of it', async () => {
  const bench = new Bench();
  const keeper = await bench.open();
  await bench.log[Symbol.asyncDispose]();
  keeper.established(child, 1);
  await keeper.settled();
  assert.is(keeper.view(child).state, 'DOWN');
});

test.run();
