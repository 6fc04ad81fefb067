import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { runSchedule, type ScheduleOutcome } from './run-schedule.js';

/** What the threads of a run share: `next` counts the schedules that one of them has taken. */
export interface ScheduleWork {
  readonly next: Int32Array<SharedArrayBuffer>;
  readonly firstSeed: number;
  /** So many are run however long they take, and no more than `countMax` however little. */
  readonly countMin: number;
  readonly countMax: number;
  /** Since the Unix epoch. */
  readonly deadlineMs: number;
}

export interface ScheduleReport {
  failure: { readonly seed: number; readonly message: string } | null;
  scheduleCount: number;
  readonly totals: Record<
    | 'steps'
    | 'events'
    | 'kills'
    | 'cuts'
    | 'restores'
    | 'machinesRestores'
    | 'truncations'
    | 'forgers'
    | 'receipts'
    | 'frameFaults',
    number
  >;
}

/** Runs schedules of seeds from `firstSeed` on, on so many threads. Throws what the failed one of the lowest seed says. */
export async function runSchedules(options: {
  readonly firstSeed: number;
  readonly countMin: number;
  readonly countMax: number;
  readonly budgetMs: number;
  readonly threadCount: number;
}): Promise<Omit<ScheduleReport, 'failure'>> {
  const { firstSeed, countMin, countMax, budgetMs, threadCount } = options;
  for (const [name, value] of Object.entries(options)) {
    // A limit that is no number would never be reached.
    if (!Number.isInteger(value) || value < 0)
      throw new RangeError(`${name} is ${value}, not a whole number`);
  }
  const next = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const work: ScheduleWork = { next, firstSeed, countMin, countMax, deadlineMs: Date.now() + budgetMs };
  const reports = await Promise.all(Array.from({ length: threadCount }, () => reportOfWorker(work)));
  const [first] = reports.flatMap(({ failure }) => failure ?? []).sort((one, other) => one.seed - other.seed);
  if (first !== undefined) throw new Error(first.message);
  const { totals } = newReport();
  let scheduleCount = 0;
  for (const report of reports) {
    scheduleCount += report.scheduleCount;
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += report.totals[name];
  }
  return { scheduleCount, totals };
}

/** Runs one schedule after the other, of those that no other thread has taken, until there are enough or the time is over. */
export async function runSome(work: ScheduleWork): Promise<ScheduleReport> {
  const { next, firstSeed, countMin, countMax, deadlineMs } = work;
  const report = newReport();
  const { stackTraceLimit } = Error;
  // Errors belong to the game, and most of what one costs is where it came from: that is for whoever looks at one schedule.
  if (countMax > 1) Error.stackTraceLimit = 0;
  for (;;) {
    const index = Atomics.add(next, 0, 1);
    if (index >= countMax || (index >= countMin && Date.now() >= deadlineMs)) break;
    const seed = firstSeed + index;
    try {
      addTo(report, await runSchedule(seed));
    } catch (error) {
      report.failure = { seed, message: error instanceof Error ? error.message : String(error) };
      // The others end with the schedule that they are at.
      Atomics.add(next, 0, countMax);
      break;
    }
  }
  Error.stackTraceLimit = stackTraceLimit;
  return report;
}

function newReport(): ScheduleReport {
  return {
    ...{ failure: null, scheduleCount: 0 },
    totals: {
      ...{ steps: 0, events: 0, kills: 0, cuts: 0, restores: 0, machinesRestores: 0 },
      ...{ truncations: 0, forgers: 0, receipts: 0, frameFaults: 0 },
    },
  };
}

function addTo(report: ScheduleReport, outcome: ScheduleOutcome): void {
  const { totals } = report;
  report.scheduleCount += 1;
  totals.steps += outcome.stepCount;
  totals.events += outcome.eventCount;
  totals.kills += outcome.killCount;
  totals.cuts += outcome.cutCount;
  totals.restores += outcome.restoreCount;
  totals.machinesRestores += outcome.machinesRestoreCount;
  totals.truncations += outcome.truncationCount;
  totals.forgers += outcome.forgerCount;
  totals.receipts += outcome.receiptCount;
  totals.frameFaults += outcome.frameFaultCount;
}

async function reportOfWorker(work: ScheduleWork): Promise<ScheduleReport> {
  const worker = new Worker(new URL('./schedule.worker.js', import.meta.url), { workerData: work });
  const ended = once(worker, 'exit').then(() => {
    throw new Error('a thread of the simulation ended without a report');
  });
  const [report] = await Promise.race([once(worker, 'message'), ended]);
  ended.catch(() => undefined);
  await worker.terminate();
  return report as ScheduleReport;
}
