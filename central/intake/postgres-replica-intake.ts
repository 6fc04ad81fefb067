import { hashesIn, type RecordedEvent } from '@holdfast/core';
import type { ReplicaCursor, ReplicaIntake } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { beginCopy, copyInto, fillCopy } from '../postgres/copy-into.js';
import { sideBySide } from '../postgres/side-by-side.js';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import { isTransient } from '../read-models/transient.js';
import { CommitGroup, type CommitOutcome, type ReplicaBatch } from './commit-group.js';
import { storeCheckpoints } from './postgres-replica-reader.js';
import { encodeInSlices, REPLICA_EVENT_ROWS } from './replica-event-rows.js';

/** Woken by it: the projector and every subscription. Its payload is the feed position after the commit. */
export const FEED_CHANNEL = 'holdfast_feed';

const TEXT_OID = 25;
const INT4_OID = 23;
const INT8_OID = 20;

/**
 * The replica intake of a central. One transaction holds the cursors, the raw events, the feed counter and the checkpoints of
 * all sites that bring something at the moment; no projection code runs here, so that a bad projection cannot stop
 * acknowledgement.
 */
export function createPostgresReplicaIntake(sql: Sql): ReplicaIntake {
  const group = new CommitGroup({
    inTransactions: work => sql.begin(tx => work(batches => storeBatches(tx, batches))),
    mayBeOfOne: error => !isTransient(error),
  });
  return {
    async openSession(site) {
      const [row] = await sql<CursorRow[]>`
        insert into replica_cursor (site, epoch, position, tree_edge, fence) values (${site}, 0, 0, '', 1)
        on conflict (site) do update set fence = replica_cursor.fence + 1
        returning epoch, position, tree_edge, fence`;
      return { fence: row!.fence, cursor: toCursor(row!) };
    },

    async commit(batch) {
      assertDense(batch.before, batch.after, batch.events);
      return group.commit(batch);
    },
  };
}

/**
 * In a transaction that has begun; it is committed, and another one begun, with the last of what PostgreSQL is asked. It is asked
 * for all that it can be at once: while it waits for us, nothing is stored.
 */
async function storeBatches(
  tx: TransactionSql,
  batches: readonly ReplicaBatch[],
): Promise<readonly CommitOutcome[]> {
  const offered = batches.reduce((sum, { events }) => sum + events.length, 0);
  // The cursors first: who locks them in another order may wait for us while we wait for him.
  const [moved, end, copy] = await sideBySide(
    moveCursors(tx, batches),
    takePositions(tx, offered),
    offered > 0 ? beginCopy(tx, REPLICA_EVENT_ROWS) : Promise.resolve(null),
  );
  const stored = batches.filter(({ site }) => moved.has(site));
  const events = stored.flatMap(batch => batch.events);
  const lastSeq = end - offered + events.length;
  const commit = () =>
    sideBySide(
      stored.length < batches.length ? readFences(tx, batches) : Promise.resolve(null),
      takePositions(tx, events.length - offered),
      storeCheckpoints(
        tx,
        stored.flatMap(({ checkpoint }) => checkpoint ?? []),
      ),
      events.length > 0 ? notify(tx, lastSeq) : Promise.resolve(null),
      tx`commit and chain`.execute(),
    );
  const rows = encodeInSlices(events, lastSeq - events.length + 1);
  const [fences] = await (copy === null ? commit() : fillCopy(copy, rows, commit));
  return batches.map(({ site, fence }) => {
    if (moved.has(site)) return 'COMMITTED';
    return fences?.get(site) === fence ? 'STALE_CURSOR' : 'FENCED';
  });
}

/** Those that are where their session left them, under its fence: the others are not touched. Locked in the order of sites. */
async function moveCursors(
  tx: TransactionSql,
  batches: readonly ReplicaBatch[],
): Promise<ReadonlySet<SiteId>> {
  const integers = (of: (batch: ReplicaBatch) => number, oid: number) => tx.array(batches.map(of), oid);
  const texts = (of: (batch: ReplicaBatch) => string) => tx.array(batches.map(of), TEXT_OID);
  const edge = ({ treeEdge }: ReplicaCursor) => Buffer.concat(treeEdge).toString('hex');
  const rows = await tx<{ site: SiteId }[]>`
    with batch as (
      select site::uuid, fence, before_epoch, before_position, decode(before_edge, 'hex') as before_edge,
             epoch, position, decode(edge, 'hex') as edge
      from unnest(
        ${texts(batch => batch.site)}::text[], ${integers(batch => batch.fence, INT8_OID)}::bigint[],
        ${integers(batch => batch.before.epoch, INT4_OID)}::int[],
        ${integers(batch => batch.before.position, INT8_OID)}::bigint[], ${texts(batch => edge(batch.before))}::text[],
        ${integers(batch => batch.after.epoch, INT4_OID)}::int[],
        ${integers(batch => batch.after.position, INT8_OID)}::bigint[], ${texts(batch => edge(batch.after))}::text[]
      ) as given (site, fence, before_epoch, before_position, before_edge, epoch, position, edge)
    ), held as (
      select cursor.site, batch.epoch, batch.position, batch.edge
      from replica_cursor as cursor join batch using (site)
      where cursor.fence = batch.fence and cursor.epoch = batch.before_epoch
        and cursor.position = batch.before_position and cursor.tree_edge = batch.before_edge
      order by cursor.site for update of cursor
    )
    update replica_cursor as cursor
    set epoch = held.epoch, position = held.position, tree_edge = held.edge, verified_at = now()
    from held where cursor.site = held.site returning cursor.site`.execute();
  return new Set(rows.map(({ site }) => site));
}

async function readFences(
  tx: TransactionSql,
  batches: readonly ReplicaBatch[],
): Promise<ReadonlyMap<SiteId, number>> {
  const sites = batches.map(({ site }) => site);
  const rows = await tx<{ site: SiteId; fence: number }[]>`
    select site, fence from replica_cursor where site in ${tx(sites)}`.execute();
  return new Map(rows.map(({ site, fence }) => [site, fence]));
}

export interface CursorRow {
  readonly epoch: number;
  readonly position: number;
  readonly treeEdge: Buffer;
  readonly fence: number;
}

export function toCursor(row: CursorRow): ReplicaCursor {
  return { epoch: row.epoch, position: row.position, treeEdge: hashesIn(new Uint8Array(row.treeEdge)) };
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

/** Takes the feed's next positions and stores the events under them; `behind` is stored with them. */
export async function appendToFeed(
  tx: TransactionSql,
  events: readonly RecordedEvent[],
  behind: () => Promise<unknown>,
): Promise<void> {
  if (events.length === 0) {
    await behind();
    return;
  }
  const lastSeq = await takePositions(tx, events.length);
  const rows = encodeInSlices(events, lastSeq - events.length + 1);
  await copyInto(tx, REPLICA_EVENT_ROWS, rows, () => sideBySide(behind(), notify(tx, lastSeq)));
}

/** Of the feed, and its row lock until the commit; fewer than none gives some back. Returns the last one. */
async function takePositions(tx: TransactionSql, count: number): Promise<number> {
  if (count === 0) return 0;
  const [head] = await tx<
    { seq: number }[]
  >`update feed_head set seq = seq + ${count} returning seq`.execute();
  return head!.seq;
}

function notify(tx: TransactionSql, lastSeq: number): PromiseLike<unknown> {
  return tx`select pg_notify(${FEED_CHANNEL}, ${String(lastSeq)})`.execute();
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
