import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { copyInto } from './copy-into.js';
import { type Database, openDatabase, openSharedDatabase } from './database.js';
import type { Sql, TransactionSql } from './sql.js';

/** Whether the client that we use, with our patch of it (`patches/`), outlives connections that the server ends. */
const test = suite('lost connections of PostgreSQL');
let directory = '';
let database: Database;
let pool: Sql;

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-lost-'));
  database = await openDatabase({ directory, databaseUrl: null });
  await database.sql`create table pair (id integer, half text)`;
});

test.before.each(async () => {
  await database.sql`truncate pair`;
  // One connection: whoever comes next gets the one that was lost.
  pool = openSharedDatabase(database.target, 1);
});

test.after.each(() => pool.end({ timeout: 5 }));

test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

const backendOf = async (sql: Sql | TransactionSql): Promise<number> =>
  (await sql<{ pid: number }[]>`select pg_backend_pid() as pid`)[0]!.pid;

/** Ends that connection, and gives this side the time to notice. */
async function end(pid: number): Promise<void> {
  await database.sql`select pg_terminate_backend(${pid}, 5000)`;
  await delay(20);
}

async function failureOf(work: Promise<unknown>): Promise<{ readonly code?: string }> {
  const failure = await work.then(
    () => null,
    (error: { readonly code?: string }) => error,
  );
  assert.ok(failure, 'it is refused');
  return failure;
}

async function assertGoesOn(): Promise<void> {
  await pool.begin(async tx => {
    await tx`insert into pair values (0, 'next')`;
  });
  assert.equal([...(await pool`select half from pair`)], [{ half: 'next' }]);
}

test('a transaction whose connection is lost while it asks nothing is refused whatever it asks then', async () => {
  let next: unknown = null;
  const lost = pool.begin(async tx => {
    await tx`insert into pair values (1, 'lost')`;
    await end(await backendOf(tx));
    next = await failureOf(tx`insert into pair values (1, 'lost too')`);
    throw next;
  });
  assert.is((await failureOf(lost)).code, 'CONNECTION_CLOSED');
  while (next === null) await delay(1);
  assert.is((next as { readonly code: string }).code, 'CONNECTION_CLOSED');
  await assertGoesOn();
});

test('a transaction that gives up after its connection was lost has nothing to roll back', async () => {
  const lost = pool.begin(async tx => {
    await end(await backendOf(tx));
    throw new Error('given up');
  });
  assert.is((await failureOf(lost)).code, 'CONNECTION_CLOSED');
  await assertGoesOn();
});

test('what a lost transaction asks is never asked in the one that has its connection next', async () => {
  let following: Promise<void> | null = null;
  const isOver = Promise.withResolvers<void>();
  const lost = pool.begin(async tx => {
    const pid = await backendOf(tx);
    following = pool.begin(async other => {
      await other`insert into pair values (2, 'first half')`;
      await delay(50);
      await other`insert into pair values (2, 'second half')`;
    }) as Promise<void>;
    await end(pid);
    await delay(30);
    // It is connected anew by now, for the other one.
    const refused = await Promise.all([
      failureOf(tx`insert into pair values (1, 'a stranger in a transaction')`),
      failureOf(tx`rollback`),
    ]);
    assert.equal(
      refused.map(({ code }) => code),
      ['CONNECTION_CLOSED', 'CONNECTION_CLOSED'],
    );
    isOver.resolve();
  });
  assert.is((await failureOf(lost)).code, 'CONNECTION_CLOSED');
  await isOver.promise;
  await following!;
  assert.equal(
    [...(await pool`select half from pair order by half`)],
    [{ half: 'first half' }, { half: 'second half' }],
  );
});

test('a copy whose connection is lost between two rows is refused', async () => {
  const row = Buffer.concat([Buffer.from([0, 2, 0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 4]), Buffer.from('rows')]);
  let isOver = false;
  const lost = pool.begin(async tx => {
    const pid = await backendOf(tx);
    function* rows() {
      for (let each = 0; each < 200; each += 1) {
        if (each === 100) void end(pid);
        yield Buffer.concat(Array.from({ length: 2_000 }, () => row));
      }
    }
    await copyInto(tx, 'pair (id, half)', rows()).finally(() => {
      isOver = true;
    });
  });
  assert.is((await failureOf(lost)).code, 'CONNECTION_CLOSED');
  while (!isOver) await delay(1);
  await assertGoesOn();
});

test('a connection of its own that is lost is not given back as if it were open', async () => {
  const own = await pool.reserve();
  await end(await backendOf(own));
  assert.is((await failureOf(Promise.resolve(own`select 1`))).code, 'CONNECTION_CLOSED');
  own.release();
  await assertGoesOn();
});

test('a cursor whose connection is lost between two parts is refused', async () => {
  const lost = (async () => {
    for await (const [first] of pool<
      { pid: number }[]
    >`select pg_backend_pid() as pid from generate_series(1, 100)`.cursor(10)) {
      await end(first!.pid);
    }
  })();
  assert.is((await failureOf(lost)).code, 'CONNECTION_CLOSED');
  await assertGoesOn();
});

test('transactions are whole or not at all while connections are lost at any moment', async () => {
  await pool.end({ timeout: 5 });
  pool = openSharedDatabase(database.target, 4);
  const committed = new Set<number>();
  const backends: number[] = [];
  let id = 0;
  let isOver = false;
  const worker = async () => {
    while (!isOver) {
      id += 1;
      const mine = id;
      const done = pool.begin(async tx => {
        backends.push(await backendOf(tx));
        await tx`insert into pair values (${mine}, 'first')`;
        await delay(mine % 4);
        await tx`insert into pair values (${mine}, 'second')`;
      });
      await done.then(
        () => committed.add(mine),
        ({ code }: { readonly code?: string }) =>
          assert.match(code ?? '', /^(CONNECTION_CLOSED|57P01|ECONNRESET|EPIPE)$/),
      );
    }
  };
  const workers = Promise.all(Array.from({ length: 6 }, worker));
  for (let kill = 0; kill < 80; kill += 1) {
    await delay(kill % 7);
    const some = backends.splice(0).slice(-1 - (kill % 4));
    await database.sql`select pg_terminate_backend(pid) from unnest(${some}::integer[]) as pid`;
  }
  isOver = true;
  await workers;
  const rows = await pool<{ id: number; halves: number }[]>`
    select id, count(*)::integer as halves from pair group by id order by id`;
  assert.ok(committed.size > 0, 'some are committed');
  assert.equal(
    rows.filter(({ halves }) => halves !== 2),
    [],
    'no half of a transaction',
  );
  const stored = new Set(rows.map(row => row.id));
  assert.equal(
    [...committed].filter(each => !stored.has(each)),
    [],
    'what was committed is there',
  );
});

test.run();
