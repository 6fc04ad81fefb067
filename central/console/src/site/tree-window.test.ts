import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { linesInView, treeLayout } from './tree-window.ts';

const test = suite('the lines of the tree that are in view');

test('of a thousand sites some thirty lines are shown, and the one with the focus', () => {
  const layout = treeLayout(Array.from({ length: 1000 }, () => ({ kind: 'site' as const })));
  assert.is(layout.heightPx, 48_000);
  const lines = linesInView(layout, { topPx: 24_000, heightPx: 700 }, 3);
  assert.is(lines[0], 3);
  assert.ok(lines.includes(500) && lines.includes(514), 'all that is seen');
  assert.ok(lines.length < 35, `${lines.length}`);
});

test('a short tree is shown whole', () => {
  const layout = treeLayout([{ kind: 'site' }, { kind: 'device' }, { kind: 'device' }]);
  assert.equal(layout.topsPx, [0, 48, 75]);
  assert.equal(linesInView(layout, { topPx: 0, heightPx: 700 }, 0), [0, 1, 2]);
});

test.run();
