export { accept, type Decider, type Decision, fold, refuse } from './decider/decider.js';
export type { Sha256 } from './hash.js';
export type {
  AppendOutcome,
  ClockQuality,
  ExpectedRevision,
  LogHead,
  NewEvent,
  RecordedEvent,
  SiteLog,
  StreamAppend,
} from './log/site-log.js';
export { type AccessUnit, type StreamFormat, type Track, VIDEO_TIMESCALE } from './media/access-unit.js';
export type { Fragment, FragmentEntry, InitSegment, SegmentManifest } from './media/fragment.js';
export {
  type MediaItem,
  type MediaPriority,
  type MediaRefusalCode,
  MediaRefusedError,
  type MediaRequest,
  type MediaSource,
} from './media/media-source.js';
export type {
  FragmentAppendOutcome,
  ImportFinish,
  ImportOpening,
  ImportRefusal,
  SegmentImport,
  SegmentIntake,
} from './recording/segment-intake.js';
export {
  CODECS_LENGTH_MAX,
  decodeManifest,
  encodeManifest,
  MANIFEST_FRAGMENTS_MAX,
  ManifestMalformedError,
  manifestDigest,
} from './recording/segment-manifest.js';
export {
  type DeviceTimelineFacts,
  deviceTimeline,
  type LinkState,
  SEAM_MS_MAX,
  type SegmentSpan,
  type SpanState,
  type TimelineSpan,
  type TimeSpan,
} from './timeline/timeline.js';
