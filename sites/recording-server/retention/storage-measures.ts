import { stat } from 'node:fs/promises';
import { setImmediate as immediate } from 'node:timers/promises';
import {
  chainOf,
  type ProtectedSpan,
  type Protection,
  type RetentionLimits,
  type StageRoom,
  stageFullAtMs,
  volumeFullAtMs,
} from '@holdfast/core';
import type { EventOf, HoldfastEvent, RecordingServerId, StorageId, StorageMeasured } from '@holdfast/schema';
import { inTime } from '../in-time.js';
import type { MediaDatabase, MediaSpan } from '../media-database/media-database.js';
import { OWN_STAGE } from '../media-database/stage-directories.js';
import { isObjectStage } from '../object-store/object-files.js';
import type { StorageKeeper } from './storage-keeper.js';

/** Often enough to see a disk fill, and two dozen events a day. */
const intervalMs = 3600_000;
/** A network folder may hang between two answers. */
const answerMs = 5_000;

/** The pace is that of the last day of what is there; of less than this nothing follows. */
const paceMs = 24 * 3600_000;
const paceMsMin = 10 * 60_000;

interface StageToMeasure {
  readonly stage: string;
  readonly storageId: StorageId | null;
  /** Null, as its limits: no storage names it any more. */
  readonly name: { readonly storage: string; readonly stage: string } | null;
  readonly limits: RetentionLimits | null;
  /** How old recordings are that come in. */
  readonly comesAfterMs: number;
}

export interface MeasuredStage extends StageToMeasure {
  readonly measure: StageMeasure;
}

interface LookedAtStage {
  readonly looked: StageToMeasure;
  readonly measure: Omit<StageMeasure, 'fullAtMs'>;
  readonly room: StageRoom;
  /** Several stages may be on one. Null: it is not known. */
  readonly volume: number | null;
}

type StageMeasure = EventOf<typeof StorageMeasured>['data']['stages'][number];

export interface StorageMeasuresOptions {
  readonly recordingServerId: RecordingServerId;
  readonly database: Pick<
    MediaDatabase,
    'devices' | 'oldestIn' | 'newestIn' | 'bytesIn' | 'usageBytes' | 'stages'
  >;
  readonly dir: string;
  readonly storages: Pick<StorageKeeper, 'storages' | 'whyUnavailable'>;
  readonly freeBytes: (dir: string) => Promise<number>;
  readonly protection: () => Protection;
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
  #last: readonly MeasuredStage[] = [];

  constructor(options: StorageMeasuresOptions) {
    this.#options = options;
  }

  /** As they were told last. */
  get last(): readonly MeasuredStage[] {
    return this.#last;
  }

  async tell(): Promise<void> {
    const { recordingServerId, now, monotonicMs, report } = this.#options;
    const stages = this.#stages();
    const unavailable = stages.map(({ stage }) => stage).filter(stage => this.#why(stage) !== null);
    const isDue = this.#toldAtMs === null || monotonicMs() - this.#toldAtMs >= intervalMs;
    if (!isDue && unavailable.join('\n') === this.#toldUnavailable) return;
    const all: LookedAtStage[] = [];
    for (const stage of stages) all.push(await this.#lookAt(stage));
    const measured = all.map(stage => ({
      ...stage.looked,
      measure: { ...stage.measure, fullAtMs: fullAtMs(stage, all, now()) },
    }));
    this.#last = measured;
    const data = { recordingServerId, atMs: now(), stages: measured.map(({ measure }) => measure) };
    if (!report(`storage-measures-${recordingServerId}`, { type: 'StorageMeasured', data })) return;
    this.#toldAtMs = monotonicMs();
    this.#toldUnavailable = unavailable.join('\n');
  }

  /** Those of the configuration, and those that hold something still. */
  #stages(): readonly StageToMeasure[] {
    const { storages, database } = this.#options;
    const named = storages.storages.flatMap(storage =>
      chainOf(storage).map(({ here }, place): StageToMeasure => {
        const storageId = storage.storageId as StorageId;
        const before = place === 0 ? null : chainOf(storage)[place - 1]!.here;
        const name = { storage: storage.name, stage: place === 0 ? 'live' : `archive ${place}` };
        const comesAfterMs = before?.limits.retentionMs ?? 0;
        return { stage: here.stage, storageId, name, limits: here.limits, comesAfterMs };
      }),
    );
    const known = new Set(named.map(({ stage }) => stage));
    const forgotten = database
      .stages()
      .filter(stage => !known.has(stage) && database.usageBytes(stage) > 0)
      .map(stage => ({ stage, storageId: null, name: null, limits: null, comesAfterMs: 0 }));
    return [...named, ...forgotten];
  }

  /** Null: locks cannot be read. */
  #lockedBytes(stage: string): number | null {
    const { database, protection } = this.#options;
    const known = protection();
    if (!known.readable) return null;
    let bytes = 0;
    for (const [deviceId, spans] of Map.groupBy(known.spans, span => span.deviceId)) {
      bytes += database.bytesIn({ stage, deviceId, spans: joined(spans) });
    }
    return bytes;
  }

  /** Null: too little is there to tell. */
  async #bytesPerDay(stage: string, comesAfterMs: number): Promise<number | null> {
    const { database, now } = this.#options;
    let bytesPerDay: number | null = null;
    for (const deviceId of database.devices()) {
      // A day of a camera is some 1,350 rows: others have their turn in between.
      await immediate();
      const toMs = database.newestIn({ stage, deviceId })?.segment.toMs;
      // Of a camera that is no longer recorded nothing comes.
      if (toMs === undefined || toMs < now() - comesAfterMs - 2 * paceMs) continue;
      const [oldest] = database.oldestIn({ stage, deviceId, after: null, limit: 1 });
      const fromMs = Math.max(toMs - paceMs, oldest?.segment.fromMs ?? toMs);
      if (toMs - fromMs < paceMsMin) continue;
      const bytes = database.bytesIn({ stage, deviceId, spans: [{ fromMs, toMs }] });
      bytesPerDay = (bytesPerDay ?? 0) + (bytes / (toMs - fromMs)) * paceMs;
    }
    return bytesPerDay;
  }

  #why(stage: string): string | null {
    return this.#options.storages.whyUnavailable(stage);
  }

  async #lookAt(looked: StageToMeasure): Promise<LookedAtStage> {
    const { stage, storageId, limits, comesAfterMs } = looked;
    const { database, dir, freeBytes } = this.#options;
    const why = this.#why(stage);
    const isKnown = why === null && !isObjectStage(stage);
    const folder = stage === OWN_STAGE ? dir : stage;
    const free = isKnown ? await known(freeBytes(folder)) : null;
    const volume = isKnown ? await known(stat(folder).then(({ dev }) => dev)) : null;
    const oldest = database
      .devices()
      .flatMap(deviceId => database.oldestIn({ stage, deviceId, after: null, limit: 1 }))
      .map(({ segment }) => segment.fromMs);
    const [usageBytes, lockedBytes] = [database.usageBytes(stage), this.#lockedBytes(stage)];
    const measure = {
      ...{ storageId, path: stage === OWN_STAGE ? null : stage, usageBytes, lockedBytes },
      freeBytes: free === null ? null : Math.max(0, Math.min(Math.round(free), Number.MAX_SAFE_INTEGER)),
      oldestMs: oldest.length === 0 ? null : Math.min(...oldest),
      unavailableBecause: why === null ? null : why.slice(0, 1000),
    };
    const room = {
      ...{ usageBytes, limitBytes: limits?.usageBytesMax ?? null, lockedBytes: lockedBytes ?? 0 },
      bytesPerDay: limits && (await this.#bytesPerDay(stage, comesAfterMs)),
      keptMs: limits === null ? 0 : Math.max(0, limits.retentionMs - comesAfterMs),
    };
    return { looked, measure, room, volume };
  }
}

/** By its own limit, or because its volume is, whichever other stages fill it: what comes first. */
function fullAtMs(stage: LookedAtStage, all: readonly LookedAtStage[], nowMs: number): number | null {
  const { looked, measure, room, volume } = stage;
  if (looked.limits === null) return null;
  const ofLimit = stageFullAtMs(room, nowMs);
  if (measure.freeBytes === null) return ofLimit;
  const leftBytes = measure.freeBytes - looked.limits.freeBytesLow;
  const onVolume = volume === null ? [stage] : all.filter(other => other.volume === volume);
  const rooms = onVolume.map(other => other.room);
  const ofVolume = volumeFullAtMs(rooms, { leftBytes, nowMs });
  return ofLimit === null || ofVolume === null ? (ofLimit ?? ofVolume) : Math.min(ofLimit, ofVolume);
}

/** Spans of one device in order of time, what overlaps as one. */
function joined(spans: readonly ProtectedSpan[]): readonly MediaSpan[] {
  const pieces: { fromMs: number; toMs: number }[] = [];
  for (const { fromMs, toMs } of spans.toSorted((one, other) => one.fromMs - other.fromMs)) {
    const last = pieces.at(-1);
    if (last !== undefined && fromMs <= last.toMs) last.toMs = Math.max(last.toMs, toMs);
    else pieces.push({ fromMs, toMs });
  }
  return pieces;
}

/** Null: it fails, or does not answer. */
function known(answer: Promise<number>): Promise<number | null> {
  return inTime(
    answer.catch(() => null),
    { ms: answerMs, late: null },
  );
}
