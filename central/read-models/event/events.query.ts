import { inStream, ofTypes } from '../../intake/replica-event-trees.js';
import type { Sql } from '../../postgres/sql.js';
import { type Fragment, type Page, type PageRequest, readPage } from '../page.query.js';

export interface EventQuery {
  readonly siteId: string | null;
  readonly types: readonly string[] | null;
  readonly stream: string | null;
  readonly deviceId: string | null;
  /** Recorded in [fromMs, toMs). */
  readonly fromMs: number | null;
  readonly toMs: number | null;
}

export interface EventRow {
  readonly seq: number;
  readonly siteId: string;
  readonly epoch: number;
  readonly position: number;
  readonly id: string;
  readonly stream: string;
  readonly revision: number;
  readonly type: string;
  readonly version: number;
  readonly recordedAtMs: number;
  readonly occurredAtMs: number;
  readonly actor: string;
  readonly causationId: string | null;
  readonly correlationId: string | null;
  /** JSON text as it is stored in the log. */
  readonly data: string;
}

/** There may be hundreds of millions; beyond this the count says "so many or more". */
export const EVENTS_COUNTED_MAX = 10_000;

/** Newest first, in the order in which this central took them in. */
export async function readEvents(sql: Sql, query: EventQuery, page: PageRequest): Promise<Page<EventRow>> {
  const found = await readPage<StoredEventRow>(sql, page, {
    ...{ from: sql`replica_event`, columns: columns(sql), where: conditions(sql, query), direction: 'desc' },
    sort: [{ column: 'seq', type: 'bigint', value: row => row.seq }],
    countMax: EVENTS_COUNTED_MAX,
  });
  return {
    edges: found.edges.map(({ cursor, node }) => ({ cursor, node: readable(node) })),
    pageInfo: found.pageInfo,
    get totalCount() {
      return found.totalCount;
    },
  };
}

/** Oldest first: what lies in (afterSeq, upToSeq] of the feed. */
export async function readEventsAfter(
  sql: Sql,
  query: EventQuery,
  span: { readonly afterSeq: number; readonly upToSeq: number; readonly limit: number },
): Promise<readonly EventRow[]> {
  const where = [...conditions(sql, query), sql`seq > ${span.afterSeq} and seq <= ${span.upToSeq}`];
  const rows = await sql<StoredEventRow[]>`
    select ${columns(sql)} from replica_event
    where ${where.reduce((all, one) => sql`${all} and ${one}`)}
    order by seq limit ${span.limit}`;
  return rows.map(readable);
}

type StoredEventRow = Omit<EventRow, 'data'> & { readonly data: Buffer };

function readable(row: StoredEventRow): EventRow {
  return { ...row, data: row.data.toString('utf8') };
}

function columns(sql: Sql): Fragment {
  return sql`seq, site as site_id, epoch, position, id, stream, revision, type, version,
    recorded_at >> 16 as recorded_at_ms, occurred_at_ms, actor, causation_id, correlation_id, data`;
}

function conditions(sql: Sql, query: EventQuery): Fragment[] {
  const where: Fragment[] = [];
  if (query.siteId !== null) where.push(sql`site = ${query.siteId}`);
  if (query.types !== null) where.push(ofTypes(sql, query.types));
  if (query.stream !== null) where.push(inStream(sql, query.stream));
  if (query.deviceId !== null) {
    where.push(sql`seq in (select seq from event_device where device_id = ${query.deviceId})`);
  }
  if (query.fromMs !== null) where.push(sql`recorded_at >= ${query.fromMs}::bigint << 16`);
  if (query.toMs !== null) where.push(sql`recorded_at < ${query.toMs}::bigint << 16`);
  return where;
}
