import type { ManualRecording, TriggerChange } from '@holdfast/core';
import type { DeviceId, HoldfastEvent } from '@holdfast/schema';

const MANUAL_KEY = 'manual';

/** What an event of the site's log says about what is to be recorded. Null: nothing. */
export function triggerOfEvent(
  event: HoldfastEvent,
  occurredAtMs: number,
): { readonly deviceId: DeviceId; readonly change: TriggerChange } | null {
  switch (event.type) {
    case 'ManualRecordingStarted':
      return { deviceId: event.data.deviceId, change: manualTrigger(event.data) };
    case 'ManualRecordingStopped': {
      const { deviceId, atMs } = event.data;
      return { deviceId, change: { change: 'ENDED', key: MANUAL_KEY, atMs } };
    }
    case 'AlarmRaised': {
      const { alarmId, sourceDeviceId } = event.data;
      if (sourceDeviceId === null) return null;
      const at = { atMs: occurredAtMs, untilMs: occurredAtMs };
      return {
        deviceId: sourceDeviceId,
        change: { change: 'BEGAN', key: `alarm ${alarmId}`, kind: 'EVENT', ...at },
      };
    }
    case 'BookmarkCreated': {
      const { bookmarkId, deviceId, atMs } = event.data;
      const at = { atMs, untilMs: atMs };
      return {
        deviceId,
        change: { change: 'BEGAN', key: `bookmark ${bookmarkId}`, kind: 'BOOKMARK', ...at },
      };
    }
    default:
      return null;
  }
}

export function manualTrigger({ fromMs, untilMs }: NonNullable<ManualRecording>): TriggerChange {
  return { change: 'BEGAN', key: MANUAL_KEY, kind: 'MANUAL', atMs: fromMs, untilMs };
}
