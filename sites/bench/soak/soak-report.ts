import { decodeEventData, LOG_START, placeOf } from '@holdfast/core';
import type { DeviceId, HoldfastEvent, RecordingGap, SealedSegment } from '@holdfast/schema';
import { readSiteLogFile } from '../../log/site-log-reader.js';
import { endOf, type Hole, holesOf, lastHoleOf } from './recorded-time.js';

export interface RecordedFacts {
  readonly segments: number;
  readonly recordedHours: number;
  /** Number and seconds of gaps by the cause that the log gives. */
  readonly gaps: Readonly<Record<string, { readonly count: number; readonly seconds: number }>>;
  readonly gapsWithoutCause: number;
  readonly examplesWithoutCause: readonly string[];
  /** Cameras of which the log has no recording at all. */
  readonly neverRecorded: number;
  readonly events: Readonly<Record<string, number>>;
  readonly alarms: Readonly<Record<string, number>>;
}

type DeviceHole = Hole & { readonly deviceId: DeviceId };

/** What the log of a site says of its recordings, and every gap in a line of a table: device, from, to, seconds, cause. */
export function recordedFacts(logFile: string): { readonly facts: RecordedFacts; readonly table: string } {
  const { devices, cameras, events, alarms } = readFacts(logFile);
  const holes: DeviceHole[] = [];
  let [recordedMs, segments] = [0, 0];
  const endMs = Math.max(0, ...[...devices.values()].map(endOf));
  for (const [deviceId, device] of devices) {
    segments += device.segments.length;
    recordedMs += device.segments.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
    const all = [...holesOf(device), ...lastHoleOf(device, endMs)];
    holes.push(...all.map(hole => ({ ...hole, deviceId })));
  }
  const without = holes.filter(hole => !isExplained(hole));
  return {
    facts: {
      ...{ segments, recordedHours: Math.round(recordedMs / 36_000) / 100, gaps: byCause(holes) },
      ...{ gapsWithoutCause: without.length, examplesWithoutCause: without.slice(0, 20).map(lineOf) },
      neverRecorded: [...cameras].filter(deviceId => !devices.has(deviceId)).length,
      ...{ events, alarms },
    },
    table: ['device,from,to,seconds,cause', ...holes.map(lineOf), ''].join('\n'),
  };
}

/** `MEDIA_LOST` means that nobody knows why. */
function isExplained({ cause }: Hole): boolean {
  return cause !== null && cause !== 'MEDIA_LOST';
}

function lineOf({ deviceId, fromMs, toMs, cause }: DeviceHole): string {
  const [from, to] = [fromMs, toMs].map(ms => new Date(ms).toISOString());
  return [deviceId, from, to, ((toMs - fromMs) / 1000).toFixed(3), cause ?? 'none'].join(',');
}

function byCause(holes: readonly Hole[]): RecordedFacts['gaps'] {
  const groups = Map.groupBy(holes, ({ cause }) => cause ?? 'none');
  return Object.fromEntries(
    [...groups].map(([cause, group]) => {
      const ms = group.reduce((sum, { fromMs, toMs }) => sum + toMs - fromMs, 0);
      return [cause, { count: group.length, seconds: Math.round(ms / 1000) }];
    }),
  );
}

interface LogFacts {
  readonly devices: ReadonlyMap<DeviceId, { segments: SealedSegment[]; gaps: RecordingGap[] }>;
  readonly cameras: ReadonlySet<DeviceId>;
  readonly events: Record<string, number>;
  readonly alarms: Record<string, number>;
}

function readFacts(file: string): LogFacts {
  using log = readSiteLogFile(file);
  const devices = new Map<DeviceId, { segments: SealedSegment[]; gaps: RecordingGap[] }>();
  const cameras = new Set<DeviceId>();
  const events: Record<string, number> = {};
  const alarms: Record<string, number> = {};
  for (let after = LOG_START; ; ) {
    const page = log.read({ after, limit: 500 });
    for (const recorded of page) {
      events[recorded.type] = (events[recorded.type] ?? 0) + 1;
      const event = decodeEventData(recorded) as HoldfastEvent;
      if (event.type === 'AlarmRaised') alarms[event.data.name] = (alarms[event.data.name] ?? 0) + 1;
      if (event.type === 'HardwareAdded') {
        for (const { deviceId, type } of event.data.devices) if (type === 'CAMERA') cameras.add(deviceId);
      }
      if (event.type !== 'RecordingSealed') continue;
      const { deviceId, segments, gaps } = event.data;
      if (!devices.has(deviceId)) devices.set(deviceId, { segments: [], gaps: [] });
      devices.get(deviceId)!.segments.push(...segments);
      devices.get(deviceId)!.gaps.push(...gaps);
    }
    const last = page.at(-1);
    if (last === undefined) return { devices, cameras, events, alarms };
    after = placeOf(last);
  }
}
