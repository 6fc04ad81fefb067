import { decodeRecordedEvent, READ_BYTES_MAX, type SignedCheckpoint } from '@holdfast/core';
import type { ReplicaReader } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { sha256 } from '@holdfast/sites';
import type { Sql, TransactionSql } from '../postgres/sql.js';

/** The replicas of a central, as its intake has stored them. */
export function createPostgresReplicaReader(sql: Sql): ReplicaReader {
  return {
    // Decoded out of the stored bytes, and hashed: what is handed on is what is held, not what the columns say.
    async read({ site, after, limit }) {
      const rows = await sql<{ header: Buffer; data: Buffer }[]>`
        select header, data from (
          select header, data, epoch, position, row_number() over place as ordinal,
                 sum(octet_length(header) + octet_length(data)) over place as bytes
          from (select header, data, epoch, position from replica_event
                where site = ${site} and (epoch, position) > (${after.epoch}, ${after.position})
                order by epoch, position limit ${limit}) as page
          window place as (order by epoch, position)
        ) as measured
        where bytes <= ${READ_BYTES_MAX} or ordinal = 1
        order by epoch, position`;
      return rows.map(({ header, data }) =>
        decodeRecordedEvent(new Uint8Array(header), new Uint8Array(data), sha256),
      );
    },

    async leafHashes({ site, after, limit }) {
      const [row] = await sql<{ hashes: Buffer | null }[]>`
        select string_agg(leaf_hash, '' order by position) as hashes
        from (select position, leaf_hash from replica_event
              where site = ${site} and epoch = ${after.epoch} and position > ${after.position}
              order by position limit ${limit}) as page`;
      return new Uint8Array(row?.hashes ?? []);
    },

    async checkpoint(site, epoch) {
      const [row] = await sql<CheckpointRow[]>`
        select epoch, size, root, note from replica_checkpoint
        where site = ${site} and ${epoch === undefined ? sql`true` : sql`epoch = ${epoch}`}
        order by epoch desc limit 1`;
      if (row === undefined) return null;
      const head = { site, epoch: row.epoch, size: row.size, root: new Uint8Array(row.root) };
      return { head, note: row.note };
    },

    async sites() {
      const rows = await sql<{ site: SiteId }[]>`select distinct site from replica_checkpoint order by site`;
      return rows.map(({ site }) => site);
    },
  };
}

interface CheckpointRow {
  readonly epoch: number;
  readonly size: number;
  readonly root: Buffer;
  readonly note: string;
}

/**
 * Keeps each checkpoint (of an epoch at most one) unless a newer one of the same epoch is kept already. One that comes again, as
 * in each session of a log that does not grow, stays as old as it is: also with other signature lines, which anybody can add.
 */
export async function storeCheckpoints(
  tx: TransactionSql,
  checkpoints: readonly SignedCheckpoint[],
): Promise<void> {
  if (checkpoints.length === 0) return;
  const of = <Value extends string | number>(value: (checkpoint: SignedCheckpoint) => Value) =>
    checkpoints.map(value);
  await tx`
    insert into replica_checkpoint (site, epoch, size, root, note)
    select site::uuid, epoch, size, decode(root, 'hex'), note
    from unnest(
      ${of(({ head }) => head.site)}::text[], ${of(({ head }) => head.epoch)}::int[],
      ${of(({ head }) => head.size)}::bigint[],
      ${of(({ head }) => Buffer.from(head.root).toString('hex'))}::text[], ${of(({ note }) => note)}::text[]
    ) as given (site, epoch, size, root, note)
    on conflict (site, epoch) do update
    set size = excluded.size, root = excluded.root, note = excluded.note,
        accepted_at = case when replica_checkpoint.size < excluded.size then now() else replica_checkpoint.accepted_at end
    where replica_checkpoint.size < excluded.size
      or (replica_checkpoint.size = excluded.size and replica_checkpoint.note <> excluded.note)`.execute();
}
