export { OwnLogBehindReplicaError, runOwnLogIntake } from './intake/own-log-intake.js';
export { createPostgresReplicaIntake, readReplicaCursor } from './intake/postgres-replica-intake.js';
export { type Database, openDatabase } from './postgres/database.js';
export { EmbeddedPostgresError } from './postgres/embedded-postgres-error.js';
export type { Sql, TransactionSql } from './postgres/sql.js';
