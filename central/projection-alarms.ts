import type { AlarmId } from '@holdfast/schema';
import { type SiteServers, sha256 } from '@holdfast/sites';
import type { Logger } from 'pino';
import type { ProjectionAlarm } from './read-models/projection-reporter.js';

/** Raises an alarm of the central about its own projections, unless the same was raised before. */
export function projectionAlarms(
  { management, siteId }: Pick<SiteServers, 'management' | 'siteId'>,
  logger: Logger,
): (alarm: ProjectionAlarm) => void {
  return ({ cause, name, message }) => {
    const alarmId = idOf(`${siteId} ${cause}`);
    const command = {
      kind: 'RaiseAlarm',
      alarmId,
      name,
      message,
      priority: 1,
      sourceDeviceId: null,
    } as const;
    management.execute(command, { actor: `site:${siteId}` }).then(
      outcome => {
        if (outcome.accepted || outcome.code === 'ALARM_EXISTS') return;
        logger.error({ outcome, name, message }, 'an alarm about a projection could not be raised');
      },
      (error: unknown) =>
        logger.error({ err: error, name }, 'an alarm about a projection could not be raised'),
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
