import { cpus } from 'node:os';
import type { Sql } from '../postgres/sql.js';
import { cpuUsOf } from './bench-process.js';

/** Whole cores, over a time. `others`: what belongs to nothing that is measured, but takes part of the machine. */
export type CoreShares<Part extends string> = Readonly<Record<Part | 'postgres' | 'others', number>>;

type Used = Readonly<Record<string, number>>;

/** Who had how much of the processor over a time. Linux. */
export class CpuShares<Part extends string> {
  readonly #read: () => Promise<Used>;
  readonly #before: Used;
  readonly #beganMs = performance.now();

  private constructor(read: () => Promise<Used>, before: Used) {
    this.#read = read;
    this.#before = before;
  }

  /** Of these processes, by name, and of PostgreSQL. */
  static async begin<Part extends string>(
    sql: Sql,
    processIds: Readonly<Record<Part, number>>,
  ): Promise<CpuShares<Part>> {
    const read = async () => {
      const used: Record<string, number> = { postgres: await postgresCpuUs(sql) };
      for (const [part, processId] of Object.entries<number>(processIds)) used[part] = cpuUsOf(processId);
      const sum = Object.values(used).reduce((one, other) => one + other, 0);
      return { ...used, others: machineCpuUs() - sum };
    };
    return new CpuShares(read, await read());
  }

  async end() {
    const after = await this.#read();
    const seconds = (performance.now() - this.#beganMs) / 1000;
    const usOf = (part: Part | 'postgres' | 'others') => after[part]! - this.#before[part]!;
    const cores = Object.fromEntries(
      Object.keys(after).map(part => [part, Math.round(usOf(part as Part) / seconds / 10_000) / 100]),
    ) as CoreShares<Part>;
    return { seconds, cores, usOf };
  }
}

/** Of all processes of the server that still run: backends of the pool, the writer of the write-ahead log, the checkpointer. */
async function postgresCpuUs(sql: Sql): Promise<number> {
  const rows = await sql<{ pid: number }[]>`select pid from pg_stat_activity`;
  return rows.reduce((sum, { pid }) => sum + cpuUsOf(pid), 0);
}

/** What all processes on this machine have run. */
function machineCpuUs(): number {
  const busyMs = cpus().reduce((sum, { times }) => sum + times.user + times.nice + times.sys + times.irq, 0);
  return busyMs * 1000;
}
