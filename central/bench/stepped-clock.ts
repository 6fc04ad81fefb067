import { readFileSync } from 'node:fs';

/**
 * The clock of a process, in all its threads, that a benchmark steps while it runs: by as many milliseconds as a file says. For who
 * steps it this module names itself, and in the process it is preloaded. PostgreSQL below a central keeps the right time.
 */
const FILE = 'HOLDFAST_BENCH_CLOCK';
/** By the monotonic clock: so soon every thread sees a step. */
const LOOK_MS = 100;

/** To fork a process with that clock. While there is no such file, it is right. */
export function withClockOf(file: string) {
  const execArgv = [...process.execArgv, '--require', import.meta.filename];
  return { execArgv, env: { ...process.env, [FILE]: file } };
}

function stepClockBy(file: string): void {
  const Right = Date;
  let lookedMs = Number.NEGATIVE_INFINITY;
  let stepMs = 0;
  const now = () => {
    if (performance.now() - lookedMs >= LOOK_MS) {
      lookedMs = performance.now();
      stepMs = stepOf(file);
    }
    return Right.now() + stepMs;
  };
  globalThis.Date = class extends Right {
    constructor(...given: readonly unknown[]) {
      super(...((given.length === 0 ? [now()] : given) as [number]));
    }

    static override now(): number {
      return now();
    }
  } as DateConstructor;
}

function stepOf(file: string): number {
  try {
    return Number(readFileSync(file, 'utf8'));
  } catch {
    return 0;
  }
}

const { [FILE]: file } = process.env;
if (file !== undefined) stepClockBy(file);
