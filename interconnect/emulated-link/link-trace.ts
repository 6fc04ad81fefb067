/** Two measurements further apart than this had no usable link between them (test/links/README.md). */
const GAP_MS = 2000;

/** What a link could carry over time. It is played in a loop. */
export interface LinkTrace {
  /** Back to back from 0 to `durationMs`; 0 bit/s means that there is no link. */
  readonly steps: readonly LinkTraceStep[];
  readonly durationMs: number;
}

export interface LinkTraceStep {
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  readonly bitsPerSecond: number;
}

export class LinkTraceError extends Error {
  override readonly name = 'LinkTraceError';
  readonly code = 'LINK_TRACE_MALFORMED';
}

/** Reads `seconds,megabits_per_second` (CSV with that header). A row holds until the next one. */
export function parseLinkTrace(csv: string): LinkTrace {
  const [header, ...lines] = csv.trim().split(/\r?\n/);
  if (header?.trim() !== 'seconds,megabits_per_second')
    throw new LinkTraceError('line 1: expected the header seconds,megabits_per_second');
  const rows = lines.map((line, index) => {
    const parts = /^(\d+(?:\.\d+)?),(\d+(?:\.\d+)?)$/.exec(line.trim());
    if (!parts) throw new LinkTraceError(`line ${index + 2}: expected two numbers, e.g. 1.430,1.4704`);
    return { atMs: Number(parts[1]) * 1000, bitsPerSecond: Number(parts[2]) * 1e6 };
  });
  const first = rows[0];
  if (first === undefined || rows.length < 2) throw new LinkTraceError('expected two rows at least');
  const steps = rows.slice(1).map((row, index): LinkTraceStep => {
    const previous = rows[index]!;
    const lastedMs = row.atMs - previous.atMs;
    if (lastedMs <= 0)
      throw new LinkTraceError(`line ${index + 3}: its time is not after that of the line before`);
    return {
      fromMs: previous.atMs - first.atMs,
      toMs: row.atMs - first.atMs,
      bitsPerSecond: lastedMs > GAP_MS ? 0 : previous.bitsPerSecond,
    };
  });
  const durationMs = steps.at(-1)!.toMs;
  if (steps.every(step => step.bitsPerSecond === 0)) throw new LinkTraceError('there is never a link in it');
  return { steps, durationMs };
}

/** The step at a moment of the loop. `elapsedMs` counts from where the trace began to be played. */
export function traceStepAt(trace: LinkTrace, elapsedMs: number): LinkTraceStep {
  const atMs = elapsedMs % trace.durationMs;
  let [low, high] = [0, trace.steps.length - 1];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (trace.steps[middle]!.toMs > atMs) high = middle;
    else low = middle + 1;
  }
  return trace.steps[low]!;
}

/** How many bytes the link can carry from one moment of the loop to another. */
export function traceCapacityBytes(trace: LinkTrace, fromMs: number, toMs: number): number {
  let bytes = 0;
  for (let atMs = fromMs; atMs < toMs; ) {
    const step = traceStepAt(trace, atMs);
    const untilMs = Math.min(toMs, atMs + (step.toMs - (atMs % trace.durationMs)));
    // Rounding may leave no measurable rest of a step; the smallest stride forward ends it.
    const nextMs = untilMs > atMs ? untilMs : atMs + 1e-3;
    bytes += ((nextMs - atMs) / 1000) * (step.bitsPerSecond / 8);
    atMs = nextMs;
  }
  return bytes;
}
