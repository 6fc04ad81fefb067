import type { SiteId } from '@holdfast/schema';
import type { TransactionSql } from '../postgres/sql.js';
import type { FeedEvent } from './feed-event.js';
import type { FeedItem } from './feed-reader.js';
import { type QuarantineRow, type QuarantineStatus, reasonOf, streamKey } from './quarantine.js';
import type { Change, FoldContext, ReadModel } from './read-model.js';
import { isTransient } from './transient.js';

export interface FoldSettings {
  readonly ownSite: SiteId;
  readonly now: () => number;
}

/** One model and one batch: folds what can be folded, and says what became of the rest. */
export class ModelFold {
  readonly model: ReadModel;
  readonly changes: Change[] = [];
  /** The event at which the model stands still. */
  halted: { readonly seq: number; readonly reason: string } | null = null;
  #aside: QuarantineRow[] = [];
  readonly #settings: FoldSettings;
  /** Streams, and the first event of each that is put aside: only what comes after it waits. */
  readonly #stalled: Map<string, number>;

  /** `stalled`: streams in which something is in the quarantine already. */
  constructor(model: ReadModel, settings: FoldSettings, stalled: Iterable<string>) {
    this.model = model;
    this.#settings = settings;
    this.#stalled = new Map(Array.from(stalled, stream => [stream, 0]));
  }

  get aside(): readonly QuarantineRow[] {
    return this.#aside;
  }

  /** Everything at once; throws when an event cannot be digested, and the transaction is lost. */
  async foldTogether(
    { tx, isAlone }: Pick<FoldContext, 'tx' | 'isAlone'>,
    items: readonly FeedItem[],
  ): Promise<void> {
    const events = this.#digestible(items);
    if (events.length > 0) await this.#fold({ tx, isAlone }, events);
  }

  /** Finds what cannot be digested by halving, and puts it aside. */
  async foldApart(tx: TransactionSql, items: readonly FeedItem[]): Promise<void> {
    const events = this.#digestible(items);
    if (events.length === 0) return;
    try {
      await tx.savepoint(savepoint => this.#fold({ tx: savepoint, isAlone: false }, events));
    } catch (error) {
      if (isTransient(error)) throw error;
      if (events.length === 1) return this.#putAside(events[0]!, 'POISON', reasonOf(error));
      const middle = events.length >> 1;
      await this.foldApart(tx, events.slice(0, middle));
      await this.foldApart(tx, events.slice(middle));
    }
  }

  async #fold(at: Pick<FoldContext, 'tx' | 'isAlone'>, events: readonly FeedEvent[]): Promise<void> {
    const changes: Change[] = [];
    const { ownSite } = this.#settings;
    await this.model.fold(events, { ...at, ownSite, changed: change => changes.push(change) });
    for (const change of changes) this.changes.push(change);
  }

  #digestible(items: readonly FeedItem[]): readonly FeedEvent[] {
    const events: FeedEvent[] = [];
    for (const item of items) {
      if (this.halted !== null && item.seq >= this.halted.seq) break;
      if (!concerns(this.model, typeOf(item))) continue;
      if (this.#waits(item)) {
        this.#aside.push(this.#row(item, 'WAITING', 'comes after an event of its stream that is put aside'));
      } else if ('event' in item) events.push(item);
      else this.#putAside(item, item.status, item.reason);
    }
    return events;
  }

  #waits(item: FeedItem): boolean {
    return this.#stalled.size > 0 && item.seq > (this.#stalled.get(streamKey(item)) ?? Infinity);
  }

  #putAside(item: FeedItem, status: Exclude<QuarantineStatus, 'WAITING'>, reason: string): void {
    const { poison } = this.model;
    if (poison === 'halt' && status === 'POISON') {
      this.halted = { seq: item.seq, reason };
      this.#aside = this.#aside.filter(({ seq }) => seq < item.seq);
    } else if (poison !== 'skip-and-record') {
      // What is of a newer version is met before the halving has found poison that comes earlier.
      const stream = streamKey(item);
      this.#stalled.set(stream, Math.min(item.seq, this.#stalled.get(stream) ?? item.seq));
    }
    this.#aside.push(this.#row(item, status, reason));
  }

  #row({ seq, site, stream }: FeedItem, status: QuarantineStatus, reason: string): QuarantineRow {
    const projection = this.model.name;
    return { projection, seq, site, stream, status, reason, atMs: this.#settings.now(), attempts: 1 };
  }
}

const typeSets = new WeakMap<ReadModel, ReadonlySet<string>>();

/** Whether events of this type reach the model. */
export function concerns(model: ReadModel, type: string): boolean {
  if (model.eventTypes === 'ALL') return true;
  let types = typeSets.get(model);
  if (!types) {
    types = new Set<string>(model.eventTypes);
    typeSets.set(model, types);
  }
  return types.has(type);
}

export function typeOf(item: FeedItem): string {
  return 'event' in item ? item.event.type : item.type;
}
