import type { AppendOutcome, LogHead, RecordedEvent, SiteLog, StreamAppend } from '@holdfast/core';
import type { SimulatedProcess } from './simulated-process.js';

/**
 * A site's log as one life of a process sees it: appends take their time to be durable, and end with the process. What is
 * below it is the disk: it holds only what is durable, and outlives every process.
 */
export function siteLogOfProcess(disk: SiteLog, process: SimulatedProcess, onWrite: () => void): SiteLog {
  const dead = new AbortController();
  process.onKilled(() => dead.abort());
  return {
    append: (appends: readonly StreamAppend[]): Promise<AppendOutcome> =>
      process.write('FILE', () => {
        onWrite();
        return disk.append(appends);
      }),
    head: (): LogHead => disk.head(),
    epochs: () => disk.epochs(),
    read: options => process.read(() => disk.read(options)),
    readStream: options => process.read(() => disk.readStream(options)),
    subscribe: ({ after, signal }): AsyncIterable<readonly RecordedEvent[]> =>
      disk.subscribe({ after, signal: AbortSignal.any([signal, dead.signal]) }),
    [Symbol.asyncDispose]: async () => undefined,
  };
}
