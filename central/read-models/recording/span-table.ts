import type { TransactionSql } from '../../postgres/sql.js';

/**
 * A segment is one file of at most 64 s. Looking so much before a moment for segments that reach it keeps the index scan
 * short and allows for a source that is generous with its segments.
 */
export const SEGMENT_SPAN_MS_MAX = 10 * 60 * 1000;

export interface SpanTableLayout {
  readonly spans: string;
  readonly segments: string;
  /** Whose segments they are: the first columns, all UUIDs, of the keys of both tables. */
  readonly owner: readonly string[];
  /** Further columns of `spans`, each as it follows from the columns of `segments`. */
  readonly kinds: readonly { readonly column: string; readonly from: string }[];
}

/**
 * Stretches that segments cover, without overlap, kept beside the segments: they are a function of which segments there are, in
 * whatever batches and order those came.
 */
export class SpanTable<Owner extends string> {
  readonly #owner: readonly Owner[];
  readonly #text: string;

  constructor(layout: SpanTableLayout & { readonly owner: readonly Owner[] }) {
    this.#owner = layout.owner;
    this.#text = redrawStatement(layout);
  }

  /** After the segments: draws the stretches anew where segments came, went or became something else. */
  async redraw(tx: TransactionSql, touched: readonly TouchedSpan<Owner>[]): Promise<void> {
    const joined = this.#joined(touched);
    if (joined.length === 0) return;
    const arrays = [
      ...this.#owner.map(column => joined.map(({ first }) => first[column])),
      joined.map(({ first }) => first.fromMs),
      joined.map(({ toMs }) => toMs),
    ];
    const values = arrays.map(array => `{${array.join(',')}}`);
    await tx.unsafe(this.#text, values, { prepare: true });
  }

  /** What touches or overlaps as one, so that nothing is drawn twice. */
  #joined(touched: readonly TouchedSpan<Owner>[]): readonly JoinedSpan<Owner>[] {
    const keyOf = (one: TouchedSpan<Owner>) => this.#owner.map(column => one[column]).join('/');
    const joined: JoinedSpan<Owner>[] = [];
    for (const ofOwner of Map.groupBy(touched, keyOf).values()) {
      let last: JoinedSpan<Owner> | null = null;
      for (const next of ofOwner.toSorted((one, other) => one.fromMs - other.fromMs)) {
        if (next.fromMs >= next.toMs) continue;
        if (last !== null && next.fromMs <= last.toMs) {
          last.toMs = Math.max(last.toMs, next.toMs);
          continue;
        }
        last = { first: next, toMs: next.toMs };
        joined.push(last);
      }
    }
    return joined;
  }
}

interface JoinedSpan<Owner extends string> {
  readonly first: TouchedSpan<Owner>;
  toMs: number;
}

export type TouchedSpan<Owner extends string> = { readonly [Column in Owner]: string } & {
  readonly fromMs: number;
  readonly toMs: number;
};

/**
 * Takes what was touched out of the stretches that it touches, and joins what remains of them with the segments that lie there
 * now. `offset 0` keeps the planner from reading all segments because it cannot know how few are asked for.
 */
function redrawStatement({ spans, segments, owner, kinds }: SpanTableLayout): string {
  const ofOwner = (table: string) => owner.map(column => `${table}.${snakeCase(column)}`).join(', ');
  const same = (one: string, other: string) => `(${ofOwner(one)}) = (${ofOwner(other)})`;
  const key = [...owner.map(snakeCase), ...kinds.map(({ column }) => column)].join(', ');
  const kindColumns = kinds.map(({ column }) => `cut.${column}, `).join('');
  const kindsOfSegment = kinds.map(({ from }) => `${from}, `).join('');
  const arrays = owner.map((_, index) => `$${index + 1}::uuid[]`).join(', ');
  return `
    with touched as (
      select * from unnest(${arrays}, $${owner.length + 1}::bigint[], $${owner.length + 2}::bigint[])
        as touched (${owner.map(snakeCase).join(', ')}, from_ms, to_ms)
    ), region as (
      select ${ofOwner('touched')}, range_agg(int8range(from_ms, to_ms)) as ranges
      from touched group by ${ofOwner('touched')}
    ), cut as (
      delete from ${spans} as span using touched
      where ${same('span', 'touched')} and span.to_ms >= touched.from_ms and span.from_ms <= touched.to_ms
      returning span.*
    ), piece as (
      select ${ofOwner('cut')}, ${kindColumns}unnest(int8multirange(int8range(cut.from_ms, cut.to_ms)) - ranges) as range
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
    insert into ${spans} (${key}, from_ms, to_ms)
    select ${key}, lower(range), upper(range)
    from (select ${key}, unnest(range_agg(range)) as range from piece group by ${key}) as stretch`;
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`);
}
