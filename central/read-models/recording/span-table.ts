import type { TransactionSql } from '../../postgres/sql.js';

/**
 * A segment is one file of at most 64 s. Looking so much before a moment for segments that reach it keeps the index scan
 * short and allows for a source that is generous with its segments.
 */
export const SEGMENT_SPAN_MS_MAX = 10 * 60 * 1000;

export interface SpanTableLayout<Owner extends string, Kind extends string> {
  readonly spans: string;
  readonly segments: string;
  /** Whose segments they are: the first columns, all UUIDs, of the keys of both tables. */
  readonly owner: readonly Owner[];
  /** Further columns of `spans`, each as it follows from the columns of `segments`. */
  readonly kinds: readonly KindColumn<Kind>[];
}

interface KindColumn<Kind extends string> {
  readonly column: Kind;
  readonly type: 'uuid' | 'text';
  readonly from: string;
}

export type TouchedSpan<Column extends string> = { readonly [Name in Column]: string } & {
  readonly fromMs: number;
  readonly toMs: number;
};

/**
 * Stretches that segments cover, without overlap, kept beside the segments: they are a function of which segments there are, in
 * whatever batches and order those came.
 */
export class SpanTable<Owner extends string, Kind extends string> {
  readonly #owner: readonly Owner[];
  readonly #ownerAndKind: readonly (Owner | Kind)[];
  readonly #addText: string;
  readonly #redrawText: string;

  constructor(layout: SpanTableLayout<Owner, Kind>) {
    this.#owner = layout.owner;
    this.#ownerAndKind = [...layout.owner, ...layout.kinds.map(({ column }) => column)];
    this.#addText = addStatement(layout);
    this.#redrawText = redrawStatement(layout);
  }

  /** After segments came that were not there before: the same as `redraw`, without reading them again. */
  async add(tx: TransactionSql, added: readonly TouchedSpan<Owner | Kind>[]): Promise<void> {
    await run(tx, this.#addText, this.#ownerAndKind, added);
  }

  /** After the segments: draws the stretches anew where segments came, went or became something else. */
  async redraw(tx: TransactionSql, touched: readonly TouchedSpan<Owner>[]): Promise<void> {
    await run(tx, this.#redrawText, this.#owner, touched);
  }
}

async function run<Column extends string>(
  tx: TransactionSql,
  text: string,
  columns: readonly Column[],
  touched: readonly TouchedSpan<Column>[],
): Promise<void> {
  const spans = joined(columns, touched);
  if (spans.length === 0) return;
  const arrays = [
    ...columns.map(column => spans.map(({ first }) => first[column])),
    spans.map(({ fromMs }) => fromMs),
    spans.map(({ toMs }) => toMs),
  ];
  await tx.unsafe(
    text,
    arrays.map(array => `{${array.join(',')}}`),
    { prepare: true },
  );
}

interface JoinedSpan<Column extends string> {
  readonly first: TouchedSpan<Column>;
  readonly fromMs: number;
  toMs: number;
}

/** What touches or overlaps as one, so that nothing is drawn twice. */
function joined<Column extends string>(
  columns: readonly Column[],
  touched: readonly TouchedSpan<Column>[],
): readonly JoinedSpan<Column>[] {
  const keyOf = ({ first }: JoinedSpan<Column>) => columns.map(column => first[column]).join('/');
  const runs = Map.groupBy(joinedInPlace(columns, touched), keyOf);
  return [...runs.values()].flatMap(ofKey => {
    const spans: JoinedSpan<Column>[] = [];
    for (const next of ofKey.toSorted((one, other) => one.fromMs - other.fromMs)) {
      const last = spans.at(-1);
      if (last !== undefined && next.fromMs <= last.toMs) last.toMs = Math.max(last.toMs, next.toMs);
      else spans.push(next);
    }
    return spans;
  });
}

/** Each with the one before it in the list when it goes on with it: most segments do, and there are many. */
function joinedInPlace<Column extends string>(
  columns: readonly Column[],
  touched: readonly TouchedSpan<Column>[],
): readonly JoinedSpan<Column>[] {
  const spans: JoinedSpan<Column>[] = [];
  let last: JoinedSpan<Column> | null = null;
  for (const next of touched) {
    if (next.fromMs >= next.toMs) continue;
    const before: JoinedSpan<Column> | null = last;
    if (
      before !== null &&
      next.fromMs === before.toMs &&
      columns.every(column => next[column] === before.first[column])
    ) {
      before.toMs = next.toMs;
      continue;
    }
    last = { first: next, fromMs: next.fromMs, toMs: next.toMs };
    spans.push(last);
  }
  return spans;
}

type Layout = SpanTableLayout<string, string>;

/** Joins what came with the stretches of its kind that it touches. */
function addStatement({ spans, owner, kinds }: Layout): string {
  const key = [...owner.map(name => ({ name, type: 'uuid' })), ...kinds.map(kindColumn)];
  const names = key.map(({ name }) => name);
  return `
    with ${touchedRows(key)}, ${cutTouched(spans, names)}, piece as (
      select ${columnsOf('cut', names)}, int8range(from_ms, to_ms) as range from cut
      union all
      select ${columnsOf('touched', names)}, int8range(from_ms, to_ms) from touched
    )
    ${insertPieces(spans, names)}`;
}

/**
 * Takes what was touched out of the stretches that it touches, and joins what remains of them with the segments that lie there
 * now. `offset 0` keeps the planner from reading all segments because it cannot know how few are asked for.
 */
function redrawStatement({ spans, segments, owner, kinds }: Layout): string {
  const ofOwner = (table: string) => columnsOf(table, owner);
  const same = (one: string, other: string) => `(${ofOwner(one)}) = (${ofOwner(other)})`;
  const kindsOfCut = kinds.map(({ column }) => `cut.${snakeCase(column)}, `).join('');
  const kindsOfSegment = kinds.map(({ from }) => `${from}, `).join('');
  return `
    with ${touchedRows(owner.map(name => ({ name, type: 'uuid' })))}, region as (
      select ${ofOwner('touched')}, range_agg(int8range(from_ms, to_ms)) as ranges
      from touched group by ${ofOwner('touched')}
    ), ${cutTouched(spans, owner)}, piece as (
      select ${ofOwner('cut')}, ${kindsOfCut}unnest(int8multirange(int8range(cut.from_ms, cut.to_ms)) - ranges) as range
      from cut join region on ${same('cut', 'region')}
      union all
      select ${ofOwner('touched')}, ${kindsOfSegment}
        int8range(greatest(segment.from_ms, touched.from_ms), least(segment.to_ms, touched.to_ms))
      from touched cross join lateral (
        select * from ${segments} as segment
        where ${same('segment', 'touched')}
          and segment.from_ms > touched.from_ms - ${SEGMENT_SPAN_MS_MAX} and segment.from_ms < touched.to_ms
          and segment.to_ms > touched.from_ms and segment.from_ms < segment.to_ms
        offset 0
      ) as segment
    )
    ${insertPieces(spans, [...owner, ...kinds.map(({ column }) => column)])}`;
}

/** Takes out the stretches that something of the same owner, or kind, touches: each is looked up, `offset 0` as above. */
function cutTouched(spans: string, names: readonly string[]): string {
  return `cut as (
      delete from ${spans} as span using touched cross join lateral (
        select ctid from ${spans} as span
        where (${columnsOf('span', names)}) = (${columnsOf('touched', names)})
          and span.to_ms >= touched.from_ms and span.from_ms <= touched.to_ms
        offset 0
      ) as touching
      where span.ctid = touching.ctid
      returning span.*
    )`;
}

function kindColumn({ column, type }: KindColumn<string>) {
  return { name: column, type };
}

function touchedRows(columns: readonly { readonly name: string; readonly type: string }[]): string {
  const all = [...columns, { name: 'fromMs', type: 'bigint' }, { name: 'toMs', type: 'bigint' }];
  return `touched as (
      select * from unnest(${all.map(({ type }, index) => `$${index + 1}::${type}[]`).join(', ')})
        as touched (${all.map(({ name }) => snakeCase(name)).join(', ')})
    )`;
}

function insertPieces(spans: string, names: readonly string[]): string {
  const key = names.map(snakeCase).join(', ');
  return `insert into ${spans} (${key}, from_ms, to_ms)
    select ${key}, lower(range), upper(range)
    from (select ${key}, unnest(range_agg(range)) as range from piece group by ${key}) as stretch`;
}

function columnsOf(table: string, names: readonly string[]): string {
  return names.map(name => `${table}.${snakeCase(name)}`).join(', ');
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
}
