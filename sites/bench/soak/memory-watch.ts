import { slopeOf } from './recorded-time.js';

const MEGABYTE = 2 ** 20;
const HOUR_MS = 3600_000;
/** In the first half every camera has failed in most ways, and what is kept to be used again has got its full size. */
const SETTLED = 0.5;
/** Of what is used, over the settled half: what is less cannot be told from noise. */
const GROWTH_MAX = 0.15;
/** What a collection leaves varies by this, however little there is. */
const HEAP_NOISE_MB = 8;
const SAMPLES_MIN = 16;

export interface MemorySample {
  readonly atMs: number;
  readonly rssBytes: number;
  readonly heapBytes: number;
  readonly externalBytes: number;
}

export interface MemoryQuarter {
  readonly rssMb: number;
  /** The least of the quarter: as it is right behind a collection. */
  readonly heapMb: number;
  readonly externalMb: number;
}

export interface MemoryReport {
  readonly samples: number;
  readonly minutes: number;
  readonly quarters: readonly MemoryQuarter[];
  /** Along the line through the later half of the samples. */
  readonly rssGrowthMb: number;
  readonly rssMbPerHour: number;
  /** From the second quarter to the last. */
  readonly heapGrowthMb: number;
  /** False also when there are too few samples to tell. */
  readonly isFlat: boolean;
}

/** Whether the memory of a process stays what it is. */
export function memoryReport(samples: readonly MemorySample[]): MemoryReport {
  const quarters = Array.from({ length: 4 }, (_, index) => {
    const [from, to] = [index, index + 1].map(quarter => Math.floor((quarter * samples.length) / 4));
    return quarterOf(samples.slice(from, to));
  });
  const settled = samples.slice(Math.floor(samples.length * SETTLED));
  const slope = slopeOf(settled.map(({ atMs, rssBytes }) => [atMs, rssBytes / MEGABYTE]));
  const rssGrowthMb = slope * spanMs(settled);
  const heapGrowthMb = quarters[3]!.heapMb - quarters[1]!.heapMb;
  return {
    samples: samples.length,
    minutes: rounded(spanMs(samples) / 60_000),
    quarters,
    rssGrowthMb: rounded(rssGrowthMb),
    rssMbPerHour: rounded(slope * HOUR_MS),
    heapGrowthMb: rounded(heapGrowthMb),
    isFlat:
      samples.length >= SAMPLES_MIN &&
      rssGrowthMb < GROWTH_MAX * quarters[3]!.rssMb &&
      heapGrowthMb < HEAP_NOISE_MB + GROWTH_MAX * quarters[1]!.heapMb,
  };
}

function quarterOf(samples: readonly MemorySample[]): MemoryQuarter {
  if (samples.length === 0) return { rssMb: 0, heapMb: 0, externalMb: 0 };
  const mean = (of: (sample: MemorySample) => number) =>
    samples.reduce((sum, sample) => sum + of(sample), 0) / samples.length;
  return {
    rssMb: rounded(mean(({ rssBytes }) => rssBytes) / MEGABYTE),
    heapMb: rounded(Math.min(...samples.map(({ heapBytes }) => heapBytes)) / MEGABYTE),
    externalMb: rounded(mean(({ externalBytes }) => externalBytes) / MEGABYTE),
  };
}

function spanMs(samples: readonly MemorySample[]): number {
  return (samples.at(-1)?.atMs ?? 0) - (samples[0]?.atMs ?? 0);
}

function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}
