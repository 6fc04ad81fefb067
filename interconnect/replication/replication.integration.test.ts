import type { RecordedEvent, SiteLog } from '@holdfast/core';
import { EventId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createCertificateAuthority, issuePeerCredentials } from '../certificates/certificate-authority.js';
import { Acknowledgements } from './acknowledgements.js';
import {
  bytesOf,
  credentialsOf,
  fill,
  MemoryWishSink,
  newMemoryLog,
  newSiteId,
  TestChild,
  TestHop,
  TestParent,
  until,
} from './replication.fixture.js';

const test = suite('replication');

const newEventId = () => EventId.parse(v7());

async function allOf(log: SiteLog): Promise<readonly RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  const { epoch, size } = log.head();
  while (events.length < size)
    events.push(...(await log.read({ after: { epoch, position: events.length }, limit: 5_000 })));
  return events;
}

async function assertIdentical(parent: TestParent, log: SiteLog): Promise<void> {
  const { site, size } = log.head();
  await until(() => parent.held(site).length >= size, `${size} events at the parent`, 30_000);
  assert.equal(bytesOf(parent.held(site)), bytesOf(await allOf(log)));
}

async function newChild() {
  const site = newSiteId();
  return { site, log: newMemoryLog(site), credentials: await credentialsOf(site, 'site') };
}

test('5,000 events arrive byte for byte and in order, and a new one at once', async () => {
  await using parent = await TestParent.start();
  const { site, log, credentials } = await newChild();
  await fill(log, 5_000);
  await using child = new TestChild({ log, credentials, port: parent.port });
  await assertIdentical(parent, log);
  await fill(log, 1);
  const appendedAt = performance.now();
  await assertIdentical(parent, log);
  assert.ok(performance.now() - appendedAt < 1_000);
  assert.ok(child.isUp);
  assert.equal(parent.links.calls, ['established 1']);
  assert.is(parent.held(site).length, 5_002);
});

test('the parent knows round trip, clock offset and the head of the child', async () => {
  await using parent = await TestParent.start();
  const { log, credentials } = await newChild();
  await using hop = await TestHop.open({ to: () => parent.port, delayMs: 25 });
  await using _child = new TestChild({ log, credentials, port: hop.port });
  await until(() => parent.links.measurements.length > 0, 'a measurement');
  const measured = parent.links.measurements[0]!;
  assert.ok(measured.roundTripMs >= 49 && measured.roundTripMs < 500, `${measured.roundTripMs} ms`);
  assert.ok(Math.abs(measured.clockOffsetMs) < 50, `${measured.clockOffsetMs} ms`);
  assert.is(measured.headPosition, 1);
  assert.equal(measured.headRoot, log.head().root);
});

test('a link that is cut again and again loses, repeats and reorders nothing', async () => {
  await using parent = await TestParent.start();
  const { log, credentials } = await newChild();
  await fill(log, 3_000);
  await using hop = await TestHop.open({ to: () => parent.port });
  await using _child = new TestChild({ log, credentials, port: hop.port });
  for (let round = 0; round < 5; round += 1) {
    const held = parent.held(log.head().site).length;
    await until(() => parent.held(log.head().site).length > held, 'progress');
    hop.abortAll();
    await fill(log, 500);
  }
  await assertIdentical(parent, log);
});

test('a parent that is killed and comes back goes on where its replica ends', async () => {
  await using parent = await TestParent.start();
  const { log, credentials } = await newChild();
  await fill(log, 3_000);
  await using _child = new TestChild({ log, credentials, port: parent.port });
  await until(() => parent.held(log.head().site).length > 0, 'the first events');
  await parent.restart();
  await fill(log, 500);
  await assertIdentical(parent, log);
});

test('a child that is started anew goes on, having compared histories', async () => {
  await using parent = await TestParent.start();
  const { log, credentials } = await newChild();
  await fill(log, 1_000);
  {
    await using _first = new TestChild({ log, credentials, port: parent.port });
    await assertIdentical(parent, log);
  }
  await fill(log, 300);
  await using _second = new TestChild({ log, credentials, port: parent.port });
  await assertIdentical(parent, log);
});

test('while the link is cut the parent says since which position it knows nothing, and it heals by itself', async () => {
  await using parent = await TestParent.start();
  const { log, credentials } = await newChild();
  await using hop = await TestHop.open({ to: () => parent.port });
  await using _child = new TestChild({ log, credentials, port: hop.port });
  await assertIdentical(parent, log);
  hop.cut();
  await until(() => parent.links.calls.includes('lost CLOSED 1/1'), 'the loss');
  await fill(log, 100);
  hop.isCut = false;
  const restoredAt = performance.now();
  await assertIdentical(parent, log);
  assert.ok(performance.now() - restoredAt < 3_000);
  assert.equal(parent.links.calls, ['established 1', 'lost CLOSED 1/1', 'established 2']);
});

test('a link that goes silent is dropped by both ends after three missed heartbeats', async () => {
  await using parent = await TestParent.start(it => {
    it.heartbeatMs = 40;
  });
  const { log, credentials } = await newChild();
  await using hop = await TestHop.open({ to: () => parent.port });
  await using child = new TestChild({ log, credentials, port: hop.port });
  await assertIdentical(parent, log);
  hop.isSilent = true;
  await until(() => parent.links.calls.includes('lost HEARTBEAT_MISSED 1/1'), 'the loss at the parent');
  await until(
    () => child.lines.some(line => line.reason?.startsWith('no sign of life')),
    'the loss at the child',
  );
});

test('a new session of the same site fences the old one', async () => {
  await using parent = await TestParent.start();
  const { log, credentials } = await newChild();
  await using first = new TestChild({ log, credentials, port: parent.port });
  await until(() => first.isUp, 'the first session');
  await using _second = new TestChild({ log, credentials, port: parent.port });
  await until(() => parent.links.calls.length >= 3, 'the second session');
  assert.equal(parent.links.calls.slice(0, 3), ['established 1', 'lost FENCED 1/1', 'established 2']);
  await fill(log, 50);
  await assertIdentical(parent, log);
});

test('a child whose history was rewritten is answered FORK, and nothing of it is applied', async () => {
  await using parent = await TestParent.start();
  const { site, log, credentials } = await newChild();
  await fill(log, 400);
  {
    await using _honest = new TestChild({ log, credentials, port: parent.port });
    await assertIdentical(parent, log);
  }
  const before = bytesOf(parent.held(site));
  for (const size of [400, 450, 2_000]) {
    const rewritten = newMemoryLog(site);
    await fill(rewritten, size, { text: () => 'another history' });
    const told = parent.refusals.length;
    await using child = new TestChild({ log: rewritten, credentials, port: parent.port });
    await until(() => child.lines.some(line => line.code === 'FORK'), `FORK with ${size} events`);
    assert.equal(bytesOf(parent.held(site)), before);
    // With a longer log it is the child that finds it, and the parent that has to be told.
    await until(() => parent.refusals.length > told, `the parent to say so, with ${size} events`);
    assert.equal(parent.refusals.at(-1), [site, 'FORK']);
  }
});

test('a child with less than the parent holds is answered AHEAD, and nothing is rewound', async () => {
  await using parent = await TestParent.start();
  const { site, log, credentials } = await newChild();
  await fill(log, 40);
  {
    await using _honest = new TestChild({ log, credentials, port: parent.port });
    await assertIdentical(parent, log);
  }
  await using child = new TestChild({ log: newMemoryLog(site), credentials, port: parent.port });
  await until(() => child.lines.some(line => line.code === 'AHEAD'), 'AHEAD');
  await until(() => parent.lines.some(line => line.code === 'AHEAD'), 'AHEAD in the log of the parent');
  assert.is(parent.held(site).length, 41);
});

test('one flipped bit is BAD_HASH: named, logged, not applied', async () => {
  await using parent = await TestParent.start();
  const { site, log, credentials } = await newChild();
  await fill(log, 300);
  const flip = (event: RecordedEvent): RecordedEvent => {
    if (event.position !== 150) return event;
    const data = Uint8Array.from(event.data);
    data[20]! ^= 0x01;
    return { ...event, data };
  };
  const damaged: SiteLog = {
    append: appends => log.append(appends),
    head: () => log.head(),
    epochs: () => log.epochs(),
    read: options => log.read(options),
    readStream: options => log.readStream(options),
    async *subscribe(options) {
      for await (const page of log.subscribe(options)) yield page.map(flip);
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  {
    await using child = new TestChild({ log: damaged, credentials, port: parent.port });
    await until(() => child.lines.some(line => line.code === 'BAD_HASH'), 'BAD_HASH');
    await until(
      () => parent.lines.some(line => line.code === 'BAD_HASH'),
      'BAD_HASH in the log of the parent',
    );
    assert.ok(parent.held(site).every(event => event.position < 150));
  }
  await using _sound = new TestChild({ log, credentials, port: parent.port });
  await assertIdentical(parent, log);
});

test('a site that is not enrolled is refused, and let in once it is', async () => {
  let isEnrolled = false;
  await using parent = await TestParent.start(it => {
    it.enrolled = () => isEnrolled;
  });
  const { log, credentials } = await newChild();
  await using child = new TestChild({ log, credentials, port: parent.port });
  await until(() => child.lines.some(line => line.code === 'NOT_ENROLLED'), 'NOT_ENROLLED');
  assert.equal(parent.links.calls, []);
  isEnrolled = true;
  await assertIdentical(parent, log);
});

test('a certificate of another site, and one of another authority, are refused and logged', async () => {
  await using parent = await TestParent.start();
  const { log } = await newChild();
  {
    const credentials = await credentialsOf(newSiteId(), 'site');
    await using child = new TestChild({ log, credentials, port: parent.port });
    await until(() => child.lines.some(line => line.code === 'NOT_ENROLLED'), 'NOT_ENROLLED');
  }
  const foreign = await createCertificateAuthority({ name: 'Foreign', nowMs: Date.now() });
  const theirs = await issuePeerCredentials(foreign, {
    site: log.head().site,
    role: 'site',
    nowMs: Date.now(),
  });
  const credentials = { ...theirs, authorityPem: (await credentialsOf(newSiteId(), 'site')).authorityPem };
  await using _child = new TestChild({ log, credentials, port: parent.port });
  await until(
    () => parent.lines.some(line => line.msg === 'peer refused at the TLS handshake'),
    'the refusal',
  );
  assert.equal(parent.links.calls, []);
  assert.is(parent.held(log.head().site).length, 0);
});

test('a parent that is another site than the child belongs to gets nothing', async () => {
  await using parent = await TestParent.start();
  const { site, log, credentials } = await newChild();
  {
    await using child = new TestChild({ log, credentials, port: parent.port, parentSite: newSiteId() });
    await until(() => child.lines.some(line => line.code === 'PROTOCOL_VIOLATION'), 'the refusal');
    assert.is(parent.held(site).length, 0);
  }
  await using _child = new TestChild({ log, credentials, port: parent.port, parentSite: parent.site });
  await assertIdentical(parent, log);
});

test('wishes come down in order and exactly once, over a link that is cut', async () => {
  await using parent = await TestParent.start();
  const { site, log, credentials } = await newChild();
  const stream = `wishes-${site}`;
  await fill(parent.log, 30, { stream });
  await fill(parent.log, 10, { stream: `wishes-${newSiteId()}` });
  await using hop = await TestHop.open({ to: () => parent.port });
  await using child = new TestChild({ log, credentials, port: hop.port });
  const { accepted } = child.wishes as MemoryWishSink;
  await until(() => accepted.length === 30, 'the first wishes');
  for (let round = 0; round < 3; round += 1) {
    hop.abortAll();
    await fill(parent.log, 20, { stream });
    await until(() => accepted.length === 50 + round * 20, `wishes of round ${round}`);
  }
  assert.equal(
    accepted.map(wish => wish.revision),
    accepted.map((_, index) => index),
  );
  assert.equal(
    bytesOf(accepted),
    bytesOf(await parent.log.readStream({ stream, afterRevision: null, limit: 500 })),
  );
});

test('a parent that has lost the end of its wishes hands out each new one, and no answered one counts twice', async () => {
  await using parent = await TestParent.start();
  const { site, log, credentials } = await newChild();
  const stream = `wishes-${site}`;
  await fill(parent.log, 3, { stream });
  const sink = new MemoryWishSink();
  const held = await parent.log.readStream({ stream, afterRevision: null, limit: 10 });
  // Answered: those three, and three that the parent had before it was restored.
  sink.accepted.push(
    ...held,
    ...held.map(wish => ({ ...wish, id: newEventId(), revision: wish.revision + 3 })),
  );
  await using _child = new TestChild({ log, credentials, port: parent.port, wishes: sink });
  await until(() => parent.lines.some(line => line.code === 'WISH_LOST'), 'WISH_LOST');
  await fill(parent.log, 300, { stream });
  await until(() => sink.accepted.length >= 306, 'the new wishes');
  await fill(log, 20);
  await assertIdentical(parent, log);
  assert.equal(
    sink.accepted.slice(6).map(wish => wish.revision),
    Array.from({ length: 300 }, (_, index) => 3 + index),
  );
  assert.is(parent.lines.filter(line => line.code === 'WISH_LOST').length, 1);
  assert.equal(parent.links.calls, ['established 1']);
  assert.equal(parent.refusals, [[site, 'WISH_LOST']]);
});

test('a child of older software, which does not say which wish it answered, gets none that it would take for answered', async () => {
  await using parent = await TestParent.start();
  const { site, log, credentials } = await newChild();
  const stream = `wishes-${site}`;
  const accepted: number[] = [];
  const wishes = {
    cursor: async () => ({ revision: 9, wishId: null }),
    accept: async (events: readonly RecordedEvent[]) =>
      void accepted.push(...events.map(wish => wish.revision)),
  };
  await using _child = new TestChild({ log, credentials, port: parent.port, wishes });
  await until(() => parent.lines.some(line => line.code === 'WISH_LOST'), 'WISH_LOST');
  await fill(parent.log, 3, { stream });
  await fill(log, 20);
  await assertIdentical(parent, log);
  assert.equal(accepted, []);
});

test('what the parent acknowledges while the child still compares their histories ends no session', async () => {
  await using parent = await TestParent.start(made => {
    made.heartbeatMs = 200;
  });
  const { log, credentials } = await newChild();
  await fill(log, 20);
  {
    await using _child = new TestChild({ log, credentials, port: parent.port });
    await assertIdentical(parent, log);
  }
  const acknowledgements = new Acknowledgements();
  const mayRead = Promise.withResolvers<void>();
  const slow: SiteLog = {
    ...{ append: appends => log.append(appends), head: () => log.head(), epochs: () => log.epochs() },
    read: async page => {
      await mayRead.promise;
      return log.read(page);
    },
    ...{ readStream: page => log.readStream(page), subscribe: options => log.subscribe(options) },
    [Symbol.asyncDispose]: async () => undefined,
  };
  await using child = new TestChild({ log: slow, credentials, port: parent.port, acknowledgements });
  const sessions = () => parent.lines.filter(line => line.msg === 'a log is taken in').length;
  await until(() => sessions() === 2, 'Want');
  // They are behind the acknowledgement on the same stream.
  const measuredCount = parent.links.measurements.length;
  await until(() => parent.links.measurements.length >= measuredCount + 2, 'the answers to two pings');
  assert.is(acknowledgements.of(log.head().site).parent, null);
  mayRead.resolve();
  await until(
    () => acknowledgements.of(log.head().site).parent?.position === log.head().size,
    'the acknowledgement',
  );
  assert.ok(child.isUp);
  assert.is(sessions(), 2);
});

test('a wish that could not be answered comes again', async () => {
  await using parent = await TestParent.start();
  const { site, log, credentials } = await newChild();
  await fill(parent.log, 3, { stream: `wishes-${site}` });
  let failures = 0;
  class FullDisk extends MemoryWishSink {
    override async accept(events: readonly RecordedEvent[]): Promise<void> {
      failures += 1;
      if (failures <= 2) throw new Error('disk full');
      await super.accept(events);
    }
  }
  const wishes = new FullDisk();
  await using _child = new TestChild({ log, credentials, port: parent.port, wishes });
  await until(() => wishes.accepted.length === 3, 'the wishes');
  assert.equal(
    wishes.accepted.map(wish => wish.revision),
    [0, 1, 2],
  );
});

test('a slow intake holds the child back: what waits at the parent is bounded by the credit', async () => {
  const bytesWaiting: number[] = [];
  await using parent = await TestParent.start(it => {
    it.intake = {
      openSession: site => it.replicas.openSession(site),
      commit: async batch => {
        bytesWaiting.push(sent - it.held(batch.site).reduce((sum, event) => sum + event.data.length, 0));
        await new Promise(resolve => setTimeout(resolve, 30));
        return it.replicas.commit(batch);
      },
    };
  });
  const { log, credentials } = await newChild();
  await fill(log, 3_000, { text: () => Math.random().toString(36).repeat(400) });
  let sent = 0;
  const counted: SiteLog = {
    append: appends => log.append(appends),
    head: () => log.head(),
    epochs: () => log.epochs(),
    read: options => log.read(options),
    readStream: options => log.readStream(options),
    async *subscribe(options) {
      for await (const page of log.subscribe(options)) {
        yield page;
        sent += page.reduce((sum, event) => sum + event.data.length, 0);
      }
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
  await using _child = new TestChild({ log: counted, credentials, port: parent.port });
  await assertIdentical(parent, log);
  assert.ok(sent > 10_000_000, `${sent} bytes`);
  assert.ok(Math.max(...bytesWaiting) <= 4 * 1024 * 1024, `${Math.max(...bytesWaiting)} bytes were waiting`);
});

test('over 100 ms of round trip the log catches up far above what a 64 KiB window would let through', async () => {
  await using parent = await TestParent.start();
  const { log, credentials } = await newChild();
  // Random text, so that compression does not do the window's work.
  await fill(log, 2_000, {
    text: () => Buffer.from(crypto.getRandomValues(new Uint8Array(6_000))).toString('base64'),
  });
  await using hop = await TestHop.open({ to: () => parent.port, delayMs: 50 });
  const startedAt = performance.now();
  await using _child = new TestChild({ log, credentials, port: hop.port });
  const { site, size } = log.head();
  await until(() => parent.held(site).length >= size, 'everything', 60_000);
  const seconds = (performance.now() - startedAt) / 1000;
  const bytesPerSecond = (2_000 * 8_000) / seconds;
  assert.ok(bytesPerSecond > 2 * (65_536 / 0.1), `${Math.round(bytesPerSecond / 1024)} KiB/s`);
});

test.run();
