import type { AlarmId } from '@holdfast/schema';
import { type SiteServers, sha256 } from '@holdfast/sites';
import type { Logger } from 'pino';

/** Something that a person must look at. */
export interface CausedAlarm {
  /** The same for the same trouble: it is raised once, also when it is met again after a restart. What can be over and come again names when it began. */
  readonly cause: string;
  readonly name: string;
  readonly message: string;
  /**
   * Of a trouble that is met again as long as it lasts. `UNLESS_OPEN`: the last alarm of this cause stands for it, unless somebody
   * has closed that. `ANEW`: it was over in between, and is an alarm anew whatever became of the last one. Left out: once for ever.
   */
  readonly recurs?: 'UNLESS_OPEN' | 'ANEW';
}

/** Of one cause; more often than anybody closes an alarm without putting right what it says. */
const RECURRENCES_MAX = 100;

/** Raises alarms of the central itself, each unless the same was raised before. */
export function alarmsByCause(
  { management, siteId }: Pick<SiteServers, 'management' | 'siteId'>,
  logger: Logger,
): (alarm: CausedAlarm) => void {
  /** Recurring troubles: they may be met faster than it is known whether an alarm of them is open. */
  const raising = new Set<string>();
  const raise = async ({ name, message }: CausedAlarm, alarmId: AlarmId) => {
    const said = { name, message: message.slice(0, 1000), priority: 1, sourceDeviceId: null };
    const outcome = await management.execute(
      { kind: 'RaiseAlarm', alarmId, ...said },
      { actor: `site:${siteId}` },
    );
    if (outcome.accepted || outcome.code === 'ALARM_EXISTS') return;
    logger.error({ outcome, name, message }, 'an alarm could not be raised');
  };
  const recurring = async (alarm: CausedAlarm) => {
    let newest: Awaited<ReturnType<typeof management.alarm>> = null;
    for (let count = 1; count <= RECURRENCES_MAX; count += 1) {
      const alarmId = idOf(`${siteId} ${alarm.cause}${count === 1 ? '' : ` (${count})`}`);
      const known = await management.alarm(alarmId);
      if (known === null) {
        const isOpen = newest !== null && newest.state !== 'CLOSED';
        if (alarm.recurs === 'ANEW' || !isOpen) await raise(alarm, alarmId);
        return;
      }
      newest = known;
    }
  };
  const failed = (error: unknown, { name }: CausedAlarm) =>
    logger.error({ err: error, name }, 'an alarm could not be raised');
  return alarm => {
    const { cause, recurs } = alarm;
    if (recurs === undefined) {
      raise(alarm, idOf(`${siteId} ${cause}`)).catch((error: unknown) => failed(error, alarm));
      return;
    }
    if (raising.has(cause)) return;
    raising.add(cause);
    recurring(alarm)
      .catch((error: unknown) => failed(error, alarm))
      .finally(() => raising.delete(cause));
  };
}

/** The same for the same cause: a UUID of version 8, whose bits are the writer's. */
function idOf(cause: string): AlarmId {
  const bytes = Buffer.from(sha256(Buffer.from(cause))).subarray(0, 16);
  bytes[6] = 0x80 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  const text = bytes.toString('hex');
  return text.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5') as AlarmId;
}
