import { setTimeout as delay } from 'node:timers/promises';
import type { EventType, SiteId } from '@holdfast/schema';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import type { FeedEvent } from './feed-event.js';
import { BATCH_EVENTS_MAX, type FeedBatch, readFeed, type SiteProgressRow } from './feed-reader.js';
import { ModelTable } from './model-table.js';
import type { Change, ReadModel } from './read-model.js';
import type { Wakeup } from './wakeup.js';

/** Woken by it: every subscription. Its payload is the feed position up to which everything is folded. */
export const PROJECTED_CHANNEL = 'holdfast_projected';
/** A notification may be lost with its connection; then the feed is looked at all the same. */
const POLL_MS = 1000;
const RETRY_DELAY_MS_MIN = 100;
const RETRY_DELAY_MS_MAX = 10_000;
/** How far back a subscription can resume, in feed positions: days of an installation with hundreds of sites. */
const CHANGES_KEPT_POSITIONS = 2_000_000;
/** Trimming looks at an index only; once per so many batches is often enough. */
const BATCHES_PER_TRIM = 200;
const REASON_CHARACTERS_MAX = 1000;

interface ChangeRow {
  readonly kind: string;
  readonly seq: number;
  readonly entityId: string;
  readonly state: object;
}

interface QuarantineRow {
  readonly seq: number;
  readonly model: string;
  readonly reason: string;
  readonly atMs: number;
}

const changeTable = new ModelTable<ChangeRow>('change', ['kind', 'seq', 'entityId']);
const quarantineTable = new ModelTable<QuarantineRow>('quarantined_event', ['seq', 'model']);
const progressTable = new ModelTable<SiteProgressRow>('site_progress', ['siteId']);

export interface ProjectorOptions {
  readonly sql: Sql;
  readonly ownSite: SiteId;
  readonly models: readonly ReadModel[];
  /** Another one than the database's means: rebuild. */
  readonly version: number;
  /** Fires when the feed has grown. */
  readonly feedGrown: Wakeup;
  readonly now: () => number;
  readonly random: () => number;
  readonly onQuarantined: (facts: { seq: number; model: string; reason: string }) => void;
  readonly onRetry: (error: unknown) => void;
}

/**
 * Folds the feed into the read models: batch by batch, rows, changes and checkpoint in one transaction. An event that
 * a model cannot digest is put aside for that model with the reason, and the feed goes on.
 */
export class Projector {
  readonly #options: ProjectorOptions;
  #batches = 0;

  constructor(options: ProjectorOptions) {
    this.#options = options;
  }

  /** Projects until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    const { feedGrown } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      try {
        const seen = feedGrown.count;
        const folded = await this.projectOnce();
        failures = 0;
        if (folded === 0) await feedGrown.after(seen, POLL_MS, signal);
      } catch (error) {
        if (signal.aborted) return;
        this.#options.onRetry(error);
        const ceiling = Math.min(RETRY_DELAY_MS_MAX, RETRY_DELAY_MS_MIN * 2 ** Math.min(failures++, 16));
        await delay(this.#options.random() * ceiling, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Folds everything that the feed holds now. */
  async catchUp(): Promise<void> {
    while ((await this.projectOnce()) > 0);
  }

  /** Empties every read model; the next batches fill them again from the first event on. */
  async rebuild(): Promise<void> {
    await this.#options.sql.begin(tx => this.#reset(tx));
  }

  /** Folds one batch. Returns how many events it had. */
  async projectOnce(): Promise<number> {
    try {
      return await this.#projectBatch(BATCH_EVENTS_MAX, 'ALL_OR_NOTHING');
    } catch (error) {
      if (isTransient(error)) throw error;
      // Something in the batch is indigestible: go on one by one until it is passed.
      let folded = 0;
      while (folded < BATCH_EVENTS_MAX) {
        const events = await this.#projectBatch(1, 'QUARANTINE');
        folded += events;
        if (events === 0) break;
      }
      return folded;
    }
  }

  async #projectBatch(limit: number, poison: 'ALL_OR_NOTHING' | 'QUARANTINE'): Promise<number> {
    const quarantined: QuarantineRow[] = [];
    const folded = await this.#options.sql.begin(async tx => {
      quarantined.length = 0;
      const afterSeq = await this.#lockCheckpoint(tx);
      const batch = await readFeed(tx, afterSeq, limit);
      if (batch.lastSeq === afterSeq) return 0;
      for (const { seq, reason } of batch.undecodable) quarantined.push(this.#aside(seq, '*', reason));
      await this.#foldModels(tx, batch, poison, quarantined);
      await progressTable.save(tx, batch.progress);
      await quarantineTable.save(tx, quarantined);
      await tx`update read_model_checkpoint set seq = ${batch.lastSeq}`;
      if (this.#batches++ % BATCHES_PER_TRIM === 0) await trimChanges(tx, batch.lastSeq);
      await tx`select pg_notify(${PROJECTED_CHANNEL}, ${String(batch.lastSeq)})`;
      return batch.lastSeq - afterSeq;
    });
    for (const facts of quarantined) this.#options.onQuarantined(facts);
    return folded;
  }

  async #foldModels(
    tx: TransactionSql,
    batch: FeedBatch,
    poison: 'ALL_OR_NOTHING' | 'QUARANTINE',
    quarantined: QuarantineRow[],
  ): Promise<void> {
    for (const model of this.#options.models) {
      const events = concerning(model, batch.events);
      if (events.length === 0) continue;
      if (poison === 'ALL_OR_NOTHING') {
        await this.#foldModel(tx, model, events);
        continue;
      }
      try {
        await tx.savepoint(savepoint => this.#foldModel(savepoint, model, events));
      } catch (error) {
        if (isTransient(error)) throw error;
        quarantined.push(this.#aside(events[0]!.seq, model.name, String(error)));
      }
    }
  }

  async #foldModel(tx: TransactionSql, model: ReadModel, events: readonly FeedEvent[]): Promise<void> {
    const changes: Change[] = [];
    const { ownSite } = this.#options;
    await model.fold(events, { tx, ownSite, changed: change => changes.push(change) });
    await changeTable.save(tx, changes);
  }

  #aside(seq: number, model: string, reason: string): QuarantineRow {
    return { seq, model, reason: reason.slice(0, REASON_CHARACTERS_MAX), atMs: this.#options.now() };
  }

  /** One projector at a time, also when two centrals share a database. */
  async #lockCheckpoint(tx: TransactionSql): Promise<number> {
    const [row] = await tx<{ seq: number; version: number }[]>`
      select seq, version from read_model_checkpoint for update`;
    if (row?.version === this.#options.version) return row.seq;
    await this.#reset(tx);
    return 0;
  }

  async #reset(tx: TransactionSql): Promise<void> {
    const tables = [
      ...this.#options.models.flatMap(model => model.tables),
      ...['change', 'quarantined_event', 'site_progress', 'read_model_checkpoint'],
    ];
    await tx`truncate ${tx(tables)}`;
    await tx`
      insert into read_model_checkpoint (version, seq, changes_after_seq) values (${this.#options.version}, 0, 0)`;
  }
}

function concerning(model: ReadModel, events: readonly FeedEvent[]): readonly FeedEvent[] {
  if (model.eventTypes === 'ALL') return events;
  const types = new Set<EventType>(model.eventTypes);
  return events.filter(({ event }) => types.has(event.type));
}

async function trimChanges(tx: TransactionSql, lastSeq: number): Promise<void> {
  const horizon = lastSeq - CHANGES_KEPT_POSITIONS;
  if (horizon <= 0) return;
  const trimmed = await tx`delete from change where seq <= ${horizon}`;
  if (trimmed.count > 0) await tx`update read_model_checkpoint set changes_after_seq = ${horizon}`;
}

/**
 * SQLSTATE classes that speak of the server, not of the event: connection (08), conflict with another transaction
 * (40), resources (53), operator intervention (57), system (58). The rest is tried no second time.
 */
const TRANSIENT_CLASSES: ReadonlySet<string> = new Set(['08', '40', '53', '57', '58']);

function isTransient(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  if (/^[0-9A-Z]{5}$/.test(code)) return TRANSIENT_CLASSES.has(code.slice(0, 2));
  return /^(CONNECTION_|CONNECT_|ECONN|EPIPE|ENOENT|ETIMEDOUT)/.test(code);
}
