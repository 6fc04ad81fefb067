import type { HeatMapQuery, TriggerChange } from '@holdfast/core';
import type { DeviceId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { MediaDatabase, StoredSegment } from '../media-database/media-database.js';
import { MediaDirectory } from '../media-database/media-directory.js';
import { ffmpegCandidates } from '../snapshot/ffmpeg.js';
import { HeatMapStore, minutesWithout } from './heat-map-store.js';
import { MotionDetector } from './motion-detector.js';

export interface RecordedMotionOptions {
  readonly dir: string;
  readonly database: Pick<MediaDatabase, 'spans' | 'openSpan' | 'keys' | 'encryptionOf'>;
  readonly ffmpegBin: string | null;
  readonly trigger: (deviceId: DeviceId, change: TriggerChange) => void;
  readonly now: () => number;
  readonly logger: Logger;
}

/** Motion at a recording server: found in what the cameras send, and kept as long as the recordings that it is in. */
export class RecordedMotion implements AsyncDisposable {
  readonly detector: MotionDetector;
  readonly #database: RecordedMotionOptions['database'];
  readonly #heatMaps: HeatMapStore;

  constructor(options: RecordedMotionOptions) {
    const { dir, ffmpegBin, logger, database } = options;
    this.#database = database;
    this.#heatMaps = new HeatMapStore({
      ...{ file: new MediaDirectory(dir).heatMapFile, logger, keys: database.keys },
      encryptionOf: deviceId => database.encryptionOf(deviceId),
    });
    this.detector = new MotionDetector({
      ...options,
      heatMaps: this.#heatMaps,
      ffmpeg: ffmpegCandidates(ffmpegBin),
    });
  }

  /** Moments of which there is a recording, in order of time. Nothing is decoded. */
  search(deviceId: DeviceId, query: HeatMapQuery): readonly number[] {
    const open = this.#database.openSpan(deviceId);
    const sealed = this.#database.spans({ deviceId, fromMs: query.fromMs, toMs: query.toMs });
    const spans = open === null ? sealed : [...sealed, open];
    let at = 0;
    return this.#heatMaps.search(deviceId, query).filter(momentMs => {
      while (at < spans.length && spans[at]!.toMs <= momentMs) at += 1;
      return at < spans.length && spans[at]!.fromMs <= momentMs;
    });
  }

  /** These segments are there no more. A minute that another recording touches is kept for that one. */
  forget(segments: readonly StoredSegment[]): void {
    for (const { deviceId, segment } of segments) {
      const around = { fromMs: Math.max(0, segment.fromMs - 60_000), toMs: segment.toMs + 60_000 };
      const open = this.#database.openSpan(deviceId);
      const sealed = this.#database.spans({ deviceId, ...around });
      const held = open === null ? sealed : [...sealed, open];
      for (const without of minutesWithout(segment, held)) this.#heatMaps.delete(deviceId, without);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.detector[Symbol.asyncDispose]();
    this.#heatMaps[Symbol.dispose]();
  }
}
