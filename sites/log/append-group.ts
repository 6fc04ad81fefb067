import type { DatabaseSync, StatementSync } from 'node:sqlite';
import {
  type AppendRefusal,
  headerOffsets,
  type LogPlace,
  leafHashOf,
  nextHlc,
  type PlannableAppend,
  placeKey,
  placeOfKey,
  planReplay,
  planRevisions,
  UUID_BYTES,
} from '@holdfast/core';
import { type AppendFrame, eventIdOf, type FramedEvent, placeEvent } from './append-frame.js';
import { sha256 } from './sha256.js';

/** Events in one commit: beyond it, waiting costs more than the sync that is saved. */
export const GROUP_EVENTS_MAX = 512;
/** Bytes in one commit, so that the write-ahead log grows in small steps. */
export const GROUP_BYTES_MAX = 1024 * 1024;

/** What became of one append: a first position, a replay, or a refusal. */
export type WrittenAppend =
  | number
  | { readonly epoch: number; readonly firstPosition: number; readonly lastPosition: number }
  | { readonly refusal: AppendRefusal };

/** Events that one statement inserts: more of them would save little. */
const INSERTED_AT_ONCE_MAX = 16;

type EventColumns = readonly [
  key: number,
  id: Uint8Array,
  stream: string,
  revision: number,
  header: Uint8Array,
  data: Uint8Array,
  leafHash: Uint8Array,
];

export interface EventStatements {
  /** Inserts events whose columns stand one after the other. */
  readonly insert: (columns: readonly EventColumns[number][]) => void;
  readonly find: StatementSync;
}

const COLUMNS = 7;

export function prepareEventStatements(db: DatabaseSync): EventStatements {
  // By the number of events. One statement for several costs SQLite a third less than one for each.
  const inserts: StatementSync[] = [];
  return {
    insert: columns => {
      const count = columns.length / COLUMNS;
      inserts[count] ??= db.prepare(
        `INSERT INTO event (key, id, stream, revision, header, data, leaf_hash)
         VALUES ${Array(count).fill('(?, ?, ?, ?, ?, ?, ?)').join(', ')}`,
      );
      inserts[count].run(...columns);
    },
    find: db.prepare(
      `SELECT key, stream FROM event WHERE id = ?1
       UNION ALL
       SELECT key, truncated_stream.stream FROM truncated_id
       JOIN truncated_stream ON number = truncated_id.stream WHERE id = ?1`,
    ),
  };
}

/** The appends of one transaction, and what the log will be if it commits. Nothing outside changes before that. */
export class AppendGroup {
  readonly outcomes: WrittenAppend[] = [];
  readonly leafHashes: Uint8Array[] = [];
  /** The last revision of every stream that was written. */
  readonly revisions = new Map<string, number>();
  readonly #statements: EventStatements;
  readonly #lastRevisionBefore: (stream: string) => number | null;
  /** Of position 0. */
  readonly #key: number;
  /** Columns of events that are not inserted yet. */
  #pending: EventColumns[number][] = [];
  #size: number;
  #recordedAt: bigint;
  #byteLength = 0;

  constructor(
    statements: EventStatements,
    log: {
      readonly epoch: number;
      readonly size: number;
      readonly recordedAt: bigint;
      readonly lastRevisionOf: (stream: string) => number | null;
    },
  ) {
    this.#statements = statements;
    this.#key = placeKey({ epoch: log.epoch, position: 0 });
    this.#size = log.size;
    this.#recordedAt = log.recordedAt;
    this.#lastRevisionBefore = log.lastRevisionOf;
  }

  get size(): number {
    return this.#size;
  }

  get recordedAt(): bigint {
    return this.#recordedAt;
  }

  get isFull(): boolean {
    return this.leafHashes.length >= GROUP_EVENTS_MAX || this.#byteLength >= GROUP_BYTES_MAX;
  }

  /** Writes an append, leaving it to the database to refuse an id that is there already. */
  write(frame: AppendFrame): void {
    const plan = planRevisions(plannable(frame), stream => this.#lastRevisionOf(stream));
    // A repeated append expects what was true the first time, so a wrong revision may well be a replay.
    if (plan.kind === 'REFUSED') this.writeOnce(frame);
    else this.outcomes.push(this.#insertAll(frame, plan.firstRevisions));
    this.#byteLength += frame.byteLength;
  }

  /** Writes an append after having looked up every one of its ids. */
  writeOnce(frame: AppendFrame): void {
    this.outcomes.push(this.#writeOnce(frame));
  }

  #writeOnce(frame: AppendFrame): WrittenAppend {
    const appends = plannable(frame);
    const replay = planReplay(appends, event => this.#find(event));
    if (replay.kind === 'REPLAYED') return replay;
    if (replay.kind === 'CONFLICT') {
      return { refusal: { code: 'ID_CONFLICT', eventId: eventIdOf(replay.eventId) } };
    }
    const plan = planRevisions(appends, stream => this.#lastRevisionOf(stream));
    return plan.kind === 'REFUSED' ? { refusal: plan.refusal } : this.#insertAll(frame, plan.firstRevisions);
  }

  #lastRevisionOf(stream: string): number | null {
    return this.revisions.get(stream) ?? this.#lastRevisionBefore(stream);
  }

  #insertAll(frame: AppendFrame, firstRevisions: readonly number[]): number {
    const firstPosition = this.#size + 1;
    frame.streams.forEach(({ stream, events }, index) => {
      let revision = firstRevisions[index]!;
      for (const event of events) {
        this.#insert(event, stream, revision, frame.nowMs);
        revision += 1;
      }
      if (events.length > 0) this.revisions.set(stream, revision - 1);
    });
    return firstPosition;
  }

  #insert({ header, data }: FramedEvent, stream: string, revision: number, nowMs: number): void {
    const position = this.#size + 1;
    const recordedAt = nextHlc(this.#recordedAt, nowMs);
    placeEvent(header, { position, revision, recordedAt });
    const leafHash = leafHashOf(header, data, sha256);
    this.#pending.push(this.#key + position, idIn(header), stream, revision, header, data, leafHash);
    if (this.#pending.length === INSERTED_AT_ONCE_MAX * COLUMNS) this.flush();
    this.leafHashes.push(leafHash);
    this.#size = position;
    this.#recordedAt = recordedAt;
  }

  /** Inserts what is not inserted yet. */
  flush(): void {
    if (this.#pending.length === 0) return;
    this.#statements.insert(this.#pending);
    this.#pending = [];
  }

  #find({ header }: FramedEvent): (LogPlace & { readonly stream: string }) | null {
    this.flush();
    const row = this.#statements.find.get(idIn(header));
    return row === undefined ? null : { ...placeOfKey(row.key as number), stream: row.stream as string };
  }
}

function plannable(frame: AppendFrame): readonly PlannableAppend<FramedEvent>[] {
  return frame.streams.map(({ stream, expected, events }) => ({ stream, expected, eventIds: events }));
}

function idIn(header: Uint8Array): Uint8Array {
  return new Uint8Array(header.buffer, header.byteOffset + headerOffsets.id, UUID_BYTES);
}
