import {
  CheckpointError,
  checkpointHead,
  equalBytes,
  extendEdge,
  type LogHead,
  rootOf,
  type TakenOverEvents,
  type TreeEdge,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { sha256 } from '@holdfast/sites';
import { type CursorRow, toCursor } from '../intake/postgres-replica-intake.js';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import {
  type ProvedReplica,
  REPLICA_DAMAGES_NAMED_MAX,
  type ReplicaDamage,
  ReplicaDamages,
  ReplicaProof,
  type StoredCheckpoint,
} from './replica-proof.js';
import type { ReplicaRow } from './replica-row.js';
import { proveSignatures, type ReplicaSignatures, type ReplicaTrust } from './replica-signatures.js';

/** Rows read at once: a database is proved page by page, whatever its size. */
const PAGE_EVENTS = 1000;
/** Gaps of the feed that are named one by one. */
const FEED_GAPS_NAMED_MAX = 20;

export interface ReplicasVerification extends ReplicaSignatures {
  readonly eventCount: number;
  /** What the leaves amount to, one head for each site and epoch of which no event is missing. */
  readonly heads: readonly LogHead[];
  /** What salvage at the sites has found with no signature behind it, and they have signed only then. */
  readonly takenOver: readonly (TakenOverEvents & { readonly site: SiteId })[];
  /** Empty when everything is proved. */
  readonly damages: readonly ReplicaDamage[];
}

/**
 * Proves what a central has taken in: every leaf hash from its header and data, every column against its header, dense
 * positions, revisions and feed positions, every tree against its cursor, every epoch against the one before, and how far each
 * log is signed by its site. Reads one snapshot, and works beside a central that goes on. Throws only when the signal is aborted.
 */
export async function verifyReplicas(
  sql: Sql,
  options: {
    /** Asked once the snapshot stands: a key is pinned in a log before anything that it signed is taken in. */
    readonly trust: () => ReplicaTrust;
    readonly signal: AbortSignal;
    readonly onProgress?: (done: number, total: number) => void;
  },
): Promise<ReplicasVerification> {
  const damages = new ReplicaDamages();
  const replicas: ProvedReplica[] = [];
  let signatures: ReplicaSignatures = { signed: [], unproven: [] };
  let eventCount = 0;
  try {
    await sql.begin('isolation level repeatable read read only', async tx => {
      if (!(await hasTables(tx))) return;
      const total = await verifyFeed(tx, damages);
      for (const { site } of await tx<{ site: SiteId }[]>`
        select site from replica_cursor union select distinct site from replica_event order by site`) {
        const before = eventCount;
        const replica = await verifyReplica(tx, site, damages, count => {
          options.signal.throwIfAborted();
          eventCount = before + count;
          options.onProgress?.(eventCount, total);
        });
        replicas.push(replica);
      }
      signatures = await proveSignatures(tx, { replicas, trust: options.trust(), damages });
    });
  } catch (error) {
    if (options.signal.aborted) throw error;
    damages.add('DATABASE_UNREADABLE', 'database', error instanceof Error ? error.message : String(error));
  }
  const heads = replicas.flatMap(replica => replica.heads);
  const takenOver = replicas.flatMap(({ site, takenOver }) => takenOver.map(each => ({ site, ...each })));
  return { eventCount, heads, takenOver, ...signatures, damages: damages.named };
}

/** A database that no central has opened yet holds nothing that could be damaged. */
async function hasTables(tx: TransactionSql): Promise<boolean> {
  const [row] = await tx<{ found: boolean }[]>`select to_regclass('replica_event') is not null as found`;
  return row!.found;
}

/** The feed is dense but for what was replaced: who reads on behind a position misses nothing. Returns how many events there are. */
async function verifyFeed(tx: TransactionSql, damages: ReplicaDamages): Promise<number> {
  const [feed] = await tx<{ head: number | null; count: number; last: number | null }[]>`
    select (select seq from feed_head) as head, count(*) as count, max(seq) as last from replica_event`;
  const { head, count, last } = feed!;
  if (head === null || (last ?? 0) > head) {
    damages.add('FEED_NOT_DENSE', 'feed', `the feed ends at ${last}, ${head} positions were given out`);
  }
  if (count === head) return count;
  // Positions are taken by events, or known to be left by events that were replaced by fewer.
  const [known] = await tx`select 1 where to_regclass('feed_gap') is not null`;
  const taken = tx`(select seq from replica_event ${known ? tx`union all select seq from feed_gap` : tx``}) as taken`;
  const gaps = await tx<{ after: number; next: number }[]>`
    select after, next from (
      select lag(seq, 1, 0::bigint) over (order by seq) as after, seq as next from ${taken}
      union all select coalesce(max(seq), 0), ${(head ?? 0) + 1}::bigint from ${taken}
    ) as neighbours where next > after + 1 order by next limit ${FEED_GAPS_NAMED_MAX}`;
  for (const { after, next } of gaps) {
    const detail = `${next - after - 1} events are not there between the feed positions ${after} and ${next}`;
    damages.add('FEED_NOT_DENSE', 'feed', detail);
  }
  return count;
}

async function verifyReplica(
  tx: TransactionSql,
  site: SiteId,
  damages: ReplicaDamages,
  onProgress: (count: number) => void,
): Promise<ProvedReplica> {
  const [cursor] = await tx<CursorRow[]>`
    select epoch, position, tree_edge, fence from replica_cursor where site = ${site}`;
  const proof = new ReplicaProof(site, await readCheckpoints(tx, site, damages), damages);
  let count = 0;
  let last = { epoch: Number.MIN_SAFE_INTEGER, position: 0 };
  for (;;) {
    const rows = await tx<ReplicaRow[]>`
      select seq, site, epoch, position, id, stream, revision, type, version, recorded_at::text as recorded_at,
             occurred_at_ms, clock_quality, actor, causation_id, correlation_id, header, data, leaf_hash
      from replica_event
      where site = ${site} and (epoch, position) > (${last.epoch}::bigint, ${last.position}::bigint)
      order by epoch, position limit ${PAGE_EVENTS}`;
    for (const row of rows) proof.take(row);
    count += rows.length;
    onProgress(count);
    if (rows.length === 0) break;
    last = rows.at(-1)!;
  }
  if (count > 0) await verifyRevisions(tx, site, damages);
  return proof.finish(cursor === undefined ? null : toCursor(cursor));
}

/** What was accepted here as signed by the site: by whose key is judged later. What is no checkpoint of this place is named. */
async function readCheckpoints(
  tx: TransactionSql,
  site: SiteId,
  damages: ReplicaDamages,
): Promise<readonly StoredCheckpoint[]> {
  const [table] = await tx<{ found: boolean }[]>`
    select to_regclass('replica_checkpoint') is not null as found`;
  if (!table!.found) return [];
  const rows = await tx<{ epoch: number; size: number; root: Uint8Array; note: string }[]>`
    select epoch, size, root, note from replica_checkpoint where site = ${site} order by epoch`;
  const checkpoints: StoredCheckpoint[] = [];
  for (const { epoch, size, root, note } of rows) {
    const add = (detail: string) => damages.add('CHECKPOINT_MALFORMED', site, `${epoch}/${size}: ${detail}`);
    try {
      const head = checkpointHead(note);
      if (head.site === site && head.epoch === epoch && head.size === size && equalBytes(head.root, root))
        checkpoints.push({ head, note });
      else add(`the note is of ${head.site}, ${head.epoch}/${head.size}`);
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      add(error.message);
    }
  }
  return checkpoints;
}

/** Each revision of a stream follows the one before, over all epochs. */
async function verifyRevisions(tx: TransactionSql, site: SiteId, damages: ReplicaDamages): Promise<void> {
  const rows = await tx<
    { epoch: number; position: number; stream: string; revision: number; before: number }[]
  >`
    select epoch, position, stream, revision, before from (
      select epoch, position, stream, revision,
             lag(revision, 1, -1::bigint) over (partition by stream order by epoch, position) as before
      from replica_event where site = ${site}
    ) as neighbours where revision <> before + 1 order by epoch, position limit ${REPLICA_DAMAGES_NAMED_MAX}`;
  for (const { epoch, position, stream, revision, before } of rows) {
    const detail = `${epoch}/${position}: revision ${revision} of '${stream}' stands where ${before + 1} should be`;
    damages.add('REVISION_MISSING', site, detail);
  }
}

/** The root over the first `size` events of an epoch, out of the stored leaf hashes. Null when they are not all there. */
export async function replicaRootAt(
  sql: Sql,
  { site, epoch, size }: Pick<LogHead, 'site' | 'epoch' | 'size'>,
  signal: AbortSignal,
): Promise<Uint8Array | null> {
  let edge: TreeEdge = [];
  let count = 0;
  while (count < size) {
    signal.throwIfAborted();
    const rows = await sql<{ leafHash: Uint8Array }[]>`
      select leaf_hash from replica_event
      where site = ${site} and epoch = ${epoch} and position > ${count} and position <= ${size}
      order by position limit ${PAGE_EVENTS}`;
    if (rows.length === 0) return null;
    edge = extendEdge(
      edge,
      count,
      rows.map(row => row.leafHash),
      sha256,
    );
    count += rows.length;
  }
  return rootOf(edge, size, sha256);
}
