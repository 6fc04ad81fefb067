import assert from 'node:assert/strict';
import {
  decodeRecordedEvent,
  encodeEdge,
  encodeHeader,
  extendEdge,
  LOG_START,
  type LogPlace,
  type RecordedEvent,
  type Sha256,
  type SignedCheckpoint,
} from '@holdfast/core';
import { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import type { ReplicaCursor, ReplicaIntake, ReplicaMender, ReplicaReader } from './replica-intake.js';

/** One adapter under test, with a look behind it. */
export interface ReplicaIntakeUnderTest {
  readonly intake: ReplicaIntake;
  /** What was committed, to be handed on. Left out where a commit is stored only later. */
  readonly reader?: ReplicaReader;
  /** Of what the intake has stored. Left out where nobody is above. */
  readonly mender?: ReplicaMender;
  /** What is stored of a site, in the order of its positions. */
  readonly stored: (
    site: SiteId,
  ) => Promise<readonly Pick<RecordedEvent, 'epoch' | 'position' | 'header' | 'data' | 'leafHash'>[]>;
  /** What was taken in since the adapter was opened, in the order of the feed. */
  readonly feed: () => Promise<readonly Pick<RecordedEvent, 'site' | 'position'>[]>;
}

/** Registers a test: uvu's `suite` fits. */
type TestRegistrar = (title: string, run: () => Promise<void>) => void;

/** What every replica intake must do. Each adapter's own test file calls this with its suite. */
export function describeReplicaIntake(
  test: TestRegistrar,
  options: { readonly open: () => Promise<ReplicaIntakeUnderTest>; readonly sha256: Sha256 },
): void {
  const { open, sha256 } = options;
  describeExactness(test, open, sha256);
  describeFencing(test, open, sha256);
  describeOrder(test, open, sha256);
  describeReading(test, open, sha256);
  describeMending(test, open, sha256);
}

type Open = () => Promise<ReplicaIntakeUnderTest>;

function describeExactness(test: TestRegistrar, open: Open, sha256: Sha256): void {
  test('a site that was never seen begins at epoch 0, position 0, with an empty edge', async () => {
    const { intake } = await open();
    const { cursor } = await intake.openSession(newSite());
    assert.deepEqual(plain(cursor), { epoch: 0, position: 0, treeEdge: [] });
  });

  test('every stored byte comes back, and the cursor with its edge', async () => {
    const { intake, stored } = await open();
    const site = newSite();
    const events = eventsOf(site, { epoch: 1, from: 1, count: 5, sha256 });
    const { fence, cursor } = await intake.openSession(site);
    const after = advance(cursor, events, sha256);
    assert.equal(await intake.commit({ site, fence, before: cursor, after, events }), 'COMMITTED');
    assert.deepEqual((await stored(site)).map(bytesOf), events.map(bytesOf));
    assert.deepEqual(plain((await intake.openSession(site)).cursor), plain(after));
  });

  test('a batch that was committed already is STALE_CURSOR and stores nothing', async () => {
    const { intake, stored } = await open();
    const site = newSite();
    const events = eventsOf(site, { epoch: 1, from: 1, count: 3, sha256 });
    const { fence, cursor } = await intake.openSession(site);
    const batch = { site, fence, before: cursor, after: advance(cursor, events, sha256), events };
    assert.equal(await intake.commit(batch), 'COMMITTED');
    assert.equal(await intake.commit(batch), 'STALE_CURSOR');
    assert.equal((await stored(site)).length, 3);
  });

  test('a cursor with another edge at the same position is STALE_CURSOR', async () => {
    const { intake, stored } = await open();
    const site = newSite();
    const first = eventsOf(site, { epoch: 1, from: 1, count: 1, sha256 });
    const { fence, cursor } = await intake.openSession(site);
    const after = advance(cursor, first, sha256);
    await intake.commit({ site, fence, before: cursor, after, events: first });
    const next = eventsOf(site, { epoch: 1, from: 2, count: 1, sha256 });
    const before = { ...after, treeEdge: [new Uint8Array(32).fill(1)] };
    const outcome = await intake.commit({
      site,
      fence,
      before,
      after: advance(after, next, sha256),
      events: next,
    });
    assert.equal(outcome, 'STALE_CURSOR');
    assert.equal((await stored(site)).length, 1);
  });

  test('a batch with a hole is a fault and stores nothing', async () => {
    const { intake, stored } = await open();
    const site = newSite();
    const events = eventsOf(site, { epoch: 1, from: 1, count: 3, sha256 });
    const { fence, cursor } = await intake.openSession(site);
    const after = advance(cursor, events, sha256);
    const holed = [events[0]!, events[2]!];
    await assert.rejects(intake.commit({ site, fence, before: cursor, after, events: holed }), RangeError);
    assert.equal((await stored(site)).length, 0);
    assert.deepEqual(plain((await intake.openSession(site)).cursor), plain(cursor));
  });

  test('a new epoch begins at position 1 and the old one stays', async () => {
    const { intake, stored } = await open();
    const site = newSite();
    const old = eventsOf(site, { epoch: 1, from: 1, count: 2, sha256 });
    const { fence, cursor } = await intake.openSession(site);
    const before = advance(cursor, old, sha256);
    await intake.commit({ site, fence, before: cursor, after: before, events: old });
    const events = eventsOf(site, { epoch: 2, from: 1, count: 2, sha256 });
    const after = advance({ epoch: 2, position: 0, treeEdge: [] }, events, sha256);
    assert.equal(await intake.commit({ site, fence, before, after, events }), 'COMMITTED');
    assert.deepEqual((await stored(site)).map(({ epoch, position }) => [epoch, position]).sort(), [
      [1, 1],
      [1, 2],
      [2, 1],
      [2, 2],
    ]);
    assert.deepEqual(plain((await intake.openSession(site)).cursor), plain(after));
  });
}

function describeFencing(test: TestRegistrar, open: Open, sha256: Sha256): void {
  test('a newer session fences every older one', async () => {
    const { intake, stored } = await open();
    const site = newSite();
    const events = eventsOf(site, { epoch: 1, from: 1, count: 1, sha256 });
    const sessions = [
      await intake.openSession(site),
      await intake.openSession(site),
      await intake.openSession(site),
    ];
    const before = sessions[0]!.cursor;
    const batch = { site, before, after: advance(before, events, sha256), events };
    assert.equal(await intake.commit({ ...batch, fence: sessions[0]!.fence }), 'FENCED');
    assert.equal(await intake.commit({ ...batch, fence: sessions[1]!.fence }), 'FENCED');
    assert.equal((await stored(site)).length, 0);
    assert.equal(await intake.commit({ ...batch, fence: sessions[2]!.fence }), 'COMMITTED');
  });

  test('fences grow, and one site does not fence another', async () => {
    const { intake } = await open();
    const [one, other] = [newSite(), newSite()];
    const session = await intake.openSession(one);
    await intake.openSession(other);
    const events = eventsOf(one, { epoch: 1, from: 1, count: 1, sha256 });
    const after = advance(session.cursor, events, sha256);
    const outcome = await intake.commit({
      site: one,
      fence: session.fence,
      before: session.cursor,
      after,
      events,
    });
    assert.equal(outcome, 'COMMITTED');
    assert.ok((await intake.openSession(one)).fence > session.fence);
  });

  test('of the same batch committed twice at once, exactly one is stored', async () => {
    const { intake, stored } = await open();
    const site = newSite();
    const events = eventsOf(site, { epoch: 1, from: 1, count: 2, sha256 });
    const { fence, cursor } = await intake.openSession(site);
    const batch = { site, fence, before: cursor, after: advance(cursor, events, sha256), events };
    const outcomes = await Promise.all([intake.commit(batch), intake.commit(batch)]);
    assert.deepEqual(outcomes.sort(), ['COMMITTED', 'STALE_CURSOR']);
    assert.equal((await stored(site)).length, 2);
  });
}

function describeOrder(test: TestRegistrar, open: Open, sha256: Sha256): void {
  test('the feed holds each site in the order of its positions, however many write at once', async () => {
    const { intake, feed } = await open();
    const sites = Array.from({ length: 4 }, newSite);
    await Promise.all(
      sites.map(async site => {
        let { fence, cursor } = await intake.openSession(site);
        for (let round = 0; round < 5; round += 1) {
          const events = eventsOf(site, { epoch: 1, from: cursor.position + 1, count: 4, sha256 });
          const after = advance(cursor, events, sha256);
          assert.equal(await intake.commit({ site, fence, before: cursor, after, events }), 'COMMITTED');
          cursor = after;
        }
      }),
    );
    const seen = await feed();
    for (const site of sites) {
      const positions = seen.filter(event => event.site === site).map(event => event.position);
      assert.deepEqual(
        positions,
        Array.from({ length: 20 }, (_, index) => index + 1),
      );
    }
  });
}

function describeReading(test: TestRegistrar, open: Open, sha256: Sha256): void {
  test('what is held is read again place by place over all epochs, decoded out of its bytes', async () => {
    const { intake, reader } = await open();
    if (reader === undefined) return;
    const site = newSite();
    const old = eventsOf(site, { epoch: 1, from: 1, count: 5, sha256 });
    const { fence, cursor } = await intake.openSession(site);
    const middle = advance(cursor, old, sha256);
    await intake.commit({ site, fence, before: cursor, after: middle, events: old });
    const next = eventsOf(site, { epoch: 2, from: 1, count: 2, sha256 });
    const after = advance({ epoch: 2, position: 0, treeEdge: [] }, next, sha256);
    await intake.commit({ site, fence, before: middle, after, events: next });
    const read = (place: LogPlace, limit: number) => reader.read({ site, after: place, limit });
    const all = await read(LOG_START, 100);
    assert.deepEqual(all.map(bytesOf), [...old, ...next].map(bytesOf));
    assert.deepEqual(
      (await read({ epoch: 1, position: 3 }, 3)).map(({ epoch, position }) => [epoch, position]),
      [
        [1, 4],
        [1, 5],
        [2, 1],
      ],
    );
    assert.deepEqual(await read({ epoch: 2, position: 2 }, 10), []);
    const leaves = (place: LogPlace, limit: number) => reader.leafHashes({ site, after: place, limit });
    const hashesOf = (events: readonly RecordedEvent[]) => encodeEdge(events.map(event => event.leafHash));
    assert.deepEqual(await leaves({ epoch: 1, position: 0 }, 100), hashesOf(old), 'of one epoch');
    assert.deepEqual(await leaves({ epoch: 1, position: 2 }, 2), hashesOf(old.slice(2, 4)));
    assert.deepEqual(await leaves({ epoch: 2, position: 1 }, 9), hashesOf(next.slice(1)));
    assert.deepEqual(await leaves({ epoch: 2, position: 2 }, 9), new Uint8Array(0));
    assert.deepEqual(await reader.read({ site: newSite(), after: LOG_START, limit: 10 }), []);
  });

  test('of each epoch the newest checkpoint is kept with what it covers, and nothing of a refused commit', async () => {
    const { intake, reader } = await open();
    if (reader === undefined) return;
    const site = newSite();
    const events = eventsOf(site, { epoch: 1, from: 1, count: 3, sha256 });
    const { fence, cursor } = await intake.openSession(site);
    const after = advance(cursor, events, sha256);
    assert.equal(await reader.checkpoint(site), null);
    const first = checkpointAt(site, 1, 3);
    const batch = { site, fence, before: cursor, after, events };
    assert.equal(await intake.commit({ ...batch, checkpoint: first }), 'COMMITTED');
    assert.equal(await intake.commit({ ...batch, checkpoint: checkpointAt(site, 1, 9) }), 'STALE_CURSOR');
    assert.deepEqual(plainCheckpoint(await reader.checkpoint(site)), plainCheckpoint(first));
    const next = eventsOf(site, { epoch: 2, from: 1, count: 1, sha256 });
    const newest = advance({ epoch: 2, position: 0, treeEdge: [] }, next, sha256);
    const second = checkpointAt(site, 2, 1);
    await intake.commit({ site, fence, before: after, after: newest, events: next, checkpoint: second });
    assert.deepEqual(plainCheckpoint(await reader.checkpoint(site)), plainCheckpoint(second));
    assert.deepEqual(plainCheckpoint(await reader.checkpoint(site, 1)), plainCheckpoint(first));
    assert.equal(await reader.checkpoint(site, 3), null);
    assert.ok((await reader.sites()).includes(site));
  });

  test('a checkpoint of what is held already is kept without an event', async () => {
    const { intake, reader } = await open();
    if (reader === undefined) return;
    const site = newSite();
    const events = eventsOf(site, { epoch: 1, from: 1, count: 2, sha256 });
    const { fence, cursor } = await intake.openSession(site);
    const after = advance(cursor, events, sha256);
    await intake.commit({ site, fence, before: cursor, after, events });
    const checkpoint = checkpointAt(site, 1, 2);
    const nothingNew = { site, fence, before: after, after, events: [], checkpoint };
    assert.equal(await intake.commit(nothingNew), 'COMMITTED');
    assert.deepEqual(plainCheckpoint(await reader.checkpoint(site)), plainCheckpoint(checkpoint));
  });
}

function describeMending(test: TestRegistrar, open: Open, sha256: Sha256): void {
  const nothing: ReplicaCursor = { epoch: 0, position: 0, treeEdge: [] };
  /** Six events, all signed; `mend` puts others, from one position on, in the place of those behind it. */
  const openHeld = async (typeOfLast?: string) => {
    const { intake, reader, mender, stored } = await open();
    if (mender === undefined || reader === undefined) return null;
    const site = newSite();
    const held = eventsOf(site, { epoch: 1, from: 1, count: 6, sha256, ...(typeOfLast && { typeOfLast }) });
    const { fence, cursor } = await intake.openSession(site);
    const after = advance(cursor, held, sha256);
    const batch = { site, fence, before: cursor, after, events: held };
    assert.equal(await intake.commit({ ...batch, checkpoint: checkpointAt(site, 1, 6) }), 'COMMITTED');
    const mend = async (from: number, count: number, fault?: Error) => {
      const events = eventsOf(site, { epoch: 1, from, count, sha256 });
      const before = from === 1 ? nothing : advance(nothing, held.slice(0, from - 1), sha256);
      const end = advance({ ...before, epoch: 1 }, events, sha256);
      const pages = async function* () {
        yield events.slice(0, 1);
        if (events.length > 1) yield events.slice(1);
        if (fault !== undefined) throw fault;
      };
      const outcome = await mender.replaceTail({
        ...{ site, held: { epoch: 1, position: 6 }, common: { epoch: 1, position: from - 1 } },
        events: pages(),
        proven: () => ({ end, checkpoints: [checkpointAt(site, 1, end.position)] }),
      });
      return { outcome, events, end };
    };
    return { intake, reader, mender, stored, site, fence, held, after, mend };
  };

  test('of a tail over several epochs it keeps what the site has signed of each: a parent above takes each in by that', async () => {
    const opened = await openHeld();
    if (opened === null) return;
    const { reader, mender, site } = opened;
    const sealed = eventsOf(site, { epoch: 1, from: 4, count: 4, sha256 });
    const open = eventsOf(site, { epoch: 2, from: 1, count: 2, sha256 });
    const end = advance({ epoch: 2, position: 0, treeEdge: [] }, open, sha256);
    const pages = async function* () {
      yield [...sealed, ...open];
    };
    const outcome = await mender.replaceTail({
      ...{ site, held: { epoch: 1, position: 6 }, common: { epoch: 1, position: 3 }, events: pages() },
      proven: () => ({ end, checkpoints: [checkpointAt(site, 1, 7), checkpointAt(site, 2, 2)] }),
    });
    assert.equal(outcome, 'REPLACED');
    const sizes = [await reader.checkpoint(site, 1), await reader.checkpoint(site, 2)].map(
      one => one?.head.size,
    );
    assert.deepEqual(sizes, [7, 2]);
  });

  test('what is held behind a place is replaced, by more events or by fewer, and the session that brought it is fenced', async () => {
    for (const [from, count] of [
      [4, 5],
      [3, 1],
    ] as const) {
      const opened = await openHeld();
      if (opened === null) return;
      const { intake, reader, mender, stored, site, fence, held, after, mend } = opened;
      const { outcome, events, end } = await mend(from, count);
      assert.equal(outcome, 'REPLACED');
      const all = [...held.slice(0, from - 1), ...events];
      assert.deepEqual((await stored(site)).map(bytesOf), all.map(bytesOf));
      assert.deepEqual(plain((await mender.cursor(site))!), plain(end));
      assert.equal((await reader.checkpoint(site))?.head.size, end.position);
      const next = eventsOf(site, { epoch: 1, from: 7, count: 1, sha256 });
      const late = { site, fence, before: after, after: advance(after, next, sha256), events: next };
      assert.equal(await intake.commit(late), 'FENCED');
      const again = await intake.openSession(site);
      const on = eventsOf(site, { epoch: 1, from: end.position + 1, count: 1, sha256 });
      const goesOn = { before: again.cursor, after: advance(again.cursor, on, sha256), events: on };
      assert.equal(await intake.commit({ site, fence: again.fence, ...goesOn }), 'COMMITTED');
    }
  });

  test('what only goes on behind all that is held extends it, unless something has come in since it was compared', async () => {
    const opened = await openHeld();
    if (opened === null) return;
    const { stored, site, mend } = opened;
    assert.equal((await mend(7, 3)).outcome, 'EXTENDED');
    assert.equal((await stored(site)).length, 9);
    assert.equal((await mend(7, 1)).outcome, 'MOVED');
    assert.equal((await stored(site)).length, 9);
  });

  test('a tail of which the site has removed some stays, and so does everything when the events are not proven in the end', async () => {
    const opened = await openHeld('LogTruncated');
    if (opened === null) return;
    assert.equal((await opened.mend(5, 3)).outcome, 'TRUNCATED');
    const other = (await openHeld())!;
    await assert.rejects(other.mend(5, 3, new RangeError('not proven')), /not proven/);
    for (const { stored, site, held, mender, after } of [opened, other]) {
      assert.deepEqual((await stored(site)).map(bytesOf), held.map(bytesOf));
      assert.deepEqual(plain((await mender.cursor(site))!), plain(after));
    }
  });
}

/** An intake believes what it is given: the signature is none. */
function checkpointAt(site: SiteId, epoch: number, size: number): SignedCheckpoint {
  const root = new Uint8Array(32).fill(size);
  return { head: { site, epoch, size, root }, note: `checkpoint of ${epoch}/${size}\n` };
}

function plainCheckpoint(checkpoint: SignedCheckpoint | null) {
  if (checkpoint === null) return null;
  const { head, note } = checkpoint;
  return { note, ...head, root: Buffer.from(head.root).toString('hex') };
}

const utf8 = new TextEncoder();

function newSite(): SiteId {
  return SiteId.parse(v7());
}

function eventsOf(
  site: SiteId,
  options: {
    readonly epoch: number;
    readonly from: number;
    readonly count: number;
    readonly typeOfLast?: string;
    readonly sha256: Sha256;
  },
): RecordedEvent[] {
  return Array.from({ length: options.count }, (_, index) => {
    const position = options.from + index;
    const header = encodeHeader({
      site,
      epoch: options.epoch,
      position,
      id: EventId.parse(v7()),
      stream: 'conformance-"ü"',
      revision: position - 1,
      type: (index === options.count - 1 && options.typeOfLast) || 'SomethingHappened',
      version: 1,
      recordedAt: BigInt(position) * 65536n,
      actor: 'server:conformance',
      occurredAtMs: position,
      clockQuality: 'NTP',
      causationId: null,
      correlationId: EventId.parse(v7()),
    });
    return decodeRecordedEvent(
      header,
      utf8.encode(JSON.stringify({ position, text: 'ü\u0000"\\{}' })),
      options.sha256,
    );
  });
}

function advance(before: ReplicaCursor, events: readonly RecordedEvent[], sha256: Sha256): ReplicaCursor {
  const leafHashes = events.map(event => event.leafHash);
  return {
    epoch: events.at(-1)!.epoch,
    position: before.position + events.length,
    treeEdge: extendEdge(before.treeEdge, before.position, leafHashes, sha256),
  };
}

/** Buffers and byte arrays with the same bytes are the same here. */
function plain({ epoch, position, treeEdge }: ReplicaCursor) {
  return { epoch, position, treeEdge: treeEdge.map(hash => Buffer.from(hash).toString('hex')) };
}

function bytesOf(event: Pick<RecordedEvent, 'header' | 'data' | 'leafHash'>): readonly string[] {
  return [event.header, event.data, event.leafHash].map(bytes => Buffer.from(bytes).toString('hex'));
}
