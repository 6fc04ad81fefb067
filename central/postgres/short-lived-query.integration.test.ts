import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { getHeapSpaceStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Database, openDatabase } from './database.js';

const test = suite('what is left of a query');
const TURNS = 60;
const VALUE_LENGTH = 50_000;
/** Without its patch the client leaves twice the value of each query, and some kilobytes of each transaction. */
const QUERY_BYTES_MAX = 5_000;
const TRANSACTION_BYTES_MAX = 1_500;
let directory = '';
let database: Database;
let collectYoung: () => void;

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-short-lived-query-'));
  database = await openDatabase({ directory, databaseUrl: null });
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: { readonly type: 'minor' }) => void;
  collectYoung = () => collect({ type: 'minor' });
});

test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});

function oldBytes(): number {
  const spaces = getHeapSpaceStatistics().filter(({ space_name: name }) => name === 'old_space');
  return spaces.reduce((sum, { space_used_size: bytes }) => sum + bytes, 0);
}

/** By how much the old generation grows for each turn of work with a value of its own; what survives two collections gets there. */
async function agedBytesOf(work: (value: string) => Promise<unknown>): Promise<number> {
  const turn = (index: number) => work('x'.repeat(VALUE_LENGTH) + index);
  const turns = async () => {
    for (let index = 0; index < TURNS; index += 1) await turn(index);
    collectYoung();
    collectYoung();
  };
  await turns();
  const before = oldBytes();
  await turns();
  return (oldBytes() - before) / TURNS;
}

test('its values and rows go with the next collection of what is young', async () => {
  const { sql } = database;
  const asked = await agedBytesOf(value => sql`select ${value}::text as value`);
  assert.ok(asked < QUERY_BYTES_MAX, `${asked} bytes of a query grow old`);
});

test('so goes what a transaction refers to', async () => {
  const { sql } = database;
  const begun = await agedBytesOf(value => sql.begin(async tx => [await tx`select 1`, value.length]));
  assert.ok(begun < TRANSACTION_BYTES_MAX, `${begun} bytes of a transaction grow old`);
});

test.run();
