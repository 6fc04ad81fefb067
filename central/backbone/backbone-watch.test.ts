import type { CausedAlarm } from '@holdfast/sites';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { BackboneAlarm, BackboneWatch } from './backbone-watch.js';

const test = suite('a backbone that goes away');

class SilentError extends Error {
  readonly code = 'BACKBONE_SILENT';
}
const silent = new SilentError('the backbone has neither confirmed nor refused frames');

function watching() {
  let nowMs = 0;
  const watch = new BackboneWatch('BACKBONE_AWAY: it has not answered yet', () => nowMs);
  const later = (ms: number) => {
    nowMs += ms;
  };
  return { watch, later, reached: () => watch.there() };
}

function alarming({ refused = 0 } = {}) {
  let nowMs = 0;
  let left = refused;
  const done: string[] = [];
  const alarms = {
    raise: async ({ message }: CausedAlarm) => {
      done.push(message.slice(0, message.indexOf('.')));
      left -= 1;
      return left < 0;
    },
    end: async ({ reason }: { readonly reason: string }) => done.push(reason) > 0,
  };
  const alarm = new BackboneAlarm({ alarms, monotonicMs: () => nowMs });
  return {
    ...{ done, alarm },
    /** Each process speaks every five seconds. */
    hear: (seconds: number, said: Record<string, string | null>) => {
      for (let left = seconds; left > 0; left -= 5) {
        nowMs += 5_000;
        for (const [node, because] of Object.entries(said)) alarm.heard(JSON.stringify({ node, because }));
      }
    },
  };
}

test('is said to be away once it has been for longer than another broker takes, by its name', () => {
  const { watch, later, reached } = watching();
  reached();
  watch.published(silent);
  later(29_000);
  assert.is(watch.longAwayBecause(), null);
  later(1_000);
  assert.match(watch.longAwayBecause()!, /^BACKBONE_SILENT: the backbone has neither confirmed/);
  watch.published(null);
  assert.is(watch.longAwayBecause(), null);
});

test('is away from the start on until it has answered', () => {
  const { watch, later, reached } = watching();
  assert.match(watch.unreachedBecause()!, 'has not answered yet');
  watch.away('BACKBONE_AWAY: refused');
  later(30_000);
  assert.is(watch.longAwayBecause(), 'BACKBONE_AWAY: refused');
  assert.is(watch.unreachedBecause(), 'BACKBONE_AWAY: refused');
  reached();
  assert.is(watch.longAwayBecause(), null);
  watch.away('BACKBONE_AWAY: refused');
  assert.is(watch.unreachedBecause(), null);
});

test('is away as long as it takes no frames, though its brokers answer', () => {
  const { watch, later, reached } = watching();
  reached();
  for (let turns = 0; turns < 5; turns += 1) {
    watch.published(silent);
    watch.there();
    later(30_000);
  }
  assert.match(watch.longAwayBecause()!, 'BACKBONE_SILENT');
});

test('is there again when brokers answer and nobody has had frames for it since', () => {
  const { watch, later, reached } = watching();
  reached();
  watch.published(silent);
  later(119_000);
  watch.there();
  assert.match(watch.longAwayBecause()!, 'BACKBONE_SILENT');
  later(1_000);
  assert.is(watch.longAwayBecause(), null);
});

test('is one alarm for all processes, which ends when it is there for all of them', () => {
  const { done, hear } = alarming();
  hear(60, { one: null, two: null });
  done.length = 0;
  hear(60, { one: 'BACKBONE_SILENT: why', two: 'BACKBONE_AWAY: why' });
  assert.equal(done, ['BACKBONE_SILENT: why']);
  hear(60, { one: null, two: 'BACKBONE_AWAY: why' });
  assert.is(done.length, 1);
  hear(60, { one: null, two: null });
  assert.equal(done.slice(1), ['Kafka takes frames again.']);
  hear(60, { one: null, two: 'BACKBONE_AWAY: again' });
  assert.is(done.length, 3);
});

test('is said again until the log has taken the alarm', async () => {
  const { done, hear } = alarming({ refused: 2 });
  for (let times = 0; times < 6; times += 1) {
    hear(5, { one: 'BACKBONE_AWAY: why' });
    await new Promise(resolve => setImmediate(resolve));
  }
  assert.is(done.length, 3);
});

test('ends its alarm also when the process for which it was away has ended', () => {
  const { done, hear } = alarming();
  hear(40, { one: null, two: 'BACKBONE_AWAY: why' });
  hear(40, { one: null });
  assert.equal(done, ['BACKBONE_AWAY: why', 'Kafka takes frames again.']);
});

test('is nothing that a notification can say which no process of ours has sent', () => {
  const { done, alarm, hear } = alarming();
  for (const text of ['', 'away', 'null', '{"node":1,"because":"x"}', '{"node":"one"}']) alarm.heard(text);
  hear(25, { one: null });
  assert.equal(done, []);
});

test('ends an alarm of before a restart, but not before every process had time to speak', () => {
  const { done, hear } = alarming();
  hear(25, { one: null });
  assert.equal(done, []);
  hear(5, { one: null });
  assert.equal(done, ['Kafka takes frames again.']);
});

test.run();
