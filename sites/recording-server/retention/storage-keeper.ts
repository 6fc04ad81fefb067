import {
  chainOf,
  isArchivingDue,
  isProtected,
  type Protection,
  type Storage,
  type StorageArchive,
  type StorageStage,
  totalRetentionMs,
} from '@holdfast/core';
import type { DeletionPolicy, StorageId } from '@holdfast/schema';
import type { Logger } from 'pino';
import { inTime } from '../in-time.js';
import type {
  HaltCause,
  MediaDatabase,
  OutgoingFact,
  SealReport,
  StoredSegment,
} from '../media-database/media-database.js';
import type { MediaPasswordError } from '../media-database/media-keyring.js';
import { OWN_STAGE } from '../media-database/stage-directories.js';
import { isObjectStage } from '../object-store/object-files.js';
import { Archiver, type ArchiveWork } from './archiver.js';
import { executeRetention, type Halt, type RetentionOutcome } from './retention-executor.js';

/** An archive that says nothing for so long takes nothing now: a network folder may hang for minutes. */
const stageAnswerMs = 5_000;

export interface StorageKeeperOptions {
  readonly database: MediaDatabase;
  /** The directory of the media database. */
  readonly dir: string;
  /** Why the media directory is away; null: it is there. */
  readonly away: string | null;
  /** The first holds what is assigned to no other, and what lies in stages that are in none any more. */
  readonly storages: readonly Storage[];
  readonly protection: (nowMs: number) => Protection;
  readonly composeDeletion: (
    policy: DeletionPolicy,
    segments: readonly StoredSegment[],
    unreported: readonly SealReport[],
  ) => readonly OutgoingFact[];
  readonly freeBytes: (dir: string) => Promise<number>;
  /** Asked in each round: why nothing may be recorded into storages that are encrypted; null: it may. */
  readonly whyLocked: () => Promise<MediaPasswordError | null>;
  readonly alarm: (alarm: { readonly name: string; readonly message: string }) => void;
  /** As in `ArchiverOptions`. */
  readonly moved: () => void;
  readonly logger: Logger;
}

interface ArchiveRun {
  lastMs: number | null;
  /** When the run that goes on began. */
  sinceMs: number | null;
}

/** Keeps the storages of a recording server within their limits: deletes, moves on, and says where nothing can be written. */
export class StorageKeeper {
  readonly #options: StorageKeeperOptions;
  readonly #archiver: Archiver;
  readonly #runs = new Map<StorageArchive, ArchiveRun>();
  #halts: ReadonlyMap<string, Halt> = new Map();
  readonly #unavailable = new Map<string, string>();

  constructor(options: StorageKeeperOptions) {
    this.#options = options;
    this.#archiver = new Archiver(options);
  }

  get storages(): readonly Storage[] {
    return this.#options.storages;
  }

  /** Why a stage can take nothing, as of the last round; null: it can. */
  whyUnavailable(stage: string): string | null {
    return this.#unavailable.get(stage) ?? null;
  }

  liveStages(): ReadonlySet<string> {
    return new Set(this.#options.storages.map(({ live }) => live.stage));
  }

  /** Why nothing may be written in which live stages, for the database. */
  halts(): ReadonlyMap<string, HaltCause> {
    return new Map(
      [...this.#halts].map(([stage, { cause }]) => [
        stage,
        cause === 'DISK_FULL' || cause === 'LOCKS_UNREADABLE' ? 'DISK_FULL' : 'DISK_UNAVAILABLE',
      ]),
    );
  }

  /** As the log says, from before a start; null: all storages. */
  assumeHalted(storageIds: ReadonlySet<StorageId | null>): void {
    const halt = { action: 'HALT', cause: 'DISK_FULL', detail: 'as before the start' } as const;
    const halted = this.#options.storages.filter(
      ({ storageId }) => storageIds.has(null) || storageIds.has(storageId as StorageId),
    );
    this.#halts = new Map(halted.map(({ live }) => [live.stage, halt]));
  }

  /** One round. Answers in which live stages nothing may be written. */
  async apply(
    nowMs: number,
    {
      writesFail,
      signal,
    }: { readonly writesFail: 'FOR_ROOM' | 'OTHERWISE' | null; readonly signal: AbortSignal },
  ): Promise<ReadonlyMap<string, Halt>> {
    const halts = new Map<string, Halt>();
    const work: ArchiveWork[] = [];
    const locked = await this.#options.whyLocked();
    for (const storage of this.#options.storages) {
      // From far to near: what the last archive deletes makes room for what comes next.
      for (const { here, next } of chainOf(storage).toReversed()) {
        const isLive = here === storage.live;
        const run = next && this.#runOf(next, nowMs);
        const outcome = await this.#applyTo(storage, { here, next, isLive, writesFail, nowMs });
        if (isLive && outcome.verdict.action === 'HALT') halts.set(here.stage, outcome.verdict);
        // What is there is kept and moved on as ever: that takes no key.
        else if (isLive && storage.isEncrypted && locked !== null) {
          halts.set(here.stage, { action: 'HALT', cause: locked.code, detail: locked.message });
        }
        if (next === null || run === null) continue;
        const name = `archive ${next.stage} of storage ${storage.name}`;
        const mayReduce = (segment: StoredSegment) => next.keyFramesOnly && this.#isUnlocked(segment, nowMs);
        work.push({ toStage: next.stage, name, segments: outcome.moves, mayReduce });
        // A run that the archive could not take anything in goes on when it is back.
        if (outcome.nextIsAvailable && outcome.moves.length === 0 && !this.#archiver.isWorking) {
          run.lastMs = run.sinceMs ?? run.lastMs;
          run.sinceMs = null;
        }
      }
    }
    await this.#applyToForgotten(nowMs);
    this.#archiver.begin(work, signal);
    this.#halts = halts;
    return halts;
  }

  /** Resolves when nothing is being moved any more: after the signal given to `apply` was aborted. */
  settled(): Promise<void> {
    return this.#archiver.settled();
  }

  async #applyTo(
    storage: Storage,
    stage: {
      readonly here: StorageStage;
      readonly next: StorageArchive | null;
      readonly isLive: boolean;
      readonly writesFail: 'FOR_ROOM' | 'OTHERWISE' | null;
      readonly nowMs: number;
    },
  ): Promise<RetentionOutcome & { readonly nextIsAvailable: boolean }> {
    const { here, next, isLive, nowMs } = stage;
    const why =
      (await this.#whyUnavailable(here.stage)) ??
      (isLive && (stage.writesFail !== null || this.#halts.has(here.stage))
        ? await this.#inTime(here.stage, this.#options.database.whyUnwritable(here.stage))
        : null);
    if (why !== null) {
      const verdict = { action: 'HALT', cause: 'DISK_UNAVAILABLE', detail: why } as const;
      return { verdict, moves: [], nextIsAvailable: false };
    }
    const nextWhy = next && (await this.#whyUnavailable(next.stage));
    if (next !== null) {
      const name = `archive ${next.stage} of storage ${storage.name}`;
      if (nextWhy !== null) this.#archiver.reportState(name, nextWhy);
    }
    const outcome = await executeRetention(
      {
        ...this.#options,
        ...{ stage: here.stage, dir: this.#dirOf(here.stage), limits: here.limits, nowMs },
        freeBytes: this.#freeBytesIn(here.stage),
        protection: () => this.#options.protection(nowMs),
        isHalted: () => isLive && this.#halts.has(here.stage),
        next: next && {
          isAvailable: nextWhy === null,
          isDue: this.#runs.get(next)?.sinceMs !== null,
          totalRetentionMs: totalRetentionMs(storage),
        },
      },
      { writesFail: isLive && stage.writesFail === 'FOR_ROOM' },
    );
    return { ...outcome, nextIsAvailable: nextWhy === null };
  }

  /** Stages that the configuration no longer names: what is there is kept as long as the first storage keeps anything. */
  async #applyToForgotten(nowMs: number): Promise<void> {
    const { storages, database } = this.#options;
    const [first] = storages;
    const named = new Set(storages.flatMap(storage => chainOf(storage).map(({ here }) => here.stage)));
    for (const stage of database.stages()) {
      if (named.has(stage) || first === undefined) continue;
      if ((await this.#whyUnavailable(stage)) !== null) continue;
      const limits = {
        ...{ retentionMs: totalRetentionMs(first), usageBytesMax: null },
        ...{ freeBytesLow: 0, freeBytesCritical: 0, freeBytesStop: 0, freeBytesResume: 0 },
      };
      const dir = this.#dirOf(stage);
      await executeRetention(
        {
          ...{ ...this.#options, stage, dir, limits, nowMs, next: null, isHalted: () => false },
          freeBytes: this.#freeBytesIn(stage),
          protection: () => this.#options.protection(nowMs),
        },
        { writesFail: false },
      );
    }
  }

  #runOf(archive: StorageArchive, nowMs: number): ArchiveRun {
    let run = this.#runs.get(archive);
    if (run === undefined) {
      run = { lastMs: null, sinceMs: null };
      this.#runs.set(archive, run);
    }
    if (run.sinceMs === null && isArchivingDue(archive.schedule, run.lastMs, nowMs)) run.sinceMs = nowMs;
    return run;
  }

  async #whyUnavailable(stage: string): Promise<string | null> {
    const { away, database } = this.#options;
    const why = stage === OWN_STAGE ? away : await this.#inTime(stage, database.prepareStage(stage));
    if (why === null) this.#unavailable.delete(stage);
    else this.#unavailable.set(stage, why);
    return why;
  }

  #inTime(stage: string, answer: Promise<string | null>): Promise<string | null> {
    return inTime(answer, { ms: stageAnswerMs, late: `${this.#dirOf(stage)} does not answer` });
  }

  #isUnlocked({ deviceId, segment: { fromMs, toMs } }: StoredSegment, nowMs: number): boolean {
    const protection = this.#options.protection(nowMs);
    return protection.readable && !isProtected({ deviceId, fromMs, toMs }, protection.spans);
  }

  /** An object store has no end that one could know of. */
  #freeBytesIn(stage: string): StorageKeeperOptions['freeBytes'] {
    return isObjectStage(stage) ? async () => Number.MAX_SAFE_INTEGER : this.#options.freeBytes;
  }

  #dirOf(stage: string): string {
    return stage === OWN_STAGE ? this.#options.dir : stage;
  }
}
