import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { runSchedule } from './run-schedule.js';

const test = suite('simulated federation');

/** How many histories each run of the tests looks at; more with HOLDFAST_SIMULATION_SCHEDULES. */
const SCHEDULES_DEFAULT = 150;
/** The seed of a failed run is looked at alone, unless more from it on are asked for. */
const { HOLDFAST_SIMULATION_SCHEDULES: wanted, HOLDFAST_SIMULATION_SEED: seed } = process.env;
const count = Number(wanted ?? (seed === undefined ? SCHEDULES_DEFAULT : 1));
const firstSeed = Number(seed ?? 1);

test('the same seed gives the same history, another seed another one', async () => {
  const first = await runSchedule(firstSeed);
  assert.equal(await runSchedule(firstSeed), first);
  assert.is.not((await runSchedule(firstSeed + 1)).digest, first.digest);
});

test('whatever fails, every acknowledged event arrives once, in order and unaltered at every hop', async () => {
  const beganMs = performance.now();
  const total = { steps: 0, events: 0, kills: 0, cuts: 0, restores: 0, frameFaults: 0 };
  for (let index = 0; index < count; index += 1) {
    const outcome = await runSchedule(firstSeed + index);
    total.steps += outcome.stepCount;
    total.events += outcome.eventCount;
    total.kills += outcome.killCount;
    total.cuts += outcome.cutCount;
    total.restores += outcome.restoreCount;
    total.frameFaults += outcome.frameFaultCount;
  }
  const perMinute = Math.round((count / (performance.now() - beganMs)) * 60_000);
  console.log(`${count} schedules (${perMinute} a minute): ${JSON.stringify(total)}`);
  // A world in which nothing happens proves nothing.
  assert.ok(count < 20 || (total.events > count * 50 && total.kills > count && total.cuts > count));
  assert.ok(count < 20 || total.restores > count / 10);
});

test.run();
