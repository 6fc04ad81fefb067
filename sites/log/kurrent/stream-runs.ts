import type { LogPlace } from '@holdfast/core';

/** Events of other streams that are read along: as many as cost no more than another call. */
const STRANGERS_MAX = 32;

/** A stretch of one epoch, both ends inclusive. */
export interface LogRun {
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
}

/** The stretches of a log to read so that the events at these places, in order, are among them. */
export function runsOf(places: readonly LogPlace[]): readonly LogRun[] {
  const runs: LogRun[] = [];
  for (const { epoch, position } of places) {
    const run = runs.at(-1);
    if (run !== undefined && run.epoch === epoch && position - run.last <= STRANGERS_MAX + 1) {
      runs[runs.length - 1] = { ...run, last: position };
    } else {
      runs.push({ epoch, first: position, last: position });
    }
  }
  return runs;
}
