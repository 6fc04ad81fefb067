import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { copyOut } from './copy-out.js';
import { type Database, openDatabase, openSharedDatabase } from './database.js';
import type { Sql } from './sql.js';

const test = suite('rows copied out of PostgreSQL');
const ROWS = 50_000;
let directory = '';
let database: Database;
let pool: Sql;

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-copy-out-'));
  database = await openDatabase({ directory, databaseUrl: null });
  // One connection: what a copy leaves behind is met by what is asked next.
  pool = openSharedDatabase(database.target, 1);
});

test.after(async () => {
  await pool.end({ timeout: 5 });
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

async function failureOf(work: Promise<unknown>): Promise<Error & { readonly code?: string }> {
  return work.then(
    () => assert.unreachable('it is refused') as never,
    (error: Error) => error,
  );
}

const copyInTransaction = (query: string, take: Parameters<typeof copyOut>[2]) =>
  pool.begin(tx => copyOut(tx, query, take));
const assertGoesOn = async () => assert.equal([...(await pool`select 1 as one`)], [{ one: 1 }]);
const numbers = `select n, repeat('x', 1000) from generate_series(1, ${ROWS}) as n`;

test('values come as they are', async () => {
  const site = '0b8f8a52-7d6f-4c1e-9f5a-0123456789ab';
  const rows: unknown[] = [];
  const count = await copyInTransaction(
    `select n::bigint * 4503599627370496, -n, '${site}'::uuid, '${site}'::uuid, 'Größe '||n, '\\xff41'::bytea from generate_series(0, 1) as n`,
    row => rows.push([row.int8(), row.int4(), row.uuid(), row.knownUuid(), row.text(), row.text()]),
  );
  assert.is(count, 2);
  assert.equal(rows, [
    [0, -0, site, site, 'Größe 0', '\uFFFDA'],
    [4503599627370496, -1, site, site, 'Größe 1', '\uFFFDA'],
  ]);
  assert.is(await copyInTransaction('select 1 where false', () => assert.unreachable()), 0);
});

test('others have their turn while rows come, also those that wait for PostgreSQL', async () => {
  const [taken, answered] = [[] as number[], [] as number[]];
  let rows = 0;
  const copied = copyInTransaction(numbers, () => (rows += 1));
  const isCopied = copied.then(() => true);
  const turn = () => new Promise<false>(resolve => setImmediate(resolve, false));
  const turns = (async () => {
    while (!(await Promise.race([isCopied, turn()]))) taken.push(rows);
  })();
  while (rows < ROWS && (await Promise.race([isCopied, database.sql`select 1`])) !== true)
    answered.push(rows);
  await turns;
  assert.is(await copied, ROWS);
  const most = Math.max(...taken.map((now, index) => now - (taken[index - 1] ?? 0)));
  assert.ok(most <= 300, `${most} rows of 1 KB were read in one turn`);
  assert.ok(answered.length > 50, `${answered.length} answers while ${ROWS} rows came`);
  await assertGoesOn();
});

test('what cannot be read is thrown after the last row, and the connection goes on', async () => {
  for (const value of ['9007199254740993::bigint', '-9007199254740993::bigint']) {
    const failure = await failureOf(copyInTransaction(`select ${value}`, row => row.int8()));
    assert.is(failure.message, `bigint ${value.split(':')[0]} does not fit a number`);
  }
  const nil = `select '00000000-0000-0000-0000-000000000000'::uuid`;
  assert.match(
    (await failureOf(copyInTransaction(nil, row => row.uuid()))).message,
    /is no UUID of RFC 9562/,
  );
  let taken = 0;
  const fail = () => {
    taken += 1;
    throw new RangeError('too much');
  };
  assert.is((await failureOf(copyInTransaction(numbers, fail))).message, 'too much');
  assert.is(taken, 1);
  await assertGoesOn();
});

test('what PostgreSQL refuses, before the first row or behind some, is thrown', async () => {
  assert.is((await failureOf(copyInTransaction('select nothing', () => undefined))).code, '42703');
  // In one packet with PostgreSQL's consent to the copy.
  const first = 'select 1 / (n - 1) from generate_series(1, 2) as n';
  assert.is((await failureOf(copyInTransaction(first, () => assert.unreachable()))).code, '22012');
  await assertGoesOn();
  let taken = 0;
  const late = `select 1 / (${ROWS} - n), repeat('x', 1000) from generate_series(1, ${ROWS}) as n`;
  const failure = await failureOf(copyInTransaction(late, () => (taken += 1)));
  assert.is(failure.code, '22012');
  assert.ok(taken > 0 && taken < ROWS, `${taken} rows before the error`);
  await assertGoesOn();
});

test('a connection that is lost under way is no end of the rows', async () => {
  let ended: Promise<unknown> | null = null;
  const [backend] = await pool<{ pid: number }[]>`select pg_backend_pid() as pid`;
  const failure = await failureOf(
    copyInTransaction(numbers, () => {
      ended ??= database.sql`select pg_terminate_backend(${backend!.pid}, 5000)`.execute();
    }),
  );
  assert.ok(failure.code === 'CONNECTION_CLOSED' || failure.code === '57P01', failure.message);
  await ended;
  await assertGoesOn();
});

test.run();
