import { LOG_START, type LogPlace, placeOf } from '@holdfast/core';
import type { SiteServers } from '@holdfast/sites';
import type { Sql } from '../postgres/sql.js';
import { createRetrievalFacts } from '../read-models/retrieval/retrieval-facts.query.js';
import { readReplicaCursor } from './postgres-replica-intake.js';

/**
 * How far those have come who read the whole of this central's own log: the intake into the database, what is projected of it
 * for retrieval, and each retrieval that has not ended, which reads its stream from the first event.
 */
export async function ownLogReadThrough({
  sql,
  servers,
}: {
  readonly sql: Sql;
  readonly servers: Pick<SiteServers, 'log' | 'siteId'>;
}): Promise<readonly LogPlace[]> {
  const { log, siteId } = servers;
  const cursor = await readReplicaCursor(sql, siteId);
  const { retrievalIds, asOf } = await createRetrievalFacts(sql, siteId).openRetrievals();
  const places = [cursor === null ? LOG_START : placeOf(cursor), asOf];
  for (const retrievalId of retrievalIds) {
    const stream = `retrieval-${retrievalId}`;
    const [first] = await log.readStream({ stream, afterRevision: null, limit: 1, carried: true });
    if (first !== undefined) places.push({ epoch: first.epoch, position: first.position - 1 });
  }
  return places;
}
