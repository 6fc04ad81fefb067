import type { ReplicaReader } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { createPostgresReplicaReader } from '../intake/postgres-replica-reader.js';
import type { Sql } from '../postgres/sql.js';

/** More of a log was acknowledged than is stored yet: it is on the backbone, and a moment later it is here. */
export class ReplicaNotSettledError extends Error {
  override readonly name = 'ReplicaNotSettledError';
  readonly code = 'REPLICA_NOT_SETTLED';
}

/**
 * The replicas as an intake node reads them. It gives a site its own history back, which must be all that the site was
 * told to be safe: while the projector nodes are behind the backbone, reading throws `ReplicaNotSettledError`, the session ends
 * as unavailable, and the site asks again.
 */
export function createSettledReplicas(sql: Sql): ReplicaReader {
  const stored = createPostgresReplicaReader(sql);
  const settled = async (site: SiteId): Promise<void> => {
    const [row] = await sql<{ acknowledged: string; held: string }[]>`
      select published.epoch || '/' || published.position as acknowledged,
             coalesce(stored.epoch || '/' || stored.position, 'nothing') as held
      from backbone_cursor as published left join replica_cursor as stored using (site)
      where site = ${site}
        and (published.epoch, published.position) > (coalesce(stored.epoch, 0), coalesce(stored.position, 0))`;
    if (row === undefined) return;
    throw new ReplicaNotSettledError(
      `${row.acknowledged} of site ${site} is on the backbone, ${row.held} is stored`,
    );
  };
  return {
    async read(options) {
      await settled(options.site);
      return stored.read(options);
    },
    async leafHashes(options) {
      await settled(options.site);
      return stored.leafHashes(options);
    },
    async checkpoint(site, epoch) {
      await settled(site);
      return stored.checkpoint(site, epoch);
    },
    sites: () => stored.sites(),
  };
}
