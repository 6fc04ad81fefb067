import {
  consistencyRanges,
  decodeRecordedEvent,
  encodeHeader,
  extendEdge,
  MerkleProofBuilder,
  type RecordedEvent,
  rootOf,
} from '@holdfast/core';
import { EventId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { acceptBatch, answerOffer, isSigned } from './acceptance.js';
import { packEvents } from './event-frame.js';
import type { ReplicaCursor } from './replica-intake.js';
import { newSiteId, sha256 } from './replication.fixture.js';
import type { BatchFrame, EpochHead } from './replication-frame.js';

const test = suite('acceptance');
const site = newSiteId();

const firstOpening = {
  previousEpoch: null,
  previousSize: null,
  previousRoot: null,
  reason: 'site log created',
};

function eventAt(
  position: number,
  options: {
    epoch?: number;
    type?: string;
    text?: string;
    of?: typeof site;
    data?: object;
    recordedAt?: bigint;
  } = {},
) {
  const {
    epoch = 1,
    type = position === 1 ? 'LogEpochOpened' : 'SomethingHappened',
    text = '',
    of = site,
    recordedAt = BigInt(position) << 16n,
    data = type === 'LogEpochOpened' ? { ...firstOpening, epoch } : { position, text },
  } = options;
  const header = encodeHeader({
    site: of,
    epoch,
    position,
    id: EventId.parse(v7()),
    stream: 'things',
    revision: position - 1,
    type,
    version: 1,
    recordedAt,
    actor: 'server:test',
    occurredAtMs: position,
    clockQuality: 'NTP',
    causationId: null,
    correlationId: null,
  });
  return decodeRecordedEvent(header, Buffer.from(JSON.stringify(data)), sha256);
}

const history = Array.from({ length: 50 }, (_, index) => eventAt(index + 1));
const edgeOf = (events: readonly RecordedEvent[]) =>
  extendEdge(
    [],
    0,
    events.map(event => event.leafHash),
    sha256,
  );
const cursorAfter = (events: readonly RecordedEvent[], epoch = 1): ReplicaCursor => ({
  epoch,
  position: events.length,
  treeEdge: edgeOf(events),
});
const headOf = (events: readonly RecordedEvent[], epoch = 1): EpochHead => ({
  epoch,
  size: events.length,
  root: rootOf(edgeOf(events), events.length, sha256),
});
const proofOf = (events: readonly RecordedEvent[], size: number, end: number) => {
  const builder = new MerkleProofBuilder(consistencyRanges(size, end), sha256);
  builder.take(events.slice(builder.next ?? end, end).map(event => event.leafHash));
  return builder.finish();
};
/** The events from..to (1-based, inclusive) of a history, with the root that it has there, proven as a prefix of its first `end`. */
const batchOf = (
  events: readonly RecordedEvent[],
  from: number,
  to: number,
  end = events.length,
): BatchFrame => ({
  kind: 'batch',
  origin: site,
  checkpoint: null,
  consistency: proofOf(events, to, end),
  epoch: 1,
  firstPosition: from,
  root: headOf(events.slice(0, to)).root,
  ...packEvents(events.slice(from - 1, to), true),
});
const accept = (cursor: ReplicaCursor, batch: BatchFrame, signed: EpochHead | null = headOf(history)) =>
  acceptBatch({ site, cursor, batch, signed, sha256 });
const codeOf = (verdict: ReturnType<typeof accept> | ReturnType<typeof answerOffer>) =>
  verdict.accepted ? 'ACCEPTED' : verdict.refusal.code;

test('the next batch is accepted with its events and the cursor behind them', () => {
  const verdict = accept(cursorAfter(history.slice(0, 10)), batchOf(history, 11, 30));
  assert.ok(verdict.accepted);
  assert.equal(verdict.cursor, cursorAfter(history.slice(0, 30)));
  assert.equal(
    verdict.events.map(event => event.position),
    history.slice(10, 30).map(event => event.position),
  );
});

test('a known prefix is dropped by position, a batch that is known altogether applies nothing', () => {
  const cursor = cursorAfter(history.slice(0, 20));
  const overlapping = accept(cursor, batchOf(history, 11, 30));
  assert.ok(overlapping.accepted);
  assert.is(overlapping.events[0]!.position, 21);
  assert.equal(overlapping.cursor, cursorAfter(history.slice(0, 30)));
  const known = accept(cursor, batchOf(history, 5, 20));
  assert.ok(known.accepted);
  assert.equal(known.events, []);
  assert.equal(known.cursor, cursor);
  // It brings nothing that a signature would be needed for.
  assert.is(codeOf(accept(cursor, batchOf(history, 5, 20), null)), 'ACCEPTED');
});

test('what begins beyond the next position is a GAP', () => {
  assert.is(codeOf(accept(cursorAfter(history.slice(0, 10)), batchOf(history, 12, 30))), 'GAP');
});

test('another event under a position is BAD_HASH, whatever else is right', () => {
  const forged = [...history];
  forged[14] = eventAt(15, { text: 'forged' });
  const batch = { ...batchOf(forged, 11, 30), root: batchOf(history, 11, 30).root };
  assert.is(codeOf(accept(cursorAfter(history.slice(0, 10)), batch)), 'BAD_HASH');
});

test('an event of another site, epoch or position is BAD_HASH', () => {
  const wrong = [eventAt(15, { of: newSiteId() }), eventAt(15, { epoch: 2 }), eventAt(16)];
  for (const event of wrong) {
    const forged = history.with(14, event);
    assert.is(codeOf(accept(cursorAfter(history.slice(0, 10)), batchOf(forged, 11, 30))), 'BAD_HASH');
  }
});

test('bytes that are no events are BAD_HASH, however they are signed', () => {
  const cursor = cursorAfter(history.slice(0, 10));
  const batch = batchOf(history, 11, 30);
  const torn = { ...batch, events: batch.events.subarray(0, -1) };
  const noHeader = { header: history[10]!.header.with(0, 99), data: history[10]!.data };
  const unreadable = { ...batch, ...packEvents([noHeader, ...history.slice(11, 30)], true) };
  for (const none of [torn, unreadable]) assert.is(codeOf(accept(cursor, none)), 'BAD_HASH');
});

test('a history that is not the signed one is a FORK when it reaches the signed end', () => {
  const rewritten = history.map(event =>
    event.position > 10 ? eventAt(event.position, { text: 'other' }) : event,
  );
  const cursor = cursorAfter(history.slice(0, 10));
  const signed = headOf(history.slice(0, 25));
  assert.is(codeOf(accept(cursor, batchOf(rewritten, 11, 25), signed)), 'FORK');
  assert.is(codeOf(accept(cursor, batchOf(history, 11, 25), signed)), 'ACCEPTED');
});

test('what ends short of the signed end is accepted only with the proof that it is a part of it', () => {
  const rewritten = history.with(14, eventAt(15, { text: 'forged' }));
  const cursor = cursorAfter(history.slice(0, 10));
  const signed = headOf(history.slice(0, 45));
  const honest = batchOf(history, 11, 25, 45);
  assert.is(codeOf(accept(cursor, honest, signed)), 'ACCEPTED');
  const forged = batchOf(rewritten, 11, 25, 45);
  for (const consistency of [[], forged.consistency, honest.consistency, honest.consistency.toReversed()])
    assert.is(codeOf(accept(cursor, { ...forged, consistency }, signed)), 'BAD_SIGNATURE');
  for (const consistency of [[], honest.consistency.slice(1), [...honest.consistency, signed.root]])
    assert.is(codeOf(accept(cursor, { ...honest, consistency }, signed)), 'BAD_SIGNATURE');
  assert.is(codeOf(accept(cursor, honest, headOf(history))), 'BAD_SIGNATURE', 'a proof for another end');
});

test('nothing of one epoch is proven by the checkpoint of another', () => {
  const proof = proofOf(history, 10, 50);
  const ten = history.slice(0, 10);
  assert.is(isSigned(cursorAfter(ten), headOf(history), proof, sha256), true);
  assert.is(isSigned(cursorAfter(ten, 2), headOf(history), proof, sha256), false);
});

test('events beyond what the site has signed are BAD_SIGNATURE, however right they are', () => {
  const cursor = cursorAfter(history.slice(0, 10));
  const batch = batchOf(history, 11, 25);
  assert.is(codeOf(accept(cursor, batch, headOf(history.slice(0, 24)))), 'BAD_SIGNATURE');
  assert.is(codeOf(accept(cursor, batch, { ...headOf(history), epoch: 2 })), 'BAD_SIGNATURE');
  assert.is(codeOf(accept(cursor, batch, null)), 'BAD_SIGNATURE');
});

test('a batch of an epoch that is over is UNKNOWN_EPOCH', () => {
  assert.is(codeOf(accept(cursorAfter(history, 2), batchOf(history, 11, 30))), 'UNKNOWN_EPOCH');
});

/** The next epoch, as a site opens it that says its last one ended as in `said`. */
function epochAfter(said: { size: number; root: Uint8Array; epoch?: number }) {
  const data = {
    ...{ epoch: 2, previousEpoch: said.epoch ?? 1, previousSize: said.size, reason: 'restored' },
    previousRoot: Buffer.from(said.root).toString('hex'),
  };
  return [eventAt(1, { epoch: 2, data }), eventAt(2, { epoch: 2 })];
}

test('a new epoch is accepted only when it continues exactly what is held', () => {
  const held = history.slice(0, 20);
  const { size, root } = headOf(held);
  const open = (said: Parameters<typeof epochAfter>[0]) => {
    const epoch = epochAfter(said);
    return accept(cursorAfter(held), { ...batchOf(epoch, 1, 2), epoch: 2 }, headOf(epoch, 2));
  };
  const opened = open({ size, root });
  assert.ok(opened.accepted);
  assert.is(opened.cursor.epoch, 2);
  assert.is(opened.cursor.position, 2);
  assert.is(codeOf(open({ size: size - 1, root })), 'UNKNOWN_EPOCH');
  assert.is(codeOf(open({ size, root: headOf(history).root })), 'UNKNOWN_EPOCH');
  assert.is(codeOf(open({ size, root, epoch: 3 })), 'UNKNOWN_EPOCH');
});

test('a new epoch that says nothing of what is held, or nothing that can be read, is UNKNOWN_EPOCH', () => {
  for (const data of [
    { ...firstOpening, epoch: 2 },
    { epoch: 2, previousEpoch: 'one' },
  ]) {
    const epoch = [eventAt(1, { epoch: 2, data }), eventAt(2, { epoch: 2 })];
    const batch = { ...batchOf(epoch, 1, 2), epoch: 2 };
    assert.is(codeOf(accept(cursorAfter(history), batch, headOf(epoch, 2))), 'UNKNOWN_EPOCH');
  }
});

test('where nothing is held only the first epoch can begin: a later one would shut out what overtook it', () => {
  const nothing: ReplicaCursor = { epoch: 0, position: 0, treeEdge: [] };
  const { size, root } = headOf(history);
  const epoch = epochAfter({ size, root });
  const verdict = accept(nothing, { ...batchOf(epoch, 1, 2), epoch: 2 }, headOf(epoch, 2));
  assert.is(codeOf(verdict), 'UNKNOWN_EPOCH');
  assert.is(codeOf(accept(nothing, batchOf(history, 1, 10))), 'ACCEPTED');
});

test('an epoch that does not begin with its opening is UNKNOWN_EPOCH', () => {
  const headless = history.with(0, eventAt(1, { type: 'SomethingHappened' }));
  const verdict = accept(cursorAfter([], 0), batchOf(headless, 1, 5), headOf(headless));
  assert.is(codeOf(verdict), 'UNKNOWN_EPOCH');
});

test('a log that reaches what is held is wanted, also in a newer epoch', () => {
  const cursor = cursorAfter(history.slice(0, 20));
  const offers = [
    headOf(history),
    headOf(history.slice(0, 20)),
    headOf([], 2),
    headOf(history.slice(20, 40), 2),
  ];
  for (const head of offers) assert.is(codeOf(answerOffer(cursor, head, sha256)), 'ACCEPTED');
  const nothing: ReplicaCursor = { epoch: 0, position: 0, treeEdge: [] };
  assert.is(codeOf(answerOffer(nothing, headOf(history), sha256)), 'ACCEPTED');
});

test('less than is held is AHEAD, another root under the same size a FORK', () => {
  const cursor = cursorAfter(history.slice(0, 20));
  assert.is(codeOf(answerOffer(cursor, headOf(history.slice(0, 19)), sha256)), 'AHEAD');
  assert.is(codeOf(answerOffer(cursorAfter(history, 2), headOf(history, 1), sha256)), 'AHEAD');
  const other = history.slice(0, 20).with(3, eventAt(4, { text: 'other' }));
  assert.is(codeOf(answerOffer(cursor, headOf(other), sha256)), 'FORK');
});

test('an event of a time or an epoch that no database has a number for is BAD_HASH, however well it is signed', () => {
  const last = 2n ** 63n - 1n;
  for (const [recordedAt, code] of [
    [last, 'ACCEPTED'],
    [last + 1n, 'BAD_HASH'],
  ] as const) {
    const events = [...history.slice(0, 10), eventAt(11, { recordedAt })];
    const verdict = accept(cursorAfter(history.slice(0, 10)), batchOf(events, 11, 11), headOf(events));
    assert.is(codeOf(verdict), code);
  }
  for (const [epoch, code] of [
    [2 ** 31 - 1, 'ACCEPTED'],
    [2 ** 31, 'BAD_HASH'],
  ] as const) {
    const opening = [eventAt(1, { epoch })];
    const nothing: ReplicaCursor = { epoch: 0, position: 0, treeEdge: [] };
    const verdict = accept(nothing, { ...batchOf(opening, 1, 1), epoch }, headOf(opening, epoch));
    assert.is(codeOf(verdict), code);
  }
});

test.run();
