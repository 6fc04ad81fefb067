import { setImmediate } from 'node:timers/promises';
import { decodeEvent, EventDecodeError, type EventId, type SiteId } from '@holdfast/schema';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import type { FeedEvent } from './feed-event.js';

/** An event may have 256 KiB; a batch of such must not fill the memory. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024;
const DECODED_AT_ONCE = 500;

/** An event that this software cannot read, or not yet. */
export interface UndecodableEvent {
  readonly seq: number;
  readonly site: SiteId;
  readonly stream: string;
  readonly type: string;
  readonly status: 'POISON' | 'UNTIL_UPGRADE';
  readonly reason: string;
}

export type FeedItem = FeedEvent | UndecodableEvent;

export interface FeedBatch {
  readonly items: readonly FeedItem[];
  /** Everything that was asked for up to here is in the batch; where it began when there is nothing. */
  readonly lastSeq: number;
  /** Whether a limit ended it, so that there may be more. */
  readonly isCut: boolean;
  /** Per site, how far the batch comes. */
  readonly progress: readonly SiteProgressRow[];
}

export interface SiteProgressRow {
  readonly siteId: string;
  readonly epoch: number;
  readonly position: number;
  readonly recordedAtMs: number;
}

export interface FeedSpan {
  readonly afterSeq: number;
  /** Null: as far as the feed goes. */
  readonly upToSeq: number | null;
  readonly limit: number;
  /** Null: events of every type. */
  readonly types: readonly string[] | null;
  /** Null: events of every site. */
  readonly site: SiteId | null;
}

interface FeedRow {
  readonly seq: number;
  readonly site: SiteId;
  readonly epoch: number;
  readonly position: number;
  readonly id: EventId;
  readonly stream: string;
  readonly type: string;
  readonly version: number;
  readonly recordedAtMs: number;
  readonly occurredAtMs: number;
  readonly actor: string;
  /** Bytes above 127 as backslash and three octal digits, a backslash doubled: no bytes of a stranger are an error. */
  readonly data: string;
  /** Of this row and all before it. */
  readonly bytes: number;
}

export async function readFeed(sql: Sql | TransactionSql, span: FeedSpan): Promise<FeedBatch> {
  const { afterSeq, upToSeq, limit, types, site } = span;
  const rows = await sql<FeedRow[]>`
    select * from (
      select seq, site, epoch, position, id, stream, type, version, recorded_at >> 16 as recorded_at_ms, occurred_at_ms,
             actor, encode(data, 'escape') as data, octet_length(data) as length,
             sum(octet_length(data)) over (order by seq)::bigint as bytes
      from replica_event
      where seq > ${afterSeq}
        ${upToSeq === null ? sql`` : sql`and seq <= ${upToSeq}`}
        ${types === null ? sql`` : sql`and type = any(${types as string[]}::text[])`}
        ${site === null ? sql`` : sql`and site = ${site}`}
      order by seq limit ${limit}
    ) as batch
    where bytes - length < ${BATCH_BYTES_MAX}
    order by seq`;
  const progress = new Map<string, SiteProgressRow>();
  for (const { site: siteId, epoch, position, recordedAtMs } of rows) {
    progress.set(siteId, { siteId, epoch, position, recordedAtMs });
  }
  const last = rows.at(-1);
  const isCut = rows.length === limit || (last !== undefined && last.bytes >= BATCH_BYTES_MAX);
  return {
    items: await decodeRows(rows),
    isCut,
    lastSeq: isCut ? last!.seq : (upToSeq ?? last?.seq ?? afterSeq),
    progress: [...progress.values()],
  };
}

/** These events, oldest first; for few of them. */
export async function readFeedItems(
  sql: TransactionSql,
  seqs: readonly number[],
): Promise<readonly FeedItem[]> {
  const rows = await sql<FeedRow[]>`
    select seq, site, epoch, position, id, stream, type, version, recorded_at >> 16 as recorded_at_ms, occurred_at_ms,
           actor, encode(data, 'escape') as data, 0 as bytes
    from replica_event where seq = any(${seqs as number[]}::bigint[]) order by seq`;
  return decodeRows(rows);
}

/** Other work is let in now and then: a large batch would block it for a tenth of a second. */
async function decodeRows(rows: readonly FeedRow[]): Promise<readonly FeedItem[]> {
  const items: FeedItem[] = [];
  for (const row of rows) {
    if (items.length > 0 && items.length % DECODED_AT_ONCE === 0) await setImmediate();
    items.push(decodeRow(row));
  }
  return items;
}

function unescaped(text: string): string {
  const bytes = text.replace(/\\(\\|[0-7]{3})/g, (_, code: string) =>
    code === '\\' ? code : String.fromCharCode(Number.parseInt(code, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function decodeRow(row: FeedRow): FeedItem {
  const { seq, site, epoch, position, id, stream, type, version, recordedAtMs, occurredAtMs, actor, data } =
    row;
  try {
    const event = decodeEvent(type, version, JSON.parse(data.includes('\\') ? unescaped(data) : data));
    return { seq, site, epoch, position, id, stream, recordedAtMs, occurredAtMs, actor, event };
  } catch (error) {
    const at = { seq, site, stream, type };
    if (error instanceof EventDecodeError) {
      const status = error.isFromNewerSoftware ? 'UNTIL_UPGRADE' : 'POISON';
      return { ...at, status, reason: error.message };
    }
    if (error instanceof SyntaxError) {
      return { ...at, status: 'POISON', reason: `${type}: not JSON (${error.message})` };
    }
    throw error;
  }
}
