import type { SegmentId } from '@holdfast/schema';
import type { OutgoingFact, SealReport } from './media-database.js';
import type { SegmentIndex } from './segment-index.js';
import type { IndexedSegment } from './segment-row.js';

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
  // Of what was reduced under a lost log, what it was before is not known any more.
  const sealed = segments.filter(({ reducedFrom, isDisowned }) => reducedFrom === null || isDisowned);
  return {
    deviceId: segments[0]!.deviceId,
    segments: sealed.map(({ segment }) => segment),
    gaps: sealed.flatMap(({ gapBefore }) => gapBefore ?? []),
    reduced: segments.flatMap(({ segment, reducedFrom, isDisowned }) =>
      reducedFrom === null || isDisowned ? [] : [{ ...segment, previousDigest: reducedFrom }],
    ),
    found: segments.flatMap(({ segment, isDisowned }) => (isDisowned ? [segment] : [])),
  };
}

/** What the log is to hear of these reports waits in the index, and counts as told. */
export function putReported(
  index: SegmentIndex,
  reports: readonly SealReport[],
  facts: readonly OutgoingFact[],
): void {
  for (const fact of facts) index.putFact(fact);
  for (const { segments, reduced } of reports) {
    index.markReported(idsOf(segments), { reduced: false });
    index.markReported(idsOf(reduced), { reduced: true });
  }
}

export function idsOf(segments: readonly { readonly segmentId: SegmentId }[]): readonly SegmentId[] {
  return segments.map(({ segmentId }) => segmentId);
}
