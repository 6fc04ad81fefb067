import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { DeviceId, SiteId } from '@holdfast/schema';
import { takeIn } from '../intake/feed-fixture.js';
import { FEED_CHANNEL } from '../intake/postgres-replica-intake.js';
import { openDatabase } from '../postgres/database.js';
import type { Sql } from '../postgres/sql.js';
import { readAlarms } from '../read-models/alarm/alarms.query.js';
import { readAuditTrail } from '../read-models/audit/audit-trail.query.js';
import { readDevices } from '../read-models/hardware/devices.query.js';
import { Projections } from '../read-models/projections.js';
import { readModels } from '../read-models/read-models.js';
import { readDeviceRecordings } from '../read-models/recording/device-recordings.query.js';
import { listenFor } from '../read-models/wakeup.js';
import { fillFeed, type LongFeed } from './long-feed.js';

/** With the filling, two builds and the floor some two minutes of two idle cores. */
const EVENTS = 1_000_000;
/** What goes on meanwhile: a console that asks, and sites that bring new facts. */
const QUERY_PAUSE_MS = 10;
const LIVE_EVENTS = 50;
const LIVE_PAUSE_MS = 250;

export interface RebuildBenchmark {
  readonly events: number;
  /** All projections, from the request to the swap, while queries are answered and new events are folded. */
  readonly eventsPerSecond: number;
  readonly target: number;
  /** PostgreSQL alone copying the rows that the projections have in the end into tables with the same indexes. */
  readonly floorEventsPerSecond: number;
  readonly ratio: number;
  /** Of this process per event; PostgreSQL has the other core. */
  readonly cpuMicrosecondsPerEvent: number;
  readonly queries: number;
  readonly failedQueries: number;
  readonly queryP50Ms: number;
  readonly queryP99Ms: number;
  /** New events that came meanwhile and were folded into what was served. */
  readonly liveEvents: number;
}

/** A new version of every projection over a long feed. */
export async function benchRebuild(): Promise<RebuildBenchmark> {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-bench-rebuild-'));
  try {
    await using database = await openDatabase({ directory, databaseUrl: null });
    const { sql } = database;
    const feed = await fillFeed(sql, EVENTS);
    const projections = new Projections({
      ...{ sql, ownSite: feed.sites[0]!.site, models: readModels, now: Date.now, random: Math.random },
      ...{ feedGrown: await listenFor(sql, FEED_CHANNEL), reports: failing, buildThread: database.target },
    });
    // As after an upgrade that brings projections which there were not: the first build fills what is served.
    await sql`update read_model_checkpoint set seq = (select seq from feed_head)`;
    await projections.settle();
    const never = new AbortController().signal;
    await projections.builder.buildNext(never);
    await sql`vacuum analyze`;
    const measured = await measure(sql, feed, projections);
    const floorEventsPerSecond = await measureFloor(sql);
    return {
      ...{ events: EVENTS, ...measured, target: 50_000, floorEventsPerSecond },
      ratio: Math.round((measured.eventsPerSecond / floorEventsPerSecond) * 100) / 100,
    };
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

const fail = (facts: unknown) => {
  throw new Error(`nothing may go wrong here: ${JSON.stringify(facts)} ${facts}`);
};
const failing = {
  ...{
    onQuarantined: fail,
    onHalted: fail,
    onGivenUp: fail,
    onReleased: fail,
    onRetry: fail,
    onDifference: fail,
  },
};

async function measure(sql: Sql, feed: LongFeed, projections: Projections) {
  const stopped = new AbortController();
  const queries = askQueries(sql, feed, stopped.signal);
  const live = feedLive(sql, feed, stopped.signal);
  const projecting = projections.projector.run(stopped.signal);
  await wait(500);
  await projections.builder.request(readModels.map(({ name }) => name));
  const cpu = process.cpuUsage();
  const beganMs = performance.now();
  await projections.builder.buildNext(stopped.signal);
  const seconds = (performance.now() - beganMs) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  stopped.abort();
  await projecting;
  const { times, failed } = await queries;
  times.sort((one, other) => one - other);
  const quantile = (share: number) => Math.round(times[Math.floor(times.length * share)]! * 10) / 10;
  return {
    eventsPerSecond: Math.round(EVENTS / seconds),
    cpuMicrosecondsPerEvent: Math.round(((user + system) / EVENTS) * 10) / 10,
    ...{
      queries: times.length,
      failedQueries: failed,
      queryP50Ms: quantile(0.5),
      queryP99Ms: quantile(0.99),
    },
    liveEvents: await live,
  };
}

/** As a console does: the timeline of a camera, alarms, the list of cameras, the audit trail. */
async function askQueries(sql: Sql, { cameras, fromMs, toMs }: LongFeed, signal: AbortSignal) {
  const times: number[] = [];
  let failed = 0;
  for (let turn = 0; !signal.aborted; turn += 1) {
    const { site, deviceId } = cameras[turn % cameras.length]!;
    const beganMs = performance.now();
    const atMs = fromMs + ((turn * 7919 * 60_000) % (toMs - fromMs));
    const window = { siteId: site.site, deviceId, fromMs: atMs, toMs: atMs + 3600_000 };
    try {
      await ask(sql, turn, window);
    } catch {
      failed += 1;
    }
    times.push(performance.now() - beganMs);
    await wait(QUERY_PAUSE_MS);
  }
  return { times, failed };
}

async function ask(
  sql: Sql,
  turn: number,
  window: { siteId: SiteId; deviceId: DeviceId; fromMs: number; toMs: number },
): Promise<void> {
  const page = { first: 50 };
  const all = { ...{ states: null, deviceId: null, priority: null, text: null, fromMs: null, toMs: null } };
  switch (turn % 4) {
    case 0: {
      const { timeline } = await readDeviceRecordings(sql, window, null);
      if (timeline.sealed.length === 0) throw new Error('a camera shows no recordings');
      return;
    }
    case 1:
      return someOf(await readAlarms(sql, { siteId: null, ...all }, page));
    case 2:
      return someOf(await readDevices(sql, { siteId: window.siteId, type: null, text: null }, page));
    default:
      return someOf(
        await readAuditTrail(sql, { siteId: null, actors: null, fromMs: null, toMs: null }, page),
      );
  }
}

function someOf({ edges }: { readonly edges: readonly unknown[] }): void {
  if (edges.length === 0) throw new Error('a list is empty that was not');
}

async function feedLive(sql: Sql, { sites, cameras, toMs }: LongFeed, signal: AbortSignal): Promise<number> {
  let count = 0;
  for (let turn = 0; !signal.aborted; turn += 1) {
    const site = sites[turn % sites.length]!;
    const { deviceId, recordingServerId } = cameras.find(camera => camera.site === site)!;
    const events = Array.from({ length: LIVE_EVENTS }, () =>
      site.event(`recording-${deviceId}`, {
        type: 'RecordingStarted',
        data: { deviceId, recordingServerId, atMs: toMs + turn, cause: 'CAMERA_CONNECTED' },
      }),
    );
    await takeIn(sql, events);
    count += events.length;
    await wait(LIVE_PAUSE_MS);
  }
  return count;
}

async function measureFloor(sql: Sql): Promise<number> {
  const tables = readModels.flatMap(model => model.tables);
  const beganMs = performance.now();
  await sql.begin(async tx => {
    await tx`create schema floor`;
    for (const table of tables) {
      await tx.unsafe(`create table floor.${table} (like public.${table} including all)`);
      await tx.unsafe(`insert into floor.${table} select * from public.${table}`);
    }
  });
  return Math.round(EVENTS / ((performance.now() - beganMs) / 1000));
}
