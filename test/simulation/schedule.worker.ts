import { parentPort, workerData } from 'node:worker_threads';
import { runSchedule } from './run-schedule.js';
import type { ScheduleWork, ScheduleWorkerReport } from './run-schedules.js';

/** Runs one schedule after the other, of those that no other worker has taken, until there are enough or the time is over. */
const { next, firstSeed, countMin, countMax, deadlineMs } = workerData as ScheduleWork;
// Errors belong to the game, and most of what one costs is where it came from: that is for whoever looks at one schedule.
if (countMax > 1) Error.stackTraceLimit = 0;

const report: ScheduleWorkerReport = {
  ...{ failure: null, scheduleCount: 0 },
  totals: {
    ...{ steps: 0, events: 0, kills: 0, cuts: 0, restores: 0, machinesRestores: 0 },
    ...{ truncations: 0, forgers: 0, frameFaults: 0 },
  },
};
for (;;) {
  const index = Atomics.add(next, 0, 1);
  if (index >= countMax || (index >= countMin && Date.now() >= deadlineMs)) break;
  const seed = firstSeed + index;
  try {
    const outcome = await runSchedule(seed);
    report.scheduleCount += 1;
    report.totals.steps += outcome.stepCount;
    report.totals.events += outcome.eventCount;
    report.totals.kills += outcome.killCount;
    report.totals.cuts += outcome.cutCount;
    report.totals.restores += outcome.restoreCount;
    report.totals.machinesRestores += outcome.machinesRestoreCount;
    report.totals.truncations += outcome.truncationCount;
    report.totals.forgers += outcome.forgerCount;
    report.totals.frameFaults += outcome.frameFaultCount;
  } catch (error) {
    report.failure = { seed, message: error instanceof Error ? error.message : String(error) };
    // The others end with the schedule that they are at.
    Atomics.add(next, 0, countMax);
    break;
  }
}
parentPort?.postMessage(report);
