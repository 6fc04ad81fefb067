import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { decodeData, decodeEvent, EventDecodeError } from './catalogue.js';
import { defineEvent, raised } from './event-definition.js';

const test = suite('decoding of events');

/** Three versions of one type: a name, then the two parts of it, then a list of them. */
const Named = defineEvent('Named', 3, z.object({ names: z.array(z.string()).min(1) }), [
  raised(z.object({ name: z.string() }), ({ name }) => {
    const [first = '', last = ''] = name.split(' ');
    return { first, last };
  }),
  raised(z.object({ first: z.string(), last: z.string() }), ({ first, last }) => ({ names: [first, last] })),
]);

function failureOf(decode: () => unknown): EventDecodeError {
  try {
    decode();
  } catch (error) {
    if (error instanceof EventDecodeError) return error;
    throw error;
  }
  throw new Error('expected EventDecodeError');
}

test('every version ever written is raised to what the type is today', () => {
  const today = { names: ['Ada', 'Lovelace'] };
  assert.equal(decodeData(Named, 1, { name: 'Ada Lovelace' }), today);
  assert.equal(decodeData(Named, 2, { first: 'Ada', last: 'Lovelace' }), today);
  assert.equal(decodeData(Named, 3, today), today);
});

test('data is checked as the version that it was written under, and as what it becomes', () => {
  for (const [version, data] of [
    [1, { first: 'Ada', last: 'Lovelace' }],
    [2, { name: 'Ada Lovelace' }],
    [3, { names: [] }],
    [0, { name: 'Ada Lovelace' }],
  ] as const) {
    const error = failureOf(() => decodeData(Named, version, data));
    assert.is(error.failure, 'INVALID_DATA');
    assert.is(error.isFromNewerSoftware, false);
  }
});

test('what newer software wrote is told apart from what is broken', () => {
  const newerVersion = failureOf(() => decodeData(Named, 4, {}));
  assert.is(newerVersion.failure, 'NEWER_VERSION');
  assert.is(newerVersion.isFromNewerSoftware, true);
  assert.match(newerVersion.message, 'Named version 4: this software knows versions up to 3');
  const unknownType = failureOf(() => decodeEvent('DoorOpened', 1, {}));
  assert.is(unknownType.failure, 'UNKNOWN_TYPE');
  assert.is(unknownType.isFromNewerSoftware, true);
});

test('a version without the one before it cannot be defined', () => {
  assert.throws(() => defineEvent('Named', 2, z.object({})), /Named version 2: 0 earlier versions/);
});

test.run();
