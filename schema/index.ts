export {
  CameraAnswer,
  CameraPreset,
  CameraRequest,
  MOVE_MS_MAX,
  SPEECH_BYTES_MAX,
  SPEECH_BYTES_PER_SECOND,
  SpeakRequest,
} from './camera-request.js';
export {
  AlarmAcknowledged,
  AlarmAssigned,
  AlarmClosed,
  AlarmCommented,
  type AlarmEvent,
  AlarmPrioritised,
  AlarmPriority,
  AlarmPutOnHold,
  AlarmRaised,
  AlarmReopened,
  alarmEvents,
} from './events/alarm.js';
export { BookmarkCreated, type BookmarkEvent, bookmarkEvents } from './events/bookmark.js';
export { CameraAddress } from './events/camera-address.js';
export {
  currentVersion,
  type DecodeFailure,
  decodeData,
  decodeEvent,
  EventDecodeError,
  type EventType,
  eventCatalogue,
  type HoldfastEvent,
  isKnownEvent,
  passingEventTypes,
  unhurriedEventTypes,
  versionFor,
  versionToWrite,
} from './events/catalogue.js';
export {
  AlarmState,
  CommandApplied,
  type CommandEvent,
  CommandExpired,
  CommandIssued,
  CommandRejected,
  commandEvents,
  MANUAL_RECORDING_MS,
  SiteCommand,
} from './events/command.js';
export { DeviceStream, DeviceStreams, DeviceStreamsConfigured, StreamName } from './events/device-streams.js';
export {
  defineEvent,
  type EarlierVersion,
  type EventDefinition,
  type EventOf,
  Name,
  passing,
  raised,
  Sha256Hex,
  Text,
  UnixMs,
} from './events/event-definition.js';
export {
  EvidenceLockApplied,
  EvidenceLockCreated,
  type EvidenceLockEvent,
  EvidenceLockExtended,
  EvidenceLockOutcome,
  EvidenceLockReleased,
  evidenceLockEvents,
} from './events/evidence-lock.js';
export {
  CameraTransport,
  ConnectionLossCause,
  DeviceDisabled,
  DeviceEnabled,
  DeviceRecordingDisabled,
  DeviceRecordingEnabled,
  DeviceRenamed,
  DeviceType,
  DriverName,
  HardwareAdded,
  HardwareConnected,
  type HardwareConnectionEvent,
  HardwareConnectionLost,
  HardwareDevice,
  type HardwareEvent,
  HardwareMoved,
  HardwareRemoved,
  hardwareConnectionEvents,
  hardwareEvents,
} from './events/hardware.js';
export {
  HardwareCapabilities,
  HardwareCapabilitiesFound,
  OfferedStream,
} from './events/hardware-capabilities.js';
export {
  InputActivated,
  InputDeactivated,
  OutputActivated,
  OutputDeactivated,
  SpeakingEnded,
  SpeakingStarted,
} from './events/hardware-signal.js';
export {
  DeviceOverflowBegan,
  DeviceOverflowEnded,
  DiskRecovered,
  DiskSlowed,
  type HealthEvent,
  healthEvents,
  MotionBegan,
  MotionEnded,
  RecordingServerOverloadEnded,
  RecordingServerOverloaded,
} from './events/health.js';
export {
  LinkEstablished,
  type LinkEvent,
  LinkLost,
  linkEvents,
} from './events/link.js';
export {
  AcknowledgementLevel,
  type LogEvent,
  LogHistoryRecovered,
  LogTruncated,
  logEvents,
} from './events/log.js';
export {
  type ManualRecordingEvent,
  ManualRecordingStarted,
  ManualRecordingStopped,
  manualRecordingEvents,
} from './events/manual-recording.js';
export {
  EmulatedLinkCut,
  EmulatedLinkRestored,
  type OperatorEvent,
  operatorEvents,
  ProjectionRebuildRequested,
  PtzMoved,
  QuarantineReleaseRequested,
} from './events/operator.js';
export {
  isPersonal,
  isSealed,
  personal,
  replaceSealed,
  Subject,
  SubjectKeyId,
  sealedToken,
} from './events/personal.js';
export {
  DeletionPolicy,
  RecordingCause,
  RecordingDamaged,
  RecordingDeleted,
  type RecordingEvent,
  RecordingGap,
  RecordingReduced,
  RecordingSealed,
  RecordingStarted,
  RecordingStopped,
  recordingEvents,
  SealedSegment,
  TimeSource,
} from './events/recording.js';
export {
  DeviceRecordingPolicySet,
  MOTION_GRID_SIDE_MAX,
  MOTION_GRID_SIDE_MIN,
  MotionDetection,
  MotionDetectionConfigured,
  POST_MS_MAX,
  PRE_BUFFER_MS_MAX,
  RecordingMode,
  RecordingPolicy,
} from './events/recording-policy.js';
export {
  ArchiveSchedule,
  DeviceStorageAssigned,
  RecordingHalted,
  type RecordingServerEvent,
  RecordingServerRegistered,
  RecordingServerRetentionSet,
  RecordingServerStarted,
  RecordingUnhalted,
  recordingServerEvents,
  StorageConfigured,
  StorageEncryption,
  StorageMeasured,
} from './events/recording-server.js';
export {
  RetrievalCancelled,
  RetrievalCompleted,
  type RetrievalEvent,
  RetrievalFailed,
  RetrievalInterrupted,
  RetrievalProgressed,
  RetrievalRequested,
  RetrievalResumed,
  RetrievalStarted,
  RetrievalTrigger,
  RetrievedSegment,
  retrievalEvents,
} from './events/retrieval.js';
export {
  ChildSiteEnrolled,
  LogEpochOpened,
  LogKeyPinned,
  SiteEstablished,
  type SiteEvent,
  SiteRenamed,
  siteEvents,
} from './events/site.js';
export { SubjectErased, type SubjectEvent, subjectEvents } from './events/subject.js';
export {
  SignInRefused,
  type UserEvent,
  UserSignedIn,
  userEvents,
} from './events/user.js';
export {
  AlarmId,
  BookmarkId,
  CommandId,
  DeviceId,
  EventId,
  EvidenceLockId,
  HardwareId,
  RecordingServerId,
  RetrievalId,
  SegmentId,
  SiteId,
  StorageId,
} from './ids.js';
