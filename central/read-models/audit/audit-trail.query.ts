import type { Sql } from '../../postgres/sql.js';
import { type Page, type PageRequest, readPage } from '../page.query.js';
import type { AuditEntryRow } from './audit-trail.read-model.js';

export interface AuditQuery {
  readonly siteId: string | null;
  /** One of these. */
  readonly actors: readonly string[] | null;
  readonly fromMs: number | null;
  readonly toMs: number | null;
}

/** Newest first. */
export function readAuditTrail(sql: Sql, query: AuditQuery, page: PageRequest): Promise<Page<AuditEntryRow>> {
  const where = [];
  if (query.siteId !== null) where.push(sql`site_id = ${query.siteId}`);
  if (query.actors !== null) where.push(sql`actor = any(${query.actors as string[]}::text[])`);
  if (query.fromMs !== null) where.push(sql`at_ms >= ${query.fromMs}`);
  if (query.toMs !== null) where.push(sql`at_ms < ${query.toMs}`);
  return readPage<AuditEntryRow>(sql, page, {
    ...{ from: sql`audit_entry`, columns: sql`*`, where, direction: 'desc' },
    sort: [{ column: 'seq', type: 'bigint', value: row => row.seq }],
  });
}
