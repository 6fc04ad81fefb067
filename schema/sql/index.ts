import { readdir, readFile } from 'node:fs/promises';
import path from 'node:path';

export interface SqlMigration {
  /** 1.. */
  readonly number: number;
  /** The file's name, e.g. `0001-intake.sql`. */
  readonly name: string;
  readonly sql: string;
}

/** The files lie beside the sources: the compiler copies no SQL. From `dist/sql` that is two steps up. */
const sqlDirectory = path.resolve(import.meta.dirname, '../../sql');

/** The Postgres schema of a central as numbered migrations, oldest first. */
export async function sqlMigrations(): Promise<readonly SqlMigration[]> {
  const names = (await readdir(sqlDirectory)).filter(name => /^\d{4}-[a-z-]+\.sql$/.test(name)).sort();
  return Promise.all(
    names.map(async name => ({
      number: Number.parseInt(name, 10),
      name,
      sql: await readFile(path.join(sqlDirectory, name), 'utf8'),
    })),
  );
}
