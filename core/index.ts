export { type AsideEvent, asideEvent, notReadable, StreamAggregate } from './aggregate/stream-aggregate.js';
export { ALARM_STATES_AFTER, type AlarmCommand, type AlarmRefusal } from './alarm/alarm.commands.js';
export { type Alarm, alarmDecider } from './alarm/alarm.decider.js';
export { type BackOff, backOffCeilingMs, backOffMs } from './back-off.js';
export { type Bookmark, type BookmarkRefusal, bookmarkDecider } from './bookmark/bookmark.decider.js';
export {
  HLC_MAX,
  type HlcReading,
  hlcAt,
  hlcMs,
  nextHlc,
} from './clock/hybrid-logical-clock.js';
export {
  type ConfigurationChange,
  ConfigurationDiff,
  isConfigurationStream,
} from './configuration/configuration-diff.js';
export { accept, type Decider, type Decision, fold, refuse } from './decider/decider.js';
export { derivedId } from './derived-id.js';
export type { EvidenceLockCommand, EvidenceLockRefusal } from './evidence-lock/evidence-lock.commands.js';
export {
  type EvidenceLock,
  evidenceLockDecider,
  isEvidenceLockActive,
} from './evidence-lock/evidence-lock.decider.js';
export {
  type DeviceLockReport,
  type DeviceLockResult,
  deviceLockResult,
  type LockCoverage,
  lockCoverage,
  lockOutcome,
} from './evidence-lock/lock-coverage.js';
export { recordedStream, streamNamed, streamsOf } from './hardware/device-streams.js';
export type { HardwareCommand, HardwareRefusal } from './hardware/hardware.commands.js';
export { type Device, type Hardware, hardwareDecider } from './hardware/hardware.decider.js';
export type { Sha256 } from './hash.js';
export {
  APPEND_BYTES_MAX,
  APPEND_EVENTS_MAX,
  type AppendRefusal,
  checkAppends,
  InvalidAppendError,
  type PlannableAppend,
  planReplay,
  planRevisions,
  type ReplayPlan,
  type RevisionPlan,
} from './log/append.plan.js';
export { decodeBase64, encodeBase64 } from './log/base64.js';
export {
  type CheckpointSource,
  type ClaimedCheckpoint,
  checkpointHead,
  checkpointKey,
  checkpointOrigin,
  encodeCheckpoint,
  falseCheckpoint,
  openCheckpoint,
  parseCheckpoint,
  readClaimedCheckpoint,
  type SignedCheckpoint,
  signCheckpoint,
} from './log/checkpoint.js';
export { CheckpointError, type CheckpointFailure } from './log/checkpoint-error.js';
export {
  type Cosignature,
  cosignCheckpoint,
  openCosignature,
  witnessKey,
  witnessName,
} from './log/cosignature.js';
export {
  decodeHeader,
  decodeRecordedEvent,
  ENVELOPE_FORMAT,
  EVENT_DATA_BYTES_MAX,
  type EventHeader,
  encodeHeader,
  HEADER_BYTES_MAX,
  HEADER_BYTES_MIN,
  HEADER_TEXT_CHARACTERS_MAX,
  headerOffsets,
  leafHashOf,
} from './log/envelope.js';
export { EnvelopeError, type EnvelopeFailure } from './log/envelope-error.js';
export { decodeEventData, type EventFacts, newEvent, readEventData } from './log/event-data.js';
export { foldAhead, type NamedFold } from './log/fold-ahead.js';
export {
  decodeFold,
  encodeFold,
  FOLD_EVENTS_MAX,
  FoldKeeper,
  type FoldSnapshot,
  type FoldStore,
  type LogFold,
  noFoldStore,
} from './log/fold-snapshot.js';
export { followLog, LogGrowth, SUBSCRIPTION_PAGE_EVENTS } from './log/log-growth.js';
export {
  comparePlaces,
  EPOCH_MAX,
  endOf,
  LOG_START,
  type LogPlace,
  placeKey,
  placeOf,
  placeOfKey,
} from './log/log-place.js';
export {
  type ConsistencyProof,
  type EventProof,
  formatLogProof,
  type LogProof,
  LogProofError,
  type LogProofFailure,
  PROOF_CHARACTERS_MAX,
  type ProvenCheckpoint,
  type ProvenFact,
  parseLogProof,
  type Signing,
  type Trust,
  type TrustedKey,
  verifyCheckpoint,
  verifyLogProof,
} from './log/log-proof.js';
export type { PulledHistory, ReopenableLog, ReopenOutcome, ReopenRefusal } from './log/log-repair.js';
export { epochOpening, firstEventOf, hexOf, LOG_STREAM, logStreamEvent } from './log/log-stream.js';
export { createMemorySiteLog, type MemorySiteLogOptions } from './log/memory-site-log.js';
export {
  consistencyRanges,
  inclusionRanges,
  type LeafRange,
  MerkleProofBuilder,
  ProofUnavailableError,
  verifyConsistency,
  verifyInclusion,
} from './log/merkle-proof.js';
export {
  decodeEdge,
  edgeLengthOf,
  encodeEdge,
  equalBytes,
  extendEdge,
  HASH_BYTES,
  hashesIn,
  nodeHash,
  rootOf,
  type TreeEdge,
  TreeEdgeError,
} from './log/merkle-tree.js';
export { type LeafSpan, PatchedTree } from './log/patched-tree.js';
export { readStreamEnd } from './log/read-stream-end.js';
export type { ReceiptStore, StoredReceipt } from './log/receipt.js';
export { type AppendableLog, type RecordedAppend, recordAppend } from './log/record-append.js';
export {
  type EpochTree,
  HistoryProof,
  HistoryUnprovenError,
  opensBehind,
  TailAccount,
} from './log/reopen.plan.js';
export {
  type ReopenableLogConformance,
  type ReopenableLogConformanceCase,
  reopenableLogConformanceCases,
} from './log/reopenable-log.conformance.js';
export {
  encodeVerifierKey,
  mergeNotes,
  NOTE_CHARACTERS_MAX,
  type NoteAlgorithm,
  type NoteKey,
  type NoteSigner,
  type NoteVerifier,
  noteKeyId,
  parseVerifierKey,
} from './log/signed-note.js';
export {
  type SiteLogConformance,
  type SiteLogConformanceCase,
  siteLogConformanceCases,
} from './log/site-log.conformance.js';
export type {
  AppendOutcome,
  ClockQuality,
  ExpectedRevision,
  LogElsewhere,
  LogHead,
  NewEvent,
  OverTheCut,
  RecordedEvent,
  SealedEpoch,
  SiteLog,
  StreamAppend,
} from './log/site-log.js';
export {
  checkReadLimit,
  LogTruncatedError,
  READ_BYTES_MAX,
  READ_EVENTS_MAX,
  SiteLogClosedError,
} from './log/site-log-access.js';
export { TakenOverAccount, type TakenOverEvents, takenOver } from './log/taken-over.js';
export {
  type LogTruncation,
  planTruncation,
  type TruncatableLog,
  type TruncationFacts,
  type TruncationPolicy,
} from './log/truncation.plan.js';
export { readUuid, UUID_BYTES, writeUuid } from './log/uuid-bytes.js';
export {
  type ManualRecording,
  type ManualRecordingRefusal,
  manualRecordingDecider,
} from './manual-recording/manual-recording.decider.js';
export type { AacPacking } from './media/aac-depacketiser.js';
export {
  type AccessUnit,
  type AudioFormat,
  type StreamFormat,
  type Track,
  VIDEO_TIMESCALE,
  type VideoFormat,
} from './media/access-unit.js';
export { type AudioSpecificConfig, parseAudioSpecificConfig } from './media/audio-specific-config.js';
export {
  type CameraControl,
  type CameraControlOptions,
  type CameraRefusalCode,
  CameraRefusedError,
  type Speech,
} from './media/camera-control.js';
export { CLOCK_STEP_MS } from './media/capture-clock.js';
export { PICTURE_BYTES_MAX } from './media/coded-picture.js';
export { AUDIO_TRACK_ID, METADATA_TRACK_ID, VIDEO_TRACK_ID, writeInitSegment } from './media/fmp4-init.js';
export {
  type Box,
  findBox,
  type InitFacts,
  type ReadFragment,
  readFragment,
  readFragments,
  readInitSegment,
  readSamples,
  type SampleFacts,
  walkBoxes,
} from './media/fmp4-reader.js';
export {
  FACTS_BOX_BYTE_LENGTH,
  type FragmentFacts,
  type TrackRun,
  writeFragment,
} from './media/fmp4-writer.js';
export {
  type Fragment,
  type FragmentEntry,
  fragmentByteLength,
  type InitSegment,
  type SegmentManifest,
} from './media/fragment.js';
export {
  REFERENCES_MAX,
  readTimescales,
  readTrackTimes,
  segmentIndexBox,
  shiftTrackTimes,
  type TrackTime,
  withDuration,
} from './media/fragment-times.js';
export {
  Fragmenter,
  type FragmentReceiver,
  GROUP_BYTES_MAX,
  GROUP_DURATION_MS_MAX,
} from './media/fragmenter.js';
export { aLawOfMuLaw } from './media/g711.js';
export {
  parseSequenceParameterSet,
  pictureParameterSetId,
  type SequenceParameterSet,
} from './media/h264-parameter-sets.js';
export { type BrowserCodecs, browserCodecs, hideTracks, showTracks } from './media/hidden-track.js';
export { ImageAssembler } from './media/image-assembler.js';
export { jpegSize } from './media/jpeg-header.js';
export { keyFrameFragment, soundFragment } from './media/key-frame-fragment.js';
export {
  type LiveReduction,
  type MediaItem,
  type MediaPriority,
  type MediaRefusalCode,
  MediaRefusedError,
  type MediaRequest,
  type MediaSource,
} from './media/media-source.js';
export { MultipartImages } from './media/multipart-images.js';
export { type MetadataDocument, readMetadata } from './media/recorded-metadata.js';
export { parseSenderReport, RtpPacket, type SenderReport } from './media/rtp-packet.js';
export { RtpReception } from './media/rtp-reception.js';
export { REORDERED_MS_MAX, REORDERED_PACKETS_MAX, RtpReorderBuffer } from './media/rtp-reorder-buffer.js';
export {
  type BackChannel,
  type SelectedStreams,
  selectBackChannel,
  selectStreams,
} from './media/select-streams.js';
export {
  type AssembledStream,
  type AudioStream,
  StreamAssembler,
  type VideoStream,
} from './media/stream-assembler.js';
export {
  encodeHeatMap,
  HEAT_MAP_ROW_MS,
  type HeatMapPicture,
  type HeatMapQuery,
  type HeatMapRow,
  heatMapRowOf,
  searchHeatMap,
} from './motion/heat-map.js';
export {
  type KeyPictureCodec,
  type KeyPictureSource,
  keyPicture,
  keyPictureSource,
} from './motion/key-picture.js';
export { type MotionState, STILL, withPicture } from './motion/motion.machine.js';
export { MOTION_PICTURE_SIDE, measureMotion } from './motion/motion-grid.js';
export { type EraseSubjectRefusal, subjectErased } from './personal/erase-subject.js';
export { type Erasures, planReturnedKeys } from './personal/erasures.js';
export {
  actorOfUser,
  type ErasedKeysOfSubject,
  type PersonalTexts,
  type SubjectKeyRing,
  sealCommand,
} from './personal/personal-texts.js';
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
  decodeFragmentEntry,
  decodeManifest,
  encodeFragmentEntry,
  encodeManifest,
  FRAGMENT_ENTRY_BYTE_LENGTH,
  MANIFEST_FRAGMENTS_MAX,
  ManifestMalformedError,
  manifestDigest,
} from './recording/segment-manifest.js';
export { MOTION_DETECTION, RECORDING_POLICY, wantsMotion } from './recording-policy/recording-policy.js';
export {
  BOOKMARK_POST_MS,
  BOOKMARK_PRE_MS,
  endCauseOf,
  heeds,
  NO_TRIGGERS,
  preBufferMsOf,
  type RecordingTriggers,
  type TriggerChange,
  type TriggerKind,
  triggerOf,
  withoutPast,
  withTrigger,
} from './recording-policy/recording-triggers.js';
export {
  type RecordingServerCommand,
  type RecordingServerState,
  type RegisterRecordingServer,
  recordingServerDecider,
  type SetRecordingServerRetention,
} from './recording-server/recording-server.decider.js';
export {
  type Deletion,
  freeSpaceLimits,
  isProtected,
  type NextStage,
  type ProtectedSpan,
  type Protection,
  planRetention,
  RETENTION_LIMITS,
  type RecordingVerdict,
  type RetentionFacts,
  type RetentionLimits,
  type RetentionPlan,
  type RetentionSegment,
} from './retention/retention.plan.js';
export { type ClockReading, RetentionClock, type RetentionTime } from './retention/retention-clock.js';
export { type StageRoom, stageFullAtMs, volumeFullAtMs } from './retention/stage-room.js';
export {
  chainOf,
  isArchivingDue,
  type Storage,
  type StorageArchive,
  type StorageStage,
  totalRetentionMs,
} from './retention/storage.js';
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
  type DailyWindow,
  isMoreUrgent,
  missedWhileDown,
  type OpenRetrieval,
  planRetrievals,
  type RetrievableSegment,
  type RetrievalBudget,
  type SourceSite,
  TRANSFER_SEGMENTS_MAX,
  type Transfer,
  wantedSegments,
} from './retrieval/retrieval.plan.js';
export {
  LINK_SETTLED_MS,
  SEAL_MS_MAX,
  type Settlement,
  settlementOf,
} from './retrieval/retrieval.settlement.js';
export {
  type Challenge,
  chooseChallenge,
  type DigestChallenge,
  type DigestRequest,
  formatBasicAuthorization,
  formatDigestAuthorization,
} from './rtsp/authentication.js';
export {
  type DatagramTransport,
  firstHeader,
  formatRtspRequest,
  formatRtspResponse,
  parseDatagramTransport,
  parseHttpHead,
  parseInterleavedChannels,
  parseRtspHead,
  parseSessionHeader,
  type RtspHeaders,
  type RtspMessage,
  type RtspRequest,
  type RtspResponse,
  resolveControlUrl,
} from './rtsp/rtsp-message.js';
export {
  RtspStreamError,
  type RtspStreamFault,
  RtspStreamParser,
  type RtspStreamReceiver,
} from './rtsp/rtsp-stream-parser.js';
export { parseSdp, type SdpMedia, type SessionDescription } from './rtsp/sdp.js';
export { type AnsweredWish, unansweredWishes, type WishPlace } from './site/answered-wish.js';
export {
  type ChildSite,
  type Site,
  type SiteAdministrationCommand,
  siteDecider,
} from './site/site.decider.js';
export { SiteState } from './site/site-state.js';
export {
  aggregateStreamOf,
  decideSiteCommand,
  type SiteCommandDecision,
  type SiteCommandRefusalCode,
} from './site-command/decide-site-command.js';
export type { SiteCommandKind, SiteCommandOf, SiteCommandRefusal } from './site-command/site-command.js';
export {
  type DeviceSegmentFacts,
  type DeviceTimelineFacts,
  deviceTimeline,
  type LinkState,
  type RecordedSpan,
  SEAM_MS_MAX,
  type SegmentSpan,
  type SpanState,
  type TimelineSpan,
  type TimeSpan,
  timelineFacts,
} from './timeline/timeline.js';
export { evolveUnsealedRuns, UNSEALED_RUNS_MAX, type UnsealedRun } from './timeline/unsealed-runs.js';
