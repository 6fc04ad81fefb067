import type { AlarmState } from '@holdfast/schema';
import type { PastEvent } from '../aggregate/past-events.js';
import type { SiteCommandOf, SiteCommandRefusal } from '../site-command/site-command.js';

export type AlarmCommand =
  | (SiteCommandOf<'RaiseAlarm'> & {
      readonly localNumber: number;
      /** Null when the site has no such device. */
      readonly sourceName: string | null;
      readonly nowMs: number;
    })
  | (SiteCommandOf<'HandleAlarm'> & {
      /** What has happened to the alarm that whoever asks did not know, oldest first. */
      readonly meanwhile: readonly PastEvent[];
    });

export type AlarmRefusal = SiteCommandRefusal<
  | 'ALARM_EXISTS'
  | 'ALARM_HANDLED_MEANWHILE'
  | 'ALARM_NOT_FOUND'
  | 'ALARM_STATE_NOT_REACHABLE'
  | 'DEVICE_NOT_FOUND'
  | 'NOTHING_ASKED'
>;

/** Which state may follow which. NEW is only where an alarm begins. */
export const ALARM_STATES_AFTER: Readonly<Record<AlarmState, readonly AlarmState[]>> = {
  NEW: ['IN_PROGRESS', 'ON_HOLD', 'CLOSED'],
  IN_PROGRESS: ['ON_HOLD', 'CLOSED'],
  ON_HOLD: ['IN_PROGRESS', 'CLOSED'],
  CLOSED: ['IN_PROGRESS'],
};
