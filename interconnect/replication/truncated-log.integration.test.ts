import {
  comparePlaces,
  createMemorySiteLog,
  endOf,
  LOG_START,
  type LogPlace,
  LogTruncatedError,
  type RecordedEvent,
  type SiteLog,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Acknowledgements } from './acknowledgements.js';
import { offerOwnLog } from './offered-log.js';
import {
  bytesOf,
  credentialsOf,
  fill,
  newMemoryLog,
  newSiteId,
  sha256,
  signerOf,
  TestChild,
  TestParent,
  until,
} from './replication.fixture.js';
import type { RelayedLogs } from './replication-options.js';

const test = suite('replication of a log that was truncated');

/** The log as it answers when events up to a place were removed: to remove them from a file is a matter of `sites`. */
function cutAt(log: SiteLog, kept: LogPlace): SiteLog {
  return {
    ...{ append: appends => log.append(appends), head: () => log.head(), epochs: () => log.epochs() },
    read: async page => {
      if (comparePlaces(page.after, kept) < 0) throw new LogTruncatedError(kept);
      return log.read(page);
    },
    ...{ readStream: page => log.readStream(page), subscribe: options => log.subscribe(options) },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

const eventsOf = (log: SiteLog) => log.read({ after: LOG_START, limit: 5_000 });

const logOf = (site: SiteId, copied: readonly RecordedEvent[]) =>
  createMemorySiteLog({ site, now: Date.now, sha256, copied });

async function holdsAll(parent: TestParent, log: SiteLog): Promise<void> {
  const { site } = log.head();
  const events = await eventsOf(log);
  await until(() => parent.held(site).length >= events.length, `${events.length} events at the parent`);
  assert.equal(bytesOf(parent.held(site)), bytesOf(events));
}

/** A parent that was told this much, as one that was restored from a copy of that time. */
async function parentWith(log: SiteLog): Promise<TestParent> {
  const parent = await TestParent.start();
  const credentials = await credentialsOf(log.head().site, 'site');
  await using _child = new TestChild({ log, credentials, port: parent.port });
  await holdsAll(parent, log);
  return parent;
}

test('a parent that asks for what was truncated is told so by name, and what it holds stays', async () => {
  await using parent = await TestParent.start();
  const site = newSiteId();
  const log = newMemoryLog(site);
  const credentials = await credentialsOf(site, 'site');
  await fill(log, 20);
  const truncated = cutAt(log, { epoch: 1, position: 10 });
  {
    await using _child = new TestChild({ log: truncated, credentials, port: parent.port });
    await until(() => parent.refusals.length > 1, 'refused, and refused again');
  }
  assert.equal(parent.refusals[0], [site, 'TRUNCATED']);
  assert.is(parent.held(site).length, 0);
  {
    await using _child = new TestChild({ log, credentials, port: parent.port });
    await holdsAll(parent, log);
  }
  await fill(log, 5);
  await using _child = new TestChild({ log: truncated, credentials, port: parent.port });
  await holdsAll(parent, log);
});

test('a log whose epoch was sealed after its beginning was removed goes on from wherever behind the cut a parent stands', async () => {
  const site = newSiteId();
  const credentials = await credentialsOf(site, 'site');
  const first = logOf(site, []);
  await fill(first, 899);
  const events = await eventsOf(first);
  const head = first.head();
  assert.is(head.size, 900);
  const history = { common: endOf(head), events: [], checkpoint: { head, note: '' }, reason: 'a test' };
  const { log } = await first.reopenAs(history);
  await fill(log, 30);
  const truncated = cutAt(log, { epoch: 1, position: 500 });

  for (const size of [500, 700, 900]) {
    await using parent = await parentWith(logOf(site, events.slice(0, size)));
    await using _child = new TestChild({ log: truncated, credentials, port: parent.port });
    await holdsAll(parent, log);
  }
  {
    await using parent = await parentWith(logOf(site, events.slice(0, 499)));
    await using _child = new TestChild({ log: truncated, credentials, port: parent.port });
    await until(() => parent.refusals.some(([, code]) => code === 'TRUNCATED'), 'the refusal');
  }
  for (const size of [700, 900, 950]) {
    const other = newMemoryLog(site);
    await fill(other, size - 1, { text: () => 'another history' });
    await using parent = await parentWith(other);
    await using child = new TestChild({ log: truncated, credentials, port: parent.port });
    await until(() => child.lines.some(line => line.code === 'FORK'), `FORK at 1/${size}`);
    assert.equal(bytesOf(parent.held(site)), bytesOf(await eventsOf(other)));
  }
});

/** A child whose log this parent and the topmost one have acknowledged, as its process remembers it. */
async function acknowledgedBy(parent: TestParent, log: SiteLog): Promise<Acknowledgements> {
  const { site, epoch, size } = log.head();
  const credentials = await credentialsOf(site, 'site');
  await using child = new TestChild({ log, credentials, port: parent.port });
  const { acknowledgements } = child;
  await until(() => acknowledgements.of(site).top?.position === size, 'the acknowledgement');
  assert.equal(acknowledgements.of(site).parent, { epoch, position: size });
  return acknowledgements;
}

test('what a restored parent wants again counts as acknowledged no more, for nobody, until it is there', async () => {
  const site = newSiteId();
  const credentials = await credentialsOf(site, 'central');
  const log = newMemoryLog(site);
  await fill(log, 299);
  await using before = await TestParent.start();
  const acknowledgements = await acknowledgedBy(before, log);

  const bus = newMemoryLog(newSiteId());
  const { site: busId } = bus.head();
  await using restored = await parentWith(logOf(site, (await eventsOf(log)).slice(0, 200)));
  const mayCommit = Promise.withResolvers<void>();
  const { replicas, keys } = restored;
  restored.heartbeatMs = 60;
  restored.intake = {
    openSession: origin => replicas.openSession(origin),
    commit: async batch => {
      if (batch.site === site) await mayCommit.promise;
      const outcome = await replicas.commit(batch);
      // The keys of the sites below are in the log of the region.
      if (batch.site === site && outcome === 'COMMITTED') keys.set(busId, signerOf(busId).publicKey);
      return outcome;
    },
  };
  await restored.restart();
  const relayed: RelayedLogs = {
    async *follow() {
      yield { origin: busId, log: offerOwnLog(bus, signerOf(busId), sha256) };
    },
  };
  await using child = new TestChild({ log, credentials, port: restored.port, acknowledgements, relayed });
  const isWatched = ({ reason }: { readonly reason?: string }) =>
    reason?.startsWith('nothing was acknowledged');
  await until(() => child.lines.some(isWatched), 'that a parent which acknowledges nothing is noticed');
  assert.equal(acknowledgements.of(site), {
    parent: { epoch: 1, position: 200 },
    top: { epoch: 1, position: 200 },
  });
  const refusedOfBus = () => restored.refusals.filter(([origin]) => origin === busId);
  assert.equal(refusedOfBus(), [], 'it is not offered before its key is known');
  mayCommit.resolve();
  await holdsAll(restored, log);
  await holdsAll(restored, bus);
  await until(() => acknowledgements.of(site).top?.position === 300, 'the acknowledgement');
  assert.equal(refusedOfBus(), []);
});

test('a parent that turns out to hold another history has acknowledged nothing', async () => {
  const site = newSiteId();
  const credentials = await credentialsOf(site, 'site');
  const log = newMemoryLog(site);
  await fill(log, 99);
  for (const size of [60, 100]) {
    await using honest = await TestParent.start();
    const acknowledgements = await acknowledgedBy(honest, log);
    const other = newMemoryLog(site);
    await fill(other, size - 1, { text: () => 'another history' });
    await using parent = await parentWith(other);
    await using child = new TestChild({ log, credentials, port: parent.port, acknowledgements });
    await until(() => child.lines.some(line => line.code === 'FORK'), `FORK at 1/${size}`);
    assert.equal(acknowledgements.of(site), { parent: LOG_START, top: LOG_START });
  }
});

test.run();
