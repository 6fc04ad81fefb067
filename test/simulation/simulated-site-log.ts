import {
  type AppendOutcome,
  comparePlaces,
  type LogHead,
  type LogPlace,
  LogTruncatedError,
  type RecordedEvent,
  type SiteLog,
  type StreamAppend,
} from '@holdfast/core';
import type { SimulatedProcess } from './simulated-process.js';

/**
 * A site's log as one life of a process sees it: appends take their time to be durable, and end with the process. What is
 * below it is the disk: it holds only what is durable, and outlives every process.
 */
export function siteLogOfProcess(options: {
  readonly disk: SiteLog;
  readonly process: SimulatedProcess;
  readonly onWrite: () => void;
  /** Up to there its beginning was removed: the disk still has it, but gives it to nobody. */
  readonly keptAfter: () => LogPlace;
}): SiteLog {
  const { disk, process, onWrite, keptAfter } = options;
  const dead = new AbortController();
  process.onKilled(() => dead.abort());
  const assertKept = (after: LogPlace) => {
    if (comparePlaces(after, keptAfter()) < 0) throw new LogTruncatedError(keptAfter());
  };
  return {
    append: (appends: readonly StreamAppend[]): Promise<AppendOutcome> =>
      process.write('FILE', () => {
        onWrite();
        return disk.append(appends);
      }),
    head: (): LogHead => disk.head(),
    epochs: () => disk.epochs(),
    read: page =>
      process.read(async () => {
        assertKept(page.after);
        return disk.read(page);
      }),
    readStream: page => process.read(() => disk.readStream(page)),
    subscribe: ({ after, signal }): AsyncIterable<readonly RecordedEvent[]> => {
      assertKept(after);
      return disk.subscribe({ after, signal: AbortSignal.any([signal, dead.signal]) });
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}
