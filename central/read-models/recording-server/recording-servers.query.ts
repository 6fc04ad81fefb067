import type { Sql } from '../../postgres/sql.js';
import { type Page, type PageRequest, readPage } from '../page.query.js';
import type { RecordingServerRow } from './recording-servers.read-model.js';

export function readRecordingServers(
  sql: Sql,
  filter: { readonly siteId: string | null },
  page: PageRequest,
): Promise<Page<RecordingServerRow>> {
  return readPage<RecordingServerRow>(sql, page, {
    ...{ from: sql`recording_server`, columns: sql`*`, direction: 'asc' },
    where: filter.siteId === null ? [] : [sql`site_id = ${filter.siteId}`],
    sort: [
      { column: 'name', type: 'text', value: row => row.name },
      { column: 'id', type: 'uuid', value: row => row.id },
    ],
  });
}

export async function readRecordingServersById(
  sql: Sql,
  ids: readonly string[],
): Promise<readonly RecordingServerRow[]> {
  return sql<RecordingServerRow[]>`select * from recording_server where id = any(${ids as string[]}::uuid[])`;
}

export async function readRecordingServersOfSite(
  sql: Sql,
  siteId: string,
): Promise<readonly RecordingServerRow[]> {
  return sql<
    RecordingServerRow[]
  >`select * from recording_server where site_id = ${siteId} order by name, id`;
}
