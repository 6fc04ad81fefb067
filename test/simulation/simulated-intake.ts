import type { LogHead } from '@holdfast/core';
import type { ReplicaIntake } from '@holdfast/interconnect';
import type { SimulatedProcess } from './simulated-process.js';

/** A parent's replicas as one life of a process sees them; what is below outlives it, as a database does. */
export function intakeOfProcess(
  database: ReplicaIntake,
  process: SimulatedProcess,
  checkpointed: (head: LogHead) => void,
): ReplicaIntake {
  return {
    openSession: site => process.write('DATABASE', () => database.openSession(site)),
    commit: batch =>
      process.write('DATABASE', async () => {
        const outcome = await database.commit(batch);
        if (outcome === 'COMMITTED' && batch.checkpoint) checkpointed(batch.checkpoint.head);
        return outcome;
      }),
  };
}
