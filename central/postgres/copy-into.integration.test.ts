import { spawnSync } from 'node:child_process';
import { chownSync, statSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { copyInto } from './copy-into.js';
import { type Database, openDatabase } from './database.js';

/** Whether the client that we use, with our patch of it (`patches/`), says why rows were refused. */
const test = suite('rows that are copied into PostgreSQL');
let directory = '';
let database: Database;

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-copy-'));
  database = await openDatabase({ directory, databaseUrl: null });
});
test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

/** A row of one integer and one text, in the binary format. */
function row(id: number, text: string): Buffer {
  const head = Buffer.alloc(14);
  head.writeInt16BE(2, 0);
  head.writeInt32BE(4, 2);
  head.writeInt32BE(id, 6);
  head.writeInt32BE(text.length, 10);
  return Buffer.concat([head, Buffer.from(text)]);
}

async function refusalOf(table: string, rows: Iterable<Buffer>): Promise<{ code: string; message: string }> {
  try {
    await database.sql.begin(tx => copyInto(tx, `${table} (id, half)`, rows));
  } catch (error) {
    return error as { code: string; message: string };
  }
  return assert.unreachable('they are refused') as never;
}

test('are refused for what is wrong with them, also when they have all been sent, and the next ones are taken', async () => {
  const { sql } = database;
  await sql`create table pair (id integer primary key, half text)`;
  const { code } = await refusalOf('pair', [row(1, 'one'), row(1, 'again')]);
  assert.is(code, '23505');
  await sql.begin(tx => copyInto(tx, 'pair (id, half)', [row(1, 'one'), row(2, 'two')]));
  assert.equal([...(await sql`select id from pair order by id`)], [{ id: 1 }, { id: 2 }]);
});

const mounting = spawnSync('sh', ['-c', 'd=$(mktemp -d) && mount -t tmpfs tmpfs $d && umount $d; rmdir $d']);
if (mounting.status !== 0) {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED ??= [];
  skipped.HOLDFAST_SKIPPED.push('a full disk of PostgreSQL: no small file system can be mounted here');
} else
  test('are refused for want of room where the disk is full', async () => {
    const { sql } = database;
    const disk = path.join(directory, 'small');
    await mkdir(disk);
    assert.is(spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', disk]).status, 0);
    try {
      const { uid, gid } = statSync(path.join(directory, 'cluster'));
      chownSync(disk, uid, gid);
      await sql.unsafe(`create tablespace small location '${disk}'`);
      await sql`create table small_pair (id integer, half text) tablespace small`;
      const rows = Array.from({ length: 2_000 }, (_, id) => row(id, 'x'.repeat(1_900)));
      const { code, message } = await refusalOf('small_pair', rows);
      assert.is(code, '53100', message);
      assert.match(message, 'No space left on device');
      await sql`drop table small_pair`;
      await sql`drop tablespace small`;
    } finally {
      spawnSync('umount', ['--lazy', disk]);
    }
  });

test.run();
