import type postgres from 'postgres';
import type { Sql } from '../postgres/sql.js';

/** What a page holds when nobody says how many. */
export const PAGE_SIZE_DEFAULT = 50;
export const PAGE_SIZE_MAX = 500;

export interface PageRequest {
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
}

export interface Page<Row> {
  readonly edges: readonly { readonly cursor: string; readonly node: Row }[];
  readonly pageInfo: {
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
    readonly startCursor: string | null;
    readonly endCursor: string | null;
  };
  /** Counted when it is read. */
  readonly totalCount: Promise<number>;
}

export class PageRequestError extends Error {
  override readonly name = 'PageRequestError';
  readonly code: 'PAGE_SIZE_OUT_OF_RANGE' | 'CURSOR_INVALID';

  constructor(code: PageRequestError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export type Fragment = postgres.PendingQuery<postgres.Row[]>;
export type SortValue = string | number;

export interface PageSpecification<Row> {
  /** Table, or anything that may stand behind `from`. */
  readonly from: Fragment;
  readonly columns: Fragment;
  readonly where: readonly Fragment[];
  /** The order: a column and, for rows that are equal in it, one that is unique. */
  readonly sort: readonly [SortColumn<Row>, SortColumn<Row>] | readonly [SortColumn<Row>];
  readonly direction: 'asc' | 'desc';
  /** Where counting everything would take too long, it ends at this number. */
  readonly countMax?: number;
}

export interface SortColumn<Row> {
  readonly column: string;
  readonly type: 'bigint' | 'text' | 'uuid';
  readonly value: (row: Row) => SortValue;
}

/** One page by keyset: as fast on the last page as on the first, and exact while rows come and go. */
export async function readPage<Row extends object>(
  sql: Sql,
  request: PageRequest,
  specification: PageSpecification<Row>,
): Promise<Page<Row>> {
  const { size, backward } = pageSize(request);
  const conditions = [...specification.where];
  if (request.after) conditions.push(beyond(sql, specification, request.after, 'AFTER'));
  if (request.before) conditions.push(beyond(sql, specification, request.before, 'BEFORE'));
  const descending = (specification.direction === 'desc') !== backward;
  const order = specification.sort
    .map(({ column }) => (descending ? sql`${sql(column)} desc` : sql`${sql(column)} asc`))
    .reduce((all, one) => sql`${all}, ${one}`);
  const rows = await sql<Row[]>`
    select ${specification.columns} from ${specification.from}
    where ${allOf(sql, conditions)} order by ${order} limit ${size + 1}`;
  const more = rows.length > size;
  const nodes = rows.slice(0, size);
  if (backward) nodes.reverse();
  const edges = nodes.map(node => ({
    cursor: encodeCursor(specification.sort.map(({ value }) => value(node))),
    node,
  }));
  return {
    edges,
    pageInfo: {
      hasNextPage: backward ? Boolean(request.before) : more,
      hasPreviousPage: backward ? more : Boolean(request.after),
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
    get totalCount() {
      return countRows(sql, specification);
    },
  };
}

export function allOf(sql: Sql, conditions: readonly Fragment[]): Fragment {
  return conditions.reduce((all, one) => sql`${all} and ${one}`, sql`true`);
}

async function countRows<Row>(sql: Sql, { from, where, countMax }: PageSpecification<Row>): Promise<number> {
  const rows = countMax
    ? await sql<{ n: number }[]>`
        select count(*) as n from (select 1 from ${from} where ${allOf(sql, where)} limit ${countMax}) as counted`
    : await sql<{ n: number }[]>`select count(*) as n from ${from} where ${allOf(sql, where)}`;
  return rows[0]!.n;
}

function pageSize({ first, last }: PageRequest): { size: number; backward: boolean } {
  if (typeof first === 'number' && typeof last === 'number') {
    throw new PageRequestError('PAGE_SIZE_OUT_OF_RANGE', 'give `first` or `last`, not both');
  }
  const backward = typeof last === 'number';
  const size = first ?? last ?? PAGE_SIZE_DEFAULT;
  if (size < 1 || size > PAGE_SIZE_MAX) {
    const name = backward ? 'last' : 'first';
    throw new PageRequestError(
      'PAGE_SIZE_OUT_OF_RANGE',
      `${name}: expected 1 to ${PAGE_SIZE_MAX}, got ${size}`,
    );
  }
  return { size, backward };
}

function beyond<Row>(
  sql: Sql,
  { sort, direction }: PageSpecification<Row>,
  cursor: string,
  side: 'AFTER' | 'BEFORE',
): Fragment {
  const values = decodeCursor(cursor, sort);
  const columns = sort.map(({ column }) => sql`${sql(column)}`).reduce((all, one) => sql`${all}, ${one}`);
  const bounds = sort
    .map(({ type }, index) => cast(sql, values[index]!, type))
    .reduce((all, one) => sql`${all}, ${one}`);
  const greater = (direction === 'asc') === (side === 'AFTER');
  return greater ? sql`(${columns}) > (${bounds})` : sql`(${columns}) < (${bounds})`;
}

function cast(sql: Sql, value: SortValue, type: SortColumn<unknown>['type']): Fragment {
  switch (type) {
    case 'bigint':
      return sql`${value}::bigint`;
    case 'text':
      return sql`${value}::text`;
    case 'uuid':
      return sql`${value}::uuid`;
  }
}

export function encodeCursor(values: readonly SortValue[]): string {
  return Buffer.from(JSON.stringify(values)).toString('base64url');
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function decodeCursor<Row>(
  cursor: string,
  sort: readonly Pick<SortColumn<Row>, 'type'>[],
): readonly SortValue[] {
  let values: unknown;
  try {
    values = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
  } catch {
    values = null;
  }
  const fits = (value: unknown, type: SortColumn<Row>['type']) =>
    type === 'bigint'
      ? Number.isSafeInteger(value)
      : typeof value === 'string' && !value.includes('\0') && (type === 'text' || UUID.test(value));
  if (
    Array.isArray(values) &&
    values.length === sort.length &&
    sort.every(({ type }, index) => fits(values[index], type))
  ) {
    return values as readonly SortValue[];
  }
  throw new PageRequestError('CURSOR_INVALID', `cursor ${cursor} was not given out by this list`);
}
