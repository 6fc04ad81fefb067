export type { ReplicaCursor, ReplicaIntake } from './replication/replica-intake.js';
