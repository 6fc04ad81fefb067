import type { AlarmState } from '@holdfast/schema';
import type { Sql } from '../../postgres/sql.js';
import { type Page, type PageRequest, readPage } from '../page.query.js';
import { containsText } from '../text-search.js';
import type { AlarmHistoryRow, AlarmRow } from './alarms.read-model.js';

export interface AlarmQuery {
  readonly siteId: string | null;
  readonly states: readonly AlarmState[] | null;
  readonly deviceId: string | null;
  readonly priority: number | null;
  readonly text: string | null;
  /** Raised in [fromMs, toMs). */
  readonly fromMs: number | null;
  readonly toMs: number | null;
}

/** Newest first. */
export function readAlarms(sql: Sql, query: AlarmQuery, page: PageRequest): Promise<Page<AlarmRow>> {
  const where = [];
  if (query.siteId !== null) where.push(sql`site_id = ${query.siteId}`);
  if (query.states !== null) where.push(sql`state = any(${query.states as string[]}::text[])`);
  if (query.deviceId !== null) where.push(sql`source_device_id = ${query.deviceId}`);
  if (query.priority !== null) where.push(sql`priority = ${query.priority}`);
  if (query.text !== null) {
    where.push(containsText(sql, ['name', 'message', 'source_name', 'assigned_to'], query.text));
  }
  if (query.fromMs !== null) where.push(sql`raised_at_ms >= ${query.fromMs}`);
  if (query.toMs !== null) where.push(sql`raised_at_ms < ${query.toMs}`);
  return readPage<AlarmRow>(sql, page, {
    ...{ from: sql`alarm`, columns: sql`*`, where, direction: 'desc' },
    sort: [
      { column: 'raised_at_ms', type: 'bigint', value: row => row.raisedAtMs },
      { column: 'id', type: 'uuid', value: row => row.id },
    ],
  });
}

export async function readAlarmsById(sql: Sql, ids: readonly string[]): Promise<readonly AlarmRow[]> {
  return sql<AlarmRow[]>`select * from alarm where id = any(${ids as string[]}::uuid[])`;
}

/** An alarm that is commented on by a machine must not fill an answer: the newest lines are kept. */
const HISTORY_LINES_MAX = 500;

/** Oldest first. */
export async function readAlarmHistory(sql: Sql, alarmId: string): Promise<readonly AlarmHistoryRow[]> {
  const rows = await sql<AlarmHistoryRow[]>`
    select * from alarm_history where alarm_id = ${alarmId} order by seq desc limit ${HISTORY_LINES_MAX}`;
  return rows.toReversed();
}
