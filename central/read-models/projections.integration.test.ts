import { type ChildProcess, fork } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { RecordedEvent } from '@holdfast/core';
import type { AlarmId, SiteId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createSubscriptionSources } from '../api/subscription/subscription-sources.js';
import { FeedFixture, takeIn as takeInto } from '../intake/feed-fixture.js';
import { type Database, openDatabase } from '../postgres/database.js';
import { alarmsReadModel } from './alarm/alarms.read-model.js';
import { buildNextInThread } from './build-thread.js';
import { ProjectionBuilder } from './projection-builder.js';
import { type ProjectionReports, Projections } from './projections.js';
import { PROJECTED_CHANNEL } from './projector.js';
import type { PoisonPolicy, ReadModel } from './read-model.js';
import { IndigestibleEventError } from './read-model.js';
import { readModels } from './read-models.js';
import { listenFor, Wakeup } from './wakeup.js';

const test = suite('projections');
const t0 = Date.UTC(2026, 10, 20, 12);
const never = new AbortController().signal;
let directory = '';
let database: Database;
let own: FeedFixture;
let child: FeedFixture;

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-projections-'));
  database = await openDatabase({ directory, databaseUrl: null });
});
test.before.each(async () => {
  own = new FeedFixture();
  child = new FeedFixture();
  const tables = [
    ...['replica_event', 'replica_cursor', 'projection', 'projection_build', 'quarantined_event', 'change'],
    ...['projection_difference', 'site_progress', ...readModels.flatMap(model => model.tables)],
  ];
  await database.sql`truncate ${database.sql(tables)}`;
  await database.sql`update feed_head set seq = 0`;
  await database.sql`update read_model_checkpoint set seq = 0`;
});
test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

function open(
  models: readonly ReadModel[] = readModels,
  reports: Partial<ProjectionReports> = {},
  now = () => t0,
): Projections {
  const ignore = () => undefined;
  return new Projections({
    ...{ sql: database.sql, ownSite: own.site, models, feedGrown: new Wakeup() },
    ...{ now, random: Math.random },
    reports: {
      ...{
        onQuarantined: ignore,
        onHalted: ignore,
        onGivenUp: ignore,
        onReleased: ignore,
        onRetry: ignore,
        onDifference: ignore,
      },
      ...reports,
    },
  });
}

const takeIn = (...events: readonly RecordedEvent[]) => takeInto(database.sql, events);

function raised(alarmId: string, name = 'Door'): RecordedEvent {
  const data = {
    ...{ alarmId: alarmId as AlarmId, localNumber: 1, name, message: '', priority: 1, sourceDeviceId: null },
    ...{ sourceName: '', raisedAtMs: t0 },
  };
  return child.event(`alarm-${alarmId}`, { type: 'AlarmRaised', data });
}

function commented(alarmId: string, comment: string): RecordedEvent {
  return child.event(`alarm-${alarmId}`, {
    type: 'AlarmCommented',
    data: { alarmId: alarmId as AlarmId, comment },
  });
}

const acknowledged = (alarmId: string) =>
  child.event(`alarm-${alarmId}`, { type: 'AlarmAcknowledged', data: { alarmId: alarmId as AlarmId } });

/** Alarms by a fold that cannot digest a comment "poison" until it is repaired. */
function fragile(poison: PoisonPolicy): { readonly model: ReadModel; repair: () => void } {
  let isRepaired = false;
  const model: ReadModel = {
    ...alarmsReadModel,
    poison,
    async fold(events, context) {
      for (const { event } of events) {
        if (isRepaired || event.type !== 'AlarmCommented' || event.data.comment !== 'poison') continue;
        throw new IndigestibleEventError('poison');
      }
      await alarmsReadModel.fold(events, context);
    },
  };
  return { model, repair: () => (isRepaired = true) };
}

const withModel = (model: ReadModel) => readModels.map(each => (each.name === model.name ? model : each));

async function alarmStates(): Promise<Record<string, string>> {
  const rows = await database.sql<{ id: string; state: string }[]>`select id, state from alarm order by id`;
  return Object.fromEntries(rows.map(({ id, state }) => [id, state]));
}

async function quarantine(projection = 'alarms'): Promise<string[]> {
  const rows = await database.sql<{ status: string; attempts: number }[]>`
    select status, attempts from quarantined_event where projection = ${projection} order by seq`;
  return rows.map(({ status, attempts }) => `${status} ${attempts}`);
}

const ids = () => [randomUUID(), randomUUID()].sort() as [string, string];

test('a stream with poison waits in the quarantine in order, the others go on, and release replays it', async () => {
  const { model, repair } = fragile('stall-stream');
  const [one, two] = ids();
  const projections = open(withModel(model));
  await projections.settle();
  await takeIn(raised(one), commented(one, 'poison'), raised(two), acknowledged(one), acknowledged(two));
  await projections.projector.catchUp();
  await takeIn(commented(one, 'later'));
  await projections.projector.catchUp();
  assert.equal(await alarmStates(), { [one]: 'NEW', [two]: 'IN_PROGRESS' });
  assert.equal(await quarantine(), ['POISON 1', 'WAITING 1', 'WAITING 1']);
  assert.equal(await projections.release('alarms'), { projection: 'alarms', folded: 0, left: 3 });
  assert.equal(await quarantine(), ['POISON 2', 'WAITING 1', 'WAITING 1']);
  repair();
  assert.equal(await projections.release('alarms'), { projection: 'alarms', folded: 3, left: 0 });
  assert.equal(await alarmStates(), { [one]: 'IN_PROGRESS', [two]: 'IN_PROGRESS' });
  const lines = await database.sql`select text from alarm_history where alarm_id = ${one} order by seq`;
  assert.equal(
    lines.map(({ text }) => text),
    ['Raised', 'poison', 'Taken into progress', 'later'],
  );
});

test('whoever subscribed is told of what was released, though its place in the feed is past', async () => {
  const { model, repair } = fragile('stall-stream');
  const [one, two] = ids();
  const projections = open(withModel(model));
  await projections.settle();
  const projected = await listenFor(database.sql, PROJECTED_CHANNEL);
  const sources = createSubscriptionSources(database.sql, projected);
  const changes = await sources.changes<{ id: string; state: string }>('alarm', null);
  const next = async () => {
    const { value } = await changes.next();
    return `${value.state.id === one ? 'one' : 'two'} ${value.state.state}`;
  };
  await takeIn(raised(one), commented(one, 'poison'), acknowledged(one), raised(two));
  await projections.projector.catchUp();
  assert.equal([await next(), await next()], ['one NEW', 'two NEW']);
  repair();
  await projections.release('alarms');
  await takeIn(acknowledged(two));
  await projections.projector.catchUp();
  assert.equal([await next(), await next()].sort(), ['one IN_PROGRESS', 'two IN_PROGRESS']);
  await changes.return?.();
});

test('what comes before an event of a newer version is folded, also in a batch with poison', async () => {
  const { model } = fragile('stall-stream');
  const [one, two] = ids();
  const projections = open(withModel(model));
  await projections.settle();
  await takeIn(
    ...[raised(one), raised(two), commented(two, 'poison'), acknowledged(two)],
    ...[acknowledged(one), { ...commented(one, 'new'), version: 99 }],
  );
  await projections.projector.catchUp();
  assert.equal(await alarmStates(), { [one]: 'IN_PROGRESS', [two]: 'NEW' });
  assert.equal(await quarantine(), ['POISON 1', 'WAITING 1', 'UNTIL_UPGRADE 1']);
});

test('what a swap has put aside holds up its stream for a projector that waited for the swap', async () => {
  const { sql } = database;
  const [one] = ids();
  const projections = open();
  await projections.settle();
  await takeIn(raised(one), commented(one, 'aside'));
  await projections.projector.catchUp();
  await takeIn(acknowledged(one));
  let projected: Promise<void> | null = null;
  await sql.begin(async swap => {
    await swap`select seq from read_model_checkpoint for update`;
    projected = projections.projector.catchUp();
    for (let waits = false; !waits; ) {
      waits = (await sql`select 1 from pg_locks where not granted`).length > 0;
    }
    await swap`
      insert into quarantined_event (projection, seq, site, stream, status, reason, at_ms, attempts)
      values ('alarms', 2, ${child.site}, ${`alarm-${one}`}, 'POISON', 'why', ${t0}, 1)`;
  });
  await projected;
  assert.equal(await quarantine(), ['POISON 1', 'WAITING 1']);
  assert.equal(await alarmStates(), { [one]: 'NEW' });
});

test('a release leaves what a projection has come to stand still at again to the feed', async () => {
  const { model } = fragile('halt');
  const [one] = ids();
  const projections = open(withModel(model));
  await projections.settle();
  await takeIn(raised(one), commented(one, 'poison'));
  await projections.projector.catchUp();
  // As a release finds it that has set it going, when the projector has met the event since.
  await database.sql`update projection set halted_because = null where name = 'alarms'`;
  const repaired = open();
  assert.equal(await repaired.release('alarms'), { projection: 'alarms', folded: 0, left: 1 });
  const lines = await database.sql`select 1 from alarm_history`;
  assert.is(lines.length, 1);
});

test('halt: one projection stands still, the others go on, and it catches up beside them when it is set going', async () => {
  const { model, repair } = fragile('halt');
  const [one, two] = ids();
  const halted: unknown[] = [];
  const projections = open(withModel(model), { onHalted: facts => halted.push(facts) });
  await projections.settle();
  await takeIn(raised(one), commented(one, 'poison'), raised(two));
  await projections.projector.catchUp();
  await takeIn(
    own.event('site', {
      type: 'SiteEstablished',
      data: { siteId: own.site, name: 'Centre', sealingPublicKey: 'AAAA' },
    }),
  );
  await projections.projector.catchUp();
  assert.equal(await alarmStates(), { [one]: 'NEW' });
  assert.equal(halted, [{ projection: 'alarms', seq: 2, reason: 'IndigestibleEventError: poison' }]);
  const [site] = await database.sql`select name from site where id = ${own.site}`;
  assert.is(site!.name, 'Centre');
  await projections.release('alarms');
  await projections.projector.catchUp();
  assert.is(halted.length, 2);
  repair();
  await projections.release('alarms');
  await projections.projector.catchUp();
  assert.equal(await alarmStates(), { [one]: 'NEW', [two]: 'NEW' });
  const places = await database.sql`select distinct seq, halted_because from projection`;
  assert.equal(
    places.map(row => ({ ...row })),
    [{ seq: 4, haltedBecause: null }],
  );
  assert.equal(await quarantine(), []);
});

test('skip-and-record: the event is put aside alone, and what comes after it is folded', async () => {
  const { model } = fragile('skip-and-record');
  const [one] = ids();
  const projections = open(withModel(model));
  await projections.settle();
  await takeIn(raised(one), commented(one, 'poison'), acknowledged(one));
  await projections.projector.catchUp();
  assert.equal(await alarmStates(), { [one]: 'IN_PROGRESS' });
  assert.equal(await quarantine(), ['POISON 1']);
});

test('an event of a newer version waits until the software knows it, and is folded at its start', async () => {
  const [one] = ids();
  const projections = open();
  await projections.settle();
  const event = raised(one);
  await takeIn({ ...event, version: 99 }, acknowledged(one));
  await projections.projector.catchUp();
  assert.equal(await quarantine(), ['UNTIL_UPGRADE 1', 'WAITING 1']);
  assert.equal(await quarantine('audit-trail'), ['UNTIL_UPGRADE 1']);
  await open().settle();
  assert.equal(await quarantine(), ['UNTIL_UPGRADE 2', 'WAITING 1']);
  // The upgrade: software that knows version 99 reads what is stored, as today's software reads version 1.
  await database.sql`update replica_event set version = 1 where id = ${event.id}`;
  const released: unknown[] = [];
  await open(readModels, { onReleased: release => released.push(release) }).settle();
  assert.equal(await quarantine(), []);
  assert.equal(await quarantine('audit-trail'), []);
  assert.equal(await alarmStates(), { [one]: 'IN_PROGRESS' });
  assert.is(released.length, 3);
});

async function manyAlarms(count: number): Promise<string[]> {
  const alarmIds = Array.from({ length: count }, () => randomUUID() as string);
  await takeIn(...alarmIds.map(id => raised(id)), ...alarmIds.map(id => acknowledged(id)));
  return alarmIds;
}

test('a swap fails no query, repeats no change and loses none, while the feed goes on', async () => {
  const projections = open();
  await projections.settle();
  const projected = await listenFor(database.sql, PROJECTED_CHANNEL);
  const sources = createSubscriptionSources(database.sql, projected);
  const changes = await sources.changes<{ id: string; state: string }>('alarm', null);
  const seen: string[] = [];
  const following = (async () => {
    for await (const { state } of changes) seen.push(`${state.id} ${state.state}`);
  })();
  const alarmIds = await manyAlarms(1500);
  await projections.projector.catchUp();
  const stopped = new AbortController();
  let queries = 0;
  const asking = Array.from({ length: 4 }, async () => {
    while (!stopped.signal.aborted) {
      const rows = await database.sql`
        select alarm.id, count(text) from alarm join alarm_history on alarm_id = alarm.id group by alarm.id`;
      assert.ok(rows.length >= 1500, `${rows.length} alarms`);
      queries += 1;
    }
  });
  const feeding = (async () => {
    while (!stopped.signal.aborted) {
      alarmIds.push(...(await manyAlarms(20)));
      await projections.projector.catchUp();
    }
  })();
  for (let round = 0; round < 4; round++) {
    await projections.builder.request(['alarms', 'audit-trail']);
    assert.is(await projections.builder.buildNext(never), 'BUILT');
  }
  stopped.abort();
  await Promise.all([...asking, feeding]);
  await projections.projector.catchUp();
  while (seen.length < alarmIds.length * 2) await projected.after(projected.count, 100, never);
  await changes.return?.();
  await following;
  assert.is(new Set(seen).size, seen.length);
  assert.is(seen.length, alarmIds.length * 2);
  assert.ok(queries > 20, `${queries} queries`);
  assert.ok(Object.values(await alarmStates()).every(state => state === 'IN_PROGRESS'));
});

test('a build whose rows cannot all be copied in inserts them', async () => {
  const projections = open();
  await projections.settle();
  const deviceIds = Array.from({ length: 1200 }, () => randomUUID() as string);
  deviceIds[900] = deviceIds[900]!.toUpperCase();
  const data = { localNumber: 1, name: 'Door', message: '', priority: 1, sourceName: '', raisedAtMs: t0 };
  await takeIn(
    ...deviceIds.map(sourceDeviceId => {
      const alarmId = randomUUID() as string;
      return child.raw(`alarm-${alarmId}`, 'AlarmRaised', 1, { ...data, alarmId, sourceDeviceId });
    }),
  );
  await projections.projector.catchUp();
  const rows = () => database.sql`select device_id, seq from event_device order by seq`;
  const projected = await rows();
  assert.is(projected.length, deviceIds.length);
  await projections.builder.request(['event-devices']);
  assert.is(await projections.builder.buildNext(never), 'BUILT');
  assert.equal([...(await rows())], [...projected]);
  assert.equal(await quarantine('event-devices'), []);
});

test('a build is swapped in also where its last events are too large to be read at once', async () => {
  const projections = open();
  await projections.settle();
  await takeIn(raised(randomUUID()));
  const text = 'x'.repeat(250 * 1024);
  await takeIn(...Array.from({ length: 40 }, () => child.raw('x', 'FlyingSaucerSighted', 1, { text })));
  await projections.projector.catchUp();
  await projections.builder.request(['alarms']);
  assert.is(await projections.builder.buildNext(AbortSignal.timeout(20_000)), 'BUILT');
  assert.is((await database.sql`select 1 from projection_build`).length, 0);
});

test('indexes and keys keep their names over a swap, and a second build follows the first', async () => {
  const shape = () => database.sql`
    select tablename, indexname, indexdef from pg_indexes where schemaname = 'public' order by 1, 2`;
  const projections = open();
  await projections.settle();
  await manyAlarms(10);
  await projections.projector.catchUp();
  const before = JSON.stringify(await shape());
  for (let round = 0; round < 2; round++) {
    await projections.builder.request(readModels.map(({ name }) => name));
    await projections.builder.buildNext(never);
  }
  assert.is(JSON.stringify(await shape()), before);
});

test('a new fold with the policy halt that meets poison does not take the place of the old one, one that may skip does', async () => {
  const [one] = ids();
  const projections = open();
  await projections.settle();
  await takeIn(raised(one), commented(one, 'poison'), acknowledged(one));
  await projections.projector.catchUp();
  const { model } = fragile('halt');
  const givenUp: string[] = [];
  const aside: string[] = [];
  const models = withModel({ ...model, version: model.version + 1 });
  const upgraded = open(models, { onGivenUp: ({ projection }) => givenUp.push(projection) });
  const skipping = { ...fragile('skip-and-record').model, version: model.version + 2 };
  const skipped = open(withModel(skipping), {
    onQuarantined: ({ status, seq }) => aside.push(`${status} ${seq}`),
  });
  await upgraded.settle();
  await upgraded.builder.buildNext(never);
  assert.equal(await alarmStates(), { [one]: 'IN_PROGRESS' });
  const [row] =
    await database.sql`select version, build_failed_because from projection where name = 'alarms'`;
  assert.is(row!.version, alarmsReadModel.version);
  assert.match(row!.buildFailedBecause, 'event 2');
  assert.equal(givenUp, ['alarms']);
  await skipped.settle();
  await skipped.builder.buildNext(never);
  assert.equal(aside, ['POISON 2']);
  assert.equal(await alarmStates(), { [one]: 'IN_PROGRESS' });
  assert.equal(await quarantine(), ['POISON 1']);
});

test('what somebody wants built anew is not forgotten when other software comes in between', async () => {
  const [one] = ids();
  await takeIn(raised(one));
  const before = open();
  await before.settle();
  await before.projector.catchUp();
  await before.builder.request(['alarms', 'audit-trail']);
  const asked = async () =>
    (
      await database.sql`select name, version from projection_build, unnest(projections, versions) as member (name, version)
        order by name`
    ).map(row => [row.name, row.version]);
  const { version } = readModels.find(({ name }) => name === 'audit-trail')!;
  const next = { ...alarmsReadModel, version: alarmsReadModel.version + 1 };
  await open(withModel(next)).settle();
  assert.equal(await asked(), [
    ['alarms', next.version],
    ['audit-trail', version],
  ]);
  // Back again: of the version that is served nobody asked for another one.
  await open().settle();
  assert.equal(await asked(), [['audit-trail', version]]);
});

test('a build goes on for the others when one is given up, and folds nothing into what is served', async () => {
  const [one, two] = ids();
  await takeIn(raised(one), commented(one, 'poison'));
  await takeIn(...Array.from({ length: 598 }, () => commented(one, 'fine')), raised(two));
  const before = open();
  await before.settle();
  await before.projector.catchUp();
  const givenUp: string[] = [];
  const { model, repair } = fragile('halt');
  const { sql } = database;
  const builder = new ProjectionBuilder({
    ...{ sql, ownSite: own.site, models: withModel(model), now: () => t0, random: Math.random },
    ...{ batchEvents: 100, onQuarantined: () => undefined, onRetry: () => undefined },
    onGivenUp: ({ projection }) => givenUp.push(projection),
  });
  const served = async () => [
    ...(await sql`select id, state from alarm order by id`),
    ...(await sql`select seq, text from alarm_history order by seq, text`),
  ];
  const shown = await served();
  await builder.request(['alarms', 'audit-trail']);
  assert.is(await builder.buildNext(never), 'BUILT');
  assert.equal(givenUp, ['alarms']);
  assert.equal(await served(), shown);
  const failed = async () => [
    ...(await sql`select name from projection where build_failed_because is not null`),
  ];
  assert.equal(await failed(), [{ name: 'alarms' }]);
  repair();
  await builder.request(['alarms']);
  assert.is(await builder.buildNext(never), 'BUILT');
  assert.equal(await failed(), []);
});

test('of builds beside each other one may have failed: each goes on where it was', async () => {
  const before = open();
  await before.settle();
  await manyAlarms(400);
  await before.projector.catchUp();
  const { sql } = database;
  const served = async () => [
    ...(await sql`select * from alarm order by id`),
    ...(await sql`select * from alarm_history order by seq`),
    ...(await sql`select * from audit_entry order by seq`),
  ];
  const shown = await served();
  let batches = 0;
  const failingOnce: ReadModel = {
    ...alarmsReadModel,
    hasMostRows: true,
    async fold(events, context) {
      batches += 1;
      if (batches === 2) throw Object.assign(new Error('deadlock detected'), { code: '40P01' });
      await alarmsReadModel.fold(events, context);
    },
  };
  const builder = new ProjectionBuilder({
    ...{ sql, ownSite: own.site, models: withModel(failingOnce), now: () => t0, random: Math.random },
    ...{ batchEvents: 300, onRetry: () => undefined },
    onQuarantined: ({ reason }) => assert.unreachable(reason),
    onGivenUp: ({ reason }) => assert.unreachable(reason),
  });
  await builder.request(['alarms', 'audit-trail']);
  await builder.buildNext(never).then(
    () => assert.unreachable(),
    (error: Error) => assert.is(error.message, 'deadlock detected'),
  );
  const places = await sql`select projections, seq from projection_build order by seq`;
  assert.equal(
    places.map(({ projections, seq }) => [...projections, seq]),
    [
      ['alarms', 300],
      ['audit-trail', 600],
    ],
  );
  assert.is(await builder.buildNext(never), 'BUILT');
  assert.equal(await served(), shown);
  assert.is((await sql`select 1 from projection_build`).length, 0);
});

test('a build in a thread hears that it was stopped before the thread began', async () => {
  const projections = open();
  await projections.settle();
  await manyAlarms(400);
  await projections.projector.catchUp();
  await projections.builder.request(['alarms']);
  const { target } = database;
  const ignored = { onQuarantined: () => undefined, onGivenUp: () => undefined };
  await buildNextInThread({ target, ownSite: own.site }, ignored, AbortSignal.abort());
  const asked = await database.sql`select seq from projection_build`;
  assert.equal(
    asked.map(({ seq }) => seq),
    [0],
  );
});

test('a check finds what was altered, lost and added in the tables, and a build sets it right', async () => {
  const foundAt: string[] = [];
  let nowMs = t0;
  const projections = open(
    readModels,
    { onDifference: ({ projection, foundAtMs }) => foundAt.push(`${projection} ${foundAtMs - t0}`) },
    () => nowMs,
  );
  await projections.settle();
  const alarmIds = await manyAlarms(30);
  await takeIn(child.raw('x', 'FlyingSaucerSighted', 1, {}));
  await projections.projector.catchUp();
  const names = readModels.map(({ name }) => name);
  const differences = async () => {
    nowMs += 1;
    const found: string[] = [];
    for (const scope of await projections.check.scopes(names)) {
      const result = await projections.check.check(scope, { share: 1, signal: never });
      assert.is.not(result, null);
      if (result!.difference !== null) found.push(`${result!.projection}: ${result!.difference}`);
    }
    return found;
  };
  assert.equal(await differences(), []);
  await database.sql`update alarm set state = 'CLOSED' where id = ${alarmIds[0]!}`;
  await database.sql`delete from alarm_history where alarm_id = ${alarmIds[1]!}`;
  await database.sql`
    insert into site (id, name, name_from_own_log) values (${randomUUID()}, 'Nowhere', true)`;
  const [alarms, sites] = (await differences()).sort();
  assert.match(
    alarms!,
    /^alarms: alarm lacks: 1 rows, .*IN_PROGRESS.*; alarm has too much: 1 rows.*; alarm_history lacks: 2/,
  );
  assert.match(sites!, /^sites: site has too much: 1 rows, e\.g\. .*Nowhere/);
  const kept = await database.sql`select projection, scope from projection_difference order by 1`;
  assert.equal(
    kept.map(row => ({ ...row })),
    [
      { projection: 'alarms', scope: child.site },
      { projection: 'sites', scope: 'all' },
    ],
  );
  await projections.builder.request(['alarms', 'sites']);
  await projections.builder.buildNext(never);
  assert.equal(await differences(), []);
  assert.is((await database.sql`select 1 from projection_difference`).length, 0);
  await database.sql`delete from alarm_history where alarm_id = ${alarmIds[1]!}`;
  for (let round = 0; round < 2; round++) assert.is((await differences()).length, 1);
  assert.equal(foundAt.sort(), ['alarms 2', 'alarms 4', 'alarms 4', 'sites 2']);
  const schemas = await database.sql`select 1 from pg_namespace where nspname like 'projection_check%'`;
  assert.is(schemas.length, 0);
});

test('a build that is killed serves nothing of it, and another process goes on with it', async () => {
  const projections = open();
  await projections.settle();
  const alarmIds = await manyAlarms(3000);
  await projections.projector.catchUp();
  const { host } = database.sql.options;
  await projections.builder.request(['alarms']);
  const builder = fork(path.join(import.meta.dirname, 'building.process.js'), [
    ...[String(host), own.site satisfies SiteId],
  ]);
  await killAfterProgress(builder);
  const [build] = await database.sql`select seq from projection_build`;
  assert.ok(build!.seq > 0 && build!.seq < alarmIds.length * 2, `killed at ${build!.seq}`);
  assert.is(Object.keys(await alarmStates()).length, alarmIds.length);
  const next = open();
  // The killed process may still be in the eyes of the server for a moment.
  while ((await next.builder.buildNext(never)) !== 'BUILT');
  assert.equal(Object.keys(await alarmStates()).sort(), alarmIds.sort());
  const [count] = await database.sql`select count(*) as n from alarm_history`;
  assert.is(count!.n, alarmIds.length * 2);
});

async function killAfterProgress(builder: ChildProcess): Promise<void> {
  await once(builder, 'message');
  builder.kill('SIGKILL');
  await once(builder, 'exit');
}

test.run();
