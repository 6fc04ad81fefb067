import type { Sql, TransactionSql } from '../postgres/sql.js';
import type { ReadModel } from './read-model.js';

const QUARANTINE = 'quarantined_event';

/**
 * A schema with tables like those that are served, in which folds find theirs under the same names. Keys that a
 * fold looks rows up by exist from the beginning, all other indexes and statistics are made at the end.
 */
export class BuildSchema {
  readonly name: string;

  constructor(name: string) {
    this.name = name;
  }

  static ofBuild(id: number): BuildSchema {
    return new BuildSchema(`projection_build_${id}`);
  }

  async create(tx: TransactionSql, models: readonly ReadModel[]): Promise<void> {
    await tx.unsafe(`create schema ${this.name}`);
    for (const table of [...models.flatMap(({ tables }) => tables), QUARANTINE]) {
      await tx.unsafe(
        `create table ${this.name}.${table}
         (like public.${table} including defaults including constraints including storage)
         with (autovacuum_enabled = off)`,
      );
      if (table === QUARANTINE || !(await isAppended(tx, table))) await this.#addKeys(tx, table);
    }
    await this.#addIndexes(tx, QUARANTINE);
  }

  async #addKeys(tx: TransactionSql, table: string): Promise<void> {
    const keys = await tx<{ name: string; definition: string }[]>`
      select conname as name, pg_get_constraintdef(oid) as definition from pg_constraint
      where conrelid = to_regclass(${`public.${table}`}) and contype in ('p', 'u')
        and not exists (select from pg_constraint as made
                        where made.conrelid = to_regclass(${`${this.name}.${table}`}) and made.conname = pg_constraint.conname)`;
    for (const { name, definition } of keys) {
      await tx.unsafe(`alter table ${this.name}.${table} add constraint "${name}" ${definition}`);
    }
  }

  /** From here to `leave`, names of tables mean those of this schema. */
  async enter(tx: TransactionSql): Promise<void> {
    await tx`select set_config('search_path', ${`${this.name}, public`}, true)`;
  }

  async leave(tx: TransactionSql): Promise<void> {
    await tx`select set_config('search_path', 'public', true)`;
  }

  /** Indexes, and statistics: queries shall be planned as before from the first moment on. */
  async finish(sql: Sql, models: readonly ReadModel[]): Promise<void> {
    for (const table of models.flatMap(({ tables }) => tables)) {
      await sql.begin(async tx => {
        const [found] = await tx`select to_regclass(${`${this.name}.${table}`}) as found`;
        if (found!.found === null) return;
        await this.#addKeys(tx, table);
        await this.#addIndexes(tx, table);
        await tx.unsafe(`analyze ${this.name}.${table}`);
      });
    }
  }

  async #addIndexes(tx: TransactionSql, table: string): Promise<void> {
    const indexes = await tx<{ definition: string }[]>`
      select pg_get_indexdef(indexrelid) as definition from pg_index
      where indrelid = to_regclass(${`public.${table}`})
        and not exists (select from pg_constraint where conindid = indexrelid and contype in ('p', 'u'))`;
    for (const { definition } of indexes) {
      await tx.unsafe(
        definition
          .replace(/^CREATE (UNIQUE )?INDEX /, 'create $1index if not exists ')
          .replace(` ON public.${table} `, ` on ${this.name}.${table} `),
      );
    }
  }

  /** Puts these tables, and what is in the quarantine of these projections, in the place of what is served. */
  async serve(tx: TransactionSql, models: readonly ReadModel[]): Promise<void> {
    for (const table of models.flatMap(({ tables }) => tables)) {
      await tx.unsafe(`drop table public.${table}`);
      await tx.unsafe(`alter table ${this.name}.${table} reset (autovacuum_enabled)`);
      await tx.unsafe(`alter table ${this.name}.${table} set schema public`);
    }
    const names = models.map(({ name }) => name);
    await tx`delete from quarantined_event where projection = any(${names}::text[])`;
    await tx`
      insert into quarantined_event select * from ${tx(this.name)}.quarantined_event
      where projection = any(${names}::text[])`;
  }

  async dropTables(tx: TransactionSql, { tables }: ReadModel): Promise<void> {
    for (const table of tables) await tx.unsafe(`drop table ${this.name}.${table}`);
  }

  async drop(tx: TransactionSql): Promise<void> {
    await tx.unsafe(`drop schema if exists ${this.name} cascade`);
  }
}

/** A key that holds the feed position is never looked up by a fold. */
async function isAppended(tx: TransactionSql, table: string): Promise<boolean> {
  const [row] = await tx`
    select 1 from pg_constraint
    join pg_attribute on attrelid = conrelid and attnum = any(conkey) and attname = 'seq'
    where conrelid = to_regclass(${`public.${table}`}) and contype = 'p'`;
  return row !== undefined;
}
