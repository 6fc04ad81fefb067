import type { DeviceId, RecordingServerId, SegmentId } from '@holdfast/schema';

/**
 * What stands beside an export, as JSON: with it and the log of the site that recorded, every exported fragment can be proved.
 * Tracks of metadata are hidden from players: `free` within `moof` was `traf`, within `moov` `trak`, within `mvex` `trex`. With those
 * names again, and `earlierTicks` of each track back in `tfdt`, a fragment has the recorded bytes, whose digest is `digest`; the
 * manifest that lists that digest has the one that `RecordingSealed` names for the segment.
 */
export interface ExportList {
  readonly format: 'holdfast-export-2';
  readonly deviceId: DeviceId;
  /** As asked for; the first and the last fragment may reach beyond. */
  readonly fromMs: number;
  readonly toMs: number;
  readonly files: readonly {
    readonly file: string;
    readonly codecs: string;
    readonly byteLength: number;
    readonly sha256: string;
    /** `ftyp` + `moov` as recorded, but that `mvhd` says the duration, which was 0; `sidx` behind it was made for the export. */
    readonly initByteLength: number;
    /** By track id: how much earlier the times in the file are than capture time since the Unix epoch. */
    readonly earlierTicks: Readonly<Record<string, number>>;
    readonly segments: readonly ExportedSegment[];
    readonly fragments: readonly ExportedFragment[];
  }[];
  /** Recordings of the span whose files could not be read. */
  readonly damages: readonly { readonly file: string; readonly detail: string }[];
  /** Recordings of the span that the logs here name, and that are in none of the media directories here. */
  readonly missing: readonly MissingSegment[];
}

export interface MissingSegment {
  readonly segmentId: SegmentId;
  readonly fromMs: number;
  readonly toMs: number;
  /** Where it was recorded; null: at another site, whose log is not here. */
  readonly recordingServerId: RecordingServerId | null;
  /** The whole media directory of that recording server, or only this file. */
  readonly because: 'MEDIA_DIRECTORY_ABSENT' | 'FILE_ABSENT';
}

export interface ExportedSegment {
  readonly segmentId: SegmentId;
  /** Of its manifest, as in the log. */
  readonly digest: string;
}

export interface ExportedFragment {
  readonly segmentId: SegmentId;
  /** Which of the segment's fragments it is, from 0. */
  readonly index: number;
  readonly fromMs: number;
  readonly toMs: number;
  /** Of its recorded bytes. */
  readonly digest: string;
  readonly offset: number;
}
