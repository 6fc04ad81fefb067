import type { RecordedEvent } from '@holdfast/core';
import type { ReplicaCursor, ReplicaIntake } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import { storeCheckpoint } from './postgres-replica-reader.js';

/** Rows per insert: enough to reach the floor of the database, few enough that a statement stays under some MB. */
const ROWS_PER_INSERT_MAX = 500;
const HASH_BYTES = 32;
/** Woken by it: the projector and every subscription. Its payload is the feed position after the commit. */
export const FEED_CHANNEL = 'holdfast_feed';

const TEXT_OID = 25;
const INT4_OID = 23;
const INT8_OID = 20;

/**
 * The replica intake of a central. One transaction holds the cursor, the raw events, the feed counter and the checkpoint; no
 * projection code runs here, so that a bad projection cannot stop acknowledgement.
 */
export function createPostgresReplicaIntake(sql: Sql): ReplicaIntake {
  return {
    async openSession(site) {
      const [row] = await sql<CursorRow[]>`
        insert into replica_cursor (site, epoch, position, tree_edge, fence) values (${site}, 0, 0, '', 1)
        on conflict (site) do update set fence = replica_cursor.fence + 1
        returning epoch, position, tree_edge, fence`;
      return { fence: row!.fence, cursor: toCursor(row!) };
    },

    async commit({ site, fence, before, after, events, checkpoint }) {
      assertDense(before, after, events);
      return sql.begin(async tx => {
        const [cursor] = await tx<CursorRow[]>`
          select epoch, position, tree_edge, fence from replica_cursor where site = ${site} for update`;
        if (cursor?.fence !== fence) return 'FENCED' as const;
        if (!sameCursor(toCursor(cursor), before)) return 'STALE_CURSOR' as const;
        await tx`
          update replica_cursor
          set epoch = ${after.epoch}, position = ${after.position}, tree_edge = ${Buffer.concat(after.treeEdge)},
              verified_at = now()
          where site = ${site}`;
        await appendToFeed(tx, events);
        if (checkpoint !== undefined) await storeCheckpoint(tx, checkpoint);
        return 'COMMITTED' as const;
      });
    },
  };
}

export interface CursorRow {
  readonly epoch: number;
  readonly position: number;
  readonly treeEdge: Buffer;
  readonly fence: number;
}

export function toCursor(row: CursorRow): ReplicaCursor {
  const treeEdge: Uint8Array[] = [];
  for (let offset = 0; offset < row.treeEdge.length; offset += HASH_BYTES) {
    treeEdge.push(new Uint8Array(row.treeEdge.subarray(offset, offset + HASH_BYTES)));
  }
  return { epoch: row.epoch, position: row.position, treeEdge };
}

export function sameCursor(one: ReplicaCursor, other: ReplicaCursor): boolean {
  return (
    one.epoch === other.epoch &&
    one.position === other.position &&
    Buffer.concat(one.treeEdge).equals(Buffer.concat(other.treeEdge))
  );
}

/** The replication server has checked all this; a mistake here would be for ever, so it is believed twice. */
export function assertDense(
  before: ReplicaCursor,
  after: ReplicaCursor,
  events: readonly RecordedEvent[],
): void {
  const start = after.epoch === before.epoch ? before.position : 0;
  const dense = events.every(
    (event, index) => event.epoch === after.epoch && event.position === start + 1 + index,
  );
  if (!dense || after.position !== start + events.length) {
    throw new RangeError(
      `a batch from ${before.epoch}/${before.position} to ${after.epoch}/${after.position} holds ${events.length} events that are not dense`,
    );
  }
}

/** Takes the feed's next positions (and its row lock, until the commit) and stores the events under them. */
export async function appendToFeed(tx: TransactionSql, events: readonly RecordedEvent[]): Promise<void> {
  if (events.length === 0) return;
  const [head] = await tx<{ seq: number }[]>`
    update feed_head set seq = seq + ${events.length} returning seq`;
  const firstSeq = head!.seq - events.length + 1;
  for (let from = 0; from < events.length; from += ROWS_PER_INSERT_MAX) {
    await insertEvents(tx, firstSeq + from, events.slice(from, from + ROWS_PER_INSERT_MAX));
  }
  await tx`select pg_notify(${FEED_CHANNEL}, ${String(head!.seq)})`;
}

/** One statement text for every batch size (arrays, not rows), so that Postgres plans it once. */
async function insertEvents(
  tx: TransactionSql,
  firstSeq: number,
  events: readonly RecordedEvent[],
): Promise<void> {
  const text = (of: (event: RecordedEvent) => string | null) =>
    tx.array(events.map(event => storable(of(event))) as string[], TEXT_OID);
  const integer = (of: (event: RecordedEvent) => number, oid: number) => tx.array(events.map(of), oid);
  const hex = (bytes: Uint8Array) =>
    Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  await tx`
    insert into replica_event
      (seq, site, epoch, position, id, stream, revision, type, version, recorded_at, occurred_at_ms, clock_quality,
       actor, causation_id, correlation_id, header, data, leaf_hash)
    select ${firstSeq}::bigint + ordinality - 1, site::uuid, epoch, position, id::uuid, stream, revision, type, version,
           recorded_at::bigint, occurred_at_ms, clock_quality, actor, causation_id::uuid, correlation_id::uuid,
           decode(header, 'hex'), decode(data, 'hex'), decode(leaf_hash, 'hex')
    from unnest(
      ${text(event => event.site)}::text[],
      ${integer(event => event.epoch, INT4_OID)}::int[],
      ${integer(event => event.position, INT8_OID)}::bigint[],
      ${text(event => event.id)}::text[],
      ${text(event => event.stream)}::text[],
      ${integer(event => event.revision, INT8_OID)}::bigint[],
      ${text(event => event.type)}::text[],
      ${integer(event => event.version, INT4_OID)}::int[],
      ${text(event => event.recordedAt.toString())}::text[],
      ${integer(event => event.occurredAtMs, INT8_OID)}::bigint[],
      ${text(event => event.clockQuality)}::text[],
      ${text(event => event.actor)}::text[],
      ${text(event => event.causationId)}::text[],
      ${text(event => event.correlationId)}::text[],
      ${text(event => hex(event.header))}::text[],
      ${text(event => hex(event.data))}::text[],
      ${text(event => hex(event.leafHash))}::text[]
    ) with ordinality as batch (site, epoch, position, id, stream, revision, type, version, recorded_at, occurred_at_ms,
      clock_quality, actor, causation_id, correlation_id, header, data, leaf_hash, ordinality)`;
}

/** Postgres text holds no NUL. The stored `header` keeps what was really written. */
function storable(text: string | null): string | null {
  return text === null ? null : text.replaceAll('\0', '\uFFFD');
}

export interface StoredReplicaCursor extends ReplicaCursor {
  /** When its root was last found equal to the one that the site states. Null before the first batch. */
  readonly verifiedAtMs: number | null;
}

/** How far this site's log has been taken in. */
export async function readReplicaCursor(sql: Sql, site: SiteId): Promise<StoredReplicaCursor | null> {
  const [row] = await sql<(CursorRow & { readonly verifiedAt: Date | null })[]>`
    select epoch, position, tree_edge, fence, verified_at from replica_cursor where site = ${site}`;
  return row ? { ...toCursor(row), verifiedAtMs: row.verifiedAt?.getTime() ?? null } : null;
}
