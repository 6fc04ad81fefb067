import type { ChildProcess } from 'node:child_process';
import { cpus } from 'node:os';
import type { Sql } from '../postgres/sql.js';
import { cpuUsOf } from './bench-process.js';

const parts = ['central', 'postgres', 'sites', 'subscriber', 'others'] as const;
type Part = (typeof parts)[number];

/** Whole cores, over a time. `others` is what belongs to nothing that is measured. */
export type CoreShares = Readonly<Record<Part, number>>;

/** Who had how much of the processor over a time. Linux. */
export class CpuShares {
  readonly #read: () => Promise<Record<Part, number>>;
  readonly #before: Record<Part, number>;
  readonly #beganMs = performance.now();

  private constructor(read: () => Promise<Record<Part, number>>, before: Record<Part, number>) {
    this.#read = read;
    this.#before = before;
  }

  /** This process is the subscriber. */
  static async begin(
    sql: Sql,
    { central, sites }: { readonly central: ChildProcess; readonly sites: ChildProcess },
  ): Promise<CpuShares> {
    const read = async () => {
      const ours = {
        central: cpuUsOf(central.pid!),
        postgres: await postgresCpuUs(sql),
        sites: cpuUsOf(sites.pid!),
        subscriber: cpuUsOf(process.pid),
      };
      const sum = Object.values(ours).reduce((one, other) => one + other, 0);
      return { ...ours, others: machineCpuUs() - sum };
    };
    return new CpuShares(read, await read());
  }

  async end() {
    const after = await this.#read();
    const seconds = (performance.now() - this.#beganMs) / 1000;
    const usOf = (part: Part) => after[part] - this.#before[part];
    const cores = Object.fromEntries(
      parts.map(part => [part, Math.round(usOf(part) / seconds / 10_000) / 100]),
    ) as CoreShares;
    const usPer = (part: Part, events: number) => Math.round((usOf(part) / events) * 10) / 10;
    return { seconds, cores, usPer };
  }
}

/** Of all processes of the server that still run: backends of the pool, the writer of the write-ahead log, the checkpointer. */
export async function postgresCpuUs(sql: Sql): Promise<number> {
  const rows = await sql<{ pid: number }[]>`select pid from pg_stat_activity`;
  return rows.reduce((sum, { pid }) => sum + cpuUsOf(pid), 0);
}

/** What all processes on this machine have run. */
function machineCpuUs(): number {
  const busyMs = cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
  return busyMs * 1000;
}
