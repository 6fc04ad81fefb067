import { decodeEvent, EventDecodeError, type EventId, type SiteId } from '@holdfast/schema';
import { ofTypesAsText } from '../intake/replica-event-trees.js';
import { copyOut } from '../postgres/copy-out.js';
import type { CopyRowReader } from '../postgres/copy-row-reader.js';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import type { FeedEvent } from './feed-event.js';

/** An event may have 256 KiB; a batch of such must not fill the memory. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024;
/** A statement asks for so many events at first, then for at most so many times what is there: PostgreSQL looks at all that it asks for. */
const ASKED_FIRST = 256;
const ASKED_GROWTH = 4;

/** An event that this software cannot read, or not yet. */
export interface UndecodableEvent
  extends Pick<FeedEvent, 'seq' | 'site' | 'epoch' | 'position' | 'stream' | 'recordedAtMs'> {
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

export async function readFeed(sql: Sql | TransactionSql, span: FeedSpan): Promise<FeedBatch> {
  return 'begin' in sql ? sql.begin('read only', tx => readBatch(tx, span)) : readBatch(sql, span);
}

async function readBatch(tx: TransactionSql, span: FeedSpan): Promise<FeedBatch> {
  const items: FeedItem[] = [];
  const lastOf = new Map<SiteId, FeedItem>();
  let bytes = 0;
  const take = (row: CopyRowReader) => {
    if (bytes >= BATCH_BYTES_MAX) return;
    bytes += row.byteLength;
    const item = readEvent(row);
    items.push(item);
    lastOf.set(item.site, item);
  };
  let isCut = true;
  while (isCut && items.length < span.limit && bytes < BATCH_BYTES_MAX) {
    const limit = Math.min(span.limit - items.length, items.length * ASKED_GROWTH || ASKED_FIRST);
    const afterSeq = items.at(-1)?.seq ?? span.afterSeq;
    const query = feedQuery({ ...span, afterSeq, limit, bytesMax: BATCH_BYTES_MAX - bytes });
    const rows = await copyOut(tx, query, take);
    isCut = rows === limit || bytes >= BATCH_BYTES_MAX;
  }
  const lastSeq = items.at(-1)?.seq ?? span.afterSeq;
  return {
    ...{ items, isCut, lastSeq: isCut ? lastSeq : (span.upToSeq ?? lastSeq) },
    progress: Array.from(lastOf.values(), progressOf),
  };
}

function progressOf({ site: siteId, epoch, position, recordedAtMs }: FeedItem): SiteProgressRow {
  return { siteId, epoch, position, recordedAtMs };
}

/** These events, oldest first; for few of them. */
export async function readFeedItems(
  sql: TransactionSql,
  seqs: readonly number[],
): Promise<readonly FeedItem[]> {
  const items: FeedItem[] = [];
  if (seqs.length === 0) return items;
  await copyOut(sql, `${SELECT_EVENTS} replica_event where seq in (${seqs.join(', ')}) order by seq`, row => {
    items.push(readEvent(row));
  });
  return items;
}

/** In the order in which `readEvent` reads them. */
const SELECT_EVENTS =
  'select seq, site, epoch, position, id, stream, type, version, recorded_at >> 16, occurred_at_ms, actor, data from';

/** Of these events those that begin within so many bytes of data: what is beyond is not sent. */
function feedQuery({
  afterSeq,
  upToSeq,
  limit,
  types,
  site,
  bytesMax,
}: FeedSpan & { readonly bytesMax: number }): string {
  return `${SELECT_EVENTS} (
      select *, sum(octet_length(data)) over (order by seq rows between unbounded preceding and 1 preceding) as before
      from replica_event where seq > ${afterSeq}
      ${upToSeq === null ? '' : `and seq <= ${upToSeq}`}
      ${types === null ? '' : `and ${ofTypesAsText(types)}`}
      ${site === null ? '' : `and site = '${site}'`}
      order by seq limit ${limit}) event
    where coalesce(before, 0) < ${bytesMax} order by seq`;
}

function readEvent(row: CopyRowReader): FeedItem {
  const seq = row.int8();
  const site = row.knownUuid() as SiteId;
  const epoch = row.int4();
  const position = row.int8();
  const id = row.uuid() as EventId;
  const stream = row.text();
  const type = row.text();
  const version = row.int4();
  const recordedAtMs = row.int8();
  const occurredAtMs = row.int8();
  const actor = row.text();
  const data = row.text();
  try {
    const event = decodeEvent(type, version, JSON.parse(data));
    return { seq, site, epoch, position, id, stream, recordedAtMs, occurredAtMs, actor, event };
  } catch (error) {
    return { seq, site, epoch, position, stream, recordedAtMs, type, ...reasonOf(error, type) };
  }
}

/** Why an event cannot be read; throws what is something else. */
function reasonOf(error: unknown, type: string): Pick<UndecodableEvent, 'status' | 'reason'> {
  if (error instanceof EventDecodeError) {
    return { status: error.isFromNewerSoftware ? 'UNTIL_UPGRADE' : 'POISON', reason: error.message };
  }
  if (error instanceof SyntaxError) {
    return { status: 'POISON', reason: `${type}: not JSON (${error.message})` };
  }
  throw error;
}
