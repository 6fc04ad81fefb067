import {
  decodeEvent,
  EventDecodeError,
  type EventDefinition,
  type EventOf,
  type HoldfastEvent,
  type SiteId,
} from '@holdfast/schema';
import type { Sql } from '../postgres/sql.js';
import type { Wakeup } from '../read-models/wakeup.js';
import { ofTypes } from './replica-event-trees.js';

/** A notification may be lost with its connection; what failed is tried again so often. */
export const LOOK_MS = 5000;
const PAGE_ROWS = 500;

/** What is stored of an event of a known type. */
export interface StoredEventData {
  readonly version: number;
  readonly data: Buffer;
}

export interface StoredEventOfType extends StoredEventData {
  readonly seq: number;
  /** Whose log it is of. */
  readonly site: SiteId;
}

/** Null of an event that this software cannot read: it is put aside like every other one, and read again after an upgrade. */
export function readStoredData<Definition extends EventDefinition>(
  { type }: Definition,
  { version, data }: StoredEventData,
): EventOf<Definition>['data'] | null {
  try {
    return decodeEvent(type, version, JSON.parse(data.toString('utf8'))).data as EventOf<Definition>['data'];
  } catch (error) {
    if (error instanceof EventDecodeError || error instanceof SyntaxError) return null;
    throw error;
  }
}

/**
 * All events of one type out of the feed, whoever brought them there, a session or a backbone, so that no end of either can lose
 * one. All are read again after a start, and where events of the feed were replaced: others may stand where it was read already.
 */
export class EventsOfType {
  readonly #sql: Sql;
  readonly #type: HoldfastEvent['type'];
  readonly #take: (event: StoredEventOfType) => void | Promise<void>;
  #after = 0;
  #replacedAt: string | null = null;

  constructor(options: {
    readonly sql: Sql;
    readonly type: HoldfastEvent['type'];
    /** In the order of the feed. What it throws comes again, and what is behind it waits. */
    readonly take: (event: StoredEventOfType) => void | Promise<void>;
  }) {
    this.#sql = options.sql;
    this.#type = options.type;
    this.#take = options.take;
  }

  /** The feed position of the last one that was taken; 0 before the first. */
  get after(): number {
    return this.#after;
  }

  /** Up to the end of the feed. Rejects at the first that fails, and goes on there when called again. */
  async catchUp(): Promise<void> {
    for (let isMore = true; isMore; ) isMore = await this.#takePage();
  }

  /** Until the signal is aborted. */
  async follow(
    options: { readonly feedGrown: Wakeup; readonly onFailure: (error: unknown) => void },
    signal: AbortSignal,
  ): Promise<void> {
    const { feedGrown, onFailure } = options;
    while (!signal.aborted) {
      const seen = feedGrown.count;
      const isMore = await this.#takePage().catch(onFailure);
      if (isMore !== true) await feedGrown.after(seen, LOOK_MS, signal);
    }
  }

  /** Whether there is another page. */
  async #takePage(): Promise<boolean> {
    const [replaced] = await this.#sql<
      { at: string | null }[]
    >`select max(replaced_at)::text as at from replaced_tail`;
    if (replaced!.at !== this.#replacedAt) this.#after = 0;
    this.#replacedAt = replaced!.at;
    const rows = await this.#sql<StoredEventOfType[]>`
      select seq, site, version, data from replica_event
      where ${ofTypes(this.#sql, [this.#type])} and seq > ${this.#after} order by seq limit ${PAGE_ROWS}`;
    for (const row of rows) {
      await this.#take(row);
      this.#after = row.seq;
    }
    return rows.length === PAGE_ROWS;
  }
}
