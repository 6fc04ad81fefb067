import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dayAndClock, instantOf, shortTime, written } from './time.ts';

process.env.TZ = 'Europe/Berlin';

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

const HOUR_MS = 3_600_000;

test('in the hour that is repeated, each of the two moments is written as none but itself', () => {
  const changeMs = Date.UTC(2026, 9, 25, 1);
  for (let ms = changeMs - 3 * HOUR_MS; ms < changeMs + 3 * HOUR_MS; ms += HOUR_MS / 4)
    assert.is(instantOf(written(ms)), ms, written(ms));
  assert.is(written(changeMs - HOUR_MS), '2026-10-25 02:00:00 UTC+2');
  assert.is(written(changeMs + HOUR_MS - 1000), '2026-10-25 02:59:59 UTC+1');
  assert.is(written(changeMs + HOUR_MS), '2026-10-25 03:00:00');
  assert.is(written(changeMs - HOUR_MS - 1000), '2026-10-25 01:59:59');
});

test('what is passed over when the clock is put forward is no moment', () => {
  assert.is(instantOf('2026-03-29 02:30:00'), null);
  assert.is(instantOf('2026-03-29 01:59:59'), Date.UTC(2026, 2, 29, 0, 59, 59));
  assert.is(instantOf('2026-03-29 03:00:00'), Date.UTC(2026, 2, 29, 1));
});

test('a moment of another zone than that of now names it', () => {
  const nowMs = Date.UTC(2026, 9, 25, 1, 30);
  assert.is(shortTime(nowMs - HOUR_MS, nowMs), '02:30:00 UTC+2');
  assert.is(shortTime(nowMs, nowMs), '02:30:00');
  assert.is(shortTime(Date.UTC(2026, 6, 1, 12), nowMs), '2026-07-01 14:00:00 UTC+2');
});

test.run();
