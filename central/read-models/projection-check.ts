import { setTimeout as delay } from 'node:timers/promises';
import type { SiteId } from '@holdfast/schema';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import { BuildSchema } from './build-schema.js';
import { readFeed } from './feed-reader.js';
import { type FoldSettings, ModelFold } from './model-fold.js';
import type { ReadModel } from './read-model.js';

const BATCH_EVENTS_MAX = 2000;
/** Of one core, for the checks that go on in the background. */
const BACKGROUND_SHARE = 0.05;
/** A snapshot that is held longer keeps PostgreSQL from cleaning up: then the check hurries. */
const SNAPSHOT_MS_MAX = 10 * 60_000;
/** Of a pause within a transaction, which a server ends that is idle for minutes. */
const TRANSACTION_PAUSE_MS_MAX = 60_000;
/** Between two checks in the background. */
const PAUSE_MS = 10_000;
const EXAMPLES_MAX = 3;
const EXAMPLE_CHARACTERS_MAX = 300;

/** One projection, and one site's events or all. */
export interface CheckScope {
  readonly model: ReadModel;
  readonly site: SiteId | null;
}

export interface CheckResult {
  readonly projection: string;
  readonly site: SiteId | null;
  readonly events: number;
  /** Null when what is served is what the log folds into. */
  readonly difference: string | null;
}

export interface FoundDifference extends CheckResult {
  /** When it was found first; another time when it was set right in between. */
  readonly foundAtMs: number;
}

export interface ProjectionCheckOptions extends FoldSettings {
  readonly sql: Sql;
  readonly models: readonly ReadModel[];
  readonly onDifference: (result: FoundDifference) => void;
  readonly onRetry: (error: unknown) => void;
}

/** Carries the result out of a transaction that nothing shall be left of. */
class Checked extends Error {
  readonly result: CheckResult | null;
  constructor(result: CheckResult | null) {
    super('checked');
    this.result = result;
  }
}

/**
 * Folds events again and compares with what is served: in one snapshot, so that both are of one moment, and in tables that
 * are rolled back.
 */
export class ProjectionCheck {
  readonly #options: ProjectionCheckOptions;

  constructor(options: ProjectionCheckOptions) {
    this.#options = options;
  }

  /** Goes round everything, slowly, until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#round(signal).catch(error => {
        if (!signal.aborted) this.#options.onRetry(error);
      });
      await delay(PAUSE_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  async #round(signal: AbortSignal): Promise<void> {
    for (const scope of await this.scopes(this.#options.models.map(({ name }) => name))) {
      await delay(PAUSE_MS, undefined, { signal }).catch(() => undefined);
      if (signal.aborted) return;
      await this.check(scope, { share: BACKGROUND_SHARE, signal });
    }
  }

  /** Everything that can be checked of these projections. */
  async scopes(names: readonly string[]): Promise<readonly CheckScope[]> {
    const sites = await this.#options.sql<{ site: SiteId }[]>`select site from replica_cursor order by site`;
    return this.#options.models
      .filter(({ name }) => names.includes(name))
      .flatMap((model): readonly CheckScope[] =>
        model.checked === 'AS_A_WHOLE' ? [{ model, site: null }] : sites.map(({ site }) => ({ model, site })),
      );
  }

  /** Null when it could not be checked now: it is being built, or not served in this software's version. */
  async check(
    scope: CheckScope,
    pace: { readonly share: number; readonly signal: AbortSignal },
  ): Promise<CheckResult | null> {
    const { sql } = this.#options;
    const result = await sql
      .begin('isolation level repeatable read', async (tx): Promise<CheckResult | null> => {
        throw new Checked(await this.#compare(tx, scope, pace));
      })
      .catch((error: unknown) => {
        if (error instanceof Checked) return error.result;
        throw error;
      });
    if (result !== null) await this.#keep(scope.model, result);
    return result;
  }

  async #compare(
    tx: TransactionSql,
    { model, site }: CheckScope,
    pace: { readonly share: number; readonly signal: AbortSignal },
  ): Promise<CheckResult | null> {
    const { name: projection } = model;
    const [served] = await tx<{ seq: number }[]>`
      select seq from projection where name = ${projection} and version = ${model.version}`;
    if (!served || (await this.#isBuilding())) return null;
    const aside = await tx<{ seq: number }[]>`
      select seq from quarantined_event where projection = ${projection}
        and (${site}::uuid is null or site = ${site})`;
    const [own] = await tx<{ pid: number }[]>`select pg_backend_pid() as pid`;
    const schema = new BuildSchema(`projection_check_${own!.pid}`);
    await schema.create(tx, [model]);
    await schema.enter(tx);
    const fold = new ModelFold(model, this.#options, []);
    const events = await this.#fold(tx, fold, { site, upToSeq: served.seq, pace, aside });
    await schema.leave(tx);
    if (events === null) return null;
    const differences = fold.aside.map(({ seq, reason }) => `event ${seq} cannot be folded: ${reason}`);
    for (const table of model.tables) differences.push(...(await differencesOf(tx, schema, { table, site })));
    const difference = differences.length === 0 ? null : differences.slice(0, EXAMPLES_MAX).join('; ');
    return { projection, site, events, difference };
  }

  /** Returns how many events that were; null when it was broken off. */
  async #fold(
    tx: TransactionSql,
    fold: ModelFold,
    from: {
      readonly site: SiteId | null;
      readonly upToSeq: number;
      readonly pace: { readonly share: number; readonly signal: AbortSignal };
      readonly aside: readonly { readonly seq: number }[];
    },
  ): Promise<number | null> {
    const { site, upToSeq, pace } = from;
    const aside = new Set(from.aside.map(({ seq }) => seq));
    const types = fold.model.eventTypes === 'ALL' ? null : fold.model.eventTypes;
    const beganMs = performance.now();
    let events = 0;
    await tx`set local plan_cache_mode to force_custom_plan`;
    for (let afterSeq = 0; afterSeq < upToSeq; ) {
      const batchMs = performance.now();
      const batch = await readFeed(tx, { afterSeq, upToSeq, types, site, limit: BATCH_EVENTS_MAX });
      const items = batch.items.filter(({ seq }) => !aside.has(seq));
      await fold.foldApart(tx, items);
      events += items.length;
      afterSeq = batch.lastSeq;
      // A swap waits for what reads the tables that it replaces.
      if (pace.signal.aborted || (await this.#isBuilding())) return null;
      if (performance.now() - beganMs > SNAPSHOT_MS_MAX) continue;
      const pauseMs = Math.min(
        (performance.now() - batchMs) * (1 / pace.share - 1),
        TRANSACTION_PAUSE_MS_MAX,
      );
      await delay(pauseMs, undefined, { signal: pace.signal }).catch(() => undefined);
    }
    return events;
  }

  async #isBuilding(): Promise<boolean> {
    const [row] = await this.#options.sql`select 1 from projection_build limit 1`;
    return row !== undefined;
  }

  async #keep({ name, version }: ReadModel, result: CheckResult): Promise<void> {
    const { sql, now, onDifference } = this.#options;
    const scope = result.site ?? 'all';
    await sql`update projection set checked_at_ms = ${now()} where name = ${name}`;
    if (result.difference === null) {
      await sql`delete from projection_difference where projection = ${name} and scope = ${scope}`;
      return;
    }
    const [found] = await sql<{ foundAtMs: number }[]>`
      insert into projection_difference (projection, scope, description, found_at_ms)
      select name, ${scope}, ${result.difference}, ${now()} from projection
      where name = ${name} and version = ${version}
      on conflict (projection, scope)
      do update set description = excluded.description returning found_at_ms`;
    // Another version is served by now.
    if (found !== undefined) onDifference({ ...result, ...found });
  }
}

/** Rows that the log folds into and that are not served, and the other way round. */
async function differencesOf(
  tx: TransactionSql,
  schema: BuildSchema,
  { table, site }: { readonly table: string; readonly site: SiteId | null },
): Promise<readonly string[]> {
  const folded = tx`select * from ${tx(schema.name)}.${tx(table)}`;
  const [own] = await tx<{ siteId: boolean }[]>`
    select exists (select from pg_attribute
                   where attrelid = to_regclass(${`public.${table}`}) and attname = 'site_id') as site_id`;
  // By the site that a row names, or by the site of the event that it comes from.
  const ofSite = own!.siteId
    ? tx`where site_id = ${site}`
    : tx`where seq in (select seq from replica_event where site = ${site})`;
  const served = tx`select * from public.${tx(table)} ${site === null ? tx`` : ofSite}`;
  const rows = await tx<{ what: string; count: number; example: string }[]>`
    select 'lacks' as what, count(*), min(missing::text) as example
    from (${folded} except ${served}) as missing having count(*) > 0
    union all
    select 'has too much' as what, count(*), min(extra::text) as example
    from (${served} except ${folded}) as extra having count(*) > 0`;
  return rows.map(
    ({ what, count, example }) =>
      `${table} ${what}: ${count} rows, e.g. ${example.slice(0, EXAMPLE_CHARACTERS_MAX)}`,
  );
}
