import { existsSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { OperatorEvent } from '@holdfast/schema';
import { readSiteLogFile, siteLogFileOf } from '@holdfast/sites';
import { leaveForLog } from '../operator/operator-log.js';
import { openDatabaseAsItIs } from '../postgres/database.js';
import { assertNotNewer } from '../postgres/migrations.js';
import type { Sql } from '../postgres/sql.js';
import type { Page } from '../read-models/page.query.js';
import { UnknownProjectionError } from '../read-models/projection-builder.js';
import { readProjectionState } from '../read-models/projection-state.query.js';
import { Projections } from '../read-models/projections.js';
import { type QuarantineRow, readQuarantine } from '../read-models/quarantine.js';
import { readModels } from '../read-models/read-models.js';
import { Wakeup } from '../read-models/wakeup.js';
import { EXIT_NO, EXIT_WRONG_USE, processLifetime } from './process-lifetime.js';
import { WrongUseError } from './wrong-use-error.js';

const PAGE_ROWS = 500;
const PROGRESS_MS = 500;

export interface ProjectionsCommandOptions {
  /** Data directory of the central. */
  readonly data: string;
  readonly json: boolean;
}

interface Opened {
  readonly sql: Sql;
  readonly projections: Projections;
  readonly lifetime: AbortSignal;
}

/** `holdfast projections list`: what is served, how far it has come, and what is put aside. */
export function projectionsListCommand(options: ProjectionsCommandOptions): Promise<number> {
  return withDatabase(options, async ({ sql }) => {
    const { headSeq, projections } = await readProjectionState(sql);
    for (const view of projections) {
      const { name, version, state, lag, quarantinedCount, differenceCount, buildSeq, checkedAtMs, detail } =
        view;
      const building = buildSeq === null ? '' : `  being built: ${percent(buildSeq, view.seq)}`;
      const checked =
        checkedAtMs === null ? 'never checked' : `checked ${new Date(checkedAtMs).toISOString()}`;
      const line = options.json
        ? JSON.stringify({ ...view, headSeq })
        : `${name.padEnd(18)} version ${version}  ${state}  ${lag} behind  ${quarantinedCount} put aside  ${differenceCount} differences  ${checked}${building}${detail === null ? '' : `\n  ${detail}`}`;
      process.stdout.write(`${line}\n`);
    }
    return projections.every(({ state, differenceCount }) => state !== 'HALTED' && differenceCount === 0)
      ? 0
      : EXIT_NO;
  });
}

/** `holdfast projections rebuild NAME…`: builds them anew beside what is served, and swaps them in. */
export function projectionsRebuildCommand(
  names: readonly string[],
  options: ProjectionsCommandOptions & { readonly all: boolean },
): Promise<number> {
  return withDatabase(options, async ({ sql, projections, lifetime }) => {
    const wanted = options.all ? readModels.map(({ name }) => name) : names;
    if (wanted.length === 0) return wrongUse('projections rebuild: name projections, or give --all');
    projections.mustKnow(wanted);
    await leaveForLog(sql, asked('ProjectionRebuildRequested', wanted), Date.now());
    await projections.rebuild(wanted);
    const beganMs = performance.now();
    const done = new AbortController();
    const showing = showProgress(sql, wanted, done.signal);
    // A central that runs may be faster to take it up; then this only looks on.
    while (!lifetime.aborted && (await isAsked(sql, wanted))) {
      const outcome = await projections.builder.buildNext(lifetime);
      if (outcome !== 'BUILT') await delay(PROGRESS_MS);
    }
    done.abort();
    await showing;
    if (lifetime.aborted) {
      process.stderr.write('holdfast: broken off; the central, or the next rebuild, goes on with it\n');
      return EXIT_NO;
    }
    const failed = await sql<{ name: string; buildFailedBecause: string }[]>`
      select name, build_failed_because from projection
      where name = any(${wanted as string[]}::text[]) and build_failed_because is not null`;
    for (const { name, buildFailedBecause } of failed) {
      process.stderr.write(`holdfast: ${name} was not rebuilt: ${buildFailedBecause}\n`);
    }
    const seconds = ((performance.now() - beganMs) / 1000).toFixed(1);
    if (failed.length === 0) process.stdout.write(`rebuilt ${wanted.join(', ')} in ${seconds} s\n`);
    return failed.length === 0 ? 0 : EXIT_NO;
  });
}

/** `holdfast projections quarantine [NAME]`: what is put aside, and with `--release` tries it again. */
export function projectionsQuarantineCommand(
  name: string | undefined,
  options: ProjectionsCommandOptions & { readonly release: boolean },
): Promise<number> {
  return withDatabase(options, async ({ sql, projections, lifetime }) => {
    if (name !== undefined) projections.builder.mustKnow([name]);
    const names = name === undefined ? readModels.map(each => each.name) : [name];
    let left = 0;
    let found = 0;
    if (options.release) {
      for (const each of names) {
        const { edges } = await readQuarantine(sql, each, { first: 1, after: null });
        if (name !== undefined || edges.length > 0) {
          await leaveForLog(sql, asked('QuarantineReleaseRequested', [each]), Date.now());
        }
        const release = await projections.release(each);
        left += release.left;
        found += release.folded + release.left;
        if (release.folded + release.left === 0) continue;
        process.stdout.write(`${each}: ${release.folded} folded, ${release.left} stay put aside\n`);
      }
      if (found === 0) sayNothingIsPutAside();
      return left === 0 ? 0 : EXIT_NO;
    }
    for (let after: string | null = null; !lifetime.aborted; ) {
      const page: Page<QuarantineRow> = await readQuarantine(sql, name ?? null, { first: PAGE_ROWS, after });
      for (const { node } of page.edges) process.stdout.write(`${JSON.stringify(node)}\n`);
      found += page.edges.length;
      if (!page.pageInfo.hasNextPage) break;
      after = page.pageInfo.endCursor;
    }
    if (found === 0) sayNothingIsPutAside();
    return 0;
  });
}

/** Lines of JSON are for programs: none of them would leave a person wondering. */
function sayNothingIsPutAside(): void {
  process.stderr.write('holdfast: nothing is put aside\n');
}

/** `holdfast projections check [NAME]`: folds everything again and compares; exit 1 names what differs. */
export function projectionsCheckCommand(
  name: string | undefined,
  options: ProjectionsCommandOptions,
): Promise<number> {
  return withDatabase(options, async ({ projections, lifetime }) => {
    if (name !== undefined) projections.builder.mustKnow([name]);
    const names = name === undefined ? readModels.map(each => each.name) : [name];
    const counts = { same: 0, different: 0, unchecked: 0 };
    for (const scope of await projections.check.scopes(names)) {
      if (lifetime.aborted) return EXIT_NO;
      const result = await projections.check.check(scope, { share: 1, signal: lifetime });
      const where = `${scope.model.name}${scope.site === null ? '' : ` of site ${scope.site}`}`;
      if (result === null) counts.unchecked += 1;
      else counts[result.difference === null ? 'same' : 'different'] += 1;
      const said =
        result === null
          ? 'NOT CHECKED: it is being built'
          : (result.difference ?? `${result.events} events, same`);
      if (options.json)
        process.stdout.write(`${JSON.stringify({ ...result, projection: scope.model.name })}\n`);
      else process.stdout.write(`${where}: ${said}\n`);
    }
    if (!options.json) {
      process.stdout.write(
        `${counts.same} same, ${counts.different} different, ${counts.unchecked} not checked\n`,
      );
    }
    return counts.different + counts.unchecked === 0 ? 0 : EXIT_NO;
  });
}

function asked(
  type: 'ProjectionRebuildRequested' | 'QuarantineReleaseRequested',
  names: readonly string[],
): readonly OperatorEvent[] {
  return names.map(projection => ({ type, data: { projection } }));
}

async function isAsked(sql: Sql, names: readonly string[]): Promise<boolean> {
  const [row] = await sql`select 1 from projection_build where projections && ${names as string[]}::text[]`;
  return row !== undefined;
}

async function showProgress(sql: Sql, names: readonly string[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await delay(PROGRESS_MS, undefined, { signal }).catch(() => undefined);
    const rows = await sql<{ projections: string[]; seq: number; targetSeq: number }[]>`
      select projections, seq, (select seq from read_model_checkpoint) as target_seq from projection_build
      where projections && ${names as string[]}::text[] order by id`;
    for (const { projections, seq, targetSeq } of rows) {
      process.stderr.write(
        `${percent(seq, targetSeq)}  ${seq} of ${targetSeq} events  ${projections.join(', ')}\n`,
      );
    }
  }
}

function percent(part: number, whole: number): string {
  return `${((100 * part) / Math.max(whole, 1)).toFixed(1)} %`;
}

/**
 * Works on the central's database itself: the one that a running central serves, the one at `DATABASE_URL`, or, when no
 * central runs, a PostgreSQL of this process on the central's files. So it is the same whether a central runs or not.
 */
async function withDatabase(
  { data }: ProjectionsCommandOptions,
  act: (opened: Opened) => Promise<number>,
): Promise<number> {
  const directory = path.resolve(data);
  const logFile = siteLogFileOf(directory);
  const postgres = path.join(directory, 'postgres');
  const databaseUrl = process.env.DATABASE_URL ?? null;
  if (!existsSync(logFile) || (databaseUrl === null && !existsSync(postgres))) {
    return wrongUse(`${directory}: no data directory of a central; name it with --data, e.g. ./data/central`);
  }
  const ownSite = ownSiteOf(logFile);
  const lifetime = processLifetime();
  await using database = await openDatabaseAsItIs(
    databaseUrl === null ? { directory: postgres } : { databaseUrl },
  );
  const [migrated] = await database.sql`select to_regclass('public.operator_action') is not null as done`;
  if (!migrated!.done)
    return wrongUse(`${directory}: the database is of an older version; start the central once`);
  await assertNotNewer(database.sql);
  const report = (what: string) => (facts: unknown) => {
    process.stderr.write(
      `holdfast: ${what}: ${facts instanceof Error ? facts.message : JSON.stringify(facts)}\n`,
    );
  };
  const projections = new Projections({
    ...{ sql: database.sql, ownSite, models: readModels, feedGrown: new Wakeup() },
    ...{ now: Date.now, random: Math.random, buildThread: database.target },
    reports: {
      onQuarantined: report('put aside'),
      onHalted: report('stands still'),
      onGivenUp: report('the build was given up'),
      onRetry: report('tried again'),
      ...{ onReleased: () => undefined, onDifference: () => undefined },
    },
  });
  try {
    return await act({ sql: database.sql, projections, lifetime });
  } catch (error) {
    if (error instanceof UnknownProjectionError) throw new WrongUseError(error.message, { cause: error });
    throw error;
  }
}

function ownSiteOf(logFile: string) {
  using log = readSiteLogFile(logFile);
  return log.head().site;
}

function wrongUse(message: string): number {
  process.stderr.write(`holdfast: ${message}\n`);
  return EXIT_WRONG_USE;
}
