import { nextHlc } from '../clock/hybrid-logical-clock.js';
import type { SignedCheckpoint } from './checkpoint.js';
import { decodeRecordedEvent, encodeHeader } from './envelope.js';
import { decodeEventData } from './event-data.js';
import { endOf, LOG_START, type LogPlace, placeOf } from './log-place.js';
import type { ReopenableLog } from './log-repair.js';
import { hexOf, LOG_STREAM } from './log-stream.js';
import { equalBytes, extendEdge, rootOf } from './merkle-tree.js';
import { CONFORMANCE_START_MS, newEventOf, type SiteLogConformance } from './site-log.conformance.js';
import type { LogHead, NewEvent, RecordedEvent, SiteLog } from './site-log.js';

/** What an adapter's test brings beside what every site log needs. */
export interface ReopenableLogConformance extends SiteLogConformance {
  readonly open: (options: { readonly now: () => number }) => Promise<ReopenableLog>;
  /** The note of a checkpoint by the key of the log. */
  readonly sign: (head: LogHead) => string;
}

export interface ReopenableLogConformanceCase {
  readonly title: string;
  readonly run: (suite: ReopenableLogConformance) => Promise<void>;
}

const later = CONFORMANCE_START_MS + 60_000;

/** What every log does that can take its lost history back. */
export const reopenableLogConformanceCases: readonly ReopenableLogConformanceCase[] = [
  {
    title: 'puts the history back byte for byte, opens the next epoch, and records its own tail again in it',
    run: async suite => {
      const { assert } = suite;
      const { log, lost, own } = await divergedLog(suite);
      const outcome = await log.reopenAs({ ...lost.history, reason: 'an old copy was restored' });
      await using reopened = outcome.log;
      if (!outcome.reopened) return assert.unreachable(outcome.refusal.detail);
      const events = await allOf(reopened);
      const [opened, ...behind] = events.filter(event => event.epoch === 2);
      const old = events.filter(event => event.epoch === 1);
      assert.equal(old.map(bytesOf), [...lost.common, ...lost.events].map(bytesOf));
      assert.equal(decodeEventData(opened!), {
        type: 'LogEpochOpened',
        data: {
          ...{ epoch: 2, previousEpoch: 1, previousSize: old.length },
          previousRoot: hexOf(lost.checkpoint.head.root),
          reason: 'an old copy was restored',
        },
      });
      assert.equal(
        behind.slice(0, -1).map(factsOf),
        own.map(event => factsOf(event)),
      );
      assert.equal(
        behind.map(event => [event.stream, event.revision]),
        [
          ['a', 4],
          ['c', 0],
          [LOG_STREAM, 2],
        ],
      );
      assert.equal(
        events.map(event => event.position),
        [1, 2, 3, 4, 5, 6, 1, 2, 3, 4],
      );
    },
  },
  {
    title: 'says what was lost and what was recorded again, and seals the old epoch',
    run: async suite => {
      const { assert, sha256 } = suite;
      const { log, lost } = await divergedLog(suite);
      const { log: reopened } = await log.reopenAs(lost.history);
      await using _ = reopened;
      const last = (await allOf(reopened)).at(-1)!;
      assert.equal(decodeEventData(last), {
        type: 'LogHistoryRecovered',
        data: {
          ...{ commonEpoch: 1, commonPosition: 3 },
          ...{ pulledBackCount: 3, pulledBackFromMs: later, pulledBackToMs: later },
          ...{ recordedAgainCount: 2, knownAlreadyCount: 0 },
          ...{ recordedAgainFromMs: CONFORMANCE_START_MS, recordedAgainToMs: CONFORMANCE_START_MS },
        },
      });
      const { epoch, size, root } = lost.checkpoint.head;
      assert.equal(reopened.epochs(), [{ epoch, size, root }]);
      const head = reopened.head();
      const leaves = (await allOf(reopened)).filter(event => event.epoch === 2).map(event => event.leafHash);
      assert.equal([head.epoch, head.size], [2, 4]);
      assert.ok(equalBytes(head.root, rootOf(extendEdge([], 0, leaves, sha256), 4, sha256)));
    },
  },
  {
    title:
      'reads, subscribes and goes on over its epochs: positions of the new one, revisions and ids of all',
    run: async suite => {
      const { assert, newEventId } = suite;
      const { log, lost, own } = await divergedLog(suite);
      const { log: reopened } = await log.reopenAs(lost.history);
      await using _ = reopened;
      const places = async (after: LogPlace, limit: number) =>
        (await reopened.read({ after, limit })).map(event => `${event.epoch}/${event.position}`);
      assert.equal(await places({ epoch: 1, position: 5 }, 2), ['1/6', '2/1']);
      assert.equal(await places({ epoch: 1, position: 600 }, 1), ['2/1']);
      assert.equal(await places({ epoch: 2, position: 0 }, 1), ['2/1']);
      assert.equal(await places(endOf(reopened.head()), 9), []);
      const appended = await reopened.append([
        { stream: 'a', expected: 4, events: [newEventOf(newEventId())] },
      ]);
      assert.equal(appended, {
        ...{ appended: true, epoch: 2, firstPosition: 5, lastPosition: 5, replayed: false },
      });
      const replayed = await reopened.append([{ stream: 'a', expected: 'any', events: [own[0]!] }]);
      assert.equal(replayed, {
        ...{ appended: true, epoch: 2, firstPosition: 2, lastPosition: 2, replayed: true },
      });
      const old = await reopened.append([{ stream: 'b', expected: 'any', events: [lost.events[2]!] }]);
      assert.equal(old, { appended: true, epoch: 1, firstPosition: 6, lastPosition: 6, replayed: true });
      const a = await reopened.readStream({ stream: 'a', afterRevision: null, limit: 10 });
      assert.equal(
        a.map(event => [event.epoch, event.revision]),
        [
          [1, 0],
          [1, 1],
          [1, 2],
          [1, 3],
          [2, 4],
          [2, 5],
        ],
      );
      const stop = new AbortController();
      const seen: string[] = [];
      for await (const batch of reopened.subscribe({ after: LOG_START, signal: stop.signal })) {
        seen.push(...batch.map(event => `${event.epoch}/${event.position}`));
        if (seen.at(-1) === '2/5') stop.abort();
      }
      assert.equal(
        seen,
        (await allOf(reopened)).map(event => `${event.epoch}/${event.position}`),
      );
    },
  },
  {
    title: 'records nothing again that the history holds, by id',
    run: async suite => {
      const { assert } = suite;
      const { log, lost, own } = await divergedLog(suite, { lostAlso: tail => tail.slice(0, 1) });
      const { log: reopened } = await log.reopenAs(lost.history);
      await using _ = reopened;
      const events = await allOf(reopened);
      assert.is(events.filter(event => event.id === own[0]!.id).length, 1);
      const recovered = decodeEventData(events.at(-1)!);
      assert.is(recovered.type === 'LogHistoryRecovered' && recovered.data.knownAlreadyCount, 1);
      assert.is(recovered.type === 'LogHistoryRecovered' && recovered.data.recordedAgainCount, 1);
    },
  },
  {
    title: 'takes back more of its history before anybody has heard of the epoch that it went on in',
    run: async suite => {
      const { assert } = suite;
      const { log, lost, own } = await divergedLog(suite);
      const [near, ...far] = lost.events;
      const first = await log.reopenAs({ ...lost.history, ...lost.upTo(4), events: [[near!]] });
      const said = (await allOf(first.log)).at(-1)!;
      const common = placeOf(near!);
      const second = await first.log.reopenAs({ ...lost.history, common, events: [far] });
      await using reopened = second.log;
      if (!second.reopened) return assert.unreachable(second.refusal.detail);
      const events = await allOf(reopened);
      assert.equal(events.slice(0, 6).map(bytesOf), [...lost.common, ...lost.events].map(bytesOf));
      const [opened, ...behind] = events.slice(6);
      assert.equal([opened!.epoch, opened!.type], [2, 'LogEpochOpened']);
      assert.equal(behind.slice(0, -1).map(factsOf), [...own, said].map(factsOf));
      const recovered = decodeEventData(behind.at(-1)!);
      assert.is(recovered.type === 'LogHistoryRecovered' && recovered.data.commonPosition, 4);
      assert.is(recovered.type === 'LogHistoryRecovered' && recovered.data.recordedAgainCount, 3);
      assert.is(new Set(events.map(({ id }) => id)).size, events.length);
    },
  },
  {
    title: 'takes back all of its history when not even the first event is common, and one of several epochs',
    run: async suite => {
      const { assert } = suite;
      const { log: first, lost } = await divergedLog(suite);
      const { log } = await first.reopenAs(lost.history);
      const whole = await allOf(log);
      const head = log.head();
      await log[Symbol.asyncDispose]();
      const fresh = await suite.open({ now: () => CONFORMANCE_START_MS + 120_000 });
      await fresh.append([{ stream: 'z', expected: 'none', events: [newEventOf(suite.newEventId())] }]);
      const outcome = await fresh.reopenAs({
        common: LOG_START,
        events: [whole.slice(0, 4), whole.slice(4)],
        checkpoint: { head, note: suite.sign(head) },
        reason: 're-imaged',
      });
      await using reopened = outcome.log;
      if (!outcome.reopened) return assert.unreachable(outcome.refusal.detail);
      const events = await allOf(reopened);
      assert.equal(events.slice(0, whole.length).map(bytesOf), whole.map(bytesOf));
      assert.equal(
        events.slice(whole.length).map(event => [event.epoch, event.position, event.stream]),
        [
          [3, 1, LOG_STREAM],
          [3, 2, 'z'],
          [3, 3, LOG_STREAM],
        ],
      );
      assert.equal(
        reopened.epochs().map(({ epoch, size }) => [epoch, size]),
        [
          [1, 6],
          [2, 4],
        ],
      );
    },
  },
  {
    title:
      'refuses a history that is not next, not whole, changed, or another one than was signed, and changes nothing',
    run: async suite => {
      const { assert } = suite;
      const { log, lost, own } = await divergedLog(suite);
      const before = (await allOf(log)).map(bytesOf);
      const { events, history } = lost;
      const changed = { ...events[1]!, data: new TextEncoder().encode('{"name":"never happened"}') };
      const otherHead = { ...lost.checkpoint.head, root: new Uint8Array(32).fill(7) };
      const attempts = [
        { ...history, events: [events.slice(1)] },
        { ...history, events: [events.slice(0, -1)] },
        { ...history, events: [[events[0]!, changed, events[2]!]] },
        { ...history, events: [own] },
        { ...history, checkpoint: { head: otherHead, note: suite.sign(otherHead) } },
        { ...history, common: { epoch: 1, position: 600 } },
        { ...history, common: { epoch: 4, position: 1 } },
      ];
      let current: ReopenableLog = log;
      const codes: string[] = [];
      for (const attempt of attempts) {
        const outcome = await current.reopenAs(attempt);
        codes.push(outcome.reopened ? 'reopened' : outcome.refusal.code);
        current = outcome.log;
      }
      assert.equal(codes, [...Array(5).fill('HISTORY_UNPROVEN'), ...Array(2).fill('COMMON_NOT_HELD')]);
      assert.equal((await allOf(current)).map(bytesOf), before);
      assert.is(current.head().epoch, 1);
      await current[Symbol.asyncDispose]();
    },
  },
  {
    title: 'ends subscriptions when it is reopened, and takes nothing any more',
    run: async suite => {
      const { log, lost } = await divergedLog(suite);
      const seen: number[] = [];
      const reading = (async () => {
        const signal = new AbortController().signal;
        for await (const batch of log.subscribe({ after: LOG_START, signal })) seen.push(batch.length);
      })();
      const { log: reopened } = await log.reopenAs(lost.history);
      await reading;
      const code = await log.read({ after: LOG_START, limit: 1 }).catch(error => error.code);
      suite.assert.is(code, 'SITE_LOG_CLOSED');
      await reopened[Symbol.asyncDispose]();
    },
  },
];

/**
 * A log with three events that were also in the copy that was lost, and two of its own behind them. The lost copy had three
 * more, a minute later, and may also have had some of those own ones.
 */
async function divergedLog(
  suite: ReopenableLogConformance,
  {
    lostAlso = () => [],
  }: { readonly lostAlso?: (own: readonly RecordedEvent[]) => readonly NewEvent[] } = {},
) {
  const { newEventId, sha256 } = suite;
  const log = await suite.open({ now: () => CONFORMANCE_START_MS });
  const event = () => newEventOf(newEventId());
  await log.append([{ stream: 'a', expected: 'none', events: [event(), event()] }]);
  const common = await allOf(log);
  await log.append([{ stream: 'a', expected: 1, events: [event()] }]);
  await log.append([{ stream: 'c', expected: 'none', events: [event()] }]);
  const own = (await allOf(log)).slice(common.length);
  const behind = [
    { stream: 'a', revision: 2, event: event() },
    { stream: 'a', revision: 3, event: event() },
    { stream: 'b', revision: 0, event: event() },
    ...lostAlso(own).map(known => ({ stream: 'a', revision: 4, event: known })),
  ];
  let { recordedAt } = common.at(-1)!;
  const events = behind.map(({ stream, revision, event: fact }, index) => {
    recordedAt = nextHlc(recordedAt, later);
    const position = common.length + 1 + index;
    const place = { site: suite.site, epoch: 1, position, stream, revision, recordedAt };
    return decodeRecordedEvent(encodeHeader({ ...fact, ...place }), fact.data, sha256);
  });
  const upTo = (size: number): { readonly checkpoint: SignedCheckpoint } => {
    const leaves = [...common, ...events].slice(0, size).map(({ leafHash }) => leafHash);
    const root = rootOf(extendEdge([], 0, leaves, sha256), size, sha256);
    const head: LogHead = { site: suite.site, epoch: 1, size, root };
    return { checkpoint: { head, note: suite.sign(head) } };
  };
  const { checkpoint } = upTo(common.length + events.length);
  const at = placeOf(common.at(-1)!);
  const history = { common: at, events: [events], checkpoint, reason: 'an old copy was restored' };
  return { log, own, lost: { common, events, checkpoint, upTo, history } };
}

async function allOf(log: SiteLog): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for (let after = LOG_START; ; ) {
    const page = await log.read({ after, limit: 5000 });
    if (page.length === 0) return events;
    events.push(...page);
    after = placeOf(page.at(-1)!);
  }
}

function bytesOf({ header, data, leafHash }: RecordedEvent): readonly string[] {
  return [header, data, leafHash].map(hexOf);
}

/** What an event says, wherever it stands. */
function factsOf({ id, type, version, data, actor, occurredAtMs, clockQuality }: NewEvent) {
  return { id, type, version, data: hexOf(data), actor, occurredAtMs, clockQuality };
}
