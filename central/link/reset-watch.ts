import { LogEpochOpened, type SiteId } from '@holdfast/schema';
import type { CausedAlarm } from '../alarm-by-cause.js';
import { openedIn } from '../intake/replica-proof.query.js';
import type { Sql } from '../postgres/sql.js';
import type { Wakeup } from '../read-models/wakeup.js';

/** A notification may be lost with its connection. */
const LOOK_MS = 5000;
const PAGE_ROWS = 500;

interface OpeningRow {
  readonly seq: number;
  readonly site: SiteId;
  readonly version: number;
  readonly data: Buffer;
}

/**
 * An alarm for each log that was reset: a site restored from an old copy, this one too. It comes out of the feed and not out of the
 * session that brought it, so that no end of either can lose it. All are read again after a start: who raises them
 * raises each once.
 */
export async function watchResets(
  options: {
    readonly sql: Sql;
    readonly feedGrown: Wakeup;
    readonly nameOf: (site: SiteId) => Promise<string>;
    readonly raiseAlarm: (alarm: CausedAlarm) => void;
    readonly onFailure: (error: unknown) => void;
  },
  signal: AbortSignal,
): Promise<void> {
  const { sql, feedGrown, nameOf, raiseAlarm, onFailure } = options;
  let after = 0;
  const look = async (): Promise<boolean> => {
    const rows = await sql<OpeningRow[]>`
      select seq, site, version, data from replica_event
      where type = ${LogEpochOpened.type} and seq > ${after} order by seq limit ${PAGE_ROWS}`;
    for (const row of rows) {
      const sealed = sealedBy(row);
      if (sealed !== null) raiseAlarm(alarmOf(row.site, await nameOf(row.site), sealed));
      after = row.seq;
    }
    return rows.length === PAGE_ROWS;
  };
  while (!signal.aborted) {
    const seen = feedGrown.count;
    const isMore = await look().catch(onFailure);
    if (isMore !== true) await feedGrown.after(seen, LOOK_MS, signal);
  }
}

/** The end of the epoch before; null of a log's first one, and of an event that this software cannot read. */
function sealedBy({ version, data }: OpeningRow): string | null {
  const opened = openedIn(version, data);
  return opened === null || opened.previousEpoch === null
    ? null
    : `${opened.previousEpoch}/${opened.previousSize}`;
}

function alarmOf(site: SiteId, name: string, sealed: string): CausedAlarm {
  return {
    cause: `epoch of ${site} behind ${sealed}`,
    name: `The log of ${name} was reset`,
    message: `It goes on behind ${sealed} in a new epoch: the site was restored from an old copy. LogHistoryRecovered in its log says what was lost and what was recorded twice.`,
  };
}
