import type { DeviceLockReport } from '@holdfast/core';
import { z } from 'zod';
import type { Sql } from '../../postgres/sql.js';
import { type Page, type PageRequest, readPage } from '../page.query.js';
import { containsText } from '../text-search.js';
import type { EvidenceLockReportRow, EvidenceLockRow } from './evidence-locks.read-model.js';

const missingSpans = z.array(z.object({ fromMs: z.number(), toMs: z.number() }));

export type EvidenceLockState = 'ACTIVE' | 'EXPIRED' | 'RELEASED';

export interface EvidenceLockQuery {
  readonly siteId: string | null;
  readonly deviceId: string | null;
  readonly states: readonly EvidenceLockState[] | null;
  readonly text: string | null;
}

/** Expiry is a matter of the clock, not of an event: the state is told, not stored. */
export function evidenceLockState(lock: EvidenceLockRow, nowMs: number): EvidenceLockState {
  if (lock.releasedAtMs !== null) return 'RELEASED';
  return lock.expiresAtMs !== null && lock.expiresAtMs <= nowMs ? 'EXPIRED' : 'ACTIVE';
}

/** Newest first. */
export function readEvidenceLocks(
  sql: Sql,
  query: EvidenceLockQuery,
  page: PageRequest,
  nowMs: number,
): Promise<Page<EvidenceLockRow>> {
  const where = [];
  if (query.siteId !== null) where.push(sql`site_id = ${query.siteId}`);
  if (query.deviceId !== null) where.push(sql`device_ids @> array[${query.deviceId}]::uuid[]`);
  if (query.states !== null) {
    where.push(sql`
      case when released_at_ms is not null then 'RELEASED' when expires_at_ms <= ${nowMs} then 'EXPIRED' else 'ACTIVE' end
      = any(${query.states as string[]}::text[])`);
  }
  if (query.text !== null) where.push(containsText(sql, ['headline', 'description'], query.text));
  return readPage<EvidenceLockRow>(sql, page, {
    ...{ from: sql`evidence_lock`, columns: sql`*`, where, direction: 'desc' },
    sort: [
      { column: 'created_at_ms', type: 'bigint', value: row => row.createdAtMs },
      { column: 'id', type: 'uuid', value: row => row.id },
    ],
  });
}

export async function readEvidenceLocksById(
  sql: Sql,
  ids: readonly string[],
): Promise<readonly EvidenceLockRow[]> {
  return sql<EvidenceLockRow[]>`select * from evidence_lock where id = any(${ids as string[]}::uuid[])`;
}

export interface EvidenceLockReports {
  /** Of the lock. */
  readonly id: string;
  readonly reports: readonly (DeviceLockReport & { readonly deviceId: string })[];
}

export async function readEvidenceLockReports(
  sql: Sql,
  lockIds: readonly string[],
): Promise<readonly EvidenceLockReports[]> {
  const rows = await sql<EvidenceLockReportRow[]>`
    select * from evidence_lock_report where lock_id = any(${lockIds as string[]}::uuid[])`;
  return [...Map.groupBy(rows, row => row.lockId)].map(([id, reports]) => ({
    id,
    reports: reports.map(({ missing, ...row }) => ({
      ...row,
      missing: missingSpans.parse(JSON.parse(missing)),
    })),
  }));
}
