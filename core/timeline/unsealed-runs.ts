import type { RecordingEvent, RecordingServerId } from '@holdfast/schema';
import { SEAM_MS_MAX } from './timeline.js';

/** A run of recording, from the end of what is sealed of it. Times in ms since 1970, UTC. */
export interface UnsealedRun {
  readonly recordingServerId: RecordingServerId;
  readonly fromMs: number;
  /** Null while it goes on. */
  readonly toMs: number | null;
}

/** Of one device; far more than servers that it can have been moved between before the first of them seals. */
export const UNSEALED_RUNS_MAX = 32;

/**
 * What a site's log says of a device's runs, without what it has sealed since. A stop is told at once and the seal within a
 * minute, so that between the two the run is known and its segments are not.
 */
export function evolveUnsealedRuns(
  runs: readonly UnsealedRun[],
  event: RecordingEvent,
): readonly UnsealedRun[] {
  const { recordingServerId } = event.data;
  if (runs.length === 0 && event.type !== 'RecordingStarted') return runs;
  switch (event.type) {
    case 'RecordingStarted': {
      const ended = runs.filter(run => run.toMs !== null || run.recordingServerId !== recordingServerId);
      const begun = { recordingServerId, fromMs: event.data.atMs, toMs: null };
      return [...ended, begun].slice(-UNSEALED_RUNS_MAX);
    }
    case 'RecordingStopped':
      return runs
        .map(run =>
          run.toMs === null && run.recordingServerId === recordingServerId
            ? { ...run, toMs: event.data.atMs }
            : run,
        )
        .filter(isUnsealed);
    case 'RecordingSealed':
      return runs
        .map(run => (run.recordingServerId === recordingServerId ? behind(run, event.data.segments) : run))
        .filter(isUnsealed);
    default:
      return runs;
  }
}

type SealedSegments = Extract<RecordingEvent, { type: 'RecordingSealed' }>['data']['segments'];

function behind(run: UnsealedRun, segments: SealedSegments): UnsealedRun {
  let { fromMs } = run;
  for (const segment of segments) {
    if (segment.toMs <= run.fromMs) continue;
    // The last segment of a run that has stopped: whatever the stop said, there is nothing behind it.
    const isLast = run.toMs !== null && segment.endedBecause !== 'RECORDING_CONTINUED';
    fromMs = Math.max(fromMs, isLast ? run.toMs : segment.toMs);
  }
  return { ...run, fromMs };
}

/** A rest that is shorter than a frame interval is none. */
function isUnsealed({ fromMs, toMs }: UnsealedRun): boolean {
  return toMs === null || toMs - fromMs >= SEAM_MS_MAX;
}
