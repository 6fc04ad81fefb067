import type { SubjectKeyRing } from '@holdfast/core';
import { decodeEvent, EventDecodeError, type SiteId, SubjectErased } from '@holdfast/schema';
import type { CausedAlarm } from '../alarm-by-cause.js';
import type { Sql } from '../postgres/sql.js';
import type { Wakeup } from '../read-models/wakeup.js';

/** A notification may be lost with its connection; what failed is tried again so often. */
const LOOK_MS = 5000;
const PAGE_ROWS = 500;

interface ErasedRow {
  readonly seq: number;
  readonly site: SiteId;
  readonly version: number;
  readonly data: Buffer;
}

/** A copy of a key whose subject is erased could not be destroyed: a full disk, a file in use. */
export class ErasedKeysHeldError extends Error {
  override readonly name = 'ErasedKeysHeldError';
  readonly code = 'ERASED_KEYS_HELD';
}

/**
 * Destroys the copies of keys that are held here when the log of any site says that their subject is erased. It comes out of the feed
 * and not out of what brought it there, a session or a backbone, so that no end of either can lose it. All are read again after a
 * start: a copy that was restored meanwhile is destroyed again.
 */
export class ErasedKeys {
  readonly #sql: Sql;
  readonly #keys: Pick<SubjectKeyRing, 'destroy'>;
  #after = 0;

  constructor({ sql, keys }: { readonly sql: Sql; readonly keys: Pick<SubjectKeyRing, 'destroy'> }) {
    this.#sql = sql;
    this.#keys = keys;
  }

  /** Up to the end of the feed. Rejects at the first that fails, and goes on there when called again. */
  async catchUp(): Promise<void> {
    for (let isMore = true; isMore; ) isMore = await this.#destroyPage();
  }

  async run(
    options: {
      readonly feedGrown: Wakeup;
      readonly raiseAlarm: (alarm: CausedAlarm) => void;
      readonly onFailure: (error: unknown) => void;
    },
    signal: AbortSignal,
  ): Promise<void> {
    const { feedGrown, raiseAlarm, onFailure } = options;
    while (!signal.aborted) {
      const seen = feedGrown.count;
      try {
        if (await this.#destroyPage()) continue;
      } catch (error) {
        onFailure(error);
        if (error instanceof ErasedKeysHeldError) raiseAlarm(alarmOf(error, this.#after));
      }
      await feedGrown.after(seen, LOOK_MS, signal);
    }
  }

  /** Whether there is another page. */
  async #destroyPage(): Promise<boolean> {
    const rows = await this.#sql<ErasedRow[]>`
      select seq, site, version, data from replica_event
      where type = ${SubjectErased.type} and seq > ${this.#after} order by seq limit ${PAGE_ROWS}`;
    for (const row of rows) {
      this.#destroy(row);
      this.#after = row.seq;
    }
    return rows.length === PAGE_ROWS;
  }

  #destroy({ site: maker, version, data }: ErasedRow): void {
    const erased = erasedIn(version, data);
    if (erased === null) return;
    try {
      this.#keys.destroy({ ...erased, maker });
    } catch (cause) {
      throw new ErasedKeysHeldError(`keys of ${erased.subject}, erased at ${maker}, are still held here`, {
        cause,
      });
    }
  }
}

/** Null of an event that this software cannot read: it is put aside like every other one, and read again after an upgrade. */
function erasedIn(version: number, data: Buffer) {
  try {
    const event = decodeEvent(SubjectErased.type, version, JSON.parse(data.toString('utf8')));
    return event instanceof EventDecodeError || event.type !== 'SubjectErased' ? null : event.data;
  } catch (error) {
    if (error instanceof EventDecodeError || error instanceof SyntaxError) return null;
    throw error;
  }
}

function alarmOf(error: ErasedKeysHeldError, after: number): CausedAlarm {
  return {
    cause: `${error.code} behind ${after}`,
    name: 'What was erased can still be read here',
    message: `${error.code}: ${error.message}. It is tried again every ${LOOK_MS / 1000} s; see whether the disk is full.`,
  };
}
