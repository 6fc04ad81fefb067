// For tests: a central's own log in its database, without the central.
import type { DurableSiteLog } from '@holdfast/sites';
import type { Sql } from '../postgres/sql.js';
import { runOwnLogIntake } from './own-log-intake.js';
import { createPostgresReplicaIntake, readReplicaCursor } from './postgres-replica-intake.js';

/** Takes in all that the log has; rejects with the first failure. */
export async function takeInOwnLog(log: DurableSiteLog, sql: Sql): Promise<void> {
  const stopped = new AbortController();
  const running = runOwnLogIntake({
    ...{ log, intake: createPostgresReplicaIntake(sql), signal: stopped.signal },
    ...{ checkpoint: () => log.signedCheckpoint(), random: () => 0 },
    onRetry: error => {
      throw error;
    },
  });
  // It may fail while the cursor is read: it is waited for below.
  running.catch(() => undefined);
  const { site, epoch, size } = log.head();
  for (;;) {
    const cursor = await readReplicaCursor(sql, site);
    if (cursor?.epoch === epoch && cursor.position === size) break;
    await Promise.race([running, new Promise(resolve => setTimeout(resolve, 5))]);
  }
  stopped.abort();
  await running;
}
