import { setImmediate as immediate } from 'node:timers/promises';
import type { DisownedMedia, OutgoingFact, SealReport } from './media-database.js';
import { idsOf, putReported, sealReports } from './seal-reports.js';
import type { SegmentIndex } from './segment-index.js';

/** Rows in one transaction: a few milliseconds. */
const PAGE_ROWS = 500;

export interface DisownedSegmentsOptions {
  readonly index: SegmentIndex;
  /** With the room that is kept for a full disk. */
  readonly transaction: <T>(work: () => T) => T;
}

/** As the index knows them: by the number of the log that was told. */
export class DisownedSegments implements DisownedMedia {
  readonly #options: DisownedSegmentsOptions;

  constructor(options: DisownedSegmentsOptions) {
    this.#options = options;
  }

  disownAll(): void {
    this.#options.transaction(() => this.#options.index.disownAll());
  }

  spans(): ReturnType<DisownedMedia['spans']> {
    const { index } = this.#options;
    return index.devices().flatMap(deviceId => {
      const toMs = index.disownedToMs(deviceId);
      return toMs === null ? [] : [{ deviceId, fromMs: 0, toMs }];
    });
  }

  async tell(
    compose: (report: SealReport) => readonly OutgoingFact[],
    isFull: () => boolean,
  ): Promise<{ readonly count: number; readonly isFinished: boolean }> {
    const { index, transaction } = this.#options;
    let count = 0;
    for (const { deviceId } of this.spans()) {
      for (const page of index.pagesOf(deviceId, PAGE_ROWS)) {
        if (isFull()) return { count, isFinished: false };
        const disowned = page.filter(({ isDisowned }) => isDisowned);
        // Of copies from other sites those have told; that they were reduced here, nobody.
        const copies = disowned.filter(({ origin }) => origin === 'IMPORTED');
        const found = disowned.filter(({ origin }) => origin === 'RECORDED');
        if (disowned.length > 0) {
          transaction(() => {
            const reports = sealReports(found);
            putReported(index, reports, reports.flatMap(compose));
            index.markReported(idsOf(copies.map(({ segment }) => segment)), { reduced: false });
          });
        }
        count += found.length;
        await immediate();
      }
    }
    transaction(() => index.ownAll());
    return { count, isFinished: true };
  }
}
