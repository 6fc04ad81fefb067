import type { DatabaseSync } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import { LOG_START, type LogPlace, placeKey, placeOf, type RecordedEvent } from '@holdfast/core';
import { isUnreadable } from '../sqlite-result.js';
import type { EventSpan } from './log-file-proof.js';
import { rowsPastDamage } from './readable-rows.js';
import {
  assertSiteLogFile,
  type EpochState,
  readEpochs,
  readSiteLogState,
  SiteLogFileError,
} from './site-log-file.js';
import { openForReading } from './site-log-reader.js';
import { EVENT_COLUMNS, type EventRow, examineRow } from './site-log-row.js';

const PAGE_EVENTS = 1000;
/** Of what was not read, in order; behind so many the list is no help. */
const SPANS_NAMED_MAX = 1000;

/** Events that could not be read, or are not the bytes that were hashed when they were written. */
export interface UnreadEvents {
  /** Null: not known. */
  readonly count: number | null;
  /** The first of them. */
  readonly spans: readonly UnreadSpan[];
  /** Some of those that were carried over a cut are among them, and not in the numbers. */
  readonly isCarriedAmong: boolean;
}

export interface UnreadSpan extends Omit<EventSpan, 'to'> {
  /** Null: as far as it goes. */
  readonly to: number | null;
}

export const noneUnread: UnreadEvents = { count: 0, spans: [], isCarriedAmong: false };

/** Nothing behind a place could. */
export function unreadBehind({ epoch, position }: LogPlace): UnreadEvents {
  const span = { epoch: Math.max(1, epoch), from: position + 1, to: null };
  return { count: null, spans: [span], isCarriedAmong: false };
}

/** Reads a log file, damaged or not, in its order: each event that is whole, and which are not. */
export class WholeEvents implements Disposable {
  readonly #file: string;
  readonly #db: DatabaseSync;
  #after: LogPlace = LOG_START;
  #isCarriedAmong = false;
  #count = 0;
  readonly #spans: EventSpan[] = [];
  #isReadToItsEnd = false;

  /** Throws `SiteLogFileError`. */
  constructor(file: string) {
    this.#file = file;
    this.#db = openForReading(file);
  }

  get unread(): UnreadEvents {
    if (!this.#isReadToItsEnd) return unreadBehind(this.#after);
    return { count: this.#count, spans: this.#spans, isCarriedAmong: this.#isCarriedAmong };
  }

  /** From where it ended the last time, as the file is now. Throws `SiteLogFileError` when nothing can be read. */
  async *readOn(): AsyncGenerator<readonly RecordedEvent[], void, undefined> {
    this.#isReadToItsEnd = false;
    this.#db.exec('BEGIN');
    try {
      assertSiteLogFile(this.#db, this.#file);
      const { site } = readSiteLogState(this.#db, this.#file);
      const epochs = readEpochs(this.#db, this.#file);
      let page: RecordedEvent[] = [];
      for (const event of this.#events(epochs, site)) {
        page.push(event);
        if (page.length < PAGE_EVENTS) continue;
        yield page;
        page = [];
        await turn();
      }
      if (page.length > 0) yield page;
      this.#isReadToItsEnd = true;
    } catch (cause) {
      if (!isUnreadable(cause)) throw cause;
      throw new SiteLogFileError('DAMAGED', this.#file, String(cause), { cause });
    } finally {
      // SQLite does not commit what has met a damaged page.
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
    }
  }

  *#events(epochs: readonly EpochState[], site: RecordedEvent['site']): Generator<RecordedEvent> {
    // What is carried later was read before that.
    if (this.#after === LOG_START) {
      yield* this.#rows('carried_event', site, () => {
        this.#isCarriedAmong = true;
      });
    }
    for (const event of this.#rows('event', site, () => undefined)) {
      this.#miss(epochs, event);
      this.#after = placeOf(event);
      yield event;
    }
    const { epoch, size } = epochs.at(-1)!;
    this.#miss(epochs, { epoch, position: size + 1 });
    this.#after = { epoch, position: Math.max(size, this.#after.epoch === epoch ? this.#after.position : 0) };
  }

  *#rows(
    table: 'event' | 'carried_event',
    site: RecordedEvent['site'],
    onDamage: () => void,
  ): Generator<RecordedEvent> {
    const rows = this.#db.prepare(`SELECT ${EVENT_COLUMNS} FROM ${table} WHERE key >= ? + 1 ORDER BY key`);
    for (const found of rowsPastDamage(rows, 'key', { after: placeKey(this.#after), onDamage })) {
      const row = found as unknown as EventRow;
      const { header, damages } = examineRow(row, site);
      if (header !== null && damages.length === 0) {
        yield { ...header, header: row.header, data: row.data, leafHash: row.leaf_hash };
      } else onDamage();
    }
  }

  /** Positions are dense: what is between two events was not read. */
  #miss(epochs: readonly EpochState[], before: LogPlace): void {
    for (const { epoch, keptAfter, size } of epochs) {
      if (epoch < this.#after.epoch || epoch > before.epoch) continue;
      const from = Math.max(keptAfter, epoch === this.#after.epoch ? this.#after.position : 0) + 1;
      const to = epoch === before.epoch ? before.position - 1 : size;
      if (from > to) continue;
      this.#count += to - from + 1;
      if (this.#spans.length < SPANS_NAMED_MAX) this.#spans.push({ epoch, from, to });
    }
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
