import { setTimeout as delay } from 'node:timers/promises';
import type { SiteId } from '@holdfast/schema';
import { sideBySide } from '../postgres/side-by-side.js';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import { BuildSchema } from './build-schema.js';
import { type FeedBatch, readFeed } from './feed-reader.js';
import { type FoldMode, type FoldOutcome, foldBatch, inEitherMode } from './fold-batch.js';
import { lockCheckpoint, type ProjectionRow, readProjections } from './projection-row.js';
import { PROJECTED_CHANNEL } from './projector.js';
import { isAnythingAside, type QuarantineRow } from './quarantine.js';
import type { ReadModel } from './read-model.js';
import { isTransient } from './transient.js';

/** Large enough that commits, and rows that every batch touches, do not count; some MB. */
const BATCH_EVENTS = 15_000;
/** What the swap folds while it holds the checkpoint: a fraction of a second. */
const SWAP_EVENTS_MAX = 500;
/** Queries queue behind a swap that waits for its locks: it gives up soon and tries again. */
const SWAP_LOCK_TIMEOUT_MS = 200;
const SWAP_RETRY_MS_MAX = 1000;
/** One process builds at a time. The number is ours and means nothing else. */
const BUILD_LOCK = 7_401_560;
const POLL_MS = 1000;

export type BuildOutcome = 'BUILT' | 'NOTHING_ASKED' | 'ANOTHER_BUILDS';

export interface BuildProgress {
  readonly projections: readonly string[];
  readonly seq: number;
  readonly targetSeq: number;
}

export interface ProjectionBuilderOptions {
  readonly sql: Sql;
  readonly ownSite: SiteId;
  readonly models: readonly ReadModel[];
  readonly now: () => number;
  readonly random: () => number;
  /** Folded in one transaction. */
  readonly batchEvents?: number;
  /** Builds what is asked for in another thread, as `buildNext` does it here. */
  readonly buildElsewhere?: ((signal: AbortSignal) => Promise<BuildOutcome>) | undefined;
  readonly onProgress?: (progress: BuildProgress) => void;
  /** The first event of a projection that the swapped build had to put aside; the others are in the quarantine. */
  readonly onQuarantined: (row: QuarantineRow) => void;
  /** A new fold met an event that it stands still at; what is served stays. */
  readonly onGivenUp: (facts: { projection: string; seq: number; reason: string }) => void;
  readonly onRetry: (error: unknown) => void;
}

interface Build {
  readonly id: number;
  readonly projections: readonly string[];
  readonly versions: readonly number[];
  readonly seq: number;
}

export class UnknownProjectionError extends Error {
  override readonly name = 'UnknownProjectionError';
  readonly code = 'PROJECTION_NOT_FOUND';
}

/** Another process has taken the build over, or it was given up. */
class BuildSupersededError extends Error {
  override readonly name = 'BuildSupersededError';
  readonly code = 'BUILD_SUPERSEDED';
}

/**
 * Builds projections anew beside what is served: from the first event on, in tables of their own, and puts them in the
 * place of the old ones in one transaction. A build that was broken off goes on where it was.
 */
export class ProjectionBuilder {
  readonly #options: ProjectionBuilderOptions;
  readonly #models: ReadonlyMap<string, ReadModel>;

  constructor(options: ProjectionBuilderOptions) {
    this.#options = options;
    this.#models = new Map(options.models.map(model => [model.name, model]));
  }

  /** Asks for builds of what this software folds in another way than what is served. */
  async settle(): Promise<void> {
    await this.#options.sql.begin(async tx => {
      const { seq } = await lockCheckpoint(tx);
      await tx`delete from projection where name <> all(${[...this.#models.keys()]}::text[])`;
      const served = new Map((await readProjections(tx)).map(row => [row.name, row]));
      for (const { name, version } of this.#models.values()) {
        // Nothing is folded yet: there is nothing to build.
        const first = seq === 0 ? version : 0;
        if (served.has(name) && seq > 0) continue;
        await tx`
          insert into projection (name, version, seq) values (${name}, ${first}, ${seq})
          on conflict (name) do update set version = excluded.version`;
      }
      await tx`update projection set build_failed_because = null`;
      await this.#request(tx, row => row.version !== this.#models.get(row.name)!.version);
    });
  }

  /** Asks for a build of these; one that is asked for already is not asked for twice. Throws `UnknownProjectionError`. */
  async request(names: readonly string[]): Promise<void> {
    this.mustKnow(names);
    await this.#options.sql.begin(async tx => {
      await lockCheckpoint(tx);
      await this.#request(tx, ({ name }) => names.includes(name));
    });
  }

  /** In a transaction that replaces events of the feed: whatever was folded of them, also in a build under way, is built anew. */
  async startOver(tx: TransactionSql): Promise<void> {
    await lockCheckpoint(tx);
    for (const build of await tx<Build[]>`select * from projection_build`) await this.#discard(tx, build);
    await this.#request(tx, () => true);
  }

  /** Throws `UnknownProjectionError`. */
  mustKnow(names: readonly string[]): void {
    const unknown = names.find(name => !this.#models.has(name));
    if (unknown !== undefined) {
      throw new UnknownProjectionError(
        `no projection ${unknown}; there are ${[...this.#models.keys()].join(', ')}`,
      );
    }
  }

  /** Those that are at the same place share the reading of the feed. What is folded here in another way than was asked for is asked for anew. */
  async #request(tx: TransactionSql, isWanted: (row: ProjectionRow) => boolean): Promise<void> {
    const rows = (await readProjections(tx)).filter(({ name }) => this.#models.has(name));
    const versionOf = new Map(rows.map(({ name, version }) => [name, version]));
    const asked = new Set<string>();
    const discarded = new Set<string>();
    for (const build of await tx<Build[]>`select * from projection_build`) {
      if (!this.#isOutdated(build)) for (const name of build.projections) asked.add(name);
      else {
        await this.#discard(tx, build);
        // Somebody wanted what is served built anew, not another version of it.
        for (const [index, name] of build.projections.entries())
          if (versionOf.get(name) === build.versions[index]) discarded.add(name);
      }
    }
    const wanted = rows.filter(row => !asked.has(row.name) && (isWanted(row) || discarded.has(row.name)));
    for (const [, group] of Map.groupBy(wanted, ({ seq }) => seq)) await this.#begin(tx, group);
  }

  /** One that has most of the rows is a build of its own beside that of the others: PostgreSQL works at both at once. */
  async #begin(tx: TransactionSql, rows: readonly { readonly name: string }[]): Promise<void> {
    const models = rows.map(({ name }) => this.#models.get(name)!);
    const startedAtMs = this.#options.now();
    for (const [, some] of Map.groupBy(models, ({ hasMostRows = false }) => hasMostRows)) {
      const [row] = await tx<{ id: number }[]>`
        insert into projection_build (projections, versions, seq, started_at_ms)
        values (${some.map(({ name }) => name)}::text[], ${some.map(({ version }) => version)}::int[], 0, ${startedAtMs})
        returning id`;
      await BuildSchema.ofBuild(row!.id).create(tx, some);
    }
  }

  #isOutdated({ projections, versions }: Build): boolean {
    return projections.some((name, index) => this.#models.get(name)?.version !== versions[index]);
  }

  async #discard(tx: TransactionSql, { id }: Build): Promise<void> {
    await tx`delete from projection_build where id = ${id}`;
    await BuildSchema.ofBuild(id).drop(tx);
  }

  /** Builds what is asked for until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    let isSettled = false;
    while (!signal.aborted) {
      try {
        if (!isSettled) await this.settle();
        isSettled = true;
        const built = await this.buildNext(signal);
        if (built === 'BUILT') continue;
      } catch (error) {
        if (signal.aborted) return;
        this.#options.onRetry(error);
      }
      await delay(POLL_MS * (0.5 + this.#options.random()), undefined, { signal }).catch(() => undefined);
    }
  }

  /** Builds the oldest ones that are asked for, those together that were asked for together, unless another process is at it. */
  async buildNext(signal: AbortSignal): Promise<BuildOutcome> {
    const { sql, buildElsewhere } = this.#options;
    const [asked] = await sql`select 1 from projection_build limit 1`;
    if (!asked) return 'NOTHING_ASKED';
    if (buildElsewhere) return buildElsewhere(signal);
    const connection = await sql.reserve();
    try {
      const [lock] = await connection<
        { taken: boolean }[]
      >`select pg_try_advisory_lock(${BUILD_LOCK}) as taken`;
      if (!lock!.taken) return 'ANOTHER_BUILDS';
      try {
        const builds = await connection<Build[]>`
          select * from projection_build
          where started_at_ms = (select started_at_ms from projection_build order by id limit 1) order by id`;
        if (builds.length === 0) return 'NOTHING_ASKED';
        await this.#build(builds, signal);
        return 'BUILT';
      } finally {
        await connection`select pg_advisory_unlock(${BUILD_LOCK})`.catch(() => undefined);
      }
    } finally {
      connection.release();
    }
  }

  async #build(builds: readonly Build[], signal: AbortSignal): Promise<void> {
    const { sql } = this.#options;
    if (builds.some(build => this.#isOutdated(build))) return this.settle();
    const places = new Map(builds.map(build => [build, build.seq]));
    await this.#catchUp(places, signal);
    await sideBySide(
      ...builds.map(build => BuildSchema.ofBuild(build.id).finish(sql, this.#modelsOf(build))),
    );
    for (const build of builds) await this.#serve(build, places.get(build)!, signal);
  }

  async #serve(build: Build, seq: number, signal: AbortSignal): Promise<void> {
    const place = new Map([[build, seq]]);
    let leftMax = SWAP_EVENTS_MAX;
    while (!signal.aborted) {
      await this.#catchUp(place, signal, leftMax);
      if (signal.aborted) return;
      const outcome = await this.#swap(build, place.get(build)!).catch((error: unknown) => {
        if (isTransient(error)) return 'BUSY' as const;
        throw error;
      });
      if (outcome === 'SWAPPED') return this.#reportAside(build);
      // Few events may be more bytes than a batch has.
      if (outcome === 'BEHIND') leftMax = Math.ceil(leftMax / 2);
      if (outcome === 'BUSY') {
        const pause = this.#options.random() * SWAP_RETRY_MS_MAX;
        await delay(pause, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  async #reportAside({ projections }: Build): Promise<void> {
    const rows = await this.#options.sql<QuarantineRow[]>`
      select distinct on (projection) * from quarantined_event
      where projection = any(${projections as string[]}::text[]) and status <> 'WAITING' order by projection, seq`;
    for (const row of rows) this.#options.onQuarantined(row);
  }

  #modelsOf({ projections }: Pick<Build, 'projections'>): readonly ReadModel[] {
    return projections.map(name => this.#models.get(name)!);
  }

  /** Reads the next batch while one is being written; `places` move on with what is. Leaves at most `leftMax` events to the swap. */
  async #catchUp(places: Map<Build, number>, signal: AbortSignal, leftMax = SWAP_EVENTS_MAX): Promise<void> {
    for (;;) {
      const membersOf = new Map<Build, readonly string[]>();
      for (const build of places.keys()) membersOf.set(build, await this.#members(build));
      const members = [...membersOf.values()].flat();
      const targetSeq = await this.#targetOf(members);
      let seq = Math.min(...places.values());
      if (targetSeq - seq <= leftMax) return;
      let next = this.#read(members, seq, targetSeq);
      while (seq < targetSeq && !signal.aborted) {
        const batch = await next;
        next = this.#read(members, batch.lastSeq, targetSeq);
        // Its failure is met when it is waited for; the write may fail before.
        next.catch(() => undefined);
        const outcomes = await sideBySide(
          ...Array.from(membersOf, ([build, names]) => this.#writeBeyond(places, build, names, batch)),
        );
        seq = batch.lastSeq;
        this.#options.onProgress?.({ projections: members, seq, targetSeq });
        // Who was given up has no tables here any more: its next batch would be folded into what is served.
        if (outcomes.some(({ halted }) => halted.size > 0)) break;
      }
      if (signal.aborted) return;
    }
  }

  /** A member may have been given up meanwhile. */
  async #members({ id }: Build): Promise<readonly string[]> {
    const [row] = await this.#options.sql<{ projections: string[] }[]>`
      select projections from projection_build where id = ${id}`;
    if (!row) throw new BuildSupersededError(`the build ${id} was given up`);
    return row.projections;
  }

  /** As far as what is served has come: beyond it, changes would be passed over that nobody was told. */
  async #targetOf(names: readonly string[]): Promise<number> {
    const [row] = await this.#options.sql<{ seq: number }[]>`
      select coalesce(min(case when version = 0 then (select seq from read_model_checkpoint) else seq end), 0) as seq
      from projection where name = any(${names as string[]}::text[])`;
    return row!.seq;
  }

  #read(names: readonly string[], afterSeq: number, upToSeq: number): Promise<FeedBatch> {
    const models = this.#modelsOf({ projections: names });
    const all = models.some(({ eventTypes }) => eventTypes === 'ALL');
    const types = all ? null : [...new Set(models.flatMap(({ eventTypes }) => eventTypes))];
    const { sql, batchEvents: limit = BATCH_EVENTS } = this.#options;
    return readFeed(sql, { afterSeq, upToSeq, types, limit, site: null });
  }

  /** One of several builds may be ahead: the process ended when it had written a batch and the others had not. */
  async #writeBeyond(
    places: Map<Build, number>,
    build: Build,
    names: readonly string[],
    { items, lastSeq }: FeedBatch,
  ): Promise<Pick<FoldOutcome, 'halted'>> {
    const afterSeq = places.get(build)!;
    if (afterSeq >= lastSeq) return { halted: new Map() };
    const isAhead = items.length > 0 && items[0]!.seq <= afterSeq;
    const batch = { items: isAhead ? items.filter(({ seq }) => seq > afterSeq) : items, lastSeq };
    const outcome = await this.#write(build, names, { afterSeq, batch });
    places.set(build, lastSeq);
    return outcome;
  }

  async #write(
    build: Build,
    names: readonly string[],
    { afterSeq, batch }: { readonly afterSeq: number; readonly batch: Pick<FeedBatch, 'items' | 'lastSeq'> },
  ): Promise<FoldOutcome> {
    const outcome = await inEitherMode(
      mode =>
        this.#options.sql.begin(async tx => {
          // What is lost in a crash is folded again: the checkpoint is lost with it.
          await tx`set local synchronous_commit to off`;
          // A plan that was made while the table was empty reads all of it for ever.
          await tx`set local plan_cache_mode to force_custom_plan`;
          const folded = await this.#fold(tx, build, names, batch, mode);
          const moved = await tx`
            update projection_build set seq = ${batch.lastSeq} where id = ${build.id} and seq = ${afterSeq}`;
          if (moved.count !== 1) throw new BuildSupersededError(`the build ${build.id} is no longer ours`);
          await this.#giveUp(tx, build, folded);
          return folded;
        }),
      error => isTransient(error) || error instanceof BuildSupersededError,
    );
    this.#reportGivenUp(outcome.halted);
    return outcome;
  }

  #reportGivenUp(halted: FoldOutcome['halted']): void {
    for (const [projection, facts] of halted) this.#options.onGivenUp({ projection, ...facts });
  }

  async #fold(
    tx: TransactionSql,
    build: Build,
    names: readonly string[],
    batch: Pick<FeedBatch, 'items'>,
    mode: FoldMode,
  ): Promise<FoldOutcome> {
    await BuildSchema.ofBuild(build.id).enter(tx);
    const outcome = await foldBatch(tx, batch, {
      ...this.#options,
      ...{ mode, models: this.#modelsOf({ projections: names }), isAnythingAside: await isAnythingAside(tx) },
      isLarge: true,
    });
    await BuildSchema.ofBuild(build.id).leave(tx);
    return outcome;
  }

  /** A fold with the policy `halt` that cannot come as far as what is served does not take its place. */
  async #giveUp(tx: TransactionSql, build: Build, { halted }: FoldOutcome): Promise<void> {
    for (const [name, { seq, reason }] of halted) {
      await this.#exclude(tx, build, name);
      await tx`
        update projection set build_failed_because = ${`event ${seq}: ${reason}`} where name = ${name}`;
    }
  }

  async #exclude(tx: TransactionSql, { id }: Build, name: string): Promise<void> {
    await tx`
      update projection_build set
        versions = (select coalesce(array_agg(version order by place), '{}')
                    from unnest(projections, versions) with ordinality as member (name, version, place)
                    where member.name <> ${name}),
        projections = array_remove(projections, ${name})
      where id = ${id}`;
    await BuildSchema.ofBuild(id).dropTables(tx, this.#models.get(name)!);
  }

  async #swap(build: Build, seq: number): Promise<'SWAPPED' | 'BEHIND'> {
    const halted = await this.#options.sql.begin(async tx => {
      await tx`select set_config('lock_timeout', ${String(SWAP_LOCK_TIMEOUT_MS)}, true)`;
      const checkpoint = await lockCheckpoint(tx);
      const [current] = await tx<Build[]>`
        select * from projection_build where id = ${build.id} and seq = ${seq} for update`;
      if (!current) throw new BuildSupersededError(`the build ${build.id} is no longer ours`);
      const rows = (await readProjections(tx)).filter(({ name }) => current.projections.includes(name));
      const placeOf = (row: ProjectionRow) => (row.version === 0 ? checkpoint.seq : row.seq);
      const place = Math.max(seq, ...rows.map(placeOf));
      // Halted behind us since: it is built by itself, up to where it stands.
      const stopped = rows.filter(row => placeOf(row) < place);
      for (const { name } of stopped) await this.#exclude(tx, build, name);
      if (stopped.length > 0) await this.#begin(tx, stopped);
      const names = rows.filter(row => !stopped.includes(row)).map(({ name }) => name);
      const limit = SWAP_EVENTS_MAX * 2;
      const batch = await readFeed(tx, { afterSeq: seq, upToSeq: place, limit, types: null, site: null });
      if (batch.lastSeq !== place) return null;
      const outcome = await this.#fold(tx, build, names, batch, 'APART');
      await this.#giveUp(tx, build, outcome);
      const swapped = names.filter(name => !outcome.halted.has(name));
      await BuildSchema.ofBuild(build.id).serve(tx, this.#modelsOf({ projections: swapped }));
      for (const name of swapped) {
        const { version } = this.#models.get(name)!;
        await tx`
          update projection set version = ${version}, seq = ${place}, halted_because = null, build_failed_because = null
          where name = ${name}`;
        await tx`delete from projection_difference where projection = ${name}`;
      }
      await this.#discard(tx, build);
      await tx`select pg_notify(${PROJECTED_CHANNEL}, ${String(checkpoint.seq)})`;
      return outcome.halted;
    });
    if (halted === null) return 'BEHIND';
    this.#reportGivenUp(halted);
    return 'SWAPPED';
  }
}
