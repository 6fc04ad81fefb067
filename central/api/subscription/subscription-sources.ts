import type { Sql } from '../../postgres/sql.js';
import { readChangesAfter, readChangesHorizon, readFoldedSeq } from '../../read-models/changes.query.js';
import { type EventQuery, type EventRow, readEventsAfter } from '../../read-models/event/events.query.js';
import { decodeCursor, encodeCursor } from '../../read-models/page.query.js';
import type { ChangeKind } from '../../read-models/read-model.js';
import type { Wakeup } from '../../read-models/wakeup.js';
import { ApiError } from '../api-error.js';
import { FOLLOW_PAGE_ITEMS, follow } from './follow.js';

export interface Followed<State> {
  readonly cursor: string;
  readonly state: State;
}

/** What subscriptions read. */
export interface SubscriptionSources {
  changes<State>(kind: ChangeKind, since: string | null): Promise<AsyncIterableIterator<Followed<State>>>;
  events(query: EventQuery, since: string | null): Promise<AsyncIterableIterator<Followed<EventRow>>>;
}

/** Cursors are feed positions: the same after a rebuild of the read models, and after a restart. */
export function createSubscriptionSources(sql: Sql, projected: Wakeup): SubscriptionSources {
  const start = async (since: string | null) =>
    since === null ? readFoldedSeq(sql) : (decodeCursor(since, [{ type: 'bigint' }])[0] as number);
  const cursorOf = (seq: number) => encodeCursor([seq]);
  return {
    async changes<State>(kind: ChangeKind, since: string | null) {
      const afterSeq = await start(since);
      if (afterSeq < (await readChangesHorizon(sql))) {
        throw new ApiError({
          code: 'CURSOR_EXPIRED',
          message: 'what came after this cursor is no longer kept: read the list, then subscribe anew',
        });
      }
      return follow<Followed<State>>(
        {
          projected,
          async read(after) {
            const { items, upToSeq } = await readChangesAfter<State>(sql, {
              ...{ kind, afterSeq: after, limit: FOLLOW_PAGE_ITEMS },
            });
            // Of several at one position only the last one leads beyond it: who breaks off before hears some twice.
            const placeOf = (index: number, seq: number) => (items[index + 1]?.seq === seq ? seq - 1 : seq);
            return {
              items: items.map(({ seq, state }, index) => ({ cursor: cursorOf(placeOf(index, seq)), state })),
              upToSeq,
            };
          },
        },
        afterSeq,
      );
    },
    async events(query, since) {
      return follow<Followed<EventRow>>(
        {
          projected,
          async read(after) {
            const foldedSeq = await readFoldedSeq(sql);
            const span = { afterSeq: after, upToSeq: foldedSeq, limit: FOLLOW_PAGE_ITEMS };
            const rows = await readEventsAfter(sql, query, span);
            const full = rows.length === FOLLOW_PAGE_ITEMS;
            const upToSeq = full ? rows.at(-1)!.seq : Math.max(after, foldedSeq);
            return { items: rows.map(row => ({ cursor: cursorOf(row.seq), state: row })), upToSeq };
          },
        },
        await start(since),
      );
    },
  };
}
