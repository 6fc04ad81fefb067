export type { ReplicaCursor, ReplicaIntake } from './replication/replica-intake.js';
export type { DeviceRecordings, RetrievalFacts, SourceSegment } from './retrieval/retrieval-facts.js';
