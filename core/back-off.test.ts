import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { backOffCeilingMs, backOffMs } from './back-off.js';

const test = suite('back-off');
const backOff = { firstMs: 100, mostMs: 1000 };

test('doubles the ceiling with each failure, up to the most', () => {
  const ceilings = [0, 1, 2, 3, 4, 5].map(failuresBefore => backOffCeilingMs(backOff, failuresBefore));
  assert.equal(ceilings, [100, 200, 400, 800, 1000, 1000]);
});

test('never waits longer than the most, however often it failed, nor where the first wait is longer already', () => {
  fc.assert(
    fc.property(fc.nat(), fc.integer({ min: 1 }), fc.integer({ min: 1 }), (failures, firstMs, mostMs) => {
      const ceilingMs = backOffCeilingMs({ firstMs, mostMs }, failures);
      assert.ok(ceilingMs <= mostMs && ceilingMs >= Math.min(firstMs, mostMs));
    }),
  );
});

test('waits anything from nothing to the ceiling', () => {
  assert.equal(
    [0, 0.5, 0.75].map(random => backOffMs(backOff, 1, random)),
    [0, 100, 150],
  );
});

test.run();
