import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fillFeed } from '../bench/long-feed.js';
import { type Database, openDatabase } from '../postgres/database.js';
import { EventsOfType } from './events-of-type.js';
import { inStream, ofTypes } from './replica-event-trees.js';

const test = suite('trees of events by stream and by type');
let directory = '';
let database: Database;

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-trees-'));
  database = await openDatabase({ directory, databaseUrl: null });
  await fillFeed(database.sql, 5_000);
});
test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** As planned once for whatever is asked, the least that a tree must be known by. */
async function planOf(explain: (sql: Database['sql']) => PromiseLike<readonly object[]>): Promise<string> {
  const { sql } = database;
  return (await sql.begin(async tx => {
    await tx`set local plan_cache_mode to force_generic_plan`;
    await tx`set local enable_seqscan to off`;
    return JSON.stringify(await explain(tx as unknown as Database['sql']));
  })) as string;
}

test('the tree by type finds every type but the one that it leaves out', async () => {
  const { sql } = database;
  for (const types of [['AlarmRaised'], ['AlarmRaised', 'AlarmClosed'], ['RecordingSealed', 'AlarmClosed']]) {
    const isLeftOut = types.includes('RecordingSealed');
    const plan = await planOf(
      tx => tx`explain select seq from replica_event where ${ofTypes(tx, types)} order by seq`,
    );
    assert.is(plan.includes('replica_event_type'), !isLeftOut, plan);
    // Whoever follows one type reads on from the last of it, which may be long ago.
    assert.is(plan.includes('Sort'), types.length > 1 && !isLeftOut, plan);
    const [found] = await sql`select count(*) from replica_event where ${ofTypes(sql, types)}`;
    const [there] = await sql`select count(*) from replica_event where type = any(${types}::text[])`;
    assert.ok(there!.count > 0);
    assert.equal(found, there);
  }
  const taken: number[] = [];
  const take = async ({ seq }: { readonly seq: number }) => void taken.push(seq);
  await new EventsOfType({ sql, type: 'AlarmRaised', take }).catchUp();
  const alarms = await sql<
    { seq: number }[]
  >`select seq from replica_event where type = 'AlarmRaised' order by seq`;
  assert.equal(
    taken,
    alarms.map(({ seq }) => seq),
  );
});

test('the tree by stream finds every stream, those of recordings by their device', async () => {
  const { sql } = database;
  // As their projection says it.
  await sql`
    insert into event_device (device_id, seq)
    select substr(stream, 11)::uuid, seq from replica_event where stream like 'recording-%'`;
  for (const start of ['site', 'alarm-', 'recording-', 'hardware-connection-']) {
    const [one] = await sql<{ stream: string; count: number }[]>`
      select stream, count(*) from replica_event where starts_with(stream, ${start}) group by stream limit 1`;
    const { stream, count } = one!;
    const [found] = await sql<
      { count: number }[]
    >`select count(*) from replica_event where ${inStream(sql, stream)}`;
    assert.is(found!.count, count, stream);
    const plan = await planOf(tx => tx`explain select seq from replica_event where ${inStream(tx, stream)}`);
    const tree = start === 'recording-' ? 'event_device' : 'replica_event_stream';
    assert.ok(plan.includes(tree), `${stream}: ${plan}`);
  }
});

test.run();
