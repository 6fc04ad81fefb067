import type { EventId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  APPEND_BYTES_MAX,
  APPEND_EVENTS_MAX,
  checkAppends,
  InvalidAppendError,
  planReplay,
  planRevisions,
} from './append.plan.js';
import { EVENT_DATA_BYTES_MAX } from './envelope.js';
import type { LogPlace } from './log-place.js';
import type { ExpectedRevision, StreamAppend } from './site-log.js';

const test = suite('append plan');

const appendOf = (
  count: number,
  { byteLength = 1, expected = 'any' }: { byteLength?: number; expected?: ExpectedRevision } = {},
) => {
  const data = new Uint8Array(byteLength);
  const events = Array.from({ length: count }, (_, index) => ({ id: `${index}` as EventId, data }));
  return { stream: 'things', expected, events } as unknown as StreamAppend;
};
const place = (epoch: number, position: number, stream = 'things') => ({ epoch, position, stream });

test('an append holds at least one event and at most 512, or the call is at fault', () => {
  for (const count of [1, APPEND_EVENTS_MAX]) assert.is(checkAppends([appendOf(count)]), null);
  for (const count of [0, APPEND_EVENTS_MAX + 1])
    assert.throws(
      () => checkAppends([appendOf(count)]),
      (error: Error) => error instanceof InvalidAppendError,
    );
});

test('a revision that no stream can have is a fault of the call', () => {
  for (const expected of [0, Number.MAX_SAFE_INTEGER])
    assert.is(checkAppends([appendOf(1, { expected })]), null);
  for (const expected of [-1, 0.5, Number.NaN, 2 ** 53])
    assert.throws(
      () => checkAppends([appendOf(1, { expected })]),
      (error: Error) => error instanceof InvalidAppendError,
    );
});

test('an event, or an append, of too many bytes is refused by name with what would fit', () => {
  const [bytesMax, bytes] = [EVENT_DATA_BYTES_MAX, EVENT_DATA_BYTES_MAX + 1];
  assert.is(checkAppends([appendOf(1, { byteLength: bytesMax })]), null);
  assert.equal(checkAppends([appendOf(1, { byteLength: bytes })]), { code: 'TOO_LARGE', bytes, bytesMax });
  const count = APPEND_BYTES_MAX / EVENT_DATA_BYTES_MAX;
  assert.is(checkAppends([appendOf(count, { byteLength: EVENT_DATA_BYTES_MAX })]), null);
  const more = { stream: 'more', expected: 'any', events: [{ id: 'more', data: new Uint8Array(1) }] };
  assert.equal(checkAppends([appendOf(count, { byteLength: EVENT_DATA_BYTES_MAX }), more as never]), {
    ...{ code: 'TOO_LARGE', bytes: APPEND_BYTES_MAX + 1, bytesMax: APPEND_BYTES_MAX },
  });
});

test('one id twice in an append is a conflict, also in two streams', () => {
  assert.equal(checkAppends([appendOf(1), { ...appendOf(1), stream: 'others' }]), {
    ...{ code: 'ID_CONFLICT', eventId: '0' },
  });
});

test('an append without events only checks, and leaves the stream as it was', () => {
  const check = { stream: 'things', expected: 'none', eventIds: [] } as const;
  const begin = { stream: 'things', expected: 'none', eventIds: ['a', 'b'] } as const;
  const goOn = { stream: 'things', expected: 1, eventIds: ['c'] } as const;
  assert.equal(
    planRevisions([check, begin, goOn], () => null),
    { kind: 'FITS', firstRevisions: [0, 0, 2] },
  );
  assert.equal(
    planRevisions([begin, check], () => null),
    {
      kind: 'REFUSED',
      refusal: { code: 'WRONG_REVISION', stream: 'things', expected: 'none', actual: 1 },
    },
  );
});

test('events are a repeat only as they stand in the log: whole, in order, in one epoch and in their stream', () => {
  const replayOf = (found: readonly ((LogPlace & { readonly stream: string }) | null)[]) => {
    const eventIds = found.map((_, index) => index);
    return planReplay([{ stream: 'things', expected: 'any', eventIds }], index => found[index]!);
  };
  assert.equal(replayOf([null, null]), { kind: 'NEW' });
  assert.equal(replayOf([place(2, 5), place(2, 6)]), {
    ...{ kind: 'REPLAYED', epoch: 2, firstPosition: 5, lastPosition: 6 },
  });
  for (const [found, eventId] of [
    [[place(2, 5), null], 0],
    [[null, place(2, 6)], 1],
    [[place(2, 6), place(2, 5)], 0],
    [[place(2, 5), place(2, 7)], 0],
    [[place(1, 5), place(2, 6)], 0],
    [[place(2, 5), place(2, 6, 'others')], 0],
  ] as const)
    assert.equal(replayOf(found), { kind: 'CONFLICT', eventId });
});

test.run();
