import {
  comparePlaces,
  LogTruncatedError,
  type ProtectedSpan,
  type Protection,
  type SiteLog,
} from '@holdfast/core';
import type { RecordingServerId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { LastTold, MediaDatabase, OutgoingFact, SealReport } from '../media-database/media-database.js';
import { restoreIndex } from './restore-index.js';
import { usedStages } from './used-stages.js';

export interface LostLogOptions {
  readonly recordingServerId: RecordingServerId;
  readonly database: MediaDatabase;
  readonly log: SiteLog;
  /** Whether somebody may still give back what the log has lost. */
  readonly isHistoryAwaited: () => boolean;
  /** What the log hears of what was found. */
  readonly compose: (report: SealReport) => readonly OutgoingFact[];
  /** No more facts can wait for the log now. */
  readonly isFull: () => boolean;
  readonly alarm: (alarm: { readonly name: string; readonly message: string }) => void;
  readonly logger: Logger;
}

const awaited =
  'the log was lost, or its end, and what is locked of what was recorded before is not known until its history is back';

/**
 * What becomes of recordings whose log was lost, or its end. The index says which fact a log took last: where the log that is there
 * does not hold it, nothing of them is deleted until its history is back or nobody is left to ask; then what the log does not know is
 * told again.
 */
export class LostLog {
  readonly #options: LostLogOptions;
  /** What there was when the log was lost, of each device from its beginning on. */
  #spans: readonly ProtectedSpan[] = [];
  #foundCount = 0;

  constructor(options: LostLogOptions) {
    this.#options = options;
  }

  /** Why what is locked is not known; null: it is. */
  get awaited(): string | null {
    return this.#spans.length === 0 ? null : awaited;
  }

  /** Before this log is told anything, and before anything is deleted. */
  async judge(): Promise<void> {
    const { database, isHistoryAwaited, alarm, logger } = this.#options;
    const isNew = database.disowned.spans().length === 0;
    if (!(await this.#isLogThatWasTold())) database.disowned.disownAll();
    this.#spans = database.disowned.spans();
    if (this.#spans.length === 0 || !isHistoryAwaited()) return;
    const message = `Nothing that was recorded before is deleted for now: ${awaited}. Where the disk is full only what was recorded since is deleted. Bring the link to the parent up; if the parent has lost the history too, that ends it as well.`;
    logger.error(message);
    if (isNew) alarm({ name: 'The log was lost', message });
  }

  protect(protection: Protection): Protection {
    if (this.#spans.length === 0 || !protection.readable) return protection;
    return { readable: true, spans: [...protection.spans, ...this.#spans], awaited };
  }

  /** Once nobody is waited for. What is not finished, since no more facts can wait, goes on the next time. */
  async settle(): Promise<void> {
    const { database, log, isHistoryAwaited, compose, isFull, alarm, logger } = this.#options;
    if (this.#spans.length === 0 || isHistoryAwaited()) return;
    await restoreIndex(database, log);
    const { count, isFinished } = await database.disowned.tell(compose, isFull);
    this.#foundCount += count;
    if (!isFinished) return;
    this.#spans = [];
    if (this.#foundCount === 0) return;
    const message = `${this.#foundCount} recordings were found that the log does not tell of: the log that was told of them is lost, or its end. They are told again (RecordingFound). Locks, alarms and settings of that time are lost with it: lock again what must be kept.`;
    logger.error(message);
    alarm({ name: 'Recordings of a lost log were found', message });
  }

  async #isLogThatWasTold(): Promise<boolean> {
    const { database, log, recordingServerId } = this.#options;
    const told = database.lastTold();
    if (told !== null) return holds(log, told);
    // Nothing was told yet, or the index that said what was is lost too.
    return database.devices().length === 0 || (await usedStages(log, recordingServerId)) !== null;
  }
}

async function holds(log: SiteLog, { eventId, ...place }: LastTold): Promise<boolean> {
  const { epoch, size } = log.head();
  if (comparePlaces(place, { epoch, position: size }) > 0) return false;
  try {
    const after = { epoch: place.epoch, position: place.position - 1 };
    const [event] = await log.read({ after, limit: 1 });
    return event?.id === eventId;
  } catch (error) {
    // A log is truncated long after it was told, and one that was lost and begun anew is judged first.
    if (error instanceof LogTruncatedError) return true;
    throw error;
  }
}
