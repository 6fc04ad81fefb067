import { setImmediate } from 'node:timers/promises';
import { decodeEvent, EventDecodeError, type EventId, type SiteId } from '@holdfast/schema';
import type postgres from 'postgres';
import { ofTypes } from '../intake/replica-event-trees.js';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import type { FeedEvent } from './feed-event.js';

/** An event may have 256 KiB; a batch of such must not fill the memory. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024;
/**
 * A large batch comes in parts, each decoded while PostgreSQL makes the next one: other work is let in, and what was read is garbage
 * before it is old.
 */
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
  readonly data: string;
  readonly byteLength: number;
}

/**
 * How the bytes of events come out of the database. `TEXT`: as they are, five times as fast, and an error as soon as one event is no
 * UTF-8. `ESCAPED`: bytes above 127 as backslash and three octal digits, a backslash doubled; no bytes of a stranger are an error.
 */
type DataForm = 'TEXT' | 'ESCAPED';

/** character_not_in_repertoire, untranslatable_character. */
const NO_TEXT = new Set(['22021', '22P05']);

export async function readFeed(sql: Sql | TransactionSql, span: FeedSpan): Promise<FeedBatch> {
  // In a transaction an error would be the end of it.
  const form = 'begin' in sql ? 'TEXT' : 'ESCAPED';
  try {
    return await readBatch(sql, span, form);
  } catch (error) {
    if (form === 'TEXT' && NO_TEXT.has((error as { code?: string }).code ?? '')) {
      return readBatch(sql, span, 'ESCAPED');
    }
    throw error;
  }
}

async function readBatch(
  sql: Sql | TransactionSql,
  { afterSeq, upToSeq, limit, types, site }: FeedSpan,
  form: DataForm,
): Promise<FeedBatch> {
  const wanted = sql`
    seq > ${afterSeq}
      ${upToSeq === null ? sql`` : sql`and seq <= ${upToSeq}`}
      ${types === null ? sql`` : sql`and ${ofTypes(sql, types)}`}
      ${site === null ? sql`` : sql`and site = ${site}`}`;
  // Lengths first, so that only those are summed up and not copies of whole events.
  const query = sql<FeedRow[]>`
    with cut as (
      select max(seq) as seq from (
        select seq, byte_length, sum(byte_length) over (order by seq rows unbounded preceding) as bytes from (
          select seq, octet_length(data) as byte_length from replica_event
          where ${wanted} order by seq limit ${limit}
        ) as row
      ) as row
      where bytes - byte_length < ${BATCH_BYTES_MAX}::int
    )
    select ${feedColumns(sql, form)} from replica_event
    where ${wanted} and seq <= (select seq from cut) order by seq`;
  const items: FeedItem[] = [];
  const lastOf = new Map<string, FeedRow>();
  let bytes = 0;
  for await (const rows of limit > DECODED_AT_ONCE ? inParts(query) : [await query]) {
    for (const row of rows) {
      lastOf.set(row.site, row);
      bytes += row.byteLength;
      items.push(decodeRow(row, form));
    }
  }
  const last = items.at(-1);
  const isCut = items.length === limit || bytes >= BATCH_BYTES_MAX;
  return {
    items,
    isCut,
    lastSeq: isCut ? last!.seq : (upToSeq ?? last?.seq ?? afterSeq),
    progress: [...lastOf.values()].map(progressOf),
  };
}

/** PostgreSQL makes the next part while one is decoded: it is asked for before, with a turn of the event loop to send that. */
async function* inParts(query: postgres.PendingQuery<FeedRow[]>): AsyncGenerator<readonly FeedRow[]> {
  const parts = query.cursor(DECODED_AT_ONCE)[Symbol.asyncIterator]();
  let next = parts.next();
  try {
    for (let part = await next; !part.done; part = await next) {
      next = parts.next();
      // Its failure is met when it is waited for.
      Promise.resolve(next).catch(() => undefined);
      await setImmediate();
      yield part.value;
    }
  } finally {
    // What was asked for has to have come before the rest can be declined.
    if (!(await next).done) await parts.return?.();
  }
}

function progressOf({ site: siteId, epoch, position, recordedAtMs }: FeedRow): SiteProgressRow {
  return { siteId, epoch, position, recordedAtMs };
}

function feedColumns(sql: Sql | TransactionSql, form: DataForm) {
  const data = form === 'TEXT' ? sql`convert_from(data, 'UTF8')` : sql`encode(data, 'escape')`;
  return sql`
    seq, site, epoch, position, id, stream, type, version, recorded_at >> 16 as recorded_at_ms, occurred_at_ms, actor,
    ${data} as data, octet_length(data) as byte_length`;
}

/** These events, oldest first; for few of them. */
export async function readFeedItems(
  sql: TransactionSql,
  seqs: readonly number[],
): Promise<readonly FeedItem[]> {
  const rows = await sql<FeedRow[]>`
    select ${feedColumns(sql, 'ESCAPED')} from replica_event where seq = any(${seqs as number[]}::bigint[]) order by seq`;
  return rows.map(row => decodeRow(row, 'ESCAPED'));
}

function unescaped(text: string): string {
  const bytes = text.replace(/\\(\\|[0-7]{3})/g, (_, code: string) =>
    code === '\\' ? code : String.fromCharCode(Number.parseInt(code, 8)),
  );
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

function decodeRow(row: FeedRow, form: DataForm): FeedItem {
  const { seq, site, epoch, position, id, stream, type, version, recordedAtMs, occurredAtMs, actor, data } =
    row;
  try {
    const text = form === 'ESCAPED' && data.includes('\\') ? unescaped(data) : data;
    const event = decodeEvent(type, version, JSON.parse(text));
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
