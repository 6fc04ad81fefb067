export { ALARM_STATES_AFTER, type AlarmCommand, type AlarmRefusal } from './alarm/alarm.commands.js';
export { type Alarm, alarmDecider } from './alarm/alarm.decider.js';
export { accept, type Decider, type Decision, fold, refuse } from './decider/decider.js';
export type { EvidenceLockCommand, EvidenceLockRefusal } from './evidence-lock/evidence-lock.commands.js';
export {
  type EvidenceLock,
  evidenceLockDecider,
  isEvidenceLockActive,
} from './evidence-lock/evidence-lock.decider.js';
export type { HardwareCommand, HardwareRefusal } from './hardware/hardware.commands.js';
export { type Device, type Hardware, hardwareDecider } from './hardware/hardware.decider.js';
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
  type RecordingServerState,
  type RegisterRecordingServer,
  recordingServerDecider,
} from './recording-server/recording-server.decider.js';
export type {
  CancelRetrieval,
  CompleteRetrieval,
  EndedRetrievalStatus,
  FailRetrieval,
  InterruptionCause,
  InterruptRetrieval,
  MissingSpan,
  ProgressRetrieval,
  RequestRetrieval,
  ResumeRetrieval,
  RetrievalCommand,
  RetrievalFailureCause,
  RetrievalRefusal,
  RetrievalStatus,
  StartRetrieval,
} from './retrieval/retrieval.commands.js';
export {
  isEnded,
  PROGRESS_SEGMENTS_MAX,
  RETRIEVAL_SPAN_MS_MAX,
  type RetrievalRequest,
  type RetrievalState,
  retrievalDecider,
} from './retrieval/retrieval.decider.js';
export {
  type ChildSite,
  type Site,
  type SiteAdministrationCommand,
  siteDecider,
} from './site/site.decider.js';
export { isSiteStateEvent, SiteState } from './site/site-state.js';
export type { SiteCommandKind, SiteCommandOf, SiteCommandRefusal } from './site-command/site-command.js';
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
