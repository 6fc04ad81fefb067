import type { Sql } from '../../postgres/sql.js';
import { type Page, type PageRequest, readPage } from '../page.query.js';
import type { RetrievalRow } from './retrievals.read-model.js';

export interface RetrievalQuery {
  readonly siteId: string | null;
  readonly deviceId: string | null;
  readonly states: readonly RetrievalRow['state'][] | null;
}

/** Newest first. */
export function readRetrievals(
  sql: Sql,
  query: RetrievalQuery,
  page: PageRequest,
): Promise<Page<RetrievalRow>> {
  const where = [];
  if (query.siteId !== null) where.push(sql`site_id = ${query.siteId}`);
  if (query.deviceId !== null) where.push(sql`device_id = ${query.deviceId}`);
  if (query.states !== null) where.push(sql`state = any(${query.states as string[]}::text[])`);
  return readPage<RetrievalRow>(sql, page, {
    ...{ from: sql`retrieval`, columns: sql`*`, where, direction: 'desc' },
    sort: [
      { column: 'requested_at_ms', type: 'bigint', value: row => row.requestedAtMs },
      { column: 'id', type: 'uuid', value: row => row.id },
    ],
  });
}

export async function readRetrievalsById(sql: Sql, ids: readonly string[]): Promise<readonly RetrievalRow[]> {
  return sql<RetrievalRow[]>`select * from retrieval where id = any(${ids as string[]}::uuid[])`;
}
