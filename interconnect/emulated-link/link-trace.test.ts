import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LinkTraceError, parseLinkTrace, traceCapacityBytes, traceStepAt } from './link-trace.js';

const test = suite('link trace');

const header = 'seconds,megabits_per_second\n';
const trace = parseLinkTrace(`${header}10.000,8\n11.000,4\n12.000,16\n15.000,2\n16.000,1\n`);

test('a row holds until the next, from the first one on, and is no link before a row more than 2 s away', () => {
  assert.is(trace.durationMs, 6000);
  const at = (ms: number): number => traceStepAt(trace, ms).bitsPerSecond;
  assert.equal(
    [at(0), at(999), at(1000), at(2000), at(4999), at(5000), at(5999)],
    [8e6, 8e6, 4e6, 0, 0, 2e6, 2e6],
  );
});

test('it is played in a loop', () => {
  assert.is(traceStepAt(trace, 6000).bitsPerSecond, 8e6);
  assert.is(traceStepAt(trace, 6000 * 1000 + 5500).bitsPerSecond, 2e6);
});

test('capacity is summed over steps, gaps and the loop', () => {
  const near = (actual: number, expected: number): void => {
    assert.ok(Math.abs(actual - expected) < 1, `${actual}, expected ${expected}`);
  };
  near(traceCapacityBytes(trace, 0, 6000), 1e6 + 5e5 + 0 + 2.5e5);
  near(traceCapacityBytes(trace, 500, 1500), 5e5 + 2.5e5);
  near(traceCapacityBytes(trace, 5500, 6500), 1.25e5 + 5e5);
  near(traceCapacityBytes(trace, 0, 60_000), 1.75e7);
  near(traceCapacityBytes(trace, 2500, 4000), 0);
});

test('a malformed trace is refused with its line', () => {
  const refusal = (csv: string): string => {
    try {
      parseLinkTrace(csv);
    } catch (error) {
      assert.instance(error, LinkTraceError);
      return (error as Error).message;
    }
    return 'accepted';
  };
  assert.match(refusal('time,rate\n0,1\n1,1'), /^line 1: expected the header/);
  assert.match(refusal(`${header}0,1\n1,fast\n`), /^line 3: expected two numbers/);
  assert.match(refusal(`${header}0,1\n2,1\n1,1\n`), /^line 4: its time is not after/);
  assert.match(refusal(`${header}0,1\n`), /two rows/);
  assert.match(refusal(`${header}0,1\n5,1\n`), /never a link/);
});

test.run();
