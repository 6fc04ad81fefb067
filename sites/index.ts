export { type AlarmsByCause, alarmsByCause, type CausedAlarm, type EndedTrouble } from './alarms-by-cause.js';
export { type AppendBenchmark, benchAppend } from './bench/append.bench.js';
export { benchIngest, type IngestBenchmark } from './bench/ingest.bench.js';
export { benchMotion, type MotionBenchmark } from './bench/motion.bench.js';
export { benchRestart, type RestartBenchmark } from './bench/restart.bench.js';
export { keepDiskFull } from './bench/soak/disk-failures.js';
export { benchSoak, type SoakOptions, type SoakParent, type SoakReport } from './bench/soak/soak.bench.js';
export {
  ConfigurationError,
  type ConfigurationFault,
  describeFault,
  locateFaults,
  parseConfiguration,
  readConfigurationFile,
} from './configuration/configuration-file.js';
export {
  CameraConfiguration,
  checkRecording,
  checkTruncation,
  LogPublicKey,
  OperationsConfiguration,
  ParentConfiguration,
  RecordingServerConfiguration,
  SiteConfiguration,
  SiteIdentity,
  SiteSettings,
} from './configuration/site-configuration.js';
export { filesOfCertificates, watchCertificates } from './credentials/certificate-watch.js';
export { CredentialsMissingError, requiredCredentials } from './credentials/required-credentials.js';
export {
  type CameraCredentials,
  generateSealingKey,
  openCredentials,
  SealedCredentialsError,
  sealCredentials,
} from './credentials/sealed-credentials.js';
export { CHECKPOINT_INTERVAL_MS } from './log/checkpoint-keeper.js';
export type { DurableSiteLog } from './log/durable-site-log.js';
export { noteSigner, rawPublicKey, verifyNote, verifyNoteOffThread } from './log/ed25519-notes.js';
export { lockFile } from './log/file-lock.js';
export { foldCode } from './log/fold-files.js';
export { KurrentLogError, type KurrentLogFault } from './log/kurrent/kurrent-log-error.js';
export { LogRepairs } from './log/log-repairs.js';
export { HistoryNotKeptError, keepPulledHistory } from './log/pulled-history-file.js';
export { type LogLife, type LogOfSite, openLogOf, runOverResets } from './log/run-over-resets.js';
export { sha256 } from './log/sha256.js';
export {
  SITE_LOG_FILE_NAME,
  SiteLogFileError,
  type SiteLogFileFault,
} from './log/site-log-file.js';
export {
  type ProofOptions,
  type ProofOutcome,
  type ProofRefusal,
  proveConsistency,
  proveEvent,
  siteLogEnd,
  siteLogRootAt,
} from './log/site-log-proofs.js';
export { readSiteLogFile, type SiteLogFile } from './log/site-log-reader.js';
export {
  openSqliteSiteLog,
  type SqliteSiteLog,
  type SqliteSiteLogOptions,
} from './log/sqlite-site-log.js';
export { TRUNCATION_RETRY_MS } from './log/truncation-schedule.js';
export { pinnedKeyIn, readTrustedKeys, TrustedKeyError } from './log/trusted-keys.js';
export {
  DAMAGES_NAMED_MAX,
  type SiteLogDamage,
  type SiteLogDamageCode,
  type SiteLogVerification,
  verifySiteLog,
} from './log/verify-site-log.js';
export { SiteLogOverloadedError, SiteLogWriteError } from './log/writer-thread.js';
export {
  type CommandContext,
  type CommandOutcome,
  ManagementServer,
  type ManagementServerOptions,
} from './management-server/management-server.js';
export { pinConfiguredKey, pinFirstKey, pinnedKey } from './management-server/pinned-keys.js';
export { firstRecordingServer } from './media-away.js';
export {
  deviceNamed,
  findMediaDirectories,
  type MediaDirectoryOfServer,
  type RepairedMediaDirectory,
  recordedIn,
  repairMediaDirectory,
} from './media-directories.js';
export { defineLiveMetrics } from './operations/live-metrics.js';
export {
  type OperationsServer,
  type OperationsServerOptions,
  openOperationsServer,
} from './operations/operations-server.js';
export { defineRecordingMetrics, defineStorageMetrics } from './operations/recording-metrics.js';
export { LIVE_LAG_MS_MAX, LIVE_RECOVERY_MS } from './recording-server/camera/live-consumer.js';
export { LiveFanOut } from './recording-server/camera/live-fan-out.js';
export { type LiveCounts, LiveViewers, type Shedding } from './recording-server/camera/live-viewers.js';
export type { CameraSink } from './recording-server/drivers/driver.js';
export {
  type DiscoveredDevice,
  type DiscoveryOptions,
  discoverDevices,
} from './recording-server/drivers/onvif/ws-discovery.js';
export { rtspDriver } from './recording-server/drivers/rtsp/rtsp-driver.js';
export {
  checkMedia,
  type MediaCheck,
  type MediaFault,
} from './recording-server/media-database/check-media.js';
export type { ExportList } from './recording-server/media-database/export-list.js';
export {
  ExportError,
  type ExportOptions,
  exportMedia,
} from './recording-server/media-database/export-media.js';
export {
  MEDIA_DATABASE_LIMITS,
  type MediaDamage,
  type MediaDatabase,
  type MediaDatabaseLimits,
  type MediaDatabaseObserver,
  type MediaRecovery,
  type MediaRepair,
  type MediaSpan,
  type OutgoingFact,
  type RecordOutcome,
  type SealReport,
  type SegmentOrigin,
  type StoredSegment,
} from './recording-server/media-database/media-database.js';
export type { MediaDatabaseOptions } from './recording-server/media-database/media-database-options.js';
export { MediaPasswordError } from './recording-server/media-database/media-keyring.js';
export { openMediaDatabase } from './recording-server/media-database/open-media-database.js';
export {
  changeMediaPassword,
  mediaKeysOf,
  readMediaPassword,
} from './recording-server/media-database/open-media-keyring.js';
export {
  MediaDatabaseForeignError,
  MediaDatabaseInUseError,
} from './recording-server/media-database/segment-index.js';
export {
  type MediaVerification,
  type SealedFact,
  verifyMedia,
} from './recording-server/media-database/verify-media.js';
export { RecordingServer } from './recording-server/recording-server.js';
export type { RecordingServerOptions } from './recording-server/recording-server-options.js';
export { ffmpegCandidates } from './recording-server/snapshot/ffmpeg.js';
export {
  type Snapshot,
  SnapshotMaker,
  type SnapshotRefusal,
} from './recording-server/snapshot/snapshot-maker.js';
export { type ParentReport, reportToParent } from './report-to-parent.js';
export type { RtspCredentials } from './rtsp-server/digest-authentication.js';
export type {
  MediaProvider,
  ServedAccessUnit,
  ServedPresentation,
  ServedTrack,
} from './rtsp-server/media-provider.js';
export type { RtspCloseCause } from './rtsp-server/rtsp-connection.js';
export {
  RtspListenError,
  RtspServer,
  type RtspServerOptions,
  type RtspServerReport,
} from './rtsp-server/rtsp-server.js';
export { runTogether } from './run-together.js';
export { type Clip, type ClipName, clipNames, loadClip, shortenClip } from './simulated-cameras/clip.js';
export { padClip } from './simulated-cameras/padded-clip.js';
export {
  openSimulatedCameras,
  runSimulatedCameras,
  type SimulatedCamera,
  type SimulatedCamerasOptions,
} from './simulated-cameras/simulated-cameras.js';
export { simulatedScene } from './simulated-cameras/simulated-scene.js';
export { alarmsOfUnrepairedLog, beginsAgainWithMedia, type RunSiteOptions, runSite } from './site.js';
export { mediaDirectoryOf, pulledHistoryFileOf, siteLogFileOf, subjectKeyFileOf } from './site-directory.js';
export { loadSiteKeys, type SiteKeys, siteLogKeyFileOf } from './site-keys.js';
export { newUuid, openSiteServers, type SiteServers, type SiteServersOptions } from './site-servers.js';
export { readLogKey, readSiteTrust, type SiteTrust } from './site-trust.js';
export { SOFTWARE } from './software.js';
export { type ErasedSubject, eraseSubject } from './subject-keys/erase-subject.js';
export { ERASED_TEXT, FOREIGN_TEXT, SubjectKeys } from './subject-keys/subject-keys.js';
export { defineLogMetrics, type LogTruncationTask, truncateLog } from './truncate-log.js';
export {
  findSiteDirectories,
  type SiteDirectoryDamage,
  type SiteDirectoryVerification,
  type VerifySiteOptions,
  verifySiteDirectory,
} from './verify-site-directory.js';
