import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MediaFrame, PieceFrame } from './media-frame.js';
import { SendScheduler } from './send-scheduler.js';

const test = suite('send scheduler');

const KIB = 1024;
const head = { kind: 'manifest' } as const;

function schedule(options: { readonly takes?: () => boolean } = {}) {
  const pieces: PieceFrame[] = [];
  let nowMs = 0;
  const scheduler = new SendScheduler({
    write: (frame: MediaFrame) => {
      if (frame.kind === 'piece') pieces.push(frame);
      return options.takes?.() ?? true;
    },
    monotonicMs: () => nowMs,
  });
  let acknowledged = 0;
  return {
    scheduler,
    pieces,
    channels: () => pieces.map(piece => piece.channel),
    /** The peer has received everything written so far, 10 ms later. */
    acknowledge: () => {
      nowMs += 10;
      const total = pieces.reduce((sum, piece) => sum + piece.data.byteLength + 64, 0);
      const before = acknowledged;
      acknowledged = total;
      assert.ok(scheduler.onReceived(total - before));
    },
  };
}

test('an item goes out in pieces, the first with its head and length, the last marked', async () => {
  const { scheduler, pieces } = schedule();
  scheduler.openLane(1, 'REQUEST', 1024 * KIB);
  const data = Uint8Array.from({ length: 40 * KIB }, (_, index) => index);
  assert.is(await scheduler.send(1, head, data), 'SENT');
  assert.is(pieces.length, 5);
  assert.equal(pieces[0]!.head, head);
  assert.is(pieces[0]!.itemByteLength, data.byteLength);
  assert.equal(
    pieces.slice(1).map(piece => piece.head),
    [null, null, null, null],
  );
  assert.equal(
    pieces.map(piece => piece.last),
    [false, false, false, false, true],
  );
  assert.equal(Buffer.concat(pieces.map(piece => piece.data)), Buffer.from(data));
});

test('an item without bytes is one piece', async () => {
  const { scheduler, pieces } = schedule();
  scheduler.openLane(1, 'REQUEST', 100);
  assert.is(await scheduler.send(1, head, new Uint8Array(0)), 'SENT');
  assert.is(pieces.length, 1);
  assert.ok(pieces[0]!.last);
});

test('a live picture overtakes a retrieval in the middle of its fragment', () => {
  const { scheduler, channels, acknowledge } = schedule();
  scheduler.openLane(1, 'LINK_RESTORE', 4096 * KIB);
  scheduler.openLane(3, 'LIVE', 1024 * KIB);
  void scheduler.send(1, head, new Uint8Array(2000 * KIB));
  const before = channels().length;
  void scheduler.send(3, head, new Uint8Array(10 * KIB));
  assert.is(channels()[before], 3, 'it did not even wait for an acknowledgement');
  acknowledge();
  assert.is(channels().at(-1), 1, 'and then the retrieval goes on');
});

test('an alarm goes before a request, a request before a schedule', () => {
  const { scheduler, channels, acknowledge } = schedule();
  for (const [channel, priority] of [
    [1, 'SCHEDULE'],
    [3, 'REQUEST'],
    [5, 'ALARM'],
  ] as const) {
    scheduler.openLane(channel, priority, 4096 * KIB);
    void scheduler.send(channel, head, new Uint8Array(300 * KIB));
  }
  for (let round = 0; round < 40; round += 1) acknowledge();
  const firstAlarm = channels().indexOf(5);
  const rest = channels().slice(firstAlarm);
  assert.ok(rest.lastIndexOf(5) < rest.indexOf(3), 'all of the alarm before any of the request');
  assert.ok(rest.lastIndexOf(3) < rest.indexOf(1), 'all of the request before more of the schedule');
});

test('equals take turns', () => {
  const { scheduler, channels, acknowledge } = schedule();
  for (const channel of [1, 3]) {
    scheduler.openLane(channel, 'REQUEST', 4096 * KIB);
    void scheduler.send(channel, head, new Uint8Array(2000 * KIB));
  }
  acknowledge();
  acknowledge();
  const share = channels().filter(channel => channel === 3).length / channels().length;
  assert.ok(share > 0.25, `${share}`);
});

test('without credit nothing is sent, and credit for one channel moves no other', async () => {
  const { scheduler, channels, pieces } = schedule();
  scheduler.openLane(1, 'REQUEST', 0);
  scheduler.openLane(3, 'REQUEST', 0);
  void scheduler.send(1, head, new Uint8Array(KIB));
  const second = scheduler.send(3, head, new Uint8Array(KIB));
  assert.equal(channels(), []);
  scheduler.onCredit(3, 564);
  assert.equal(channels(), [3]);
  assert.is(pieces[0]!.data.byteLength, 500);
  scheduler.onCredit(3, 2000);
  assert.is(await second, 'SENT');
  assert.equal(channels(), [3, 3]);
});

test('what the peer has not received bounds what is written', () => {
  const { scheduler, pieces } = schedule();
  scheduler.openLane(1, 'REQUEST', 64 * 1024 * KIB);
  void scheduler.send(1, head, new Uint8Array(16 * 1024 * KIB));
  const bytes = pieces.reduce((sum, piece) => sum + piece.data.byteLength, 0);
  assert.ok(bytes <= 80 * KIB, `${bytes}`);
});

test('a stream that is full is left alone until it has drained', () => {
  const { scheduler, pieces } = schedule({ takes: () => false });
  scheduler.openLane(1, 'REQUEST', 4096 * KIB);
  void scheduler.send(1, head, new Uint8Array(100 * KIB));
  assert.is(pieces.length, 1);
  scheduler.onDrain();
  assert.is(pieces.length, 2);
});

test('closing a lane ends the wait of its sender, and what comes after is not sent', async () => {
  const { scheduler, pieces } = schedule();
  scheduler.openLane(1, 'REQUEST', 0);
  const waiting = scheduler.send(1, head, new Uint8Array(KIB));
  scheduler.closeLane(1);
  assert.is(await waiting, 'CLOSED');
  assert.is(await scheduler.send(1, head, new Uint8Array(KIB)), 'CLOSED');
  scheduler.onCredit(1, 5000);
  assert.is(pieces.length, 0);
});

test.run();
