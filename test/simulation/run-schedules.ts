import { once } from 'node:events';
import { Worker } from 'node:worker_threads';

/** What the workers of a run share: `next` counts the schedules that one of them has taken. */
export interface ScheduleWork {
  readonly next: Int32Array<SharedArrayBuffer>;
  readonly firstSeed: number;
  /** So many are run however long they take, and no more than `countMax` however little. */
  readonly countMin: number;
  readonly countMax: number;
  /** Since the Unix epoch. */
  readonly deadlineMs: number;
}

export interface ScheduleWorkerReport {
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
  readonly workerCount: number;
}): Promise<Omit<ScheduleWorkerReport, 'failure'>> {
  const { firstSeed, countMin, countMax, budgetMs, workerCount } = options;
  for (const [name, value] of Object.entries(options)) {
    // A limit that is no number would never be reached.
    if (!Number.isInteger(value) || value < 0)
      throw new RangeError(`${name} is ${value}, not a whole number`);
  }
  const next = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
  const work: ScheduleWork = { next, firstSeed, countMin, countMax, deadlineMs: Date.now() + budgetMs };
  const reports = await Promise.all(Array.from({ length: workerCount }, () => reportOf(work)));
  const [first] = reports.flatMap(({ failure }) => failure ?? []).sort((one, other) => one.seed - other.seed);
  if (first !== undefined) throw new Error(first.message);
  const totals: ScheduleWorkerReport['totals'] = {
    ...{ steps: 0, events: 0, kills: 0, cuts: 0, restores: 0, machinesRestores: 0 },
    ...{ truncations: 0, forgers: 0, frameFaults: 0 },
  };
  let scheduleCount = 0;
  for (const report of reports) {
    scheduleCount += report.scheduleCount;
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += report.totals[name];
  }
  return { scheduleCount, totals };
}

async function reportOf(work: ScheduleWork): Promise<ScheduleWorkerReport> {
  const worker = new Worker(new URL('./schedule.worker.js', import.meta.url), { workerData: work });
  const ended = once(worker, 'exit').then(() => {
    throw new Error('a thread of the simulation ended without a report');
  });
  const [report] = await Promise.race([once(worker, 'message'), ended]);
  ended.catch(() => undefined);
  await worker.terminate();
  return report as ScheduleWorkerReport;
}
