import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ClockFilter } from './clock-filter.js';
import {
  GrantedCredit,
  ReceivedCredit,
  SESSION_CREDIT_BYTES_MAX,
  sessionCreditBytes,
} from './credit-window.js';
import { FRAME_RAW_BYTES_MAX } from './event-frame.js';
import { retryDelayMs } from './run-replication.js';

const test = suite('the pace of a link');
const MiB = 1024 * 1024;

test('round trip and offset are read from the four times of an exchange', () => {
  const clock = new ClockFilter();
  // 100 ms there, 60 ms held by the peer, 100 ms back; the peer is 5 s ahead.
  const exchange = { sentAtMs: 1_000, peerReceivedAtMs: 6_100, peerSentAtMs: 6_160, receivedAtMs: 1_260 };
  assert.equal(clock.measure(exchange), { roundTripMs: 200, clockOffsetMs: 5_000 });
});

test('an exchange that was held up behind data does not move the clock', () => {
  const clock = new ClockFilter();
  clock.measure({ sentAtMs: 0, peerReceivedAtMs: 1_010, peerSentAtMs: 1_010, receivedAtMs: 20 });
  const held = clock.measure({
    sentAtMs: 100,
    peerReceivedAtMs: 1_110,
    peerSentAtMs: 1_110,
    receivedAtMs: 3_120,
  });
  assert.equal(held, { roundTripMs: 3_020, clockOffsetMs: 1_000 });
});

test('credit is granted up to the window, and again only for what is durable', () => {
  const credit = new GrantedCredit();
  assert.is(credit.grant(4 * MiB), 4 * MiB);
  assert.is(credit.grant(4 * MiB), 0);
  assert.ok(credit.arrive(3 * MiB));
  assert.is(credit.grant(4 * MiB), 0);
  assert.not(credit.arrive(2 * MiB), 'more than is open');
  credit.release(3 * MiB);
  assert.is(credit.grant(4 * MiB), 3 * MiB);
});

test('a window that shrinks is filled up only when enough has come back', () => {
  const credit = new GrantedCredit();
  credit.grant(4 * MiB);
  credit.arrive(4 * MiB);
  credit.release(2 * MiB);
  assert.is(credit.grant(MiB), 0);
  credit.release(2 * MiB);
  assert.is(credit.grant(MiB), MiB);
});

test('many sessions share the total, and each can always send one frame', () => {
  assert.is(sessionCreditBytes(1), SESSION_CREDIT_BYTES_MAX);
  assert.is(sessionCreditBytes(256), MiB);
  assert.is(sessionCreditBytes(100_000), FRAME_RAW_BYTES_MAX);
});

test('a sender waits for credit, and stops waiting when its session is over', async () => {
  const credit = new ReceivedCredit();
  const over = new AbortController();
  const taken = credit.take(100, over.signal);
  credit.add(60);
  credit.add(60);
  assert.is(await taken, true);
  const never = credit.take(100, over.signal);
  over.abort();
  assert.is(await never, false);
});

test('the first retry is quick, later ones spread over a growing span up to the longest', () => {
  const lost = { refusal: null, wasEstablished: true };
  const ceilings = Array.from({ length: 9 }, (_, failures) =>
    retryDelayMs({ end: lost, failures, backoffMsMax: 60_000, random: () => 1 }),
  );
  assert.equal(ceilings, [200, 1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 60_000, 60_000]);
  assert.is(retryDelayMs({ end: lost, failures: 5, backoffMsMax: 60_000, random: () => 0 }), 0);
});

test('what a person has to look at is not asked again in haste', () => {
  const end = { refusal: { code: 'FORK', detail: '' }, wasEstablished: false } as const;
  assert.is(retryDelayMs({ end, failures: 0, backoffMsMax: 60_000, random: () => 0 }), 30_000);
});

test.run();
