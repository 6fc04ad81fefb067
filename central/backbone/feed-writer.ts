import { checkpointHead, type RecordedEvent, type Sha256, type SignedCheckpoint } from '@holdfast/core';
import {
  acceptFrame,
  type BackboneDelivery,
  type BackboneFrame,
  type BackboneReader,
  type LinkTrouble,
  type ReplicaCursor,
} from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import { appendToFeed, type CursorRow, toCursor } from '../intake/postgres-replica-intake.js';
import { storeCheckpoints } from '../intake/postgres-replica-reader.js';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import { isOfData } from '../read-models/transient.js';

/** Tells intake nodes that a session must begin again, further back. Its payload is the site. */
export const REWOUND_CHANNEL = 'holdfast_rewound';

const NOTHING_HELD: ReplicaCursor = { epoch: 0, position: 0, treeEdge: [] };
const UUID_ARRAY_OID = 2951;

/** A frame that does not fit what is stored (positions are missing on the backbone, or its bytes are damaged), or cannot be stored. */
interface Misfit {
  readonly session: number;
  readonly trouble: LinkTrouble;
  readonly held: ReplicaCursor;
}

interface AcceptedFrames {
  readonly events: readonly RecordedEvent[];
  /** Of the sites that moved. */
  readonly moves: ReadonlyMap<SiteId, { readonly before: ReplicaCursor; readonly after: ReplicaCursor }>;
  readonly misfits: ReadonlyMap<SiteId, Misfit>;
  /** The newest of each site. */
  readonly checkpoints: ReadonlyMap<SiteId, SignedCheckpoint>;
}

/** Someone else has stored in this partition, or of this site. */
class OvertakenError extends Error {
  override readonly name = 'OvertakenError';
}

/**
 * The store of a projector node: what comes off the backbone enters the feed by the same rule as what comes straight from a
 * site. One transaction holds the position in the partition, the cursors and the events, so that neither a kill nor two
 * nodes with one partition store an event twice. What is missing on the backbone is asked for again from the site: its
 * cursor is set back to what is stored, and the session that went beyond it is fenced.
 */
export class FeedWriter implements BackboneReader {
  readonly #sql: Sql;
  readonly #topic: string;
  readonly #sha256: Sha256;
  readonly #logger: Logger;
  readonly #onUnstorable: (site: SiteId, trouble: LinkTrouble) => void;
  readonly #positions = new Map<number, number | null>();
  /** As they were last read or stored by this node: at most one for each site. */
  readonly #cursors = new Map<SiteId, ReplicaCursor>();

  constructor(options: {
    readonly sql: Sql;
    readonly topic: string;
    readonly sha256: Sha256;
    readonly logger: Logger;
    /** A person must look: what the site has signed, and was acknowledged, is refused by the database. */
    readonly onUnstorable: (site: SiteId, trouble: LinkTrouble) => void;
  }) {
    this.#sql = options.sql;
    this.#topic = options.topic;
    this.#sha256 = options.sha256;
    this.#logger = options.logger;
    this.#onUnstorable = options.onUnstorable;
  }

  async startOf(partition: number): Promise<number | null> {
    const [row] = await this.#sql<{ nextOffset: number }[]>`
      select next_offset from backbone_position where topic = ${this.#topic} and partition = ${partition}`;
    this.#cursors.clear();
    this.#positions.set(partition, row?.nextOffset ?? null);
    return row?.nextOffset ?? null;
  }

  async take(delivery: BackboneDelivery): Promise<'TAKEN' | 'MOVED'> {
    const { partition, next, frames } = delivery;
    const move = (tx: TransactionSql) => this.#movePosition(tx, partition, next);
    try {
      try {
        await this.#takeFrames(frames, move);
      } catch (error) {
        if (!isOfData(error)) throw error;
        await this.#takeOneByOne(frames);
        await this.#sql.begin(move);
      }
    } catch (error) {
      // Whether it was stored is not known, so nothing that is remembered is either.
      this.#cursors.clear();
      if (error instanceof OvertakenError) return 'MOVED';
      throw error;
    }
    this.#positions.set(partition, next);
    return 'TAKEN';
  }

  async #takeFrames(
    frames: readonly BackboneFrame[],
    move: (tx: TransactionSql) => Promise<void>,
  ): Promise<void> {
    await this.#loadCursors(frames);
    const accepted = this.#accept(frames);
    for (const [site, misfit] of accepted.misfits) await this.#rewind(site, misfit);
    await this.#sql.begin(async tx => {
      await move(tx);
      await this.#store(tx, accepted);
    });
    for (const [site, { after }] of accepted.moves) this.#cursors.set(site, after);
  }

  /**
   * One frame that cannot be stored keeps nobody else from it, however often it comes. The position in the partition moves behind
   * all of them: until then they come again, and what is stored is known by its own position.
   */
  async #takeOneByOne(frames: readonly BackboneFrame[]): Promise<void> {
    for (const frame of frames) {
      const { site, session } = frame;
      try {
        await this.#takeFrames([frame], async () => undefined);
      } catch (error) {
        if (!isOfData(error)) throw error;
        const { epoch, firstPosition, count } = frame.frame;
        const detail = `${epoch}/${firstPosition}..${firstPosition + count - 1} cannot be stored: ${error.message}`;
        const held = this.#cursors.get(site)!;
        await this.#rewind(site, { session, trouble: { code: 'UNSTORABLE', detail }, held });
      }
    }
  }

  async #loadCursors(frames: readonly BackboneFrame[]): Promise<void> {
    const unknown = [...new Set(frames.map(({ site }) => site))].filter(site => !this.#cursors.has(site));
    if (unknown.length === 0) return;
    const rows = await this.#sql<(CursorRow & { readonly site: SiteId })[]>`
      select site, epoch, position, tree_edge, fence from replica_cursor where site in ${this.#sql(unknown)}`;
    for (const site of unknown) this.#cursors.set(site, NOTHING_HELD);
    for (const row of rows) this.#cursors.set(row.site, toCursor(row));
  }

  #accept(frames: readonly BackboneFrame[]): AcceptedFrames {
    const events: RecordedEvent[] = [];
    const moves = new Map<SiteId, { before: ReplicaCursor; after: ReplicaCursor }>();
    const misfits = new Map<SiteId, Misfit>();
    const checkpoints = new Map<SiteId, SignedCheckpoint>();
    for (const frame of frames) {
      const { site, session } = frame;
      const known = this.#cursors.get(site)!;
      const held = moves.get(site)?.after ?? known;
      const verdict = acceptFrame(frame, held, this.#sha256);
      if (!verdict.accepted) misfits.set(site, { session, trouble: verdict.refusal, held });
      else if (verdict.events.length > 0) {
        for (const event of verdict.events) events.push(event);
        moves.set(site, { before: known, after: verdict.cursor });
        misfits.delete(site);
        const { checkpoint: note } = frame.frame;
        if (note !== null) checkpoints.set(site, { head: checkpointHead(note), note });
      }
    }
    return { events, moves, misfits, checkpoints };
  }

  /**
   * Before the rest of the delivery is stored: it comes again after a kill, and what misfits then is older than the rewind.
   * Misfits of sessions before the last rewind are its leftovers.
   */
  async #rewind(site: SiteId, { session, trouble, held }: Misfit): Promise<void> {
    const [rewound] = await this.#sql`
      update backbone_cursor
      set epoch = ${held.epoch}, position = ${held.position}, tree_edge = ${Buffer.concat(held.treeEdge)},
          fence = fence + 1, rewound_fence = fence + 1
      where site = ${site} and rewound_fence < ${session}
      returning pg_notify(${REWOUND_CHANNEL}, ${site})`;
    if (!rewound) return;
    const facts = { site, ...trouble, epoch: held.epoch, position: held.position };
    if (trouble.code === 'UNSTORABLE') this.#onUnstorable(site, trouble);
    this.#logger.error(
      facts,
      'the backbone does not continue what is stored of a site: asking the site again',
    );
  }

  async #store(tx: TransactionSql, { events, moves, checkpoints }: AcceptedFrames): Promise<void> {
    if (moves.size === 0) return;
    const sites = [...moves.keys()];
    const all = [...moves.values()];
    const of = <Value extends string | number>(value: (move: (typeof all)[number]) => Value) =>
      all.map(value);
    const hex = (edge: readonly Uint8Array[]) => Buffer.concat(edge).toString('hex');
    await tx`
      insert into replica_cursor (site, epoch, position, tree_edge, fence)
      select site, 0, 0, '', 0 from unnest(${tx.array(sites, UUID_ARRAY_OID)}::uuid[]) as known (site)
      on conflict (site) do nothing`;
    const moved = await tx`
      update replica_cursor as held
      set epoch = move.epoch, position = move.position, tree_edge = decode(move.tree_edge, 'hex'), verified_at = now()
      from unnest(
        ${tx.array(sites, UUID_ARRAY_OID)}::uuid[],
        ${of(({ before }) => before.epoch)}::int[],
        ${of(({ before }) => before.position)}::bigint[],
        ${of(({ after }) => after.epoch)}::int[],
        ${of(({ after }) => after.position)}::bigint[],
        ${of(({ after }) => hex(after.treeEdge))}::text[]
      ) as move (site, before_epoch, before_position, epoch, position, tree_edge)
      where held.site = move.site and held.epoch = move.before_epoch and held.position = move.before_position
      returning 1`;
    if (moved.length !== moves.size) throw new OvertakenError('the replica of a site has moved');
    await appendToFeed(tx, events, () => storeCheckpoints(tx, [...checkpoints.values()]));
  }

  async #movePosition(tx: TransactionSql, partition: number, next: number): Promise<void> {
    const held = this.#positions.get(partition) ?? null;
    const moved =
      held === null
        ? await tx`
            insert into backbone_position (topic, partition, next_offset) values (${this.#topic}, ${partition}, ${next})
            on conflict do nothing returning 1`
        : await tx`
            update backbone_position set next_offset = ${next}
            where topic = ${this.#topic} and partition = ${partition} and next_offset = ${held} returning 1`;
    if (moved.length === 0) throw new OvertakenError('the position in a partition has moved');
  }
}
