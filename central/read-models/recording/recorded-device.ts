import { evolveUnsealedRuns, type UnsealedRun } from '@holdfast/core';
import type { RecordingEvent } from '@holdfast/schema';

/** Per device and the site whose log speaks of it. */
export interface DeviceRecordingRow {
  readonly siteId: string;
  readonly deviceId: string;
  readonly recordingServerId: string;
  /** The oldest and the newest moment that any fact speaks of. */
  readonly knownFromMs: number;
  readonly knownToMs: number;
  /** Null when no run of recording is open. */
  readonly runningSinceMs: number | null;
  readonly lastStopAtMs: number | null;
  readonly lastStopCause: string | null;
  /** JSON of `UnsealedRun[]`; null: none, or not built anew since there are any. */
  readonly unsealedRuns: string | null;
}

export interface SegmentRow {
  readonly siteId: string;
  readonly deviceId: string;
  readonly segmentId: string;
  readonly recordingServerId: string;
  readonly fromMs: number;
  readonly toMs: number;
  readonly fragmentCount: number;
  readonly byteLength: number;
  readonly digest: string;
  readonly timeSource: string;
  readonly beganBecause: string;
  readonly endedBecause: string;
  readonly lostBecause: 'DELETED' | 'DAMAGED' | null;
  readonly keyFramesOnly: boolean;
}

type Mutable<Row> = { -readonly [Column in keyof Row]: Row[Column] };

const neverRecorded = {
  ...{ knownFromMs: Number.MAX_SAFE_INTEGER, knownToMs: 0, runningSinceMs: null },
  ...{ lastStopAtMs: null, lastStopCause: null, unsealedRuns: '[]' },
};

/** Before every segment: there is none yet. */
export const NO_SEGMENT_MS = -1;

/** One device while a batch is folded: its row, and the segments that the batch seals of it. */
export class RecordedDevice {
  /** Those that begin after every segment that there was: they are new. In the order of their beginnings. */
  readonly beyond: SegmentRow[] = [];
  /** Those that may have been sealed before, in the order in which they came. */
  readonly perhapsKnown: SegmentRow[] = [];
  #row: Mutable<DeviceRecordingRow> | null;
  #isTouched = false;
  #unsealedRuns: readonly UnsealedRun[];
  /** When the newest segment begins; null: it was not looked up, so that all may be known. */
  #newestMs: number | null;

  constructor(row: DeviceRecordingRow | null, newestMs: number | null) {
    this.#row = row && { ...row };
    this.#unsealedRuns = unsealedRunsOf(row);
    this.#newestMs = newestMs;
  }

  /** Null when nothing was folded. */
  get row(): DeviceRecordingRow | null {
    if (this.#row === null || !this.#isTouched) return null;
    return { ...this.#row, unsealedRuns: JSON.stringify(this.#unsealedRuns) };
  }

  fold(event: RecordingEvent, siteId: string): void {
    this.#isTouched = true;
    this.#evolve(event, siteId);
    this.#unsealedRuns = evolveUnsealedRuns(this.#unsealedRuns, event);
    if (event.type !== 'RecordingSealed') return;
    const { deviceId, recordingServerId } = event.data;
    for (const segment of event.data.segments) {
      const known = { siteId, deviceId, recordingServerId };
      this.#seal({ ...segment, ...known, lostBecause: null, keyFramesOnly: false });
    }
  }

  /** `unsealedRuns` stays as it was. In place: most of what is folded are segments, of few devices. */
  #evolve(event: RecordingEvent, siteId: string): void {
    const { deviceId, recordingServerId } = event.data;
    const { fromMs, toMs } = spanOf(event);
    this.#row ??= { ...neverRecorded, siteId, deviceId, recordingServerId };
    const row = this.#row;
    row.recordingServerId = recordingServerId;
    row.knownFromMs = Math.min(row.knownFromMs, fromMs);
    row.knownToMs = Math.max(row.knownToMs, toMs);
    if (event.type === 'RecordingStarted') row.runningSinceMs = event.data.atMs;
    if (event.type !== 'RecordingStopped') return;
    row.runningSinceMs = null;
    row.lastStopAtMs = event.data.atMs;
    row.lastStopCause = event.data.cause;
  }

  #seal(row: SegmentRow): void {
    if (this.#newestMs === null || row.fromMs <= this.#newestMs) {
      this.perhapsKnown.push(row);
    } else {
      this.#newestMs = row.fromMs;
      this.beyond.push(row);
    }
  }
}

/** Devices by the sites whose logs speak of them. */
export class RecordedDevices {
  readonly all: RecordedDevice[] = [];
  readonly #ofSite = new Map<string, Map<string, RecordedDevice>>();
  readonly #newestMsOfNew: number | null;

  /** `newestMsOfNew`: of a device that was not added, as in `RecordedDevice`. */
  constructor(newestMsOfNew: number | null) {
    this.#newestMsOfNew = newestMsOfNew;
  }

  add({ siteId, deviceId }: Pick<DeviceRecordingRow, 'siteId' | 'deviceId'>, device: RecordedDevice): void {
    let ofSite = this.#ofSite.get(siteId);
    if (ofSite === undefined) {
      ofSite = new Map();
      this.#ofSite.set(siteId, ofSite);
    }
    ofSite.set(deviceId, device);
    this.all.push(device);
  }

  of(siteId: string, deviceId: string): RecordedDevice {
    const known = this.#ofSite.get(siteId)?.get(deviceId);
    if (known !== undefined) return known;
    const device = new RecordedDevice(null, this.#newestMsOfNew);
    this.add({ siteId, deviceId }, device);
    return device;
  }
}

/** Also those that go on. */
export function unsealedRunsOf(row: Pick<DeviceRecordingRow, 'unsealedRuns'> | null): readonly UnsealedRun[] {
  return JSON.parse(row?.unsealedRuns ?? '[]') as readonly UnsealedRun[];
}

function spanOf(event: RecordingEvent): { readonly fromMs: number; readonly toMs: number } {
  switch (event.type) {
    case 'RecordingStarted':
    case 'RecordingStopped':
      return { fromMs: event.data.atMs, toMs: event.data.atMs };
    case 'RecordingSealed': {
      let fromMs = Number.MAX_SAFE_INTEGER;
      let toMs = 0;
      for (const pieces of [event.data.segments, event.data.gaps]) {
        for (const piece of pieces) {
          fromMs = Math.min(fromMs, piece.fromMs);
          toMs = Math.max(toMs, piece.toMs);
        }
      }
      return { fromMs, toMs };
    }
    default:
      return event.data;
  }
}
