import fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  GrantedCredit,
  ReceivedCredit,
  SESSION_CREDIT_BYTES_MAX,
  sessionCreditBytes,
  TOTAL_CREDIT_BYTES_MAX,
} from './credit-window.js';
import { FRAME_RAW_BYTES_MAX } from './event-frame.js';

const test = suite('credit');
const never = new AbortController().signal;

test('sessions share what all may have, none has more than a link needs, and each has room for a frame', () => {
  assert.equal(
    [0, 1, 64].map(count => sessionCreditBytes(count)),
    Array(3).fill(SESSION_CREDIT_BYTES_MAX),
  );
  assert.is(sessionCreditBytes(256), TOTAL_CREDIT_BYTES_MAX / 256);
  assert.equal(
    [512, 1_000_000].map(count => sessionCreditBytes(count)),
    [FRAME_RAW_BYTES_MAX, FRAME_RAW_BYTES_MAX],
  );
});

test('takes in what was granted to the byte, and grants as much again as has become durable', () => {
  const credit = new GrantedCredit();
  assert.is(credit.grant(1000), 1000);
  assert.is(credit.arrive(1001), false);
  assert.is(credit.arrive(600), true);
  assert.is(credit.arrive(401), false);
  assert.is(credit.arrive(400), true);
  assert.is(credit.grant(1000), 0);
  credit.release(300);
  assert.is(credit.grant(1000), 300);
  // A window that has become smaller takes nothing back, and is grown into.
  assert.is(credit.grant(500), 0);
  credit.release(700);
  assert.is(credit.grant(500), 200);
});

test('never holds and awaits more than its window, whatever arrives', () => {
  const step = fc.record({ kind: fc.constantFrom('grant', 'arrive', 'release'), bytes: fc.nat(700) });
  fc.assert(
    fc.property(fc.array(step), steps => {
      const credit = new GrantedCredit();
      let [open, held] = [0, 0];
      for (const { kind, bytes } of steps) {
        if (kind === 'grant') open += credit.grant(1000);
        else if (kind === 'arrive') {
          const fits = credit.arrive(bytes);
          assert.is(fits, bytes <= open);
          if (fits) [open, held] = [open - bytes, held + bytes];
        } else if (bytes <= held) {
          credit.release(bytes);
          held -= bytes;
        }
        assert.ok(open + held <= 1000);
      }
    }),
  );
});

test('who waits longest for credit is served first, and smaller ones do not overtake', async () => {
  const credit = new ReceivedCredit();
  const served: string[] = [];
  const take = (name: string, bytes: number, signal = never) =>
    credit.take(bytes, signal).then(taken => served.push(`${name} ${taken}`));
  const [large, small] = [take('large', 100), take('small', 10)];
  credit.add(99);
  await Promise.resolve();
  assert.equal(served, []);
  credit.add(1);
  await large;
  credit.add(9);
  await Promise.resolve();
  assert.equal(served, ['large true']);
  credit.add(1);
  await small;
  assert.equal(served, ['large true', 'small true']);
});

test('who gives up takes nothing, and makes way for those behind', async () => {
  const credit = new ReceivedCredit();
  assert.is(await credit.take(0, AbortSignal.abort()), false);
  const stop = new AbortController();
  const [given, behind] = [credit.take(100, stop.signal), credit.take(10, never)];
  credit.add(10);
  stop.abort();
  assert.equal(await Promise.all([given, behind]), [false, true]);
  // Who was served is not asked again by an abort that comes later.
  const late = new AbortController();
  credit.add(5);
  assert.is(await credit.take(5, late.signal), true);
  const last = credit.take(5, never);
  late.abort();
  credit.add(5);
  assert.is(await last, true);
});

test('credit without end stays a number that counts', async () => {
  const credit = new ReceivedCredit();
  for (let index = 0; index < 3; index += 1) credit.add(Number.MAX_SAFE_INTEGER);
  assert.is(await credit.take(Number.MAX_SAFE_INTEGER, never), true);
  let taken = false;
  void credit.take(1, never).then(() => {
    taken = true;
  });
  await Promise.resolve();
  assert.is(taken, false);
  credit.add(1);
  await Promise.resolve();
  await Promise.resolve();
  assert.is(taken, true);
});

test.run();
