import type { EventId, SiteId } from '@holdfast/schema';
import type { Sha256 } from '../hash.js';
import { APPEND_BYTES_MAX } from './append.plan.js';
import { decodeRecordedEvent, EVENT_DATA_BYTES_MAX } from './envelope.js';
import { SUBSCRIPTION_PAGE_EVENTS } from './log-growth.js';
import { LOG_START, type LogPlace, placeOf } from './log-place.js';
import { equalBytes, extendEdge, rootOf } from './merkle-tree.js';
import type { AppendOutcome, NewEvent, RecordedEvent, SiteLog, StreamAppend } from './site-log.js';

/** What an adapter's test brings: a new, empty log and the assertions of its test framework. */
export interface SiteLogConformance {
  readonly site: SiteId;
  /** Opens a log that holds nothing but its first event, `LogEpochOpened`. The case disposes of it. */
  readonly open: (options: { readonly now: () => number }) => Promise<SiteLog>;
  readonly newEventId: () => EventId;
  readonly sha256: Sha256;
  readonly assert: {
    is(actual: unknown, expected: unknown): void;
    equal(actual: unknown, expected: unknown): void;
    ok(actual: unknown): void;
    unreachable(message?: string): void;
  };
}

export interface SiteLogConformanceCase {
  readonly title: string;
  readonly run: (suite: SiteLogConformance) => Promise<void>;
}

/** What every site log does, whatever it keeps its events in. */
export const siteLogConformanceCases: readonly SiteLogConformanceCase[] = [
  ...[expectedRevisionCases(), idempotencyCases(), readingCases(), subscriptionCases(), limitCases()].flat(),
];

const FIRST_EVENTS = 1;
const placeAt = (position: number): LogPlace => ({ epoch: 1, position });
export const CONFORMANCE_START_MS = 1_756_000_000_000;

function expectedRevisionCases(): readonly SiteLogConformanceCase[] {
  return [
    {
      title: 'begins with LogEpochOpened at position 1',
      run: withLog(async ({ assert, site }, log) => {
        const [opened, ...more] = await log.read({ after: LOG_START, limit: 10 });
        assert.is(more.length, 0);
        assert.equal(
          [opened?.position, opened?.type, opened?.stream, opened?.epoch, opened?.site],
          [1, 'LogEpochOpened', 'log', 1, site],
        );
      }),
    },
    {
      title: 'gives dense positions and, in each stream, dense revisions',
      run: withLog(async ({ assert, newEventId }, log) => {
        const event = () => newEventOf(newEventId());
        const first = await log.append([{ stream: 'a', expected: 'none', events: [event(), event()] }]);
        await log.append([{ stream: 'b', expected: 'any', events: [event()] }]);
        const third = await log.append([{ stream: 'a', expected: 1, events: [event()] }]);
        assert.equal(positionsOf(first), [2, 3]);
        assert.equal(positionsOf(third), [5, 5]);
        const events = await log.read({ after: placeAt(FIRST_EVENTS), limit: 100 });
        assert.equal(
          events.map(({ position, stream, revision }) => [position, stream, revision]),
          [
            [2, 'a', 0],
            [3, 'a', 1],
            [4, 'b', 0],
            [5, 'a', 2],
          ],
        );
      }),
    },
    {
      title: 'may leave out the types that a reader does nothing with, and never another event',
      run: withLog(async ({ assert, newEventId }, log) => {
        // Streams of bytes and characters that differ, and text that looks like the type elsewhere in the header.
        for (const stream of ['a', 'größe', '録画', 'LeftOut']) {
          for (const type of ['LeftOut', 'LeftOutNot', 'NotLeftOut', 'Kept']) {
            const event = { ...newEventOf(newEventId()), type, actor: 'user:LeftOut' };
            await log.append([{ stream, expected: 'any', events: [event] }]);
          }
        }
        const all = await log.read({ after: LOG_START, limit: 100 });
        const left = await log.read({ after: LOG_START, limit: 100, without: ['LeftOut', 'Never'] });
        const kept = (events: readonly RecordedEvent[]) =>
          events.filter(event => event.type !== 'LeftOut').map(event => event.position);
        assert.equal(kept(left), kept(all));
        const last = left.at(-1)!;
        assert.equal(await log.read({ after: placeOf(last), limit: 100, without: ['Kept', 'LeftOut'] }), []);
      }),
    },
    {
      title: 'refuses a wrong expected revision, says the actual one, and writes nothing',
      run: withLog(async ({ assert, newEventId }, log) => {
        const append = (expected: StreamAppend['expected']) =>
          log.append([{ stream: 'a', expected, events: [newEventOf(newEventId())] }]);
        assert.equal(refusalOf(await append(0)), {
          code: 'WRONG_REVISION',
          stream: 'a',
          expected: 0,
          actual: null,
        });
        await append('none');
        assert.equal(refusalOf(await append('none')), {
          code: 'WRONG_REVISION',
          stream: 'a',
          expected: 'none',
          actual: 0,
        });
        assert.equal(refusalOf(await append(7)), {
          code: 'WRONG_REVISION',
          stream: 'a',
          expected: 7,
          actual: 0,
        });
        assert.is(log.head().size, FIRST_EVENTS + 1);
      }),
    },
    {
      title: 'lets exactly one of many writers who expect the same revision through',
      run: withLog(async ({ assert, newEventId }, log) => {
        const outcomes = await Promise.all(
          Array.from({ length: 20 }, () =>
            log.append([{ stream: 'a', expected: 'none', events: [newEventOf(newEventId())] }]),
          ),
        );
        assert.is(outcomes.filter(outcome => outcome.appended).length, 1);
        assert.is(log.head().size, FIRST_EVENTS + 1);
      }),
    },
    {
      title: 'appends to several streams all or nothing, also when the last of them is the wrong one',
      run: withLog(async ({ assert, newEventId }, log) => {
        const append = (stream: string, expected: StreamAppend['expected']) => ({
          stream,
          expected,
          events: [newEventOf(newEventId())],
        });
        const refused = await log.append([append('a', 'none'), append('b', 'none'), append('c', 3)]);
        assert.is(refusalOf(refused)?.code, 'WRONG_REVISION');
        assert.is(log.head().size, FIRST_EVENTS);
        const appended = await log.append([append('a', 'none'), append('b', 'none'), append('a', 0)]);
        assert.equal(positionsOf(appended), [2, 4]);
        const a = await log.readStream({ stream: 'a', afterRevision: null, limit: 10 });
        assert.equal(
          a.map(event => [event.position, event.revision]),
          [
            [2, 0],
            [4, 1],
          ],
        );
      }),
    },
    {
      title: 'checks the revision of a stream that it writes nothing to',
      run: withLog(async ({ assert, newEventId }, log) => {
        await log.append([{ stream: 'a', expected: 'none', events: [newEventOf(newEventId())] }]);
        const guarded = (expected: number) =>
          log.append([
            { stream: 'a', expected, events: [] },
            { stream: 'b', expected: 'any', events: [newEventOf(newEventId())] },
          ]);
        assert.is(refusalOf(await guarded(4))?.code, 'WRONG_REVISION');
        assert.ok((await guarded(0)).appended);
      }),
    },
  ];
}

function idempotencyCases(): readonly SiteLogConformanceCase[] {
  return [
    {
      title: 'answers the same ids with the first outcome, whatever has happened since',
      run: withLog(async ({ assert, newEventId }, log) => {
        const events = [newEventOf(newEventId()), newEventOf(newEventId())];
        const append = [{ stream: 'a', expected: 'none' as const, events }];
        const first = await log.append(append);
        await log.append([{ stream: 'a', expected: 1, events: [newEventOf(newEventId())] }]);
        const again = await log.append(append);
        assert.equal(positionsOf(again), positionsOf(first));
        assert.is(first.appended && first.replayed, false);
        assert.is(again.appended && again.replayed, true);
        assert.is(log.head().size, FIRST_EVENTS + 3);
      }),
    },
    {
      title: 'writes an append once that arrives many times at once',
      run: withLog(async ({ assert, newEventId }, log) => {
        const append = [{ stream: 'a', expected: 'any' as const, events: [newEventOf(newEventId())] }];
        const other = () =>
          log.append([{ stream: 'b', expected: 'any', events: [newEventOf(newEventId())] }]);
        const outcomes = await Promise.all([log.append(append), other(), log.append(append), other()]);
        assert.equal(positionsOf(outcomes[0]!), positionsOf(outcomes[2]!));
        assert.equal(
          outcomes.map(outcome => outcome.appended && outcome.replayed),
          [false, false, true, false],
        );
        assert.is(log.head().size, FIRST_EVENTS + 3);
      }),
    },
    {
      title: 'names the id that exists when the others do not, or stand in another order or stream',
      run: withLog(async ({ assert, newEventId }, log) => {
        const [x, y] = [newEventOf(newEventId()), newEventOf(newEventId())];
        await log.append([{ stream: 'a', expected: 'none', events: [x, y] }]);
        const conflicting: readonly (readonly StreamAppend[])[] = [
          [{ stream: 'a', expected: 'any', events: [newEventOf(newEventId()), y] }],
          [{ stream: 'a', expected: 'any', events: [y, x] }],
          [{ stream: 'b', expected: 'any', events: [y] }],
          [{ stream: 'a', expected: 'any', events: [x, y, newEventOf(newEventId())] }],
        ];
        const ids: unknown[] = [];
        for (const append of conflicting) {
          const refusal = refusalOf(await log.append(append));
          ids.push(refusal?.code === 'ID_CONFLICT' ? refusal.eventId : refusal);
        }
        assert.equal(ids, [y.id, y.id, y.id, x.id]);
        assert.is(log.head().size, FIRST_EVENTS + 2);
      }),
    },
    {
      title: 'refuses the same id twice in one append',
      run: withLog(async ({ assert, newEventId }, log) => {
        const event = newEventOf(newEventId());
        const refused = await log.append([{ stream: 'a', expected: 'any', events: [event, event] }]);
        assert.equal(refusalOf(refused), { code: 'ID_CONFLICT', eventId: event.id });
      }),
    },
  ];
}

function readingCases(): readonly SiteLogConformanceCase[] {
  return [
    {
      title: 'gives back every field and byte, and the leaf hash of the bytes',
      run: withLog(async ({ assert, newEventId, sha256 }, log) => {
        const event: NewEvent = {
          ...newEventOf(newEventId()),
          actor: 'user:Jörg',
          clockQuality: 'GPS',
          causationId: newEventId(),
          correlationId: newEventId(),
        };
        await log.append([{ stream: 'käfer-1', expected: 'none', events: [event] }]);
        const [recorded] = await log.read({ after: placeAt(FIRST_EVENTS), limit: 1 });
        if (recorded === undefined) return assert.unreachable('the event is not there');
        assert.equal(
          { ...recorded, ...event, data: [...recorded.data] },
          { ...recorded, data: [...event.data] },
        );
        assert.equal(recorded.stream, 'käfer-1');
        const decoded = decodeRecordedEvent(recorded.header, recorded.data, sha256);
        assert.ok(equalBytes(decoded.leafHash, recorded.leafHash));
        assert.equal({ ...decoded, leafHash: null }, { ...recorded, leafHash: null });
      }),
    },
    {
      title: 'reads after a place and after a revision, exclusively, and at most the limit',
      run: withLog(async ({ assert, newEventId }, log) => {
        const events = Array.from({ length: 5 }, () => newEventOf(newEventId()));
        await log.append([{ stream: 'a', expected: 'none', events }]);
        const positions = async (after: number, limit: number) =>
          (await log.read({ after: placeAt(after), limit })).map(event => event.position);
        assert.equal(await positions(0, 3), [1, 2, 3]);
        assert.equal(await positions(3, 2), [4, 5]);
        assert.equal(await positions(6, 10), []);
        assert.equal(await positions(1000, 10), []);
        assert.equal(await log.read({ after: { epoch: 2, position: 0 }, limit: 10 }), []);
        const revisions = async (afterRevision: number | null, limit: number) =>
          (await log.readStream({ stream: 'a', afterRevision, limit })).map(event => event.revision);
        assert.equal(await revisions(null, 2), [0, 1]);
        assert.equal(await revisions(1, 10), [2, 3, 4]);
        assert.equal(await log.readStream({ stream: 'none such', afterRevision: null, limit: 1 }), []);
      }),
    },
    {
      title: 'has a clock that grows from event to event, also when the wall clock is set back',
      run: async suite => {
        const times = [
          CONFORMANCE_START_MS,
          CONFORMANCE_START_MS + 5,
          CONFORMANCE_START_MS - 3_600_000,
          CONFORMANCE_START_MS + 6,
        ];
        let index = 0;
        await using log = await suite.open({ now: () => times[Math.min(index, times.length - 1)]! });
        for (index = 1; index < times.length; index += 1) {
          const events = [newEventOf(suite.newEventId()), newEventOf(suite.newEventId())];
          await log.append([{ stream: 'a', expected: 'any', events }]);
        }
        const readings = (await log.read({ after: LOG_START, limit: 10 })).map(event => event.recordedAt);
        suite.assert.is(readings.length, 7);
        readings.slice(1).forEach((reading, at) => {
          suite.assert.ok(reading > readings[at]!);
        });
        suite.assert.is(Number(readings.at(-2)! >> 16n), CONFORMANCE_START_MS + 6);
      },
    },
    {
      title: 'has the root of the RFC 6962 tree over its leaves, at every size',
      run: withLog(async ({ assert, newEventId, sha256 }, log) => {
        for (const count of [1, 1, 2, 5, 17]) {
          const events = Array.from({ length: count }, () => newEventOf(newEventId()));
          await log.append([{ stream: 'a', expected: 'any', events }]);
          const { size, root, epoch } = log.head();
          const leaves = (await log.read({ after: LOG_START, limit: 100 })).map(event => event.leafHash);
          assert.equal([leaves.length, epoch], [size, 1]);
          assert.ok(equalBytes(root, rootOf(extendEdge([], 0, leaves, sha256), size, sha256)));
        }
      }),
    },
  ];
}

function subscriptionCases(): readonly SiteLogConformanceCase[] {
  return [
    {
      title: 'gives a subscriber every event once and in order while it catches up and others append',
      run: withLog(async ({ assert, newEventId }, log) => {
        const before = SUBSCRIPTION_PAGE_EVENTS * 2 + 7;
        const during = 300;
        await appendMany(log, newEventId, before);
        const reading = readUntil(log, LOG_START, FIRST_EVENTS + before + during);
        const writing = Promise.all(
          Array.from({ length: 10 }, () => appendOneByOne(log, newEventId, during / 10)),
        );
        const [positions] = await Promise.all([reading, writing]);
        assert.is(positions.length, FIRST_EVENTS + before + during);
        assert.ok(positions.every((position, index) => position === index + 1));
      }),
    },
    {
      title: 'wakes a subscriber that waits at the end, and begins after the place it names',
      run: withLog(async ({ assert, newEventId }, log) => {
        const reading = readUntil(log, placeAt(2), 4);
        await appendOneByOne(log, newEventId, 3);
        assert.equal(await reading, [3, 4]);
      }),
    },
    {
      title: 'ends a subscription when its signal is aborted, waiting or not',
      run: withLog(async ({ assert }, log) => {
        const aborted = new AbortController();
        aborted.abort();
        for await (const _ of log.subscribe({ after: LOG_START, signal: aborted.signal }))
          assert.unreachable();
        const waiting = new AbortController();
        const batches: number[] = [];
        for await (const batch of log.subscribe({ after: LOG_START, signal: waiting.signal })) {
          batches.push(batch.length);
          // Aborted only once the next read has found nothing and the subscription waits.
          void log.read({ after: LOG_START, limit: 1 }).then(() => waiting.abort());
        }
        assert.equal(batches, [FIRST_EVENTS]);
      }),
    },
    {
      title: 'gives a slow subscriber pages of bounded size, and holds back nobody',
      run: withLog(async ({ assert, newEventId }, log) => {
        const stop = new AbortController();
        const slow = log.subscribe({ after: LOG_START, signal: stop.signal })[Symbol.asyncIterator]();
        await slow.next();
        await appendMany(log, newEventId, SUBSCRIPTION_PAGE_EVENTS * 3);
        const quick = await readUntil(log, LOG_START, FIRST_EVENTS + SUBSCRIPTION_PAGE_EVENTS * 3);
        assert.is(quick.length, FIRST_EVENTS + SUBSCRIPTION_PAGE_EVENTS * 3);
        const page = await slow.next();
        assert.ok(!page.done && page.value.length <= SUBSCRIPTION_PAGE_EVENTS);
        stop.abort();
        assert.ok((await slow.next()).done);
      }),
    },
    {
      title: 'ends its subscriptions when it is disposed of, and takes nothing afterwards',
      run: async ({ open, assert, newEventId }) => {
        const log = await open({ now: () => CONFORMANCE_START_MS });
        const reading = readUntil(log, LOG_START, Number.POSITIVE_INFINITY);
        const append = log.append([{ stream: 'a', expected: 'any', events: [newEventOf(newEventId())] }]);
        await log[Symbol.asyncDispose]();
        assert.ok((await append).appended);
        await reading;
        const code = await log.read({ after: LOG_START, limit: 1 }).catch(error => error.code);
        assert.is(code, 'SITE_LOG_CLOSED');
        const appendCode = await log
          .append([{ stream: 'a', expected: 'any', events: [newEventOf(newEventId())] }])
          .catch(error => error.code);
        assert.is(appendCode, 'SITE_LOG_CLOSED');
        await log[Symbol.asyncDispose]();
      },
    },
  ];
}

function limitCases(): readonly SiteLogConformanceCase[] {
  return [
    {
      title: 'refuses what is too large, one event or all together, and takes what is just not',
      run: withLog(async ({ assert, newEventId }, log) => {
        const append = (count: number, byteLength: number) => {
          const data = new Uint8Array(byteLength);
          const events = Array.from({ length: count }, () => ({ ...newEventOf(newEventId()), data }));
          return log.append([{ stream: 'a', expected: 'any', events }]);
        };
        assert.equal(refusalOf(await append(1, EVENT_DATA_BYTES_MAX + 1)), {
          code: 'TOO_LARGE',
          bytes: EVENT_DATA_BYTES_MAX + 1,
          bytesMax: EVENT_DATA_BYTES_MAX,
        });
        assert.equal(refusalOf(await append(17, EVENT_DATA_BYTES_MAX)), {
          code: 'TOO_LARGE',
          bytes: 17 * EVENT_DATA_BYTES_MAX,
          bytesMax: APPEND_BYTES_MAX,
        });
        assert.ok((await append(16, EVENT_DATA_BYTES_MAX)).appended);
        const events = await readAll(log);
        assert.is(events.length, FIRST_EVENTS + 16);
        assert.is(events.at(-1)?.data.length, EVENT_DATA_BYTES_MAX);
      }),
    },
    {
      title: 'rejects what no log can hold, and goes on as if it had not been asked',
      run: withLog(async ({ assert, newEventId }, log) => {
        const good = () => newEventOf(newEventId());
        const codeOf = (append: readonly StreamAppend[]) =>
          log.append(append).then(
            () => 'appended',
            error => error.code,
          );
        const codes = await Promise.all([
          codeOf([]),
          codeOf([{ stream: 'a', expected: 'any', events: [] }]),
          codeOf([{ stream: 'a', expected: -1, events: [good()] }]),
          codeOf([{ stream: 'a', expected: 'any', events: Array.from({ length: 513 }, good) }]),
          codeOf([{ stream: '', expected: 'any', events: [good()] }]),
          codeOf([{ stream: 'a', expected: 'any', events: [good(), { ...good(), actor: '\u0000' }] }]),
          codeOf([{ stream: 'a', expected: 'none', events: [good()] }]),
        ]);
        assert.equal(codes, [
          ...Array(4).fill('INVALID_APPEND'),
          'ENVELOPE_MALFORMED',
          'ENVELOPE_MALFORMED',
          'appended',
        ]);
        assert.is(log.head().size, FIRST_EVENTS + 1);
      }),
    },
  ];
}

function withLog(
  run: (suite: SiteLogConformance, log: SiteLog) => Promise<void>,
): SiteLogConformanceCase['run'] {
  return async suite => {
    await using log = await suite.open({ now: () => CONFORMANCE_START_MS });
    await run(suite, log);
  };
}

export function newEventOf(id: EventId): NewEvent {
  return {
    id,
    type: 'SiteRenamed',
    version: 1,
    data: new TextEncoder().encode(JSON.stringify({ name: `Depot ${id}` })),
    actor: 'user:anna',
    occurredAtMs: CONFORMANCE_START_MS - 10,
    clockQuality: 'NTP',
    causationId: null,
    correlationId: null,
  };
}

async function appendMany(log: SiteLog, newEventId: () => EventId, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 256) {
    const events = Array.from({ length: Math.min(left, 256) }, () => newEventOf(newEventId()));
    await log.append([{ stream: 'many', expected: 'any', events }]);
  }
}

async function appendOneByOne(log: SiteLog, newEventId: () => EventId, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 1) {
    await log.append([{ stream: 'single', expected: 'any', events: [newEventOf(newEventId())] }]);
  }
}

/** The positions that a subscriber is given, until it has been given the last or the log ends. */
async function readUntil(log: SiteLog, after: LogPlace, last: number): Promise<number[]> {
  const stop = new AbortController();
  const positions: number[] = [];
  for await (const batch of log.subscribe({ after, signal: stop.signal })) {
    positions.push(...batch.map(event => event.position));
    if (positions.at(-1)! >= last) stop.abort();
  }
  return positions;
}

async function readAll(log: SiteLog): Promise<RecordedEvent[]> {
  const events: RecordedEvent[] = [];
  for (;;) {
    const page = await log.read({ after: placeAt(events.length), limit: 5000 });
    if (page.length === 0) return events;
    events.push(...page);
  }
}

function positionsOf(outcome: AppendOutcome): readonly number[] | null {
  return outcome.appended ? [outcome.firstPosition, outcome.lastPosition] : null;
}

function refusalOf(outcome: AppendOutcome) {
  return outcome.appended ? null : outcome.refusal;
}
