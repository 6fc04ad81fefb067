import type { CausedAlarm } from '@holdfast/sites';
import type { Logger } from 'pino';
import type { ProjectionReports } from './projections.js';

/** Writes to the log what happens to projections, and raises an alarm for what a person must look at. */
export function projectionReporter(options: {
  readonly logger: Logger;
  readonly raiseAlarm: (alarm: CausedAlarm) => void;
}): ProjectionReports {
  const { logger, raiseAlarm } = options;
  /** One alarm for each projection until this process ends; what else is put aside is in the quarantine to see. */
  const alarmed = new Set<string>();
  const alarmOnce = (projection: string, seq: number, message: string) => {
    if (alarmed.has(projection)) return;
    alarmed.add(projection);
    raiseAlarm({
      cause: `projection ${projection} event ${seq}`,
      name: `Projection ${projection} shows less than the log`,
      message,
    });
  };
  return {
    onQuarantined(row) {
      const { projection, seq, site, stream, status, reason } = row;
      const facts = { projection, seq, site, stream, reason };
      if (status === 'UNTIL_UPGRADE') {
        logger.warn(facts, 'an event is put aside until this software is upgraded');
        return;
      }
      logger.error(facts, 'a projection could not fold an event: it is put aside');
      alarmOnce(projection, seq, `${stream} of site ${site}, event ${seq}: ${reason}`);
    },
    onHalted(facts) {
      logger.error(facts, 'a projection stands still at an event that it cannot fold');
      alarmOnce(facts.projection, facts.seq, `It stands still at event ${facts.seq}: ${facts.reason}`);
    },
    onGivenUp(facts) {
      logger.error(
        facts,
        'a build was given up at an event that its fold cannot digest; what is served stays',
      );
      alarmOnce(facts.projection, facts.seq, `Its build was given up at event ${facts.seq}: ${facts.reason}`);
    },
    onDifference(result) {
      logger.error(result, 'what is served is not what the log folds into');
      const { projection, site, difference, foundAtMs } = result;
      raiseAlarm({
        cause: `projection ${projection} differs ${site} since ${foundAtMs}`,
        name: `Projection ${projection} differs from the log`,
        message: `${difference}. A rebuild sets it right; tell the makers of Holdfast what was found.`,
      });
    },
    onReleased: release => logger.info(release, 'events were released from the quarantine'),
    onRetry: error => logger.warn({ err: error }, 'projection failed; trying again'),
  };
}
