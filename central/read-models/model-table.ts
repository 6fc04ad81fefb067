import type { SiteId } from '@holdfast/schema';
import { copyInto } from '../postgres/copy-into.js';
import { CopyRowWriter } from '../postgres/copy-row-writer.js';
import type { TransactionSql } from '../postgres/sql.js';
import { type FoldContext, IndigestibleEventError } from './read-model.js';

/** Rows per statement: one statement stays under a few MB. */
const ROWS_PER_STATEMENT_MAX = 4000;
/**
 * From here on a copy takes a fraction of what an insert takes. No single event has so many rows, so that the insert says why one
 * of them cannot be stored; of a copy only its failure is known.
 */
const COPIED_ROWS_MIN = 1000;
/** Some 200 KB: as much as a socket takes at once. */
const ROWS_PER_SLICE = 500;
const ROW_BYTES = 400;

interface Column {
  readonly name: string;
  /** As Postgres spells it, e.g. `uuid`, `uuid[]`. */
  readonly type: string;
}

/**
 * The rows of one table that a batch touches: loaded once, folded in memory, written once. `Row` has the table's columns in
 * camelCase, all of them.
 */
export class ModelTable<Row extends object> {
  readonly #table: string;
  readonly #key: readonly string[];
  /** The same in every schema; read when the first row is written. */
  #columns: readonly Column[] | null = null;

  constructor(table: string, key: readonly (keyof Row & string)[]) {
    this.#table = table;
    this.#key = key.map(snakeCase);
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

  /** Inserts, and leaves what is there under the same key. Returns how many were not there. */
  async insert(tx: TransactionSql, rows: readonly Row[]): Promise<number> {
    return this.#write(tx, rows, 'KEEP');
  }

  /** Inserts rows under keys under which there can be none yet, as those that hold their feed position: each event is folded once. */
  async append({ tx, isAlone }: Pick<FoldContext, 'tx' | 'isAlone'>, rows: readonly Row[]): Promise<void> {
    if (isAlone && rows.length >= COPIED_ROWS_MIN) await this.#copy(tx, rows);
    else await this.#write(tx, rows, null);
  }

  async #copy(tx: TransactionSql, rows: readonly Row[]): Promise<void> {
    this.#columns ??= await readColumns(tx, this.#table, rows[0]!);
    const encoded = encodeInSlices(this.#columns, rows as readonly Record<string, unknown>[]);
    const names = this.#columns.map(({ name }) => `"${name}"`).join(', ');
    await copyInto(tx, `"${this.#table}" (${names})`, encoded);
  }

  async #write(
    tx: TransactionSql,
    rows: readonly Row[],
    existing: 'REPLACE' | 'KEEP' | null,
  ): Promise<number> {
    let written = 0;
    if (rows.length === 0) return written;
    this.#columns ??= await readColumns(tx, this.#table, rows[0]!);
    const text = this.#insert(this.#columns, existing);
    for (let from = 0; from < rows.length; from += ROWS_PER_STATEMENT_MAX) {
      const chunk = rows.slice(from, from + ROWS_PER_STATEMENT_MAX) as readonly Record<string, unknown>[];
      const values = this.#columns.map(({ name, type }) => arrayLiteral(chunk, camelCase(name), type));
      written += (await tx.unsafe(text, values, { prepare: true })).count;
    }
    return written;
  }

  /** Arrays, not rows: one text for every number of rows, and the values are read by their types, not as JSON. */
  #insert(columns: readonly Column[], existing: 'REPLACE' | 'KEEP' | null): string {
    const names = columns.map(({ name }) => `"${name}"`);
    const rest = names.filter(name => !this.#key.includes(name.slice(1, -1)));
    const replace = rest.map(name => `${name} = excluded.${name}`).join(', ');
    const arrays = columns.map(({ type }, index) => `$${index + 1}::${isSimple(type) ? type : 'text'}[]`);
    const selected = columns.map(({ name, type }) => (isSimple(type) ? `"${name}"` : `"${name}"::${type}`));
    const conflict = existing === 'KEEP' || rest.length === 0 ? 'nothing' : `update set ${replace}`;
    // Only literals of this package and names out of the catalogue reach the text; every value is in a parameter.
    return `insert into "${this.#table}" (${names.join(', ')})
      select ${selected.join(', ')} from unnest(${arrays.join(', ')}) as batch (${names.join(', ')})
      ${existing === null ? '' : `on conflict (${this.#key.map(name => `"${name}"`).join(', ')}) do ${conflict}`}`;
  }
}

async function readColumns(tx: TransactionSql, table: string, row: object): Promise<readonly Column[]> {
  const columns = await tx<Column[]>`
    select attname::text as name, format_type(atttypid, atttypmod) as type from pg_attribute
    where attrelid = to_regclass(${`"${table}"`}) and attnum > 0 and not attisdropped`;
  const given = new Set(Object.keys(row).map(snakeCase));
  return columns.filter(({ name }) => given.has(name));
}

/** How values of these types are written into a copy; false: not this one. */
const encoders: Readonly<Record<string, (writer: CopyRowWriter, value: unknown) => boolean>> = {
  uuid(writer, value) {
    return typeof value === 'string' && writer.uuid(value);
  },
  bigint(writer, value) {
    if (!Number.isSafeInteger(value)) return false;
    writer.int8(value as number);
    return true;
  },
  integer(writer, value) {
    if (!Number.isInteger(value) || Math.abs(value as number) >= 2 ** 31) return false;
    writer.int4(value as number);
    return true;
  },
  text(writer, value) {
    if (typeof value !== 'string') return false;
    writer.text(value);
    return true;
  },
  boolean(writer, value) {
    if (typeof value !== 'boolean') return false;
    writer.boolean(value);
    return true;
  },
};

/**
 * Rows of PostgreSQL's binary COPY format, each slice encoded while PostgreSQL stores the one before. Throws at a value that
 * PostgreSQL would have to read itself, such as a UUID in upper case: the batch is folded again then, with inserts.
 */
function* encodeInSlices(
  columns: readonly Column[],
  rows: readonly Record<string, unknown>[],
): Generator<Uint8Array> {
  const fields = columns.map(({ name, type }) => ({ key: camelCase(name), encode: encoders[type] }));
  for (let from = 0; from < rows.length; from += ROWS_PER_SLICE) {
    const writer = new CopyRowWriter(ROWS_PER_SLICE * ROW_BYTES);
    for (let index = from; index < Math.min(from + ROWS_PER_SLICE, rows.length); index += 1) {
      const row = rows[index]!;
      writer.begin(fields.length);
      for (const { key, encode } of fields) {
        const value = row[key];
        if (value === null || value === undefined) writer.none();
        else if (encode === undefined || !encode(writer, value)) {
          throw new TypeError(`${key}: ${String(value)} cannot be copied`);
        }
      }
    }
    yield writer.written();
  }
}

/** `unnest` takes an array of arrays apart to its last value; such columns, and JSON, travel as text. */
function isSimple(type: string): boolean {
  return !type.endsWith('[]') && type !== 'jsonb';
}

function arrayLiteral(rows: readonly Record<string, unknown>[], key: string, type: string): string {
  let text = '{';
  for (const row of rows) {
    const value = row[key];
    if (text.length > 1) text += ',';
    if (value === null || value === undefined) text += 'NULL';
    else if (typeof value === 'number' || typeof value === 'boolean') text += value;
    else if (type === 'jsonb') text += quoted(JSON.stringify(storable(value)));
    else if (typeof value === 'string') text += quoted(storableText(value));
    else text += quoted(Array.isArray(value) ? arrayOf(value) : String(value));
  }
  return `${text}}`;
}

function arrayOf(values: readonly unknown[]): string {
  return `{${values.map(value => quoted(storableText(String(value)))).join(',')}}`;
}

function quoted(text: string): string {
  return /["\\]/.test(text) ? `"${text.replace(/["\\]/g, '\\$&')}"` : `"${text}"`;
}

/** A site speaks about its own things only; anything else is a mistake or an attempt. */
export function mustBelongTo(site: SiteId, row: { readonly siteId: string }, what: string): void {
  if (row.siteId === site) return;
  throw new IndigestibleEventError(`site ${site} speaks about ${what}, which belongs to site ${row.siteId}`);
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
}

function camelCase(name: string): string {
  return name.replace(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** Postgres text holds neither NUL nor half of a surrogate pair; JSON of strangers may. */
export function storable(value: unknown): unknown {
  if (typeof value === 'string') return storableText(value);
  if (Array.isArray(value)) return value.map(storable);
  if (value !== null && typeof value === 'object') {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, storable(item)]));
  }
  return value;
}

function storableText(text: string): string {
  const wellFormed = text.toWellFormed();
  return wellFormed.includes('\0') ? wellFormed.replaceAll('\0', '\uFFFD') : wellFormed;
}
