import 'reflect-metadata';

export { Alarm, AlarmChange, AlarmConnection, AlarmFilter, AlarmHistoryEntry } from './alarm.js';
export { AuditEntry, AuditEntryConnection, AuditFilter } from './audit.js';
export { Bookmark, BookmarkConnection, BookmarkFilter, BookmarkPayload } from './bookmark.js';
export {
  AlarmPayload,
  CameraPayload,
  Command,
  DevicePayload,
  EvidenceLockPayload,
  HardwarePayload,
} from './command.js';
export {
  Configuration,
  ConfigurationChange,
  ConfigurationDiff,
  ConfiguredChildSite,
  ConfiguredDevice,
  ConfiguredHardware,
  ConfiguredRecordingServer,
  LogPlaceInput,
} from './configuration.js';
export {
  AlarmStateEnum,
  CommandStateEnum,
  ConfigurationChangeEnum,
  ConfiguredKindEnum,
  DeviceTypeEnum,
  DriverEnum,
  EvidenceLockOutcomeEnum,
  EvidenceLockStateEnum,
  HardwareConnectionStateEnum,
  LinkStateEnum,
  RecordingModeEnum,
  RetrievalStateEnum,
  RetrievalTriggerEnum,
  SpanStateEnum,
  type ValueOf,
} from './enumerations.js';
export { EventAppended, EventConnection, EventFilter, LogEvent } from './event.js';
export {
  EvidenceLock,
  EvidenceLockConnection,
  EvidenceLockDevice,
  EvidenceLockFilter,
} from './evidence-lock.js';
export {
  CameraInput,
  Device,
  DeviceConnection,
  DeviceStream,
  DeviceStreams,
  Hardware,
  HardwareCapabilities,
  OfferedStream,
  PtzPreset,
  PtzSession,
} from './hardware.js';
export { DeviceHealth, RecordingServerHealth } from './health.js';
export { type Connection, type Edge, PageArguments, PageInfo } from './page.js';
export { MotionDetectionSettings, RecordingPolicySettings } from './recording-policy.js';
export { RecordingServer, RecordingServerConnection } from './recording-server.js';
export { Retrieval, RetrievalChange, RetrievalConnection, RetrievalFilter } from './retrieval.js';
export { Cursor, DateTime } from './scalars.js';
export { Link, LinkChange, LogCheckpoint, LogEpoch, Site, SiteConnection, SiteLogHead } from './site.js';
export { SmartSearch } from './smart-search.js';
export { Storage, StorageStage } from './storage.js';
export {
  ProjectionDifference,
  ProjectionStatus,
  QuarantinedEvent,
  QuarantinedEventConnection,
  QuarantineRelease,
  ServerStatus,
  SystemStatus,
  User,
} from './system-status.js';
export { DeviceTimeline, TimelineSpan } from './timeline.js';
