import {
  createMemorySiteLog,
  decodeRecordedEvent,
  LOG_START,
  type LogHead,
  openCheckpoint,
  openCosignature,
  placeOf,
  type RecordedEvent,
  type SiteLog,
  witnessName,
} from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Acknowledgements } from './acknowledgements.js';
import { type OfferedLog, offerOwnLog } from './offered-log.js';
import { RelayedReplicas } from './relayed-replicas.js';
import {
  bytesOf,
  credentialsOf,
  fill,
  newMemoryLog,
  newSigner,
  newSiteId,
  sha256,
  signerOf,
  TestChild,
  TestParent,
  until,
  verifyNote,
} from './replication.fixture.js';
import type { RelayedHead } from './replication-frame.js';
import type { ParentKey, RelayedLogs } from './replication-options.js';

const test = suite('what the origin of a log proves, and what its parent says to it');

async function newChild() {
  const site = newSiteId();
  return { site, log: newMemoryLog(site), credentials: await credentialsOf(site, 'site') };
}

/** A parent that has a parent itself: what it holds is offered there, and what is acknowledged there comes back here. */
async function startRegion(centre: TestParent) {
  const above = new Acknowledgements();
  const region = await TestParent.start(it => {
    it.above = above;
  });
  const relayed = new RelayedReplicas({ own: region.site, replicas: region.replicas });
  region.intake = relayed.watch(region.replicas);
  await region.restart();
  const credentials = await credentialsOf(region.site, 'central');
  const link = () =>
    new TestChild({ log: region.log, credentials, port: centre.port, acknowledgements: above, relayed });
  return { region, link };
}

async function readAll(log: SiteLog): Promise<readonly RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for (let page = await log.read({ after: LOG_START, limit: 500 }); page.length > 0; ) {
    events.push(...page);
    page = await log.read({ after: placeOf(page.at(-1)!), limit: 500 });
  }
  return events;
}

test('every acknowledged event is covered by a checkpoint of its site that the parent has cosigned', async () => {
  await using parent = await TestParent.start();
  const { site, log, credentials } = await newChild();
  await fill(log, 3_000);
  const child = new TestChild({ log, credentials, port: parent.port });
  await until(() => child.acknowledgements.of(site).parent?.position === log.head().size, 'everything');
  assert.equal(child.acknowledgements.of(site).top, { epoch: 1, position: log.head().size });
  await child[Symbol.asyncDispose]();
  const { head, note } = child.receipts.at(-1)!;
  assert.equal(head, log.head());
  assert.equal(
    openCheckpoint(note, { publicKey: signerOf(site).publicKey, verify: verifyNote }, sha256),
    head,
  );
  const witness = { name: witnessName(parent.site), publicKey: signerOf(parent.site).publicKey };
  const { timeSeconds } = openCosignature(note, { ...witness, verify: verifyNote }, sha256);
  assert.ok(Math.abs(timeSeconds - Date.now() / 1000) < 60);
  assert.equal((await parent.replicas.checkpoint(site))?.head, head);
});

test('a log that is signed by another key than is known is BAD_SIGNATURE, and the others go on', async () => {
  await using parent = await TestParent.start();
  const [one, other] = [await newChild(), await newChild()];
  parent.keys.set(one.site, newSigner().publicKey);
  await using refused = new TestChild({ ...one, port: parent.port });
  await using _good = new TestChild({ ...other, port: parent.port });
  await until(() => refused.lines.some(line => line.code === 'BAD_SIGNATURE'), 'the refusal');
  await until(() => parent.held(other.site).length === other.log.head().size, 'the events of the other');
  assert.is(parent.held(one.site).length, 0);
  assert.equal(parent.refusals.at(0), [one.site, 'BAD_SIGNATURE']);
});

test('the key of a child that is enrolled without one is trusted on first use, and only then', async () => {
  await using parent = await TestParent.start();
  const child = await newChild();
  {
    await using _first = new TestChild({ ...child, port: parent.port });
    await until(() => parent.held(child.site).length > 0, 'the first event');
  }
  assert.equal(parent.keys.get(child.site), signerOf(child.site).publicKey);
  await using second = new TestChild({ ...child, port: parent.port, signer: newSigner() });
  await until(() => second.lines.some(line => line.code === 'BAD_SIGNATURE'), 'the refusal');
  assert.equal(parent.keys.get(child.site), signerOf(child.site).publicKey);
});

test('a parent that cosigns with another key than it is known by is refused, and gets nothing', async () => {
  await using parent = await TestParent.start();
  const child = await newChild();
  const parentKey: ParentKey = { known: () => newSigner().publicKey, pin: async () => undefined };
  await using refusing = new TestChild({ ...child, port: parent.port, parentKey });
  await until(() => refusing.lines.some(line => line.code === 'BAD_SIGNATURE'), 'the refusal');
  assert.is(parent.held(child.site).length, 0);
  await until(() => parent.refusals.length > 0, 'the parent to say so');
  assert.equal(parent.refusals[0], [child.site, 'BAD_SIGNATURE']);
});

test('over two hops a log arrives byte for byte and signed by its site, and what the top holds is told back', async () => {
  await using centre = await TestParent.start();
  const { region, link } = await startRegion(centre);
  await using _region = region;
  const bus = await newChild();
  centre.keys.set(bus.site, signerOf(bus.site).publicKey);
  await fill(bus.log, 2_000);
  await using child = new TestChild({ ...bus, port: region.port });
  await using _link = link();
  await until(() => centre.held(bus.site).length === bus.log.head().size, 'the first events', 20_000);
  await fill(bus.log, 300);
  const { size } = bus.log.head();
  await until(() => child.acknowledgements.of(bus.site).top?.position === size, 'the top', 20_000);
  assert.equal(bytesOf(centre.held(bus.site)), bytesOf(region.held(bus.site)));
  assert.is(centre.held(bus.site).length, size);
  const checkpoint = (await centre.replicas.checkpoint(bus.site))!;
  const key = { publicKey: signerOf(bus.site).publicKey, verify: verifyNote };
  assert.equal(openCheckpoint(checkpoint.note, key, sha256), bus.log.head());
});

test('while the hop in the middle is away nothing is lost, and the site is told what the top does not hold yet', async () => {
  await using centre = await TestParent.start();
  const { region, link } = await startRegion(centre);
  await using _region = region;
  const bus = await newChild();
  centre.keys.set(bus.site, signerOf(bus.site).publicKey);
  await using child = new TestChild({ ...bus, port: region.port });
  {
    await using _link = link();
    await until(() => child.acknowledgements.of(bus.site).top?.position === 1, 'the first event at the top');
  }
  await fill(bus.log, 500);
  await until(() => child.acknowledgements.of(bus.site).parent?.position === 501, 'the region');
  assert.equal(child.acknowledgements.of(bus.site).top, { epoch: 1, position: 1 });
  await using _again = link();
  await until(() => child.acknowledgements.of(bus.site).top?.position === 501, 'the top');
  assert.equal(bytesOf(centre.held(bus.site)), bytesOf(region.held(bus.site)));
});

test('the top is told how far a log two hops below reaches, also before it has it', async () => {
  await using centre = await TestParent.start(it => {
    it.heartbeatMs = 100;
  });
  const { site, log, credentials } = await newChild();
  const heads: RelayedHead[] = [{ origin: site, session: 5, epoch: 1, size: 70 }];
  const relayed: RelayedLogs = { async *follow() {}, heads: () => heads };
  const said = () => centre.links.measurements.at(-1)?.relayed?.get(site);
  await using _region = new TestChild({ log, credentials, port: centre.port, relayed });
  await until(() => said() !== undefined, 'the first head');
  assert.equal(said(), heads[0]);
  heads[0] = { ...heads[0]!, size: 71 };
  await until(() => said()?.size === 71, 'the next head');
});

test('of relayed logs the one that is wrong is refused by name, the others and the own one go on', async () => {
  await using centre = await TestParent.start();
  const region = await newChild();
  const [good, forged, unknown] = [await newChild(), await newChild(), await newChild()];
  for (const { site } of [good, forged]) centre.keys.set(site, signerOf(site).publicKey);
  const relayed: RelayedLogs = {
    async *follow() {
      for (const { site, log } of [unknown, forged, good]) {
        const signer = site === forged.site ? newSigner() : signerOf(site);
        yield { origin: site, log: offerOwnLog(log, signer, sha256) };
      }
    },
  };
  await using _link = new TestChild({ ...region, port: centre.port, relayed });
  await until(() => centre.held(good.site).length > 0, 'the good one');
  await fill(region.log, 10);
  await until(() => centre.held(region.site).length === region.log.head().size, 'the own one');
  assert.equal(
    new Map(centre.refusals),
    new Map([
      [unknown.site, 'NOT_ENROLLED'],
      [forged.site, 'BAD_SIGNATURE'],
    ]),
  );
  assert.is(centre.held(forged.site).length + centre.held(unknown.site).length, 0);
  assert.equal(centre.links.calls.length, 1, 'the session has not ended');
});

test('a site that signs another history than it sends is refused as FORK, and nothing of that is taken in', async () => {
  await using parent = await TestParent.start();
  const region = await newChild();
  const bus = await newChild();
  await fill(bus.log, 5);
  parent.keys.set(bus.site, signerOf(bus.site).publicKey);
  const own = offerOwnLog(bus.log, signerOf(bus.site), sha256);
  const root = new Uint8Array(32).fill(7);
  const lying = { ...own, checkpointFor: (end: LogHead) => own.checkpointFor({ ...end, root }) };
  const relayed: RelayedLogs = {
    async *follow() {
      yield { origin: bus.site, log: lying };
    },
  };
  await using _link = new TestChild({ ...region, port: parent.port, relayed });
  await until(() => parent.refusals.length > 0, 'the refusal');
  assert.equal(parent.refusals, [[bus.site, 'FORK']]);
  assert.is(parent.held(bus.site).length, 0);
});

test('what a region forges of a log that it relays is never taken in, not even short of what its site has signed', async () => {
  await using parent = await TestParent.start();
  const region = await newChild();
  const [bus, tram] = [await newChild(), await newChild()];
  for (const { site, log } of [bus, tram]) {
    parent.keys.set(site, signerOf(site).publicKey);
    await fill(log, 1_500);
  }
  /** The site's checkpoints at the end of its log alone, as who relays a log has them. */
  const relayedFrom = (log: SiteLog, signed: SiteLog): OfferedLog => {
    const own = offerOwnLog(signed, signerOf(signed.head().site), sha256);
    return { ...own, subscribe: options => log.subscribe(options), checkpointFor: () => own.newest() };
  };
  const events = await readAll(bus.log);
  const forged = events.map(event =>
    event.position === 700
      ? decodeRecordedEvent(event.header, Buffer.from('{"alarm":"none"}'), sha256)
      : event,
  );
  const forging = createMemorySiteLog({ site: bus.site, now: Date.now, sha256, copied: forged });
  const isForging = { now: true };
  const relayed: RelayedLogs = {
    async *follow() {
      yield { origin: bus.site, log: relayedFrom(isForging.now ? forging : bus.log, bus.log) };
      yield { origin: tram.site, log: relayedFrom(tram.log, tram.log) };
    },
  };
  {
    await using _link = new TestChild({ ...region, port: parent.port, relayed });
    await until(() => parent.refusals.length > 0, 'the refusal');
    await until(() => parent.held(tram.site).length === 1_501, 'the other log');
  }
  assert.equal(parent.refusals, [[bus.site, 'BAD_SIGNATURE']]);
  assert.match(parent.refusalDetails[0]!, 'not proven');
  assert.ok(parent.held(bus.site).length < 700);
  assert.equal(bytesOf(parent.held(bus.site)), bytesOf(events.slice(0, parent.held(bus.site).length)));
  isForging.now = false;
  await using _again = new TestChild({ ...region, port: parent.port, relayed });
  await until(() => parent.held(bus.site).length === 1_501, 'the log as it is');
  assert.equal(bytesOf(parent.held(bus.site)), bytesOf(events));
});

test('a relayed log whose history the child finds to be another is told at the parent, of that log alone', async () => {
  await using parent = await TestParent.start();
  const region = await newChild();
  const [bus, tram] = [await newChild(), await newChild()];
  for (const { site } of [bus, tram]) parent.keys.set(site, signerOf(site).publicKey);
  const rewritten = newMemoryLog(bus.site);
  await fill(rewritten, 20, { text: () => 'another history' });
  const relaying = (busLog: SiteLog): RelayedLogs => ({
    async *follow() {
      for (const log of [busLog, tram.log]) {
        const { site } = log.head();
        yield { origin: site, log: offerOwnLog(log, signerOf(site), sha256) };
      }
    },
  });
  {
    await using _link = new TestChild({ ...region, port: parent.port, relayed: relaying(bus.log) });
    await until(() => parent.relayed.has(bus.site), 'the first event');
  }
  assert.not(parent.relayed.has(region.site));
  parent.relayed.clear();
  const before = bytesOf(parent.held(bus.site));
  await using _link = new TestChild({ ...region, port: parent.port, relayed: relaying(rewritten) });
  await until(() => parent.refusals.length > 0, 'the refusal');
  await fill(tram.log, 3);
  await until(() => parent.held(tram.site).length === tram.log.head().size, 'the other log');
  assert.equal(parent.refusals, [[bus.site, 'FORK']]);
  assert.match(parent.refusalDetails[0]!, `${region.site} has another history`);
  assert.equal(bytesOf(parent.held(bus.site)), before);
  await until(() => parent.relayed.has(tram.site), 'the parent to say that the other log goes on');
  assert.not(parent.relayed.has(bus.site));
  assert.ok(parent.lines.some(({ code, msg }) => code === 'FORK' && /^a child refuses/.test(msg)));
  const established = parent.links.calls.filter(call => call.startsWith('established'));
  assert.is(established.length, 2, 'the session has not ended');
});

test.run();
