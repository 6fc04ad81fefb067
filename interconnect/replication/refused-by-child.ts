import type { LogPlace } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { ReplicationRefusalCode } from './replication-frame.js';

/** What a child compares with what it is asked for, before anything of the log is sent in a session: what is held here names it. */
const meanings: Partial<Record<ReplicationRefusalCode, (held: string) => string>> = {
  AHEAD: held => `has less of this log than the events up to ${held}, which are held here`,
  FORK: held => `has another history of this log than the events up to ${held}, which are held here`,
  TRUNCATED: held => `no longer has the events of this log behind ${held}, which is all that is held here`,
};

/**
 * Why a child will not go on with a log, in words of ours: they are the same at each attempt, whatever the child says, so
 * that one cause is one alarm. `held`: what is durable here of that log.
 */
export function refusedByChild(child: SiteId, code: ReplicationRefusalCode, held: LogPlace): string {
  const meaning = meanings[code]?.(`${held.epoch}/${held.position}`);
  if (meaning !== undefined) return `the site ${child} ${meaning}`;
  if (code === 'BAD_SIGNATURE') {
    return `the site ${child} has found a signature of its parent that is not of the key that it knows, or its own log signed by another key there`;
  }
  return `refused by the site ${child}: what it says is in the process log`;
}
