import type { SiteId } from '@holdfast/schema';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import { ModelTable } from './model-table.js';
import { type Page, type PageRequest, readPage } from './page.query.js';

export type QuarantineStatus = 'POISON' | 'UNTIL_UPGRADE' | 'WAITING';

export interface QuarantineRow {
  readonly projection: string;
  readonly seq: number;
  readonly site: SiteId;
  readonly stream: string;
  readonly status: QuarantineStatus;
  readonly reason: string;
  readonly atMs: number;
  /** How often it was tried. */
  readonly attempts: number;
}

/** The one of the schema that a transaction works in: a build has a quarantine of its own. */
export const quarantineTable = new ModelTable<QuarantineRow>('quarantined_event', ['projection', 'seq']);

/** A message may be as long as an event. */
const REASON_CHARACTERS_MAX = 1000;

export function reasonOf(error: unknown): string {
  return String(error).slice(0, REASON_CHARACTERS_MAX);
}

export function streamKey({ site, stream }: { readonly site: SiteId; readonly stream: string }): string {
  return `${site}/${stream}`;
}

/**
 * Behind the lock of the checkpoint and never in its statement: a statement that waited for a lock sees the quarantine as it was
 * before, without what a swap has put into it meanwhile.
 */
export async function isAnythingAside(tx: TransactionSql): Promise<boolean> {
  const [row] = await tx<{ isAnything: boolean }[]>`
    select exists (select from quarantined_event) as is_anything`.execute();
  return row!.isAnything;
}

/** Per projection, which of these streams have something in the quarantine. */
export async function readStalledStreams(
  tx: TransactionSql,
  streams: ReadonlySet<string>,
): Promise<ReadonlyMap<string, Set<string>>> {
  const rows = await tx<{ projection: string; site: SiteId; stream: string }[]>`
    select distinct projection, site, stream from quarantined_event where stream = any(${[...streams]}::text[])`;
  const stalled = new Map<string, Set<string>>();
  for (const row of rows) {
    const keys = stalled.get(row.projection) ?? new Set();
    stalled.set(row.projection, keys.add(streamKey(row)));
  }
  return stalled;
}

/** What is in the quarantine, oldest first. `projection` null: of every projection. */
export function readQuarantine(
  sql: Sql,
  projection: string | null,
  page: PageRequest,
): Promise<Page<QuarantineRow>> {
  return readPage<QuarantineRow>(sql, page, {
    ...{ from: sql`quarantined_event`, columns: sql`*`, direction: 'asc' },
    where: projection === null ? [] : [sql`projection = ${projection}`],
    sort: [
      { column: 'seq', type: 'bigint', value: row => row.seq },
      { column: 'projection', type: 'text', value: row => row.projection },
    ],
  });
}
