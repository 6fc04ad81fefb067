import type { RetentionSegment } from '@holdfast/core';
import type { Logger } from 'pino';
import type { MediaDatabase, StoredSegment } from '../media-database/media-database.js';

export interface ArchiverOptions {
  readonly database: MediaDatabase;
  readonly logger: Logger;
  readonly alarm: (alarm: { readonly name: string; readonly message: string }) => void;
  /** Something has moved: the log hears of what was reduced. */
  readonly moved: () => void;
}

/** What one archive is to take in. */
export interface ArchiveWork {
  readonly toStage: string;
  /** As people know it. */
  readonly name: string;
  readonly segments: readonly RetentionSegment[];
  /** Of which segments only key frames are to be kept. */
  readonly mayReduce: (segment: StoredSegment) => boolean;
}

/**
 * Moves recordings into archives, one at a time and beside everything else: a slow archive delays nothing but itself. What
 * cannot be moved now is planned again a minute later, and meanwhile stays where it is.
 */
export class Archiver {
  readonly #options: ArchiverOptions;
  /** Archives of which people were told that they take nothing. */
  readonly #failing = new Set<string>();
  #working: Promise<void> | null = null;

  constructor(options: ArchiverOptions) {
    this.#options = options;
  }

  get isWorking(): boolean {
    return this.#working !== null;
  }

  /** Does nothing while it works on what it was given before. */
  begin(work: readonly ArchiveWork[], signal: AbortSignal): void {
    if (this.#working !== null || work.every(({ segments }) => segments.length === 0)) return;
    this.#working = this.#work(work, signal)
      .catch(error => {
        if (!signal.aborted) this.#options.logger.error({ err: error }, 'archiving failed');
      })
      .finally(() => {
        this.#working = null;
      });
  }

  /** Resolves when nothing is being moved. */
  async settled(): Promise<void> {
    await this.#working;
  }

  /** Says once that an archive takes nothing, and once that it does again. */
  reportState(name: string, whyUnavailable: string | null): void {
    if (whyUnavailable === null) {
      if (this.#failing.delete(name)) this.#options.logger.info({ archive: name }, 'the archive is back');
      return;
    }
    if (this.#failing.has(name)) return;
    this.#failing.add(name);
    this.#options.logger.error({ archive: name, detail: whyUnavailable }, 'archiving has stopped');
    const message = `${name}: ${whyUnavailable}. Recording goes on, and recordings stay where they are for longer.`;
    this.#options.alarm({ name: 'Archiving stopped', message: message.slice(0, 1000) });
  }

  async #work(work: readonly ArchiveWork[], signal: AbortSignal): Promise<void> {
    for (const { toStage, name, segments, mayReduce } of work) {
      let hasMoved = false;
      for (const { segmentId } of segments) {
        if (signal.aborted) return;
        const outcome = await this.#options.database.moveSegment({ segmentId, toStage, signal, mayReduce });
        if (outcome.moved) {
          this.reportState(name, null);
          hasMoved = true;
          continue;
        }
        const { cause, detail } = outcome;
        if (cause === 'DAMAGED') this.#options.logger.error({ segmentId, detail }, 'not archived');
        if (cause !== 'UNAVAILABLE') continue;
        this.reportState(name, detail);
        break;
      }
      if (hasMoved) this.#options.moved();
    }
  }
}
