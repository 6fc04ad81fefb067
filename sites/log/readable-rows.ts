import type { DatabaseSync, StatementSync } from 'node:sqlite';
import type { SiteId } from '@holdfast/schema';
import { isUnreadable } from '../sqlite-result.js';
import { EVENT_COLUMNS, type EventRow, examineRow } from './site-log-row.js';
import { rowsOf } from './stream-index.js';

/** A page holds fewer events: beyond so many it is a page that leads to others, and the steps grow. */
const KEYS_TRIED_ONE_BY_ONE = 4096;
/** Damaged places in one file; beyond it, the rest is given up. */
const STOPS_MAX = 100_000;

/** All events of a damaged table that can still be read and are proved by their leaf hashes, in order. */
export function* readableRows(
  db: DatabaseSync,
  { table, site }: { readonly table: 'event' | 'carried_event'; readonly site: SiteId },
): Generator<EventRow, void, undefined> {
  const statement = db.prepare(`SELECT ${EVENT_COLUMNS} FROM ${table} WHERE key >= ? + 1 ORDER BY key`);
  for (const row of rowsPastDamage(statement, 'key')) {
    const event = row as unknown as EventRow;
    if (examineRow(event, site).damages.length === 0) yield event;
  }
}

/**
 * What can still be read of a damaged table, by a statement that reads in order behind a key. Rows on pages that are damaged, or only
 * reached over such, are passed over. The statement's condition is `key >= ? + 1`: with `key > ?` SQLite would look for the last key
 * of a damaged page, and so miss the first row behind it.
 */
export function* rowsPastDamage(
  statement: StatementSync,
  keyColumn: string,
  {
    after: from = 0,
    onDamage = () => undefined,
  }: { readonly after?: number; readonly onDamage?: () => void } = {},
): Generator<Record<string, unknown>, void, undefined> {
  let after: number | null = from;
  for (let stopCount = 0; after !== null && stopCount < STOPS_MAX; stopCount += 1) {
    try {
      for (const row of rowsOf(statement, after)) {
        const key = row[keyColumn] as number;
        if (!(key > after)) throw new OutOfOrderError();
        after = key;
        yield row;
      }
      return;
    } catch (error) {
      if (!isUnreadable(error) && !(error instanceof OutOfOrderError)) throw error;
      onDamage();
    }
    after = nextReadable(statement, after);
  }
}

/** Of a damaged page: it would send the reader round in circles. */
class OutOfOrderError extends Error {}

/** The least key, behind a place that cannot be passed, after which can be read; null: there is none. */
function nextReadable(statement: StatementSync, after: number): number | null {
  let step = 1;
  let unreadable = after;
  while (unreadable < Number.MAX_SAFE_INTEGER - 1) {
    const key = Math.min(unreadable + step, Number.MAX_SAFE_INTEGER - 1);
    if (isReadableAfter(statement, key)) return leastReadable(statement, unreadable, key);
    unreadable = key;
    if (key - after >= KEYS_TRIED_ONE_BY_ONE) step *= 2;
  }
  return null;
}

function leastReadable(statement: StatementSync, unreadable: number, readable: number): number {
  let [low, high] = [unreadable, readable];
  while (high - low > 1) {
    const middle = low + Math.floor((high - low) / 2);
    if (isReadableAfter(statement, middle)) high = middle;
    else low = middle;
  }
  return high;
}

function isReadableAfter(statement: StatementSync, key: number): boolean {
  try {
    for (const _ of rowsOf(statement, key)) break;
    return true;
  } catch (error) {
    if (!isUnreadable(error)) throw error;
    return false;
  }
}
