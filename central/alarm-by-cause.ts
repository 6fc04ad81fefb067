import type { AlarmId } from '@holdfast/schema';
import { type SiteServers, sha256 } from '@holdfast/sites';
import type { Logger } from 'pino';

/** Something that a person must look at. */
export interface CausedAlarm {
  /** The same for the same trouble: it is raised once, also when it is met again after a restart. What can be over and come again names when it began. */
  readonly cause: string;
  readonly name: string;
  readonly message: string;
}

/** Raises alarms of the central itself, each unless the same was raised before. */
export function alarmsByCause(
  { management, siteId }: Pick<SiteServers, 'management' | 'siteId'>,
  logger: Logger,
): (alarm: CausedAlarm) => void {
  return ({ cause, name, message }) => {
    const alarmId = idOf(`${siteId} ${cause}`);
    const command = {
      kind: 'RaiseAlarm',
      alarmId,
      name,
      message: message.slice(0, 1000),
      priority: 1,
      sourceDeviceId: null,
    } as const;
    management.execute(command, { actor: `site:${siteId}` }).then(
      outcome => {
        if (outcome.accepted || outcome.code === 'ALARM_EXISTS') return;
        logger.error({ outcome, name, message }, 'an alarm could not be raised');
      },
      (error: unknown) => logger.error({ err: error, name }, 'an alarm could not be raised'),
    );
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
