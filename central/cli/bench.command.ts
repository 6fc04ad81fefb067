import { EXIT_WRONG_USE } from './process-lifetime.js';

export interface BenchCommandOptions {
  readonly json: boolean;
  /** What the link of `retrieve` carries. */
  readonly trace?: string;
}

const benches: Readonly<Record<string, (options: BenchCommandOptions) => Promise<object>>> = {
  append: async () => (await import('@holdfast/sites')).benchAppend(),
  'fan-in': async () => (await import('../bench/fan-in.bench.js')).benchFanIn(),
  ingest: async () => (await import('@holdfast/sites')).benchIngest(),
  live: async () => (await import('../bench/live.bench.js')).benchLive(),
  motion: async () => (await import('@holdfast/sites')).benchMotion(),
  rebuild: async () => (await import('../bench/rebuild.bench.js')).benchRebuild(),
  recover: async () => (await import('../bench/recover.bench.js')).benchRecover(),
  replicate: async () => (await import('../bench/replicate.bench.js')).benchReplicate(),
  restart: async () => (await import('@holdfast/sites')).benchRestart(),
  timeline: async () => (await import('../bench/timeline.bench.js')).benchTimeline(),
  retrieve: async ({ trace }) =>
    (await import('../bench/retrieve.bench.js')).benchRetrieve({ traceFile: trace ?? null }),
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
    for (const [key, value] of Object.entries(result)) process.stdout.write(`${key.padEnd(28)} ${value}\n`);
  }
  process.stdout.write(`${JSON.stringify(result)}\n`);
  return 0;
}
