import { setTimeout as delay } from 'node:timers/promises';
import { backOffMs } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { sideBySide } from '../postgres/side-by-side.js';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import { type FeedBatch, type FeedSpan, readFeed, type SiteProgressRow } from './feed-reader.js';
import { type FoldMode, type FoldOutcome, foldBatch, inEitherMode } from './fold-batch.js';
import { ModelTable } from './model-table.js';
import { lockCheckpoint, readProjections, saveChanges, saveLateChanges } from './projection-row.js';
import { isAnythingAside, type QuarantineRow } from './quarantine.js';
import type { ReadModel } from './read-model.js';
import { isTransient } from './transient.js';
import type { Wakeup } from './wakeup.js';

/** Woken by it: every subscription. Its payload is the feed position up to which everything is folded. */
export const PROJECTED_CHANNEL = 'holdfast_projected';
/** A batch of facts is folded in one transaction; larger ones gain nothing and hold locks for longer. */
const BATCH_EVENTS_MAX = 500;
/** From the beginning of one batch to the next: each costs some ms on both sides, however few events it has. */
const BATCH_PERIOD_MS_MIN = 25;
/** A notification may be lost with its connection; then the feed is looked at all the same. */
const POLL_MS = 1000;
const RETRY = { firstMs: 100, mostMs: 10_000 };
/** How far back a subscription can resume, in feed positions: days of an installation with hundreds of sites. */
const CHANGES_KEPT_POSITIONS = 2_000_000;
/** Trimming looks at an index only; once per so many batches is often enough. */
const BATCHES_PER_TRIM = 200;

const progressTable = new ModelTable<SiteProgressRow>('site_progress', ['siteId']);

export interface ProjectorOptions {
  readonly sql: Sql;
  readonly ownSite: SiteId;
  readonly models: readonly ReadModel[];
  /** Fires when the feed has grown. */
  readonly feedGrown: Wakeup;
  readonly now: () => number;
  readonly random: () => number;
  readonly onQuarantined: (row: QuarantineRow) => void;
  readonly onHalted: (facts: { projection: string; seq: number; reason: string }) => void;
  readonly onRetry: (error: unknown) => void;
}

/** Which projections a batch is folded for, and which part of the feed. */
interface Group {
  readonly names: readonly string[];
  readonly afterSeq: number;
  /** Null: as far as the feed goes. */
  readonly upToSeq: number | null;
}

/**
 * Folds the feed into what is served: batch by batch; rows, changes and checkpoints in one transaction. Projections that
 * are at the same place share the batch. One that stood still catches up beside the others until it has joined them.
 */
export class Projector {
  readonly #options: ProjectorOptions;
  #batches = 0;
  /** Where the last batch ended, and the next one probably begins. Null before the first. */
  #leadingSeq: number | null = null;

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
        const beganMs = performance.now();
        const { isMore } = await this.projectOnce();
        failures = 0;
        if (isMore) continue;
        await feedGrown.after(seen, POLL_MS, signal);
        const waitMs = beganMs + BATCH_PERIOD_MS_MIN - performance.now();
        if (waitMs > 0) await delay(waitMs, undefined, { signal }).catch(() => undefined);
      } catch (error) {
        if (signal.aborted) return;
        this.#options.onRetry(error);
        const waitMs = backOffMs(RETRY, failures++, this.#options.random());
        await delay(waitMs, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  /** Folds everything that the feed holds now. */
  async catchUp(): Promise<void> {
    while ((await this.projectOnce()).isMore);
  }

  /** Folds one batch for those that follow the feed and one for those furthest behind. Returns whether there is more to do. */
  async projectOnce(): Promise<{ readonly isMore: boolean }> {
    const leading = await inEitherMode(mode => this.#projectBatch('LEADING', mode), isTransient);
    if (!leading.isAnyBehind) return leading;
    const behind = await inEitherMode(mode => this.#projectBatch('BEHIND', mode), isTransient);
    return { isMore: leading.isMore || behind.hasFolded };
  }

  async #projectBatch(
    which: 'LEADING' | 'BEHIND',
    mode: FoldMode,
  ): Promise<{ hasFolded: boolean; isMore: boolean; isAnyBehind: boolean }> {
    const { sql, models } = this.#options;
    const ahead = which === 'LEADING' && mode === 'TOGETHER' ? this.#readAhead() : null;
    const result = await sql.begin(async tx => {
      const [checkpoint, isAside, projections] = await sideBySide(
        lockCheckpoint(tx),
        isAnythingAside(tx),
        readProjections(tx),
      );
      const { leading, behind } = groupsAt(checkpoint.seq, projections);
      const group = which === 'LEADING' ? leading : behind;
      if (group === null) return null;
      const { afterSeq } = group;
      const batch = await (ahead?.afterSeq === afterSeq ? ahead.batch : readFeed(tx, spanOf(group)));
      const hasFolded = batch.lastSeq > afterSeq;
      const result = { hasFolded, isMore: batch.isCut, isAnyBehind: behind !== null };
      if (!hasFolded) return { ...result, outcome: null };
      const outcome = await foldBatch(tx, batch, {
        ...this.#options,
        ...{ mode, isAnythingAside: isAside },
        models: models.filter(({ name }) => group.names.includes(name)),
      });
      await sideBySide(
        moveOn(tx, group.names, batch.lastSeq, outcome),
        which === 'LEADING'
          ? this.#follow(tx, batch, outcome)
          : saveLateChanges(tx, outcome.changes, checkpoint.seq),
      );
      return { ...result, outcome, lastSeq: batch.lastSeq };
    });
    if (result?.outcome) this.#report(result.outcome);
    if (result?.outcome && which === 'LEADING') this.#leadingSeq = result.lastSeq;
    return result ?? { hasFolded: false, isMore: false, isAnyBehind: false };
  }

  /** While the transaction begins: what the feed holds stays as it is. */
  #readAhead(): { readonly afterSeq: number; readonly batch: Promise<FeedBatch> } | null {
    if (this.#leadingSeq === null) return null;
    const afterSeq = this.#leadingSeq;
    const batch = readFeed(this.#options.sql, spanOf({ afterSeq, upToSeq: null }));
    // It may not be needed.
    batch.catch(() => undefined);
    return { afterSeq, batch };
  }

  async #follow(tx: TransactionSql, batch: FeedBatch, { changes }: FoldOutcome): Promise<void> {
    await sideBySide(
      saveChanges(tx, changes),
      progressTable.save(tx, batch.progress),
      tx`update read_model_checkpoint set seq = ${batch.lastSeq}`,
      tx`select pg_notify(${PROJECTED_CHANNEL}, ${String(batch.lastSeq)})`,
    );
    if (this.#batches++ % BATCHES_PER_TRIM === 0) await trimChanges(tx, batch.lastSeq);
  }

  #report({ aside, halted }: FoldOutcome): void {
    for (const row of aside) if (row.status !== 'WAITING') this.#options.onQuarantined(row);
    for (const [projection, facts] of halted) this.#options.onHalted({ projection, ...facts });
  }
}

function spanOf({ afterSeq, upToSeq }: Pick<Group, 'afterSeq' | 'upToSeq'>): FeedSpan {
  return { afterSeq, upToSeq, limit: BATCH_EVENTS_MAX, types: null, site: null };
}

/** Those that follow the feed, and the ones furthest behind of the others, up to where they meet the next ones. */
function groupsAt(
  checkpointSeq: number,
  rows: Awaited<ReturnType<typeof readProjections>>,
): { readonly leading: Group; readonly behind: Group | null } {
  const running = rows.filter(({ version, haltedBecause }) => version > 0 && haltedBecause === null);
  const namesAt = (place: number) => running.filter(({ seq }) => seq === place).map(({ name }) => name);
  const leading = { names: namesAt(checkpointSeq), afterSeq: checkpointSeq, upToSeq: null };
  const places = running.map(({ seq }) => seq).filter(seq => seq < checkpointSeq);
  if (places.length === 0) return { leading, behind: null };
  const afterSeq = Math.min(...places);
  const upToSeq = Math.min(checkpointSeq, ...places.filter(seq => seq > afterSeq));
  return { leading, behind: { names: namesAt(afterSeq), afterSeq, upToSeq } };
}

async function moveOn(
  tx: TransactionSql,
  names: readonly string[],
  lastSeq: number,
  { halted }: FoldOutcome,
): Promise<void> {
  await tx`update projection set seq = ${lastSeq} where name = any(${names as string[]}::text[])`;
  for (const [name, { seq, reason }] of halted) {
    await tx`update projection set seq = ${seq - 1}, halted_because = ${reason} where name = ${name}`;
  }
}

async function trimChanges(tx: TransactionSql, lastSeq: number): Promise<void> {
  const horizon = lastSeq - CHANGES_KEPT_POSITIONS;
  if (horizon <= 0) return;
  const trimmed = await tx`delete from change where seq <= ${horizon}`;
  if (trimmed.count > 0) await tx`update read_model_checkpoint set changes_after_seq = ${horizon}`;
}
