import type { SQLInputValue } from 'node:sqlite';
import { DeviceId, RecordingCause, type RecordingGap, type SegmentId, TimeSource } from '@holdfast/schema';
import type { SegmentOrigin, StoredSegment } from './media-database.js';

export interface IndexedSegment extends StoredSegment {
  readonly gapBefore: RecordingGap | null;
  /** The log that is there was told. */
  readonly reported: boolean;
  /** Only a log that is lost was told. */
  readonly isDisowned: boolean;
  /** Reduced to key frames: the digest that the log had of it before. */
  readonly reducedFrom: string | null;
}

export type Row = Record<string, SQLInputValue>;

export const columns = `segment_id, device_id, from_ms, to_ms, fragment_count, byte_length, file_byte_length, digest,
  time_source, began_because, ended_because, origin, gap_from_ms, gap_to_ms, gap_cause, path AS stage, reduced_from,
  reported = (SELECT log_number FROM meta) AS is_reported,
  reported BETWEEN 1 AND (SELECT log_number FROM meta) - 1 AS is_disowned`;

export function indexedOf(row: Row): IndexedSegment {
  return {
    deviceId: DeviceId.parse(row.device_id),
    origin: row.origin as SegmentOrigin,
    fileByteLength: Number(row.file_byte_length),
    stage: String(row.stage),
    reported: row.is_reported === 1,
    isDisowned: row.is_disowned === 1,
    reducedFrom:
      row.reduced_from === null ? null : Buffer.from(row.reduced_from as Uint8Array).toString('hex'),
    gapBefore:
      row.gap_cause === null
        ? null
        : {
            fromMs: Number(row.gap_from_ms),
            toMs: Number(row.gap_to_ms),
            cause: RecordingCause.parse(row.gap_cause),
          },
    segment: {
      segmentId: segmentIdOf(row.segment_id as Uint8Array),
      fromMs: Number(row.from_ms),
      toMs: Number(row.to_ms),
      fragmentCount: Number(row.fragment_count),
      byteLength: Number(row.byte_length),
      digest: Buffer.from(row.digest as Uint8Array).toString('hex'),
      timeSource: TimeSource.parse(row.time_source),
      beganBecause: RecordingCause.parse(row.began_because),
      endedBecause: RecordingCause.parse(row.ended_because),
    },
  };
}

export function blobOf(segmentId: SegmentId): Buffer {
  return Buffer.from(segmentId.replaceAll('-', ''), 'hex');
}

export function segmentIdOf(blob: Uint8Array): SegmentId {
  const hex = Buffer.from(blob).toString('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}` as SegmentId;
}
