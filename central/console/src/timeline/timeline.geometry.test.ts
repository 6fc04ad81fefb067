import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LONGEST_VIEW_MS, lengthOf, SHORTEST_VIEW_MS, turnPage, windowAround } from './timeline.geometry.ts';

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

test('the page turns when the playhead leaves it, whichever way, and not under who looks elsewhere', () => {
  const view = { fromMs: 1_000, toMs: 2_000 };
  assert.equal(turnPage(view, 1_900, 1_999), view);
  assert.equal(turnPage(view, 1_900, 2_000), { fromMs: 1_900, toMs: 2_900 });
  assert.equal(turnPage(view, 1_100, 990), { fromMs: 90, toMs: 1_090 });
  assert.equal(turnPage(view, 2_000, 2_300), view);
  assert.equal(turnPage(view, 900, 500), view);
});

test.run();
