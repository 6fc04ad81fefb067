import { decodeEvent, EventDecodeError, type EventId, type SiteId } from '@holdfast/schema';
import type { TransactionSql } from '../postgres/sql.js';
import type { FeedEvent } from './feed-event.js';

/** A batch of facts is folded in one transaction; larger ones gain nothing and hold locks for longer. */
export const BATCH_EVENTS_MAX = 500;
/** An event may have 256 KiB; a batch of such must not fill the memory. */
const BATCH_BYTES_MAX = 8 * 1024 * 1024;

export interface UndecodableEvent {
  readonly seq: number;
  readonly reason: string;
}

export interface FeedBatch {
  readonly events: readonly FeedEvent[];
  readonly undecodable: readonly UndecodableEvent[];
  /** Where the batch ends; where it began when the feed has nothing more. */
  readonly lastSeq: number;
  /** Per site, how far the batch comes. */
  readonly progress: readonly SiteProgressRow[];
}

export interface SiteProgressRow {
  readonly siteId: string;
  readonly epoch: number;
  readonly position: number;
  readonly recordedAtMs: number;
}

interface FeedRow {
  readonly seq: number;
  readonly site: string;
  readonly epoch: number;
  readonly position: number;
  readonly id: string;
  readonly stream: string;
  readonly type: string;
  readonly version: number;
  readonly recordedAtMs: number;
  readonly occurredAtMs: number;
  readonly actor: string;
  readonly data: Buffer;
}

export async function readFeed(tx: TransactionSql, afterSeq: number, limit: number): Promise<FeedBatch> {
  const rows = await tx<FeedRow[]>`
    select seq, site, epoch, position, id, stream, type, version, recorded_at >> 16 as recorded_at_ms, occurred_at_ms,
           actor, data
    from (
      select *, sum(octet_length(data)) over (order by seq) as bytes
      from replica_event where seq > ${afterSeq} order by seq limit ${limit}
    ) as batch
    where bytes <= ${BATCH_BYTES_MAX} or seq = ${afterSeq + 1}
    order by seq`;
  const events: FeedEvent[] = [];
  const undecodable: UndecodableEvent[] = [];
  const progress = new Map<string, SiteProgressRow>();
  for (const row of rows) {
    const { site: siteId, epoch, position, recordedAtMs } = row;
    progress.set(siteId, { siteId, epoch, position, recordedAtMs });
    const decoded = decodeRow(row);
    if ('reason' in decoded) undecodable.push(decoded);
    else events.push(decoded);
  }
  return {
    events,
    undecodable,
    lastSeq: rows.at(-1)?.seq ?? afterSeq,
    progress: [...progress.values()],
  };
}

function decodeRow({ data, type, version, ...row }: FeedRow): FeedEvent | UndecodableEvent {
  try {
    const event = decodeEvent(type, version, JSON.parse(data.toString('utf8')));
    return { ...row, site: row.site as SiteId, id: row.id as EventId, event };
  } catch (error) {
    if (error instanceof EventDecodeError) return { seq: row.seq, reason: error.message };
    if (error instanceof SyntaxError) return { seq: row.seq, reason: `${type}: not JSON (${error.message})` };
    throw error;
  }
}
