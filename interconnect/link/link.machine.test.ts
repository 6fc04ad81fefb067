import { SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  initialLink,
  type LinkMachineEvent,
  type LinkMachineState,
  nextLink,
  restoreLink,
} from './link.machine.js';

const test = suite('link machine');
const siteId = SiteId.parse(v7());

const established = (session: number, atMs: number) =>
  ({ type: 'LinkEstablished', data: { siteId, atMs, session } }) as const;
const lost = (atMs: number) =>
  ({ type: 'LinkLost', data: { siteId, atMs, lastEpoch: 1, lastPosition: 42, cause: 'CLOSED' } }) as const;
const attempted = { type: 'ConnectionAttempted' } as const;
const failed = { type: 'AttemptFailed' } as const;

/** Each state, reached with session 7 as the last one. */
const states = {
  DOWN: restoreLink([established(7, 100), lost(200)]),
  CONNECTING: nextLink(restoreLink([established(7, 100), lost(200)]), attempted),
  UP: restoreLink([established(7, 100)]),
} as const;

const columns: readonly LinkMachineEvent[] = [
  attempted,
  failed,
  established(8, 300),
  established(7, 300),
  lost(300),
];
/** As in `SPEC.md`; null: stays exactly as it is. */
const table: Readonly<Record<LinkMachineState, readonly (LinkMachineState | null)[]>> = {
  DOWN: ['CONNECTING', null, 'UP', 'UP', null],
  CONNECTING: [null, 'DOWN', 'UP', 'UP', 'DOWN'],
  UP: [null, null, 'UP', null, 'DOWN'],
};

test('every cell of the table is what the machine does', () => {
  for (const [state, cells] of Object.entries(table) as [LinkMachineState, (LinkMachineState | null)[]][]) {
    for (const [column, expected] of cells.entries()) {
      const before = states[state];
      const after = nextLink(before, columns[column]!);
      const cell = `${state} × ${columns[column]!.type}`;
      assert.is(after.value, expected ?? state, cell);
      if (expected === null) assert.equal(after.context, before.context, cell);
    }
  }
});

test('a link that was never up is down, since no known moment', () => {
  assert.is(initialLink().value, 'DOWN');
  assert.is(initialLink().context.sinceMs, null);
});

test('a new session of a link that is up begins anew', () => {
  const link = nextLink(states.UP, established(8, 300));
  assert.is(link.context.session, 8);
  assert.is(link.context.sinceMs, 300);
});

test('a loss says since when and beyond which position nothing is known', () => {
  assert.equal(nextLink(states.UP, lost(300)).context, {
    sinceMs: 300,
    session: 7,
    lastEpoch: 1,
    lastPosition: 42,
    cause: 'CLOSED',
  });
});

test('an attempt that fails leaves the link as it was', () => {
  const link = nextLink(nextLink(states.DOWN, attempted), failed);
  assert.is(link.value, 'DOWN');
  assert.equal(link.context, states.DOWN.context);
});

test('restored from its facts a link is where it was, and attempts leave no trace', () => {
  const facts = [established(1, 10), lost(20), established(2, 30), lost(40), established(3, 50)];
  let lived = initialLink();
  for (const fact of facts) {
    if (fact.type === 'LinkEstablished')
      lived = nextLink(nextLink(nextLink(lived, attempted), failed), attempted);
    lived = nextLink(lived, fact);
    const restored = restoreLink(facts.slice(0, facts.indexOf(fact) + 1));
    assert.is(restored.value, lived.value);
    assert.equal(restored.context, lived.context);
  }
});

test.run();
