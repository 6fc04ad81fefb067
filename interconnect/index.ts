export { describeBackbone } from './backbone/backbone.conformance.js';
export type { Backbone, BackboneDelivery, BackboneFrame, BackboneReader } from './backbone/backbone.js';
export { acceptFrame, framesOf } from './backbone/backbone-frames.js';
export { BackboneMessageError } from './backbone/backbone-message.js';
export { type KafkaBackboneOptions, openKafkaBackbone } from './backbone/kafka-backbone.js';
export { createMemoryBackbone, type MemoryBackbone } from './backbone/memory-backbone.js';
export {
  type CertificateAuthority,
  CertificateRoleError,
  createCertificateAuthority,
  issuePeerCredentials,
  type PeerCredentials,
  serverNameOfRole,
} from './certificates/certificate-authority.js';
export {
  CertificateFaults,
  certificatesOfFile,
  type FileCertificate,
  type FileFault,
} from './certificates/certificate-faults.js';
export {
  CertificateFileError,
  loadCertificateAuthority,
  loadPeerCredentials,
  peerFiles,
  saveCertificateAuthority,
  savePeerCredentials,
} from './certificates/certificate-files.js';
export { fittingCredentials, openRenewedCredentials } from './certificates/renewed-credentials.js';
export { siteOfCertificate } from './certificates/site-of-certificate.js';
export {
  EmulatedLink,
  EmulatedLinkError,
  type EmulatedLinkOptions,
  type EmulatedLinkState,
  type LinkCutMode,
  type LinkShape,
  linkCutModes,
} from './emulated-link/emulated-link.js';
export {
  LinkControlError,
  type LinkControlErrorCode,
  type LinkReport,
  type LinkShapeRequest,
} from './emulated-link/link-control.js';
export { type LinkControlClient, linkControlClient } from './emulated-link/link-control-client.js';
export {
  type LinkControlOptions,
  LinkControlServer,
} from './emulated-link/link-control-server.js';
export {
  type LinkTrace,
  LinkTraceError,
  parseLinkTrace,
  traceCapacityBytes,
} from './emulated-link/link-trace.js';
export type { LinkMachineState } from './link/link.machine.js';
export {
  LinkFactError,
  type LinkKeeper,
  type LinkKeeperOptions,
  type LinkView,
  openLinkKeeper,
} from './link/link-keeper.js';
export { FolderError, fileFaultInWords, makeFolder } from './make-folder.js';
export {
  type AttachedRecordingServer,
  createMediaChannelService,
  type MediaChannelService,
} from './media-channel/media-channel-service.js';
export { MediaChannelFaultError } from './media-channel/receiving-channel.js';
export { runMediaChannel } from './media-channel/run-media-channel.js';
export { type AcknowledgedLevels, Acknowledgements } from './replication/acknowledgements.js';
export { unpackEvents } from './replication/event-frame.js';
export { dialParent } from './replication/grpc-replication-duplex.js';
export { HistoryServer } from './replication/history-server.js';
export type {
  LinkLossCause,
  LinkMeasurement,
  LinkObserver,
  LinkTrouble,
} from './replication/link-observer.js';
export { findLostHistory, HistoryNotOursError } from './replication/lost-history.js';
export { createMemoryReplicaIntake, type MemoryReplicaIntake } from './replication/memory-replica-intake.js';
export { type OfferedLog, offerOwnLog } from './replication/offered-log.js';
export type { OriginKeys } from './replication/origin-keys.js';
export { RelayedReplicas } from './replication/relayed-replicas.js';
export {
  describeReplicaIntake,
  type ReplicaIntakeUnderTest,
} from './replication/replica-intake.conformance.js';
export type {
  ReplacingTail,
  ReplicaCursor,
  ReplicaIntake,
  ReplicaMender,
  ReplicaReader,
  TailOutcome,
} from './replication/replica-intake.js';
export { ReplicaRecovery } from './replication/replica-recovery.js';
export type { ChildDuplex, DuplexListener, ParentDuplex } from './replication/replication-duplex.js';
export type {
  ChildFrame,
  ParentFrame,
  RelayedHead,
  ReplicationRefusal,
  ReplicationRefusalCode,
} from './replication/replication-frame.js';
export { replicationRefusalCodes } from './replication/replication-frame.js';
export { childFrameToWire } from './replication/replication-frame.wire.js';
export type {
  ChildLink,
  LostHistorySink,
  ParentKey,
  RecoveryOutcome,
  RelayedLogs,
  ReplicationOptions,
  WishSink,
} from './replication/replication-options.js';
export {
  createReplicationService,
  type ReplicationService,
  type ReplicationServiceOptions,
} from './replication/replication-service.js';
export { runReplication } from './replication/run-replication.js';
export type { WishLog } from './replication/wish-feed.js';
export type { RetrievalProgress } from './retrieval/retrieval-entry.js';
export type { DeviceRecordings, RetrievalFacts, SourceSegment } from './retrieval/retrieval-facts.js';
export { RetrievalLogError } from './retrieval/retrieval-process.js';
export {
  type CancelOutcome,
  DEFAULT_RETRIEVAL_BUDGET,
  OPEN_RETRIEVALS_MAX,
  type RequestOutcome,
  RetrievalService,
  type RetrievalServiceOptions,
} from './retrieval/retrieval-service.js';
export { runSubjectKeyOffers } from './subject-keys/run-subject-key-offers.js';
export { registerSubjectKeyService } from './subject-keys/subject-key-service.js';
export type {
  OfferedKey,
  SubjectKeyPage,
  SubjectKeySink,
  SubjectKeySource,
} from './subject-keys/subject-key-store.js';
export { createGrpcChannel, type PeerAddress } from './transport/grpc-channel.js';
export { GRPC_MESSAGE_BYTES_MAX } from './transport/grpc-options.js';
export { createGrpcServer, GrpcListenError, type GrpcServer, isLoopback } from './transport/grpc-server.js';
export { HTTP2_WINDOW_BYTES } from './transport/grpc-window.js';
export { pause, processTimers, type Timers } from './transport/timers.js';
