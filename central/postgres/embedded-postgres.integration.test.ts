import { fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openDatabase, openDatabaseAsItIs, openSharedDatabase } from './database.js';
import { EmbeddedPostgresError } from './embedded-postgres-error.js';
import type { Sql } from './sql.js';

const test = suite('embedded Postgres');
let directory = '';

test.before.each(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-pg-'));
});

async function withDatabase(inDirectory: string, use: (sql: Sql) => Promise<void>): Promise<void> {
  const database = await openDatabase({ directory: inDirectory, databaseUrl: null });
  try {
    await use(database.sql);
  } finally {
    await database[Symbol.asyncDispose]();
  }
}

test.after.each(async () => {
  await rm(directory, { recursive: true, force: true });
});

test('starts, keeps what was written over a restart, and applies migrations once', async () => {
  await withDatabase(directory, async sql => {
    await sql`update feed_head set seq = 41`;
  });
  await withDatabase(directory, async sql => {
    const [row] = await sql`select seq from feed_head`;
    assert.is(row!.seq, 41);
  });
});

test('finds a short place for its socket when the data directory has a long path', async () => {
  const deep = path.join(directory, 'a'.repeat(60), 'b'.repeat(60));
  await mkdir(deep, { recursive: true });
  await withDatabase(deep, async sql => {
    const [row] = await sql`select 1 as one`;
    assert.is(row!.one, 1);
  });
});

test('starts although a killed server left a pid file whose number belongs to another process now', async () => {
  await withDatabase(directory, async () => undefined);
  await writeFile(
    path.join(directory, 'cluster', 'postmaster.pid'),
    `${process.ppid}\n${path.join(directory, 'cluster')}\n0\n5432\n`,
    { mode: 0o600 },
  );
  await withDatabase(directory, async sql => {
    const [row] = await sql`select 1 as one`;
    assert.is(row!.one, 1);
  });
});

test('a server that runs is found by another name of its folder, and left alone', async () => {
  const link = `${directory}-link`;
  await symlink(directory, link);
  try {
    await withDatabase(directory, async sql => {
      await sql`update feed_head set seq = 42`;
      const pidFile = path.join(directory, 'cluster', 'postmaster.pid');
      const before = await readFile(pidFile, 'utf8');
      await using beside = await openDatabaseAsItIs({ directory: link });
      const [row] = await beside.sql`select seq from feed_head`;
      assert.is(row!.seq, 42);
      assert.is(await readFile(pidFile, 'utf8'), before);
    });
  } finally {
    await rm(link);
  }
});

test('keeps every commit when this process and the server are killed, and leaves no server behind', async () => {
  const child = fork(path.join(import.meta.dirname, 'committing-process.js'), [directory], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [{ processId, committed }] = (await once(child, 'message')) as [
    { processId: number; committed: number },
  ];
  process.kill(processId, 'SIGKILL');
  child.kill('SIGKILL');
  await once(child, 'exit');
  await withDatabase(directory, async sql => {
    const [row] = await sql`select seq from feed_head`;
    assert.ok(row!.seq >= committed, `${row!.seq} of ${committed}`);
  });
});

test('says so when the server is killed under it, and serves again after a new start', async () => {
  const killed = await openDatabase({ directory, databaseUrl: null });
  const watched = killed.watch(new AbortController().signal).then(
    () => null,
    (error: unknown) => error,
  );
  const pidFile = await readFile(path.join(directory, 'cluster', 'postmaster.pid'), 'utf8');
  process.kill(Number.parseInt(pidFile, 10), 'SIGKILL');
  const error = await watched;
  assert.instance(error, EmbeddedPostgresError);
  assert.match((error as Error).message, 'SIGKILL');
  await killed[Symbol.asyncDispose]();
  await withDatabase(directory, async sql => {
    const [row] = await sql`select 1 as one`;
    assert.is(row!.one, 1);
  });
});

test('a server at an address lets go of a client that is gone within its transaction, and the client goes on', async () => {
  await using database = await openDatabase({ directory, databaseUrl: null });
  const { host } = database.target as { host: string };
  const proxy = createServer(client => {
    const server = connect(path.join(host, '.s.PGSQL.5432'));
    client.pipe(server).pipe(client);
    for (const end of [client, server]) end.on('error', () => undefined);
  });
  await once(proxy.listen(0, '127.0.0.1'), 'listening');
  const { port } = proxy.address() as AddressInfo;
  const url = `postgres://holdfast@127.0.0.1:${port}/postgres`;
  const settings = openSharedDatabase(url, 1);
  const known = await settings`
    select name, setting from pg_settings
    where source = 'client' and (name like 'tcp_%' or name like 'idle_in_%') order by name`;
  await settings.end();
  assert.equal(
    known.map(({ name }) => name),
    [
      'idle_in_transaction_session_timeout',
      'tcp_keepalives_count',
      'tcp_keepalives_idle',
      'tcp_keepalives_interval',
      'tcp_user_timeout',
    ],
  );
  assert.is(known[0]!.setting, '300000');
  const lost = openSharedDatabase(`${url}?idle_in_transaction_session_timeout=100`, 1);
  const held = Promise.withResolvers<void>();
  const holding = lost
    .begin(async tx => {
      await tx`select seq from feed_head for update`;
      held.resolve();
      await delay(500);
      await tx`update feed_head set seq = seq + 1`;
    })
    .then(
      () => 'committed',
      () => 'refused',
    );
  await held.promise;
  const other = database.sql`select seq from feed_head for update`.then(() => 'locked');
  assert.is(await other, 'locked');
  assert.is(await holding, 'refused');
  const [row] = await lost`select 1 as one`;
  assert.is(row!.one, 1);
  await lost.end();
  proxy.close();
});

test('the server ends with its parent, however the parent ends', async () => {
  const child = fork(path.join(import.meta.dirname, 'committing-process.js'), [directory], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const [{ processId }] = (await once(child, 'message')) as [{ processId: number }];
  child.kill('SIGKILL');
  await once(child, 'exit');
  const deadline = performance.now() + 10_000;
  while (spawnSync('kill', ['-0', String(processId)]).status === 0) {
    assert.ok(performance.now() < deadline, `server ${processId} outlived its parent`);
    await delay(20);
  }
});

test.run();
