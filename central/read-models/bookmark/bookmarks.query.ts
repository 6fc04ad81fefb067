import type { Sql } from '../../postgres/sql.js';
import { type Page, type PageRequest, readPage } from '../page.query.js';
import { containsText } from '../text-search.js';
import type { BookmarkRow } from './bookmarks.read-model.js';

export interface BookmarkQuery {
  readonly siteId: string | null;
  readonly deviceId: string | null;
  /** Those whose span touches it. */
  readonly fromMs: number | null;
  readonly toMs: number | null;
  /** In header or reference: descriptions are sealed. */
  readonly text: string | null;
}

/** The latest moment first. */
export function readBookmarks(sql: Sql, query: BookmarkQuery, page: PageRequest): Promise<Page<BookmarkRow>> {
  const where = [];
  if (query.siteId !== null) where.push(sql`site_id = ${query.siteId}`);
  if (query.deviceId !== null) where.push(sql`device_id = ${query.deviceId}`);
  if (query.fromMs !== null) where.push(sql`to_ms >= ${query.fromMs}`);
  if (query.toMs !== null) where.push(sql`from_ms < ${query.toMs}`);
  if (query.text !== null) where.push(containsText(sql, ['header', 'reference'], query.text));
  return readPage<BookmarkRow>(sql, page, {
    ...{ from: sql`bookmark`, columns: sql`*`, where, direction: 'desc' },
    sort: [
      { column: 'at_ms', type: 'bigint', value: row => row.atMs },
      { column: 'id', type: 'uuid', value: row => row.id },
    ],
  });
}

export async function readBookmarkById(sql: Sql, id: string): Promise<BookmarkRow | null> {
  const [row] = await sql<BookmarkRow[]>`select * from bookmark where id = ${id}`;
  return row ?? null;
}
