import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { z } from 'zod';
import { exactFitOf } from './exact-fit.js';
import { RecordingSealed } from './recording.js';

const test = suite('exact fit');

const id = '7f1d2c3b-4a59-4876-9988-aabbccddeeff';
const schema = z.object({
  id: z.uuid(),
  digest: z.string().regex(/^[0-9a-f]{4}$/),
  text: z.string().min(1).max(3),
  whole: z.int().min(1).max(9),
  number: z.number().nullable(),
  flag: z.boolean(),
  kind: z.enum(['ONE', 'OTHER']),
  mark: z.literal('x').optional(),
  items: z
    .array(z.object({ name: z.string(), size: z.int().optional() }))
    .min(1)
    .max(2),
  last: z.string().optional(),
});
const fitting = {
  ...{ id, digest: '00ff', text: 'abc', whole: 9, number: null, flag: true, kind: 'ONE' },
  items: [{ name: 'a' }, { name: 'b', size: 1 }],
};
const values: readonly unknown[] = [
  ...[
    null,
    true,
    false,
    0,
    -1,
    1,
    9,
    10,
    1.5,
    2 ** 53,
    '',
    'x',
    'ONE',
    'abcd',
    '😀',
    '😀😀',
    '00fg',
    'bad1\n',
  ],
  ...[id, id.toUpperCase(), `${id}0`, id.replace('4876', '0876'), '00000000-0000-0000-0000-000000000000'],
  ...[[], {}, [{}], [{ name: 'a', other: 1 }], [{ size: 1, name: 'a' }], [{ name: 'a', size: null }]],
  ...[[{ name: 'a' }], [{ name: 'a' }, { name: 'a' }, { name: 'a' }], ['a'], { 0: { name: 'a' }, length: 1 }],
];

test('what fits exactly is what the schema gives back, field for field in the same order', () => {
  const fits = exactFitOf(schema)!;
  assert.ok(fits(fitting));
  let agreed = 0;
  const names = [...Object.keys(schema.shape), 'stranger', '__proto__'];
  for (const name of names) {
    for (const value of [...values.map(each => JSON.stringify(each)), '1e999', '-0']) {
      const text = JSON.stringify({ ...fitting, [name]: '?' }).replace('"?"', () => value);
      const candidate: unknown = JSON.parse(text);
      const parsed = schema.safeParse(candidate);
      if (!fits(candidate)) continue;
      assert.ok(parsed.success, text);
      assert.is(JSON.stringify(candidate), JSON.stringify(parsed.data));
      agreed += 1;
    }
  }
  assert.ok(agreed > names.length, String(agreed));
});

test('whatever lacks a field, has one more or has them in another order does not fit', () => {
  const fits = exactFitOf(schema)!;
  for (const name of Object.keys(fitting)) {
    const { [name as 'id']: _, ...rest } = fitting;
    assert.not.ok(fits(rest), name);
  }
  assert.ok(fits({ ...fitting, last: 'z' }));
  assert.not.ok(fits({ ...fitting, stranger: 1 }));
  assert.not.ok(fits({ last: 'z', ...fitting }));
});

test('a schema that changes what it is given, or asks a function, has no exact fit', () => {
  for (const each of [
    ...[z.string().trim(), z.string().default('a'), z.object({}).refine(() => true), z.looseObject({})],
    ...[z.strictObject({}), z.string().transform(text => text.length), z.unknown()],
    ...[z.string().base64(), z.number().multipleOf(2), z.int().positive(), z.record(z.string(), z.string())],
    ...[
      z.array(z.string().trim()),
      z.string().trim().nullable(),
      z.object({ a: z.string().trim().optional() }),
    ],
  ]) {
    assert.is(exactFitOf(each), null, JSON.stringify(each._zod.def));
  }
});

test('the facts of which there are most have one', () => {
  assert.ok(exactFitOf(RecordingSealed.data));
  for (const { data } of RecordingSealed.earlier) assert.ok(exactFitOf(data));
});

test.run();
