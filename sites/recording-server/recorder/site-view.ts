import {
  type EvidenceLock,
  evidenceLockDecider,
  type Hardware,
  hardwareDecider,
  isEvidenceLockActive,
  type ManualRecording,
  manualRecordingDecider,
  type NamedFold,
  type ProtectedSpan,
  type Protection,
  type RecordedEvent,
  readEventData,
} from '@holdfast/core';
import {
  AlarmRaised,
  BookmarkCreated,
  type DeviceId,
  DeviceStorageAssigned,
  EventDecodeError,
  EvidenceLockApplied,
  type EvidenceLockId,
  evidenceLockEvents,
  type HardwareCapabilities,
  HardwareCapabilitiesFound,
  type HardwareId,
  type HoldfastEvent,
  hardwareEvents,
  isKnownEvent,
  manualRecordingEvents,
  RecordingDamaged,
  RecordingDeleted,
  RecordingHalted,
  RecordingReduced,
  RecordingSealed,
  type RecordingServerId,
  RecordingStarted,
  RecordingStopped,
  RecordingUnhalted,
  type StorageId,
} from '@holdfast/schema';

import type { PreviousEnd } from '../media-database/media-database.js';

/** Most of a log is sealed recordings: those are left undecoded. */
const typesRead = new Set<string>(
  [
    ...[...hardwareEvents, ...evidenceLockEvents, EvidenceLockApplied, RecordingStarted, RecordingStopped],
    ...[
      RecordingHalted,
      RecordingUnhalted,
      DeviceStorageAssigned,
      ...manualRecordingEvents,
      AlarmRaised,
      BookmarkCreated,
      HardwareCapabilitiesFound,
    ],
  ].map(definition => definition.type),
);

/** What there is most of in a log, and is not looked at. */
const TYPES_UNREAD: readonly string[] = [
  RecordingSealed,
  RecordingReduced,
  RecordingDeleted,
  RecordingDamaged,
].map(({ type }) => type);

/** The fold of a recording server over the log, named for its snapshots. */
export function siteViewFold(recordingServerId: RecordingServerId, view: SiteView): NamedFold {
  return {
    name: `recording-server-${recordingServerId}`,
    without: TYPES_UNREAD,
    fold: recorded => view.read(recorded),
    state: () => view.toFold(),
  };
}

export type RecordingStop = PreviousEnd;

/** What this server said of a lock and a device last. */
export interface LockReport {
  readonly fromMs: number;
  readonly toMs: number;
  readonly judgedToMs: number;
}

export interface SiteViewFold {
  readonly hardware: ReadonlyMap<HardwareId, NonNullable<Hardware>>;
  readonly capabilities: ReadonlyMap<HardwareId, HardwareCapabilities>;
  readonly running: ReadonlySet<DeviceId>;
  readonly lastStop: ReadonlyMap<DeviceId, RecordingStop>;
  readonly haltedStorages: ReadonlySet<StorageId | null>;
  readonly manual: ReadonlyMap<DeviceId, NonNullable<ManualRecording>>;
  readonly locks: ReadonlyMap<EvidenceLockId, NonNullable<EvidenceLock>>;
  readonly lockReports: ReadonlyMap<EvidenceLockId, ReadonlyMap<DeviceId, LockReport>>;
  readonly owners: ReadonlyMap<DeviceId, DeviceId>;
  readonly storages: ReadonlyMap<DeviceId, StorageId>;
  readonly unreadable: string | null;
}

/** What a recording server reads out of its site's log: hardware, evidence locks, and where recording stands. */
export class SiteView {
  readonly hardware = new Map<HardwareId, NonNullable<Hardware>>();
  /** What cameras said last that they can. */
  readonly capabilities = new Map<HardwareId, HardwareCapabilities>();
  /** Recorded by this server, by its own account. */
  readonly running = new Set<DeviceId>();
  /** Where recording of a device ended, on whatever server. */
  readonly lastStop = new Map<DeviceId, RecordingStop>();
  /** Into which nothing can be recorded; null: as of before each was told by itself, all of them. */
  readonly haltedStorages = new Set<StorageId | null>();
  /** What somebody started by hand, and nobody stopped: it may be over by now. By the device that owns the recordings. */
  readonly manual = new Map<DeviceId, NonNullable<ManualRecording>>();
  readonly #recordingServerId: RecordingServerId;
  readonly #locks = new Map<EvidenceLockId, NonNullable<EvidenceLock>>();
  readonly #lockReports = new Map<EvidenceLockId, Map<DeviceId, LockReport>>();
  /** Every device that ever was, by the device that owns its recordings. */
  readonly #owners = new Map<DeviceId, DeviceId>();
  readonly #storages = new Map<DeviceId, StorageId>();
  #unreadable: string | null = null;

  constructor(recordingServerId: RecordingServerId) {
    this.#recordingServerId = recordingServerId;
  }

  /** Everything that was read so far, as data. */
  toFold(): SiteViewFold {
    const { hardware, capabilities, running, lastStop, haltedStorages, manual } = this;
    return {
      hardware,
      capabilities,
      running,
      lastStop,
      haltedStorages,
      manual,
      locks: this.#locks,
      lockReports: this.#lockReports,
      owners: this.#owners,
      storages: this.#storages,
      unreadable: this.#unreadable,
    };
  }

  /** Into a view that has read nothing yet. */
  restore(fold: SiteViewFold): void {
    copyInto(this.hardware, fold.hardware);
    copyInto(this.capabilities, fold.capabilities);
    for (const deviceId of fold.running) this.running.add(deviceId);
    copyInto(this.lastStop, fold.lastStop);
    copyInto(this.manual, fold.manual);
    copyInto(this.#locks, fold.locks);
    for (const [lockId, reports] of fold.lockReports) this.#lockReports.set(lockId, new Map(reports));
    copyInto(this.#owners, fold.owners);
    copyInto(this.#storages, fold.storages);
    for (const storageId of fold.haltedStorages) this.haltedStorages.add(storageId);
    this.#unreadable = fold.unreadable;
  }

  /**
   * Null for events that are not of interest, and for those that cannot be read: hardware then stays as it was, and recording
   * goes on; an evidence lock makes all locks unreadable. The management server tells people of such events.
   */
  read(recorded: RecordedEvent): HoldfastEvent | null {
    const { type, version, stream } = recorded;
    if (!typesRead.has(type) && (isKnownEvent(type, version) || !stream.startsWith('evidence-lock-')))
      return null;
    const event = readEventData(recorded);
    if (event instanceof EventDecodeError) {
      if (stream.startsWith('evidence-lock-')) this.locksUnreadable(event.message);
      return null;
    }
    this.apply(event);
    return event;
  }

  apply(event: HoldfastEvent): void {
    switch (event.type) {
      case 'HardwareAdded':
      case 'HardwareRemoved':
      case 'HardwareMoved':
      case 'DeviceRenamed':
      case 'DeviceEnabled':
      case 'DeviceDisabled':
      case 'DeviceRecordingEnabled':
      case 'DeviceRecordingDisabled':
      case 'DeviceRecordingPolicySet':
      case 'MotionDetectionConfigured':
      case 'DeviceStreamsConfigured':
        this.#applyHardware(event);
        return;
      case 'HardwareCapabilitiesFound':
        this.capabilities.set(event.data.hardwareId, event.data.capabilities);
        return;
      case 'EvidenceLockCreated':
      case 'EvidenceLockExtended':
      case 'EvidenceLockReleased': {
        const lockId = event.data.evidenceLockId;
        const lock = evidenceLockDecider.evolve(this.#locks.get(lockId) ?? null, event);
        if (lock !== null && !lock.released) this.#locks.set(lockId, lock);
        else {
          this.#locks.delete(lockId);
          this.#lockReports.delete(lockId);
        }
        return;
      }
      case 'EvidenceLockApplied':
        this.#applyLockReport(event.data);
        return;
      case 'ManualRecordingStarted':
      case 'ManualRecordingStopped': {
        const owner = this.ownerOf(event.data.deviceId) ?? event.data.deviceId;
        const manual = manualRecordingDecider.evolve(this.manual.get(owner) ?? null, event);
        if (manual === null) this.manual.delete(owner);
        else this.manual.set(owner, manual);
        return;
      }
      case 'RecordingStarted':
        if (event.data.recordingServerId === this.#recordingServerId) this.running.add(event.data.deviceId);
        return;
      case 'RecordingStopped': {
        const { deviceId, atMs, cause, recordingServerId } = event.data;
        const elsewhere = recordingServerId !== this.#recordingServerId;
        this.lastStop.set(deviceId, { toMs: atMs, cause, elsewhere });
        if (recordingServerId === this.#recordingServerId) this.running.delete(deviceId);
        return;
      }
      case 'DeviceStorageAssigned':
        if (event.data.recordingServerId === this.#recordingServerId) {
          this.#storages.set(event.data.deviceId, event.data.storageId);
        }
        return;
      case 'RecordingHalted':
      case 'RecordingUnhalted':
        if (event.data.recordingServerId === this.#recordingServerId) {
          const { storageId } = event.data;
          if (event.type === 'RecordingHalted') this.haltedStorages.add(storageId);
          else if (storageId === null) this.haltedStorages.clear();
          else this.haltedStorages.delete(storageId);
        }
    }
  }

  /** Whether nothing can be recorded into one of the storages. */
  get halted(): boolean {
    return this.haltedStorages.size > 0;
  }

  locksUnreadable(reason: string): void {
    this.#unreadable ??= reason;
  }

  /** Camera and microphone of one hardware share one recording, which belongs to the camera. */
  ownerOf(deviceId: DeviceId): DeviceId | null {
    return this.#owners.get(deviceId) ?? null;
  }

  /** Where recordings of a device are kept; null: in the default storage. */
  storageOf(deviceId: DeviceId): StorageId | null {
    return this.#storages.get(deviceId) ?? null;
  }

  /** Those that protect anything now; none while there is one that cannot be read. */
  locks(nowMs: number): readonly NonNullable<EvidenceLock>[] {
    if (this.#unreadable !== null) return [];
    return [...this.#locks.values()].filter(lock => isEvidenceLockActive(lock, nowMs));
  }

  lockReport(lockId: EvidenceLockId, deviceId: DeviceId): LockReport | null {
    return this.#lockReports.get(lockId)?.get(deviceId) ?? null;
  }

  /** Those that belong to this server now. */
  devicesHere(): ReadonlySet<DeviceId> {
    const own = [...this.hardware.values()].filter(
      ({ recordingServerId }) => recordingServerId === this.#recordingServerId,
    );
    return new Set(own.flatMap(({ devices }) => devices.map(({ deviceId }) => deviceId)));
  }

  /** The hardware that the device belongs to, if it is this server's now. */
  hardwareHere(deviceId: DeviceId): NonNullable<Hardware> | null {
    const found = [...this.hardware.values()].find(
      ({ recordingServerId, devices }) =>
        recordingServerId === this.#recordingServerId && devices.some(device => device.deviceId === deviceId),
    );
    return found ?? null;
  }

  protection(nowMs: number, pins: readonly ProtectedSpan[]): Protection {
    if (this.#unreadable !== null) return { readable: false, reason: this.#unreadable };
    const spans = pins.map(pin => ({ ...pin, deviceId: this.ownerOf(pin.deviceId) ?? pin.deviceId }));
    for (const lock of this.#locks.values()) {
      if (!isEvidenceLockActive(lock, nowMs)) continue;
      for (const deviceId of lock.deviceIds) {
        const owner = this.ownerOf(deviceId) ?? deviceId;
        spans.push({ deviceId: owner, fromMs: lock.fromMs, toMs: lock.toMs });
      }
    }
    return { readable: true, spans };
  }

  #applyLockReport(report: Extract<HoldfastEvent, { type: 'EvidenceLockApplied' }>['data']): void {
    const { evidenceLockId, recordingServerId, fromMs, toMs, judgedToMs } = report;
    if (recordingServerId !== this.#recordingServerId || !this.#locks.has(evidenceLockId)) return;
    const reports = this.#lockReports.get(evidenceLockId) ?? new Map<DeviceId, LockReport>();
    for (const { deviceId } of report.devices) reports.set(deviceId, { fromMs, toMs, judgedToMs });
    this.#lockReports.set(evidenceLockId, reports);
  }

  #applyHardware(event: Parameters<typeof hardwareDecider.evolve>[1]): void {
    const { hardwareId } = event.data;
    const hardware = hardwareDecider.evolve(this.hardware.get(hardwareId) ?? null, event);
    if (hardware === null) {
      this.hardware.delete(hardwareId);
      this.capabilities.delete(hardwareId);
      return;
    }
    this.hardware.set(hardwareId, hardware);
    const owner = recordingDeviceOf(hardware);
    for (const device of hardware.devices) this.#owners.set(device.deviceId, owner.deviceId);
  }
}

/** The device under whose id a hardware's recordings stand: its first camera, else its first device. */
export function recordingDeviceOf(hardware: NonNullable<Hardware>): NonNullable<Hardware>['devices'][number] {
  return hardware.devices.find(device => device.type === 'CAMERA') ?? hardware.devices[0]!;
}

function copyInto<Key, Value>(target: Map<Key, Value>, source: ReadonlyMap<Key, Value>): void {
  for (const [key, value] of source) target.set(key, value);
}
