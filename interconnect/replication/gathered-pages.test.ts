import { LOG_START, type RecordedEvent } from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Timers } from '../transport/timers.js';
import { GatheredPages } from './gathered-pages.js';

const test = suite('gathered pages');

type Page = readonly RecordedEvent[];

/** Each waits until it is run. */
class HeldTimers implements Timers {
  readonly waiting = new Set<() => void>();
  readonly delaysMs: number[] = [];

  after(delayMs: number, task: () => void): () => void {
    this.delaysMs.push(delayMs);
    this.waiting.add(task);
    return () => this.waiting.delete(task);
  }

  every(): () => void {
    throw new Error('not asked for');
  }

  run(): void {
    for (const task of [...this.waiting]) task();
  }
}

/** Pages that are given one by one. */
function given() {
  const pages: Page[] = [];
  let wake: () => void = () => undefined;
  let isOver = false;
  let failure: Error | null = null;
  async function* read(): AsyncGenerator<Page, void> {
    for (;;) {
      for (let page = pages.shift(); page !== undefined; page = pages.shift()) yield page;
      if (failure !== null) throw failure;
      if (isOver) return;
      await new Promise<void>(resolve => {
        wake = resolve;
      });
    }
  }
  let position = 0;
  const eventOf = (type: string) => {
    position += 1;
    return { type, epoch: 1, position } as unknown as RecordedEvent;
  };
  return {
    read,
    give: (...types: readonly string[]) => {
      pages.push(types.map(eventOf));
      wake();
    },
    end: () => {
      isOver = true;
      wake();
    },
    fail: (error: Error) => {
      failure = error;
      wake();
    },
  };
}

function collected(source: ReturnType<typeof given>, timers: Timers, told = LOG_START) {
  const gathered = new GatheredPages({ timers, now: () => 0, random: () => 0.5, told });
  const taken: string[][] = [];
  const done = (async () => {
    for await (const page of gathered.of(source.read())) taken.push(page.map(({ type }) => type));
  })();
  return { taken, done, gathered };
}

/** Everything that can happen now has happened. */
const settled = () => new Promise<void>(resolve => setImmediate(resolve));

test('lets what nobody waits for gather for a moment', async () => {
  const [source, timers] = [given(), new HeldTimers()];
  const { taken, done } = collected(source, timers);
  source.give('RecordingSealed');
  await settled();
  source.give('RecordingSealed', 'RecordingSealed');
  await settled();
  assert.equal(taken, []);
  timers.run();
  await settled();
  assert.equal(taken, [['RecordingSealed', 'RecordingSealed', 'RecordingSealed']]);
  source.end();
  await done;
  assert.is(timers.waiting.size, 0);
});

test('lets each of many logs send at a moment of its own, however much at once they have something to say', async () => {
  const delays: number[] = [];
  for (let log = 0; log < 10; log += 1) {
    for (const nowMs of [1_800_000_000_000, 1_800_000_000_700]) {
      const [source, timers] = [given(), new HeldTimers()];
      const gathered = new GatheredPages({
        timers,
        now: () => nowMs,
        random: () => log / 10,
        told: LOG_START,
      });
      const taking = (async () => {
        for await (const _page of gathered.of(source.read()));
      })();
      source.give('RecordingSealed');
      await settled();
      delays.push(...timers.delaysMs);
      source.end();
      await taking;
    }
  }
  const atOnce = delays.filter((_, index) => index % 2 === 0);
  assert.equal(atOnce, [2000, 1800, 1600, 1400, 1200, 1000, 800, 600, 400, 200]);
  const later = delays.filter((_, index) => index % 2 === 1);
  assert.equal(
    later,
    [1300, 1100, 900, 700, 500, 300, 100, 1900, 1700, 1500],
    'at the same moments as before',
  );
});

test('sends an event that somebody waits for at once, behind what came before it', async () => {
  const [source, timers] = [given(), new HeldTimers()];
  const { taken, done } = collected(source, timers);
  source.give('AlarmRaised');
  await settled();
  source.give('RecordingSealed');
  await settled();
  source.give('AlarmRaised', 'RecordingSealed');
  await settled();
  source.give('UnknownToday');
  await settled();
  assert.equal(taken, [
    ['AlarmRaised'],
    ['RecordingSealed', 'AlarmRaised', 'RecordingSealed'],
    ['UnknownToday'],
  ]);
  assert.is(timers.waiting.size, 0);
  source.end();
  await done;
});

test('sends at once what was there before the session', async () => {
  const [source, timers] = [given(), new HeldTimers()];
  const { taken, done } = collected(source, timers, { epoch: 1, position: 2 });
  source.give('RecordingSealed', 'RecordingSealed');
  await settled();
  assert.equal(taken, [['RecordingSealed', 'RecordingSealed']]);
  source.give('RecordingSealed');
  await settled();
  assert.is(taken.length, 1);
  source.end();
  await done;
  assert.is(taken.length, 2);
});

test('sends what has gathered when the parent is told how far the log reaches', async () => {
  const [source, timers] = [given(), new HeldTimers()];
  const { taken, done, gathered } = collected(source, timers);
  source.give('RecordingSealed');
  await settled();
  assert.equal(taken, []);
  gathered.tell({ epoch: 1, position: 2 });
  await settled();
  assert.equal(taken, [['RecordingSealed']]);
  source.give('RecordingSealed');
  await settled();
  assert.is(taken.length, 2, 'it was told of');
  source.give('RecordingSealed');
  await settled();
  assert.is(taken.length, 2, 'it was not told of');
  assert.is(timers.waiting.size, 1);
  source.end();
  await done;
});

test('does not hold up a log that has much to say', async () => {
  const [source, timers] = [given(), new HeldTimers()];
  const { taken, done } = collected(source, timers);
  source.give(...new Array(60).fill('RecordingSealed'));
  source.give(...new Array(60).fill('RecordingSealed'));
  await settled();
  assert.equal(
    taken.map(page => page.length),
    [120],
  );
  source.end();
  await done;
});

test('hands out what has gathered when the log is closed, and fails as its source does', async () => {
  const timers = new HeldTimers();
  const closed = given();
  const first = collected(closed, timers);
  closed.give('RecordingSealed');
  await settled();
  closed.end();
  await first.done;
  assert.equal(first.taken, [['RecordingSealed']]);
  const broken = given();
  const second = collected(broken, timers);
  broken.give('RecordingSealed');
  await settled();
  broken.fail(new Error('cannot be read'));
  const failure = await second.done.catch((error: Error) => error.message);
  assert.is(failure, 'cannot be read');
  assert.is(timers.waiting.size, 0);
});

test.run();
