import { chmodSync, existsSync, renameSync, rmSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makeFolder } from '@holdfast/interconnect';
import { rowsPastDamage } from '../log/readable-rows.js';
import { isCorrupt } from '../sqlite-result.js';

/** A read from another process, e.g. the command line, is over in a blink. */
const BUSY_TIMEOUT_MS = 5000;

const tables = `
  CREATE TABLE IF NOT EXISTS subject_key (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    key_id TEXT NOT NULL UNIQUE,
    subject TEXT NOT NULL,
    -- The site that made it, and alone seals with it.
    maker TEXT NOT NULL,
    -- Nonce, ciphertext, tag under the wrapping key. NULL once it was destroyed: the row says so for ever, and is the newest then.
    wrapped BLOB
  ) STRICT;
  CREATE INDEX IF NOT EXISTS subject_key_subject ON subject_key (subject);
`;
/** The child that gave it first. NULL: none did. */
const giver = 'ALTER TABLE subject_key ADD COLUMN giver TEXT';
const indices = `
  CREATE INDEX IF NOT EXISTS subject_key_maker ON subject_key (maker);
  CREATE INDEX IF NOT EXISTS subject_key_giver ON subject_key (giver);
`;

/**
 * Opens a file of keys, or creates it (mode 0600). One that is damaged is put aside, and another is made of what can be read of it:
 * the site goes on, and has its other keys back from its parent.
 */
export function openSubjectKeyFile(
  file: string,
  onDamaged: (detail: string) => void = () => undefined,
): DatabaseSync {
  makeFolder(path.dirname(file));
  const made = `${file}.salvaged`;
  // A kill came between the last two steps of a salvage.
  if (!existsSync(file) && existsSync(made)) renameSync(made, file);
  try {
    return openWhole(file);
  } catch (error) {
    if (!isCorrupt(error) && !(error instanceof DamagedKeysError)) throw error;
    onDamaged(salvage(file, made, error));
    return openWhole(file);
  }
}

class DamagedKeysError extends Error {}

function openWhole(file: string): DatabaseSync {
  const db = openTables(file);
  try {
    const { quick_check: found } = db.prepare('PRAGMA quick_check(1)').get() as { quick_check: string };
    if (found === 'ok') return db;
    throw new DamagedKeysError(found);
  } catch (error) {
    db.close();
    throw error;
  }
}

function openTables(file: string): DatabaseSync {
  const db = new DatabaseSync(file, { timeout: BUSY_TIMEOUT_MS });
  try {
    chmodSync(file, 0o600);
    db.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON');
    db.exec(tables);
    const hasGiver = db.prepare("SELECT 1 FROM pragma_table_info('subject_key') WHERE name = 'giver'").get();
    if (hasGiver === undefined) db.exec(giver);
    db.exec(indices);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function salvage(file: string, made: string, damage: unknown): string {
  const aside = `${file}.damaged-${new Date().toISOString().replaceAll(':', '-')}`;
  rmSync(made, { force: true });
  const count = copyReadable(file, made);
  renameSync(file, aside);
  renameSync(made, file);
  const kept = `${count} keys could be read, the parent gives back those that this site made`;
  return `${damage instanceof Error ? damage.message : damage}: ${kept}. The damaged file is ${aside}: no erasure reaches it, so delete it when the keys are back.`;
}

function copyReadable(file: string, made: string): number {
  using to = openTables(made);
  let count = 0;
  try {
    using from = new DatabaseSync(file, { readOnly: true });
    const columns = 'key_id, subject, maker, wrapped, giver';
    const insert = to.prepare(
      `INSERT INTO subject_key (${columns}) VALUES (?, ?, ?, ?, ?) ON CONFLICT (key_id) DO NOTHING`,
    );
    const rows = from.prepare(`SELECT seq, ${columns} FROM subject_key WHERE seq >= ? + 1 ORDER BY seq`);
    to.exec('BEGIN');
    for (const row of rowsPastDamage(rows, 'seq')) {
      const { key_id, subject, maker, wrapped, giver: givenBy } = row as Record<string, string>;
      try {
        insert.run(key_id!, subject!, maker!, wrapped ?? null, givenBy ?? null);
        count += 1;
      } catch {
        // A column holds what the table does not take: the row is damaged.
      }
    }
    to.exec('COMMIT');
  } catch (error) {
    if (!isCorrupt(error)) throw error;
    if (to.isTransaction) to.exec('COMMIT');
  }
  return count;
}
