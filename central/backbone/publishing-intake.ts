import type { Sha256 } from '@holdfast/core';
import { type Backbone, framesOf, type ReplicaIntake } from '@holdfast/interconnect';
import { assertDense, type CursorRow, sameCursor, toCursor } from '../intake/postgres-replica-intake.js';
import type { Sql } from '../postgres/sql.js';

/**
 * The replica intake of an intake node: what it commits is on the backbone. A session's fence and cursor are rows of the
 * database, so that they hold for all intake nodes. The cursor's row is locked while its frames are published, and moves
 * when the backbone has them: a kill in between leaves frames that will be published again, never a hole, and a newer
 * session begins only when the publishing of the older one is over.
 */
export function createPublishingIntake(options: {
  readonly sql: Sql;
  readonly backbone: Backbone;
  readonly sha256: Sha256;
}): ReplicaIntake {
  const { sql, backbone, sha256 } = options;
  return {
    // What is stored already, as before there was a backbone, is not asked for again.
    async openSession(site) {
      const [row] = await sql<CursorRow[]>`
        insert into backbone_cursor as held (site, epoch, position, tree_edge, fence)
        select wanted.site, coalesce(epoch, 0), coalesce(position, 0), coalesce(tree_edge, ''), 1
        from (select ${site}::uuid as site) as wanted left join replica_cursor using (site)
        on conflict (site) do update set
          fence = held.fence + 1,
          (epoch, position, tree_edge) = (
            select epoch, position, tree_edge
            from (values (held.epoch, held.position, held.tree_edge),
                         (excluded.epoch, excluded.position, excluded.tree_edge)) as known (epoch, position, tree_edge)
            order by epoch desc, position desc limit 1)
        returning epoch, position, tree_edge, fence`;
      return { fence: row!.fence, cursor: toCursor(row!) };
    },

    async commit(batch) {
      const { site, fence, before, after, events } = batch;
      assertDense(before, after, events);
      const frames = framesOf(batch, sha256);
      return sql.begin(async tx => {
        const [cursor] = await tx<CursorRow[]>`
          select epoch, position, tree_edge, fence from backbone_cursor where site = ${site} for update`;
        if (cursor?.fence !== fence) return 'FENCED' as const;
        if (!sameCursor(toCursor(cursor), before)) return 'STALE_CURSOR' as const;
        await tx`
          update backbone_cursor
          set epoch = ${after.epoch}, position = ${after.position}, tree_edge = ${Buffer.concat(after.treeEdge)}
          where site = ${site}`;
        await backbone.publish(frames);
        return 'COMMITTED' as const;
      });
    },
  };
}
