import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
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

/** In the place of a server, as a proxy before one that is away: ends each connection that it accepts. */
async function endingServer(port = 0) {
  let count = 0;
  const server = net.createServer(socket => {
    count += 1;
    socket
      .on('error', () => undefined)
      .resume()
      .end();
  });
  await once(server.listen(port, '127.0.0.1'), 'listening');
  return {
    port: (server.address() as net.AddressInfo).port,
    count: () => count,
    [Symbol.asyncDispose]: async () => void (await once(server.close(), 'close')),
  };
}

test('a server that ends each connection before it answers is dialled once for a question, which is refused', async () => {
  await pool.end({ timeout: 5 });
  await using server = await endingServer();
  pool = openSharedDatabase(`postgres://nobody@127.0.0.1:${server.port}/nothing`, 1);
  const failure = await Promise.race([failureOf(pool`select 1`), delay(1_000, { code: 'never' })]);
  assert.is(failure.code, 'CONNECTION_CLOSED');
  assert.is(server.count(), 1);
});

test('a pool that is ended while it waits to dial again dials no more', async () => {
  await pool.end({ timeout: 5 });
  const { port } = await (async () => {
    await using server = await endingServer();
    return server;
  })();
  pool = openSharedDatabase(`postgres://nobody@127.0.0.1:${port}/nothing`, 1);
  for (let each = 0; each < 3; each += 1) await failureOf(pool`select 1`);
  // The last connection is closed by now.
  await delay(5);
  const refused = failureOf(pool`select 1`);
  await pool.end({ timeout: 0.01 });
  await refused;
  await using server = await endingServer(port);
  await delay(300);
  assert.is(server.count(), 0);
});

test('a transaction that begins behind many questions is one, and none of them is in it', async () => {
  await pool.end({ timeout: 5 });
  pool = openSharedDatabase(database.target, 2);
  const other = await pool.reserve();
  await pool`select 1`;
  const asked = Array.from({ length: 100 }, () => pool`select 1 as number`.execute());
  const done = pool.begin(async tx => {
    await tx`insert into pair values (3, 'first half')`;
    await tx`insert into pair values (3, 'second half')`;
  });
  const alone = pool`insert into pair values (4, 'alone')`;
  await Promise.all(asked);
  await done;
  await alone;
  assert.is((await other`select half from pair`).length, 3);
  other.release();
});

test('a question that cannot be written is refused, and takes no answer of those beside it', async () => {
  await pool`select 1`;
  const before = pool`select pg_sleep(0.02), 'before' as half`.execute();
  const wrong = failureOf(Promise.resolve(pool`select ${undefined as unknown as string} as half`));
  const behind = pool`select 'behind' as half`.execute();
  assert.is((await before)[0]!.half, 'before');
  assert.is((await wrong).code, 'UNDEFINED_VALUE');
  assert.is((await Promise.race([behind, delay(1_000, [{ half: 'never' }])]))[0]!.half, 'behind');
});

test('who waits for a connection of its own gets one also when the one that it waits for is lost', async () => {
  const pid = Promise.withResolvers<number>();
  const lost = failureOf(
    pool.begin(async tx => {
      pid.resolve(await backendOf(tx));
      await delay(200);
    }),
  );
  const ended = await pid.promise;
  const waiting = pool.reserve();
  await end(ended);
  assert.is((await lost).code, 'CONNECTION_CLOSED');
  const own = await Promise.race([waiting, delay(1_000, null)]);
  assert.ok(own, 'a connection');
  assert.is.not(await backendOf(own!), ended);
  own!.release();
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
