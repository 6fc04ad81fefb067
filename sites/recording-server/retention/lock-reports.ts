import { type EvidenceLock, GROUP_DURATION_MS_MAX, lockCoverage } from '@holdfast/core';
import type {
  DeviceId,
  EventOf,
  EvidenceLockApplied,
  HoldfastEvent,
  RecordingServerId,
} from '@holdfast/schema';
import type { MediaDatabase } from '../media-database/media-database.js';
import type { SiteView } from '../recorder/site-view.js';

/** A group of pictures comes whole: the last of a span is here so much later. */
const lateMs = GROUP_DURATION_MS_MAX + 5_000;
/** As `EvidenceLockApplied` allows. */
const devicesMax = 100;
const missingMax = 20;

type Lock = NonNullable<EvidenceLock>;
type DeviceResult = EventOf<typeof EvidenceLockApplied>['data']['devices'][number];

export interface LockReportsOptions {
  readonly recordingServerId: RecordingServerId;
  readonly database: Pick<MediaDatabase, 'devices' | 'spans' | 'openSpan' | 'heldBytes'>;
  readonly view: SiteView;
  readonly now: () => number;
  /** False when the fact could not be kept: it is reported with the next round. */
  readonly report: (stream: string, event: HoldfastEvent) => boolean;
}

/** Tells the log what this server holds for each evidence lock: once it knows of it, and when its span is over. */
export class LockReports {
  readonly #options: LockReportsOptions;

  constructor(options: LockReportsOptions) {
    this.#options = options;
  }

  /** Reports what is due. Cheap when nothing is. */
  tell(): void {
    const nowMs = this.#options.now();
    const { view, database } = this.#options;
    const here = view.devicesHere();
    const held = new Set(database.devices());
    // Most locks of a site with several recording servers are of no concern to this one.
    const concerns = (id: DeviceId) => here.has(id) || held.has(view.ownerOf(id) ?? id);
    for (const lock of view.locks(nowMs)) {
      const judgedToMs = Math.min(lock.toMs, Math.max(lock.fromMs, nowMs));
      const devices = lock.deviceIds.flatMap(deviceId =>
        concerns(deviceId) && this.#isDue(lock, deviceId, nowMs)
          ? (this.#resultOf(lock, deviceId, { judgedToMs, isHere: here.has(deviceId) }) ?? [])
          : [],
      );
      for (let at = 0; at < devices.length; at += devicesMax) {
        if (!this.#report(lock, judgedToMs, devices.slice(at, at + devicesMax))) return;
      }
    }
  }

  #isDue({ evidenceLockId, fromMs, toMs }: Lock, deviceId: DeviceId, nowMs: number): boolean {
    const last = this.#options.view.lockReport(evidenceLockId, deviceId);
    if (last === null || last.fromMs !== fromMs || last.toMs !== toMs) return true;
    return last.judgedToMs < toMs && nowMs >= toMs + lateMs;
  }

  /** Null: the device is of no concern to this server. */
  #resultOf(
    { fromMs, toMs }: Lock,
    deviceId: DeviceId,
    { judgedToMs, isHere }: { readonly judgedToMs: number; readonly isHere: boolean },
  ): DeviceResult | null {
    const { database, view } = this.#options;
    const owner = view.ownerOf(deviceId) ?? deviceId;
    const open = database.openSpan(owner);
    const span = { fromMs, toMs: judgedToMs };
    const sealed = database.spans({ deviceId: owner, ...span });
    const { outcome, heldMs, missing } = lockCoverage(span, open === null ? sealed : [...sealed, open]);
    if (outcome === 'NOTHING_HELD' && !isHere) return null;
    const byteLength = database.heldBytes({ deviceId: owner, fromMs, toMs });
    const rounded = missing.slice(0, missingMax);
    return { deviceId, outcome, heldMs: Math.round(heldMs), byteLength, missing: rounded };
  }

  #report(
    { evidenceLockId, fromMs, toMs }: Lock,
    judgedToMs: number,
    devices: readonly DeviceResult[],
  ): boolean {
    const { recordingServerId, now, view, report } = this.#options;
    const event: HoldfastEvent = {
      type: 'EvidenceLockApplied',
      data: {
        ...{ evidenceLockId, recordingServerId, atMs: now(), fromMs, toMs, judgedToMs },
        devices: [...devices],
      },
    };
    if (!report(`lock-reports-${recordingServerId}`, event)) return false;
    // The log says the same a moment later; until then it is not due again.
    view.apply(event);
    return true;
  }
}
