import type { LinkObserver, LinkTrouble } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import type { CausedAlarm } from '../alarm-by-cause.js';

/** Nothing that heals by itself, and nothing that happens on the way. */
const alarmingAtOnce: ReadonlySet<LinkTrouble['code']> = new Set([
  'BAD_SIGNATURE',
  'FORK',
  'NOT_ENROLLED',
  'TRUNCATED',
  'UNKNOWN_EPOCH',
  'UNSTORABLE',
  'WISH_LOST',
]);
/** What says that a session was ended on purpose, or that this central is at fault, which it logs itself. */
const neverAlarming: ReadonlySet<LinkTrouble['code']> = new Set(['FENCED', 'UNAVAILABLE']);
/** Damage on the way and a faulty moment are over at the next attempt; what comes so often in a row is not. */
const REFUSALS_IN_A_ROW = 3;

interface RefusedLog {
  readonly code: LinkTrouble['code'];
  readonly count: number;
}

/**
 * The observer of links, with an alarm where a person must look: a log that is refused, once for each site and cause, also
 * when the log has gone on in between, and a command that was answered and is lost.
 */
export function alarmingLinks(
  links: LinkObserver,
  options: {
    readonly nameOf: (site: SiteId) => Promise<string>;
    readonly raiseAlarm: (alarm: CausedAlarm) => void;
  },
): LinkObserver {
  const refused = new Map<SiteId, RefusedLog>();
  const established = new Set<SiteId>();
  const raise = (site: SiteId, alarm: (name: string) => CausedAlarm) =>
    void options.nameOf(site).then(
      name => options.raiseAlarm(alarm(name)),
      () => options.raiseAlarm(alarm(site)),
    );
  return {
    connecting: site => links.connecting?.(site),
    established: (site, session) => {
      established.add(site);
      // Most is refused only now, in each session anew: for what has to come several times, this is no end.
      const code = refused.get(site)?.code;
      if (code !== undefined && alarmingAtOnce.has(code)) refused.delete(site);
      links.established(site, session);
    },
    lost: (site, cause, lastEpoch, lastPosition) => {
      // A session that came about and that no side refused.
      if (established.delete(site) && cause !== 'PROTOCOL_ERROR') refused.delete(site);
      links.lost(site, cause, lastEpoch, lastPosition);
    },
    relayed: site => {
      refused.delete(site);
      links.relayed?.(site);
    },
    measured: (site, measurement) => links.measured(site, measurement),
    refused(site, trouble) {
      links.refused?.(site, trouble);
      const { code } = trouble;
      if (neverAlarming.has(code)) return;
      const before = refused.get(site);
      const count = before?.code === code ? before.count + 1 : 1;
      refused.set(site, { code, count });
      const dueAt = alarmingAtOnce.has(code) ? 1 : REFUSALS_IN_A_ROW;
      if (count === dueAt) raise(site, name => alarmAbout(site, name, trouble));
    },
  };
}

function alarmAbout(site: SiteId, name: string, { code, detail }: LinkTrouble): CausedAlarm {
  if (code === 'WISH_LOST') {
    return {
      cause: `replication of ${site} ${code} ${detail}`,
      name: `A command to ${name} is missing in this log`,
      message: `${name}: ${detail}. This site was restored from an older copy: what was asked since then may be done and not be known here, unless its history comes back from its parent. Commands that the log holds and ${name} has not answered are handed out again.`,
    };
  }
  return {
    cause: `replication of ${site} ${code} ${detail}`,
    name: `The log of ${name} is refused: ${code}`,
    message: detail,
  };
}
