import { readEventData, type SubjectKeyRing } from '@holdfast/core';
import type { ReplicaIntake } from '@holdfast/interconnect';
import {
  decodeEvent,
  EventDecodeError,
  type HoldfastEvent,
  type SiteId,
  SubjectErased,
} from '@holdfast/schema';
import type { Sql } from '../postgres/sql.js';

/**
 * The same intake; when the log of any site says that a subject is erased, the copies of its keys that are held here are destroyed
 * as soon as that is durable.
 */
export function destroyingErasedKeys(intake: ReplicaIntake, keys: SubjectKeyRing): ReplicaIntake {
  return {
    openSession: site => intake.openSession(site),
    commit: async batch => {
      const outcome = await intake.commit(batch);
      if (outcome === 'COMMITTED') {
        for (const recorded of batch.events) {
          if (recorded.type === SubjectErased.type) destroy(batch.site, readEventData(recorded), keys);
        }
      }
      return outcome;
    },
  };
}

/** For those that a kill left between the commit and the deed; there are few of them. */
export async function destroyErasedKeys(sql: Sql, keys: SubjectKeyRing): Promise<void> {
  const rows = await sql<{ site: SiteId; version: number; data: Buffer }[]>`
    select site, version, data from replica_event where type = ${SubjectErased.type} order by seq`;
  for (const { site, version, data } of rows) {
    try {
      destroy(site, decodeEvent(SubjectErased.type, version, JSON.parse(data.toString('utf8'))), keys);
    } catch (error) {
      // Put aside like every event that this software cannot read; after an upgrade it is read here again.
      if (!(error instanceof EventDecodeError) && !(error instanceof SyntaxError)) throw error;
    }
  }
}

function destroy(maker: SiteId, event: HoldfastEvent | EventDecodeError, keys: SubjectKeyRing): void {
  if (event instanceof EventDecodeError || event.type !== 'SubjectErased') return;
  keys.destroy({ ...event.data, maker });
}
