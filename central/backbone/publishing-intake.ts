import type { Sha256 } from '@holdfast/core';
import { type Backbone, framesOf, type ReplicaIntake } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import {
  assertDense,
  type CursorRow,
  readReplicaCursor,
  sameCursor,
  toCursor,
} from '../intake/postgres-replica-intake.js';
import { storeCheckpoints } from '../intake/postgres-replica-reader.js';
import type { Sql } from '../postgres/sql.js';

/** Long enough for another broker to take over. The site's session ends then, and the site tries again later. */
const PUBLISH_MS_MAX = 30_000;

/** The backbone neither confirms frames nor refuses them: whether it has them is not known. */
export class BackboneSilentError extends Error {
  override readonly name = 'BackboneSilentError';
  readonly code = 'BACKBONE_SILENT';
}

type ReplicaBatch = Parameters<ReplicaIntake['commit']>[0];

/**
 * The replica intake of an intake node: what it commits is on the backbone. A session's fence and cursor are rows of the
 * database, so that they hold for all intake nodes. Nothing of the database is held while frames are published. The cursor
 * moves when the backbone has them, if the session is still the newest and the cursor where it was: else, as after a kill in
 * between, the frames are published again, which is never a hole, and projector nodes drop by position what they have.
 */
export function createPublishingIntake(options: {
  readonly sql: Sql;
  readonly backbone: Pick<Backbone, 'publish'>;
  readonly sha256: Sha256;
  /** Whether it took frames; null: it did. */
  readonly onPublished?: (error: Error | null) => void;
  /** Other than the real one for tests only. */
  readonly publishMsMax?: number;
}): ReplicaIntake {
  const { sql, backbone, sha256, onPublished, publishMsMax = PUBLISH_MS_MAX } = options;
  const turns = new SiteTurns();
  /** Null: the session is the newest of its site, and the cursor where it left it. */
  const faultOf = async ({ site, fence, before }: ReplicaBatch) => {
    const [cursor] = await sql<CursorRow[]>`
      select epoch, position, tree_edge, fence from backbone_cursor where site = ${site}`;
    if (cursor?.fence !== fence) return 'FENCED' as const;
    return sameCursor(toCursor(cursor), before) ? null : ('STALE_CURSOR' as const);
  };
  const commit = async (batch: ReplicaBatch) => {
    const { site, fence, before, after } = batch;
    const fault = await faultOf(batch);
    if (fault !== null) return fault;
    if (batch.events.length === 0) {
      await keepCheckpoint(sql, batch);
      return 'COMMITTED';
    }
    await confirmed(backbone.publish(framesOf(batch, sha256)), publishMsMax).catch((error: Error) => {
      onPublished?.(error);
      throw error;
    });
    onPublished?.(null);
    const moved = await sql`
      update backbone_cursor
      set epoch = ${after.epoch}, position = ${after.position}, tree_edge = ${Buffer.concat(after.treeEdge)}
      where site = ${site} and fence = ${fence} and epoch = ${before.epoch} and position = ${before.position}
        and tree_edge = ${Buffer.concat(before.treeEdge)}
      returning 1`;
    return moved.length > 0 ? 'COMMITTED' : ((await faultOf(batch)) ?? 'STALE_CURSOR');
  };
  return {
    // What is stored already, as before there was a backbone, is not asked for again.
    openSession: site =>
      turns.take(site, async () => {
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
      }),

    async commit(batch) {
      assertDense(batch.before, batch.after, batch.events);
      return turns.take(batch.site, () => commit(batch));
    },
  };
}

/**
 * That the end of a log is signed, of which nothing is new: there is no frame to carry it. It is kept where the events are stored
 * already; else the session that comes next, or the next event, brings it again.
 */
async function keepCheckpoint(sql: Sql, { site, after, checkpoint }: ReplicaBatch): Promise<void> {
  if (checkpoint === undefined) return;
  const stored = await readReplicaCursor(sql, site);
  if (stored === null || !sameCursor(stored, after)) return;
  await sql.begin(tx => storeCheckpoints(tx, [checkpoint]));
}

/** Throws `BackboneSilentError`. */
async function confirmed(publishing: Promise<void>, msMax: number): Promise<void> {
  const { promise: silent, reject } = Promise.withResolvers<never>();
  const message = `the backbone has neither confirmed nor refused frames within ${msMax} ms`;
  const timer = setTimeout(() => reject(new BackboneSilentError(message)), msMax);
  try {
    await Promise.race([publishing, silent]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * One thing after the other of each site, in this process: a session that begins while an older one still publishes here waits for
 * it, so that nothing is sent twice. Each turn has its own limit.
 */
class SiteTurns {
  readonly #last = new Map<SiteId, Promise<unknown>>();

  async take<Result>(site: SiteId, work: () => Promise<Result>): Promise<Result> {
    const turn = (this.#last.get(site) ?? Promise.resolve()).then(work, work);
    this.#last.set(site, turn);
    try {
      return await turn;
    } finally {
      if (this.#last.get(site) === turn) this.#last.delete(site);
    }
  }
}
