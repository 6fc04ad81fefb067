import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dayAndClock, instantOf } from './time.ts';

const test = suite('moments as they are written');

test('what is written as it is shown is the same second', () => {
  for (const ms of [
    Date.UTC(2026, 0, 31, 23, 59, 59),
    Date.UTC(2026, 6, 1, 12),
    Date.UTC(2028, 1, 29, 4, 5, 6),
  ])
    assert.is(instantOf(dayAndClock(ms)), ms);
  assert.is(instantOf(' 2026-11-26T07:05 '), new Date(2026, 10, 26, 7, 5).getTime());
  assert.is(instantOf('2026-11-26 7:05:01.5'), new Date(2026, 10, 26, 7, 5, 1, 500).getTime());
});

test('a zone behind it decides, as in the hour that a change of the clock repeats', () => {
  const at = Date.UTC(2026, 9, 25, 1, 30);
  for (const zone of ['Z', 'UTC', 'UTC+0', '+00:00']) assert.is(instantOf(`2026-10-25 01:30:00 ${zone}`), at);
  for (const zone of ['UTC+2', '+02:00', '+0200', '+2']) assert.is(instantOf(`2026-10-25 03:30 ${zone}`), at);
  assert.is(instantOf('2026-10-24 20:00 UTC−5:30'), at);
  assert.is(instantOf('2026-10-24 20:00 -05:30'), at);
});

test('what is no moment is none, and no other', () => {
  const wrong = ['', 'now', '2026-02-31 10:00', '2026-13-01 10:00', '2026-11-26 24:00', '2026-11-26 10:61'];
  for (const text of [...wrong, '2026-11-26', '11/26/2026, 09:56 PM', '2026-11-26 10:00 Mars'])
    assert.is(instantOf(text), null, text);
});

test.run();
