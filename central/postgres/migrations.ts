import { sqlMigrations } from '@holdfast/schema/sql';
import type { Sql } from './sql.js';

/** Two centrals on one database must not migrate it at once. The number is ours and means nothing else. */
const MIGRATION_LOCK = 7_401_559;

export class MigrationError extends Error {
  override readonly name = 'MigrationError';
  readonly code = 'MIGRATION_FAILED';
}

/**
 * Brings the database to the newest schema: every migration once, in order, each in a transaction of its own.
 * Throws `MigrationError` when one fails, and when the database was written by a newer Holdfast.
 */
export async function applyMigrations(sql: Sql): Promise<void> {
  await sql`create table if not exists schema_migration (
    number int primary key, name text not null, applied_at timestamptz not null default now()
  )`;
  const known = await sqlMigrations();
  for (const migration of known) {
    await sql
      .begin(async tx => {
        await tx`select pg_advisory_xact_lock(${MIGRATION_LOCK})`;
        const [applied] = await tx`select 1 from schema_migration where number = ${migration.number}`;
        if (applied) return;
        await tx.unsafe(migration.sql);
        await tx`insert into schema_migration (number, name) values (${migration.number}, ${migration.name})`;
      })
      .catch((cause: unknown) => {
        throw new MigrationError(`migration ${migration.name} failed: ${String(cause)}`, { cause });
      });
  }
  await assertNotNewer(sql);
}

/** Throws `MigrationError` for the database of a newer version: what this one would write there, that one would not understand. */
export async function assertNotNewer(sql: Sql): Promise<void> {
  const newest = (await sqlMigrations()).at(-1)?.number ?? 0;
  const [unknown] = await sql<{ name: string }[]>`select name from schema_migration where number > ${newest}`;
  if (unknown === undefined) return;
  throw new MigrationError(
    `the database has migration ${unknown.name}, which this software does not know: it was written by a newer version. \
Run that version, or restore the copies of database and data directory that were made before it was installed`,
  );
}
