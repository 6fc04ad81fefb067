import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { dayAndClock, zoneAt } from '../ui/time.ts';
import { refusalInWords } from './refusal-in-words.ts';

const test = suite('a refusal in words');

test('times are those of the wall clock, and an alarm is not called by its id', () => {
  const at = '2026-11-27T10:01:00.000Z';
  const local = `${dayAndClock(at)} ${zoneAt(at)}`;
  assert.is(
    refusalInWords(
      `alarm 0198c4ab-1e23-7f4a-8b5c-6d7e8f90a1b2 was handled meanwhile: closed by user:ann at ${at}; look`,
    ),
    `this alarm was handled meanwhile: closed by ann at ${local}; look`,
  );
});

test('what no title names keeps its id', () => {
  const message = 'nothing of site 0198c4ab-1e23-7f4a-8b5c-6d7e8f90a1b2 is waited for';
  assert.is(refusalInWords(message), message);
});

test.run();
