import type { SealReport } from './media-database.js';
import type { IndexedSegment } from './segment-index.js';

/** As `RecordingSealed` allows. */
export const REPORT_SEGMENTS_MAX = 200;

/** What the log is to hear of these segments, which it was not told of: device by device, each report of at most 200. */
export function sealReports(segments: readonly IndexedSegment[]): readonly SealReport[] {
  const reports: SealReport[] = [];
  for (const group of Map.groupBy(segments, ({ deviceId }) => deviceId).values()) {
    for (let at = 0; at < group.length; at += REPORT_SEGMENTS_MAX) {
      reports.push(reportOf(group.slice(at, at + REPORT_SEGMENTS_MAX)));
    }
  }
  return reports;
}

function reportOf(segments: readonly IndexedSegment[]): SealReport {
  const sealed = segments.filter(({ reducedFrom }) => reducedFrom === null);
  return {
    deviceId: segments[0]!.deviceId,
    segments: sealed.map(({ segment }) => segment),
    gaps: sealed.flatMap(({ gapBefore }) => gapBefore ?? []),
    reduced: segments.flatMap(({ segment, reducedFrom }) =>
      reducedFrom === null ? [] : [{ ...segment, previousDigest: reducedFrom }],
    ),
  };
}
