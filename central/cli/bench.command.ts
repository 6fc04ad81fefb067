import { readNamedFile, TRACE_BYTES_MAX } from './named-file.js';
import { EXIT_NO, EXIT_WRONG_USE, processLifetime } from './process-lifetime.js';
import { WrongUseError } from './wrong-use-error.js';

export interface BenchCommandOptions {
  readonly json: boolean;
  /** What the link of `retrieve` carries. */
  readonly trace?: string;
  /** Of `soak`. */
  readonly hours?: string;
  readonly dir?: string;
  readonly log?: string;
  /** Of `soak` and `ingest`. */
  readonly cameras?: string;
}

/** A number of the command line that says how much; thrown when it is none. */
function amount(name: string, text: string | undefined, otherwise: number): number {
  const value = text === undefined ? otherwise : Number(text);
  if (value > 0 && value <= 10_000) return value;
  throw new WrongUseError(`--${name} ${text}: expected a number above 0, at most 10000`);
}

async function soak(options: BenchCommandOptions): Promise<object> {
  const { benchSoak } = await import('@holdfast/sites');
  const { openSoakParent } = await import('../bench/soak-parent.js');
  await using parent = await openSoakParent();
  const onProgress = (line: string) => void (options.json || process.stderr.write(`${line}\n`));
  return await benchSoak(
    {
      hours: amount('hours', options.hours, 4),
      cameras: Math.round(amount('cameras', options.cameras, 32)),
      ...{ dir: options.dir ?? null, logFile: options.log ?? null, parent, onProgress },
    },
    processLifetime(),
  );
}

async function retrieve({ trace: file }: BenchCommandOptions): Promise<object> {
  const { benchRetrieve } = await import('../bench/retrieve.bench.js');
  if (file === undefined) return await benchRetrieve({ trace: null });
  const { LinkTraceError, parseLinkTrace } = await import('@holdfast/interconnect');
  const csv = readNamedFile(file, TRACE_BYTES_MAX);
  try {
    return await benchRetrieve({ trace: parseLinkTrace(csv) });
  } catch (error) {
    if (error instanceof LinkTraceError) throw new WrongUseError(`--trace ${file}: ${error.message}`);
    throw error;
  }
}

const benches: Readonly<Record<string, (options: BenchCommandOptions) => Promise<object>>> = {
  append: async () => (await import('@holdfast/sites')).benchAppend(),
  'fan-in': async () => (await import('../bench/fan-in.bench.js')).benchFanIn(),
  ingest: async ({ cameras }) =>
    (await import('@holdfast/sites')).benchIngest(Math.max(2, Math.round(amount('cameras', cameras, 16)))),
  live: async () => (await import('../bench/live.bench.js')).benchLive(),
  motion: async () => (await import('@holdfast/sites')).benchMotion(),
  rebuild: async () => (await import('../bench/rebuild.bench.js')).benchRebuild(),
  recover: async () => (await import('../bench/recover.bench.js')).benchRecover(),
  replicate: async () => (await import('../bench/replicate.bench.js')).benchReplicate(),
  restart: async () => (await import('@holdfast/sites')).benchRestart(),
  soak,
  timeline: async () => (await import('../bench/timeline.bench.js')).benchTimeline(),
  retrieve,
};
export const benchNames = Object.keys(benches);

/** `holdfast bench NAME`: the last line printed is one JSON object. */
export async function benchCommand(name: string, options: BenchCommandOptions): Promise<number> {
  const bench = benches[name];
  if (!bench) {
    process.stderr.write(`holdfast: no benchmark ${name}; there are ${benchNames.join(', ')}\n`);
    return EXIT_WRONG_USE;
  }
  const result = await bench(options);
  if (!options.json) {
    for (const [key, value] of Object.entries(result)) {
      process.stdout.write(
        `${key.padEnd(28)} ${typeof value === 'object' ? JSON.stringify(value) : value}\n`,
      );
    }
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
  return 'passed' in result && !result.passed ? EXIT_NO : 0;
}
