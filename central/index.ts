export type {
  ApiPorts,
  CommandGateway,
  CommandOutcome,
  LinkControl,
  LinkView,
  LinkViews,
  Refusal,
  RetrievalRequests,
  SealCredentials,
  ServerState,
} from './api/api-ports.js';
export { createPublishingIntake } from './backbone/publishing-intake.js';
export { type CentralHttp, type CentralHttpOptions, createCentralHttp } from './http/central-http.js';
export { OwnLogBehindReplicaError, runOwnLogIntake } from './intake/own-log-intake.js';
export {
  createPostgresReplicaIntake,
  FEED_CHANNEL,
  readReplicaCursor,
} from './intake/postgres-replica-intake.js';
export {
  type HeldRecordings,
  heldInMediaDatabases,
  type MediaDirectory,
  type MediaRefusal,
  type RecordingSources,
} from './media-gateway/media-directory.js';
export { type Database, openDatabase } from './postgres/database.js';
export { EmbeddedPostgresError } from './postgres/embedded-postgres-error.js';
export type { Sql, TransactionSql } from './postgres/sql.js';
export { Projections, type ProjectionsOptions } from './read-models/projections.js';
export { PROJECTED_CHANNEL, Projector, type ProjectorOptions } from './read-models/projector.js';
export { readModels } from './read-models/read-models.js';
export { createRetrievalFacts } from './read-models/retrieval/retrieval-facts.query.js';
export { listenFor, Wakeup } from './read-models/wakeup.js';
