import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import {
  decodeHeader,
  type EpochTree,
  encodeEdge,
  encodeHeader,
  extendEdge,
  type HistoryProof,
  leafHashOf,
  type NewEvent,
  nextHlc,
  placeKey,
  type RecordedEvent,
  TailAccount,
  type TreeEdge,
  UUID_BYTES,
  writeUuid,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { EventStatements } from './append-group.js';
import { sha256 } from './sha256.js';
import { prepareLastRevision } from './site-log-truncation.js';

/** Events between two turns for whoever shares this thread. */
const EVENTS_PER_TURN = 1000;

/** What stands in the temporary table `tail`, in its order; what is known already is not recorded again. */
export async function recordTailAgain(
  db: DatabaseSync,
  log: ReopenedEpoch,
  {
    isLeftOut = () => false,
    as = event => event,
  }: {
    readonly isLeftOut?: (event: NewEvent, row: TailRow) => boolean;
    /** What is recorded in its place. */
    readonly as?: (event: NewEvent, row: TailRow) => NewEvent;
  } = {},
): Promise<TailAccount> {
  const account = new TailAccount();
  const rows = db.prepare('SELECT * FROM tail ORDER BY key').iterate();
  let count = 0;
  for (const row of rows as Iterable<TailRow>) {
    const event = { ...decodeHeader(row.header), data: row.data };
    if (!isLeftOut(event, row) && account.takes(event, log.has(event)))
      log.record(event.stream, as(event, row));
    count += 1;
    if (count % EVENTS_PER_TURN === 0) await turn();
  }
  return account;
}

interface TailRow {
  readonly header: Uint8Array;
  readonly data: Uint8Array;
  /** Of a salvaged log alone: whether the site's signature stands behind it where it was found. */
  readonly is_signed?: 0 | 1;
}

/** The epoch that is opened, as long as it is in the transaction. */
export class ReopenedEpoch {
  readonly #epoch: number;
  readonly #statements: EventStatements;
  /** Of what is in the index: all that is before this epoch. */
  readonly #indexedRevisionOf: (stream: string) => number | null;
  /** Of what was recorded here. */
  readonly #revisions = new Map<string, number>();
  readonly #site: SiteId;
  readonly #nowMs: number;
  #recordedAt: bigint;
  #size = 0;
  #edge: TreeEdge = [];

  constructor(
    db: DatabaseSync,
    statements: EventStatements,
    options: {
      readonly site: SiteId;
      readonly epoch: number;
      readonly nowMs: number;
      readonly proof: Pick<HistoryProof, 'recordedAt'>;
    },
  ) {
    this.#statements = statements;
    this.#indexedRevisionOf = prepareLastRevision(db);
    this.#site = options.site;
    this.#epoch = options.epoch;
    this.#nowMs = options.nowMs;
    this.#recordedAt = options.proof.recordedAt;
  }

  tree(): EpochTree {
    return { epoch: this.#epoch, size: this.#size, edge: this.#edge };
  }

  has(event: Pick<RecordedEvent, 'id'>): boolean {
    return this.#statements.find.get(idBytesOf(event)) !== undefined;
  }

  record(stream: string, event: NewEvent): void {
    const position = this.#size + 1;
    const revision = (this.#lastRevisionOf(stream) ?? -1) + 1;
    this.#recordedAt = nextHlc(this.#recordedAt, this.#nowMs);
    const place = { site: this.#site, epoch: this.#epoch, position };
    const header = encodeHeader({ ...event, ...place, stream, revision, recordedAt: this.#recordedAt });
    const leafHash = leafHashOf(header, event.data, sha256);
    const id = idBytesOf(event);
    this.#statements.insert([placeKey(place), id, stream, revision, header, event.data, leafHash]);
    this.#edge = extendEdge(this.#edge, this.#size, [leafHash], sha256);
    this.#size = position;
    this.#revisions.set(stream, revision);
  }

  #lastRevisionOf(stream: string): number | null {
    return this.#revisions.get(stream) ?? this.#indexedRevisionOf(stream);
  }
}

export function storeEpoch(db: DatabaseSync, { epoch, size, edge }: EpochTree): void {
  db.prepare(
    `INSERT INTO epoch (epoch, kept_after, kept_edge, size, tree_edge) VALUES (?, 0, x'', ?, ?)
     ON CONFLICT (epoch) DO UPDATE SET size = excluded.size, tree_edge = excluded.tree_edge`,
  ).run(epoch, size, encodeEdge(edge));
}

/** An event whose place and bytes are proved. */
export function storeProven(event: RecordedEvent, { insert }: EventStatements): void {
  const { stream, revision, header, data, leafHash } = event;
  insert([placeKey(event), idBytesOf(event), stream, revision, header, data, leafHash]);
}

function idBytesOf({ id }: Pick<RecordedEvent, 'id'>): Uint8Array {
  const bytes = new Uint8Array(UUID_BYTES);
  writeUuid(id, bytes, 0);
  return bytes;
}
