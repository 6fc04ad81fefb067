import { setTimeout as delay } from 'node:timers/promises';
import { chainOf } from '@holdfast/core';
import type { EventOf, HoldfastEvent, RecordingServerId, StorageId, StorageMeasured } from '@holdfast/schema';
import type { MediaDatabase } from '../media-database/media-database.js';
import { OWN_STAGE } from '../media-database/stage-directories.js';
import { isObjectStage } from '../object-store/object-files.js';
import type { StorageKeeper } from './storage-keeper.js';

/** Often enough to see a disk fill, and two dozen events a day. */
const intervalMs = 3600_000;
/** A network folder may hang between two answers. */
const answerMs = 5_000;

type StageMeasure = EventOf<typeof StorageMeasured>['data']['stages'][number];

export interface StorageMeasuresOptions {
  readonly recordingServerId: RecordingServerId;
  readonly database: Pick<MediaDatabase, 'devices' | 'oldestIn' | 'usageBytes' | 'stages'>;
  readonly dir: string;
  readonly storages: Pick<StorageKeeper, 'storages' | 'whyUnavailable'>;
  readonly freeBytes: (dir: string) => Promise<number>;
  readonly now: () => number;
  readonly monotonicMs: () => number;
  /** False when the fact could not be kept. */
  readonly report: (stream: string, event: HoldfastEvent) => boolean;
}

/** Tells the log what is in each stage and how much room there is: at a start, by the hour, and when a disk goes or comes. */
export class StorageMeasures {
  readonly #options: StorageMeasuresOptions;
  #toldAtMs: number | null = null;
  #toldUnavailable = '';

  constructor(options: StorageMeasuresOptions) {
    this.#options = options;
  }

  async tell(): Promise<void> {
    const { recordingServerId, now, monotonicMs, report } = this.#options;
    const stages = this.#stages();
    const unavailable = stages.map(({ stage }) => stage).filter(stage => this.#why(stage) !== null);
    const isDue = this.#toldAtMs === null || monotonicMs() - this.#toldAtMs >= intervalMs;
    if (!isDue && unavailable.join('\n') === this.#toldUnavailable) return;
    const measures: StageMeasure[] = [];
    for (const { stage, storageId } of stages) measures.push(await this.#measure(stage, storageId));
    const data = { recordingServerId, atMs: now(), stages: measures };
    if (!report(`storage-measures-${recordingServerId}`, { type: 'StorageMeasured', data })) return;
    this.#toldAtMs = monotonicMs();
    this.#toldUnavailable = unavailable.join('\n');
  }

  /** Those of the configuration, and those that hold something still. */
  #stages(): readonly { readonly stage: string; readonly storageId: StorageId | null }[] {
    const { storages, database } = this.#options;
    const named = storages.storages.flatMap(storage =>
      chainOf(storage).map(({ here }) => ({ stage: here.stage, storageId: storage.storageId as StorageId })),
    );
    const known = new Set(named.map(({ stage }) => stage));
    const forgotten = database
      .stages()
      .filter(stage => !known.has(stage) && database.usageBytes(stage) > 0)
      .map(stage => ({ stage, storageId: null }));
    return [...named, ...forgotten];
  }

  #why(stage: string): string | null {
    return this.#options.storages.whyUnavailable(stage);
  }

  async #measure(stage: string, storageId: StorageId | null): Promise<StageMeasure> {
    const { database, dir, freeBytes } = this.#options;
    const why = this.#why(stage);
    const isKnown = why === null && !isObjectStage(stage);
    const folder = stage === OWN_STAGE ? dir : stage;
    const free = isKnown ? await inTime(freeBytes(folder)) : null;
    const oldest = database
      .devices()
      .flatMap(deviceId => database.oldestIn({ stage, deviceId, after: null, limit: 1 }))
      .map(({ segment }) => segment.fromMs);
    return {
      ...{ storageId, path: stage === OWN_STAGE ? null : stage, usageBytes: database.usageBytes(stage) },
      freeBytes: free === null ? null : Math.max(0, Math.min(Math.round(free), Number.MAX_SAFE_INTEGER)),
      oldestMs: oldest.length === 0 ? null : Math.min(...oldest),
      unavailableBecause: why === null ? null : why.slice(0, 1000),
    };
  }
}

/** Null: it fails, or does not answer. */
async function inTime(answer: Promise<number>): Promise<number | null> {
  const answered = new AbortController();
  const late = delay(answerMs, null, { signal: answered.signal }).catch(() => null);
  try {
    return await Promise.race([answer.catch(() => null), late]);
  } finally {
    answered.abort();
  }
}
