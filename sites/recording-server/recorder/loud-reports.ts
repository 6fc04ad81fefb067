import type { DeviceId, SegmentId } from '@holdfast/schema';
import type { Logger } from 'pino';
import { DiskWatch } from '../health/disk-watch.js';
import type { MediaDamage, MediaDatabaseObserver } from '../media-database/media-database.js';

/** A failing disk fails for each fragment: one line for each device in this time, with the count. */
const quietMs = 10_000;
/** Damage is a fact once; a disk that loses more than this has a larger problem than repeated facts. */
const damagesRemembered = 10_000;

type FragmentDrop = Parameters<MediaDatabaseObserver['fragmentsDropped']>[0];

interface LoudListener {
  damaged(damage: MediaDamage): void;
  writeFailed(code: string): void;
  diskSlow(medianMs: number): void;
  diskFast(medianMs: number): void;
  dropped(drop: FragmentDrop): void;
}

/** Where the media database's bad news goes: to the log file at once, and to whom it may concern. */
export class LoudReports implements MediaDatabaseObserver {
  readonly #logger: Logger;
  readonly #now: () => number;
  readonly #quiet = new Map<string, { untilMs: number; count: number }>();
  readonly #damaged = new Set<SegmentId>();
  #listener: LoudListener | null = null;
  droppedFragmentCount = 0;
  writeFailureCount = 0;
  readonly disk = new DiskWatch();

  constructor(options: { readonly logger: Logger; readonly now: () => number }) {
    this.#logger = options.logger;
    this.#now = options.now;
  }

  connect(listener: LoudListener): void {
    this.#listener = listener;
  }

  fragmentsDropped(drop: FragmentDrop): void {
    this.droppedFragmentCount += drop.fragmentCount;
    this.#loudly(drop.deviceId, `dropped ${drop.cause}`, drop, 'recorded media is lost');
    this.#listener?.dropped(drop);
  }

  writeFailed(failure: Parameters<MediaDatabaseObserver['writeFailed']>[0]): void {
    this.writeFailureCount += 1;
    this.#loudly(failure.deviceId, `write ${failure.code}`, failure, 'a recording could not be written');
    this.#listener?.writeFailed(failure.code);
  }

  damageFound(damage: MediaDamage): void {
    if (this.#damaged.has(damage.segmentId)) return;
    if (this.#damaged.size >= damagesRemembered) this.#damaged.clear();
    this.#damaged.add(damage.segmentId);
    this.#logger.error({ damage }, 'a recording is damaged');
    this.#listener?.damaged(damage);
  }

  wrote(durationMs: number): void {
    const change = this.disk.wrote(durationMs);
    if (change === null) return;
    const { medianMs } = this.disk;
    if (change === 'FAST_AGAIN') {
      this.#logger.info({ medianMs }, 'the disk of the recordings is fast again');
      this.#listener?.diskFast(medianMs);
    } else {
      this.#logger.warn({ medianMs }, 'the disk of the recordings is slow');
      this.#listener?.diskSlow(medianMs);
    }
  }

  #loudly(deviceId: DeviceId, kind: string, facts: object, message: string): void {
    const key = `${deviceId} ${kind}`;
    const nowMs = this.#now();
    const quiet = this.#quiet.get(key);
    if (quiet && nowMs < quiet.untilMs) {
      quiet.count += 1;
      return;
    }
    this.#quiet.set(key, { untilMs: nowMs + quietMs, count: 0 });
    this.#logger.error({ ...facts, repeated: quiet?.count ?? 0 }, message);
  }
}
