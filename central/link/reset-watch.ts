import { LogEpochOpened, type SiteId } from '@holdfast/schema';
import type { CausedAlarm } from '@holdfast/sites';
import { EventsOfType, readStoredData, type StoredEventOfType } from '../intake/events-of-type.js';
import type { Sql } from '../postgres/sql.js';
import type { Wakeup } from '../read-models/wakeup.js';

/**
 * An alarm for each log that was reset: a site restored from an old copy, this one too. All are read again after a start: who raises
 * them raises each once.
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
  const { sql, nameOf, raiseAlarm } = options;
  const take = async (event: StoredEventOfType) => {
    const sealed = sealedBy(event);
    if (sealed !== null) raiseAlarm(alarmOf(event.site, await nameOf(event.site), sealed));
  };
  await new EventsOfType({ sql, type: LogEpochOpened.type, take }).follow(options, signal);
}

/** The end of the epoch before; null of a log's first one, and of an event that this software cannot read. */
function sealedBy(event: StoredEventOfType): string | null {
  const opened = readStoredData(LogEpochOpened, event);
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
