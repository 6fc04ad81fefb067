import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { QUEUE_MS_TARGET, SendWindow, WINDOW_BYTES_MAX } from './send-window.js';

const test = suite('send window');

const PIECE = 4 * 1024;

interface Link {
  readonly bytesPerMs: number;
  readonly roundTripMs: number;
}

interface Run {
  readonly deliveredBytes: number;
  /** Longest stay in the link's queue after the first ten seconds. */
  readonly queueMsMax: number;
}

/** A link with an endless queue, and a sender that always has something to send. Time is counted, not waited for. */
function saturate(
  window: SendWindow,
  linkAt: (nowMs: number) => Link,
  toMs: number,
  onSecond: (second: number, deliveredBytes: number) => void = () => undefined,
): Run {
  const acknowledgements: { readonly atMs: number; readonly cost: number }[] = [];
  let linkFreeAtMs = 0;
  let deliveredBytes = 0;
  let queueMsMax = 0;
  for (let nowMs = 0; nowMs < toMs; nowMs += 1) {
    const link = linkAt(nowMs);
    if (nowMs % 1000 === 0) onSecond(nowMs / 1000, deliveredBytes);
    while (acknowledgements.length > 0 && acknowledgements[0]!.atMs <= nowMs) {
      const { cost } = acknowledgements.shift()!;
      deliveredBytes += cost;
      assert.ok(window.onReceived(cost, nowMs));
    }
    while (window.mayBeSent({ urgent: false })) {
      window.onSent(PIECE, nowMs);
      const queueMs = Math.max(linkFreeAtMs - nowMs, 0);
      if (nowMs > 10_000) queueMsMax = Math.max(queueMsMax, queueMs);
      linkFreeAtMs = Math.max(linkFreeAtMs, nowMs) + PIECE / link.bytesPerMs;
      acknowledgements.push({ atMs: linkFreeAtMs + link.roundTripMs, cost: PIECE });
    }
  }
  return { deliveredBytes, queueMsMax };
}

for (const [name, megabits, roundTripMs] of [
  ['2 Mbit/s, 40 ms', 2, 40],
  ['10 Mbit/s, 20 ms', 10, 20],
  ['10 Mbit/s, 100 ms', 10, 100],
  ['10 Mbit/s, 250 ms', 10, 250],
  ['100 Mbit/s, 50 ms', 100, 50],
] as const) {
  test(`keeps a link of ${name} at least 90 % busy and its queue short`, () => {
    const link = { bytesPerMs: megabits * 125, roundTripMs };
    const seconds = 60;
    const run = saturate(new SendWindow(), () => link, seconds * 1000);
    const share = run.deliveredBytes / (link.bytesPerMs * seconds * 1000);
    assert.ok(share >= 0.9, `${share}`);
    assert.ok(run.queueMsMax <= 2 * QUEUE_MS_TARGET, `${run.queueMsMax} ms`);
  });
}

test('follows a link that becomes slower, and one that becomes faster again', () => {
  const window = new SendWindow();
  const fast = { bytesPerMs: 1250, roundTripMs: 50 };
  const slow = { bytesPerMs: 250, roundTripMs: 50 };
  const windows: number[] = [];
  const delivered: number[] = [];
  saturate(
    window,
    nowMs => (nowMs >= 10_000 && nowMs < 20_000 ? slow : fast),
    30_000,
    (_, deliveredBytes) => {
      windows.push(window.windowBytes);
      delivered.push(deliveredBytes);
    },
  );
  assert.ok(windows[14]! < windows[9]! / 2, `${windows[14]} of ${windows[9]}`);
  const again = delivered[29]! - delivered[22]!;
  assert.ok(again > 0.9 * 1250 * 7000, `${again}`);
});

test('never has more under way than its limit, however fast the link', () => {
  const window = new SendWindow();
  saturate(window, () => ({ bytesPerMs: 1_000_000, roundTripMs: 200 }), 3000);
  assert.ok(window.underWayBytes <= WINDOW_BYTES_MAX + PIECE, `${window.underWayBytes}`);
});

test('live may go ahead of a full window, by as much again at most', () => {
  const window = new SendWindow();
  while (window.mayBeSent({ urgent: false })) window.onSent(PIECE, 0);
  assert.ok(window.mayBeSent({ urgent: true }));
  while (window.mayBeSent({ urgent: true })) window.onSent(PIECE, 0);
  assert.ok(window.underWayBytes <= 2 * window.windowBytes);
});

test('a peer that claims to have received what was never sent is not believed', () => {
  const window = new SendWindow();
  window.onSent(PIECE, 0);
  assert.not(window.onReceived(PIECE + 1, 10));
  assert.ok(window.onReceived(PIECE, 10));
});

test.run();
