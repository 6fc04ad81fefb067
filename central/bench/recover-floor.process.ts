import { DatabaseSync } from 'node:sqlite';

/** What no durable process can be faster than: SQLite opened, one row appended as durably as the log does it. */
const [file = ''] = process.argv.slice(2);
const db = new DatabaseSync(file);
db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS row (data TEXT)');
db.prepare('INSERT INTO row VALUES (?)').run('x'.repeat(300));
process.send?.('APPENDED');
