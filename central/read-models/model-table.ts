import type { SiteId } from '@holdfast/schema';
import type { TransactionSql } from '../postgres/sql.js';
import { IndigestibleEventError } from './read-model.js';

/** Rows per statement: one statement stays under a few MB. */
const ROWS_PER_STATEMENT_MAX = 1000;

/**
 * The rows of one table that a batch touches: loaded once, folded in memory, written once. `Row` has the table's columns in
 * camelCase, all of them.
 */
export class ModelTable<Row extends object> {
  readonly #table: string;
  readonly #key: readonly (keyof Row & string)[];

  constructor(table: string, key: readonly (keyof Row & string)[]) {
    this.#table = table;
    this.#key = key;
  }

  /** The rows with these ids, for tables whose key is `id` or begins with `column`. */
  async load(
    tx: TransactionSql,
    column: keyof Row & string,
    ids: Iterable<string>,
  ): Promise<Map<string, Row>> {
    const wanted = [...new Set(ids)];
    if (wanted.length === 0) return new Map();
    const rows = await tx<Row[]>`
      select * from ${tx(this.#table)} where ${tx(snakeCase(column))} = any(${wanted}::uuid[])`;
    return new Map(rows.map(row => [String(row[column]), row]));
  }

  /** Inserts, and replaces what is there under the same key. */
  async save(tx: TransactionSql, rows: Iterable<Row>): Promise<void> {
    await this.#write(tx, [...rows], 'REPLACE');
  }

  /** Inserts, and leaves what is there under the same key. */
  async insert(tx: TransactionSql, rows: readonly Row[]): Promise<void> {
    await this.#write(tx, rows, 'KEEP');
  }

  async #write(tx: TransactionSql, rows: readonly Row[], existing: 'REPLACE' | 'KEEP'): Promise<void> {
    for (let from = 0; from < rows.length; from += ROWS_PER_STATEMENT_MAX) {
      const chunk = rows.slice(from, from + ROWS_PER_STATEMENT_MAX);
      const columns = Object.keys(chunk[0]!).map(snakeCase);
      const list = columns.map(column => `"${column}"`).join(', ');
      const rest = columns.filter(column => !this.#key.map(snakeCase).includes(column));
      const replace = rest.map(column => `"${column}" = excluded."${column}"`).join(', ');
      // Only literals of this package reach the statement's text; every value is in the parameter.
      await tx.unsafe(
        `insert into "${this.#table}" (${list})
         select ${list} from jsonb_populate_recordset(null::"${this.#table}", $1::jsonb)
         on conflict (${this.#key.map(column => `"${snakeCase(column)}"`).join(', ')})
         do ${existing === 'KEEP' || rest.length === 0 ? 'nothing' : `update set ${replace}`}`,
        [storable(chunk.map(row => inSnakeCase(row))) as never],
        { prepare: true },
      );
    }
  }
}

/** A site speaks about its own things only; anything else is a mistake or an attempt. */
export function mustBelongTo(site: SiteId, row: { readonly siteId: string }, what: string): void {
  if (row.siteId === site) return;
  throw new IndigestibleEventError(`site ${site} speaks about ${what}, which belongs to site ${row.siteId}`);
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
}

function inSnakeCase(row: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [snakeCase(key), value]));
}

/** Postgres text holds neither NUL nor half of a surrogate pair; JSON of strangers may. */
export function storable(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed().replaceAll('\0', '\uFFFD');
  if (Array.isArray(value)) return value.map(storable);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, storable(item)]));
  }
  return value;
}
