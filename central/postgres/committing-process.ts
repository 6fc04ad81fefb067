// A process for tests: commits without end until it is killed, and says how far it was sure to have come.
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { openDatabase } from './database.js';

const COMMITS_BEFORE_MESSAGE = 20;
const directory = process.argv[2]!;
const database = await openDatabase({ directory, databaseUrl: null });
const pidFile = await readFile(path.join(directory, 'cluster', 'postmaster.pid'), 'utf8');
for (let committed = 1; ; committed++) {
  await database.sql`update feed_head set seq = ${committed}`;
  if (committed === COMMITS_BEFORE_MESSAGE)
    process.send?.({ processId: Number.parseInt(pidFile, 10), committed });
}
