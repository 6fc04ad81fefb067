import type { Logger } from 'pino';
import type { MediaRecovery } from '../media-database/media-database.js';

/** Says nothing of an orderly start, be it the first. */
export function logRecovery(logger: Logger, recovery: MediaRecovery): void {
  const { recovered, tornBytes, problems, reindexedCount } = recovery;
  if (reindexedCount > 0) {
    logger.warn({ reindexedCount }, 'the index of the recordings was missing: made again from the files');
  }
  if (recovered.length + problems.length > 0) {
    logger.warn(
      { recovered: recovered.length, tornBytes, problems },
      'recordings were recovered after a crash',
    );
  }
}
