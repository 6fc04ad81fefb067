import { benchAppend, benchIngest, benchMotion, benchRestart } from '@holdfast/sites';
import { benchFanIn } from '../bench/fan-in.bench.js';
import { benchLive } from '../bench/live.bench.js';
import { benchRebuild } from '../bench/rebuild.bench.js';
import { benchRecover } from '../bench/recover.bench.js';
import { benchReplicate } from '../bench/replicate.bench.js';
import { benchRetrieve } from '../bench/retrieve.bench.js';
import { benchTimeline } from '../bench/timeline.bench.js';
import { EXIT_WRONG_USE } from './process-lifetime.js';

export interface BenchCommandOptions {
  readonly json: boolean;
  /** What the link of `retrieve` carries. */
  readonly trace?: string;
}

const benches: Readonly<Record<string, (options: BenchCommandOptions) => Promise<object>>> = {
  append: benchAppend,
  'fan-in': benchFanIn,
  ingest: benchIngest,
  live: benchLive,
  motion: benchMotion,
  rebuild: benchRebuild,
  recover: benchRecover,
  replicate: benchReplicate,
  restart: benchRestart,
  timeline: benchTimeline,
  retrieve: ({ trace }) => benchRetrieve({ traceFile: trace ?? null }),
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
