import { setTimeout as delay } from 'node:timers/promises';
import { decodeRecordedEvent, placeOf, type RecordedEvent, type Sha256 } from '@holdfast/core';
import type { WishLog } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { inStream } from '../intake/replica-event-trees.js';
import type { Sql } from '../postgres/sql.js';
import type { Wakeup } from '../read-models/wakeup.js';

const PAGE_EVENTS = 500;
const LOOK_MS = 5_000;
/** The feed grows with every commit of every site; the own log, of which this is, seldom. */
const LOOK_MS_MIN = 20;

interface StoredEvent {
  readonly header: Buffer;
  readonly data: Buffer;
}

/**
 * A central's own log as the feed holds it, for processes that hand out its wishes without holding it: a wish is seen when the
 * process with the log has taken it in.
 */
export async function openFeedLog(options: {
  readonly sql: Sql;
  readonly site: SiteId;
  readonly sha256: Sha256;
  /** `listenFor(sql, FEED_CHANNEL)` */
  readonly feedGrown: Wakeup;
  readonly onFailure: (error: unknown) => void;
}): Promise<WishLog> {
  const { sql, site, sha256, feedGrown, onFailure } = options;
  const [cursor] = await sql<{ epoch: number; position: number }[]>`
    select epoch, position from replica_cursor where site = ${site}`;
  const head = { site, epoch: cursor?.epoch ?? 0, size: cursor?.position ?? 0 };
  const recorded = (rows: readonly StoredEvent[]): RecordedEvent[] =>
    rows.map(({ header, data }) => decodeRecordedEvent(header, data, sha256));
  return {
    head: () => head,
    async readStream({ stream, afterRevision, limit }) {
      return recorded(
        await sql<StoredEvent[]>`
          select header, data from replica_event
          where site = ${site} and ${inStream(sql, stream)} and revision > ${afterRevision ?? -1}
          order by epoch, revision limit ${limit}`,
      );
    },
    async *subscribe({ after, signal }) {
      let place = after;
      while (!signal.aborted) {
        const seen = feedGrown.count;
        // A database that is away is asked again: nobody would begin to listen anew.
        const rows = await sql<StoredEvent[]>`
          select header, data from replica_event
          where site = ${site} and (epoch, position) > (${place.epoch}::int, ${place.position}::bigint)
          order by epoch, position limit ${PAGE_EVENTS}`.catch(onFailure);
        const events = recorded(rows ?? []);
        if (events.length > 0) {
          place = placeOf(events.at(-1)!);
          yield events;
          continue;
        }
        await delay(LOOK_MS_MIN, undefined, { signal }).catch(() => undefined);
        await feedGrown.after(seen, LOOK_MS, signal);
      }
    },
  };
}
