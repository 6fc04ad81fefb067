import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LONGEST_VIEW_MS, lengthOf, SHORTEST_VIEW_MS, windowAround } from './timeline.geometry.ts';

const test = suite('geometry of the timeline');

const ANSWERED_MS_MAX = 32 * 24 * 3_600_000;

test('what is asked for covers the view, whatever its length, and is never more than the central answers', () => {
  const startMs = Date.UTC(2026, 10, 27, 1, 2, 3, 4);
  for (let length = SHORTEST_VIEW_MS; length <= LONGEST_VIEW_MS; length *= 1.07) {
    for (const view of [0, 0.3, 0.77].map(share => ({
      fromMs: startMs + share * length,
      toMs: startMs + (1 + share) * length,
    }))) {
      const asked = windowAround(view);
      assert.ok(asked.fromMs < view.fromMs && asked.toMs > view.toMs);
      assert.ok(lengthOf(asked) <= ANSWERED_MS_MAX, `${lengthOf(view)} ms are shown`);
    }
  }
  assert.ok(lengthOf(windowAround({ fromMs: startMs, toMs: startMs + LONGEST_VIEW_MS })) <= ANSWERED_MS_MAX);
});

test.run();
