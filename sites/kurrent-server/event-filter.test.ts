import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventFilter } from './event-filter.js';

const test = suite('event filter of a client');

const passes = (expression: string, stream: string) =>
  eventFilter({ on: 'STREAM', prefixes: [], expression })({ stream, type: '' });

test('takes the expressions that clients send, and means what they mean', () => {
  assert.ok(passes('^[^$].*', 'alarm-1'));
  assert.not(passes('^[^$].*', '$settings'));
  assert.ok(passes('^(alarm|lock)-[0-9a-f-]+$', 'lock-0a'));
  assert.ok(passes('^alarm-(?:1|2)$', 'alarm-2'));
  assert.ok(passes('\\)\\*', 'a)*'));
});

test('refuses the expressions that could take long, and what is none', () => {
  for (const expression of [
    '^(a+)+$',
    '(?:a|b)*',
    '(a)\\1',
    '(?=a)',
    '(?<n>a)\\k<n>',
    '.*.*.*.*',
    'a{1,9}'.repeat(4),
    '(',
    '',
  ]) {
    assert.throws(
      () => passes(expression, 'a'),
      (error: { code: string }) => error.code === 'EVENT_FILTER',
      expression,
    );
  }
  assert.throws(() => passes('a'.repeat(257), 'a'));
});

test('takes no time with the worst that it lets pass', () => {
  const began = performance.now();
  passes('^.*.*.*x$', 'a'.repeat(200));
  assert.ok(performance.now() - began < 500);
});

test.run();
