import { z } from 'zod';
import { AlarmId, DeviceId } from '../ids.js';
import { defineEvent, type EventOf, Name, raised, Text, UnixMs } from './event-definition.js';
import { personal } from './personal.js';

/** 1 high, 2 medium, 3 low. */
export const AlarmPriority = z.int().min(1).max(3);

const alarmRaised = {
  alarmId: AlarmId,
  localNumber: z.int().min(1),
  name: Name,
  priority: AlarmPriority,
  sourceDeviceId: DeviceId.nullable(),
  sourceName: z.string().max(200),
  raisedAtMs: UnixMs,
};

/** Stream of this file: `alarm-<id>`. `localNumber` is the short number by which people call the alarm at its site. */
export const AlarmRaised = defineEvent(
  'AlarmRaised',
  2,
  z.object({ ...alarmRaised, message: personal({ max: 4000 }) }),
  [raised(z.object({ ...alarmRaised, message: Text }), data => data)],
);

const ofAlarm = z.object({ alarmId: AlarmId });
/** The alarm is in progress: somebody has taken it up. */
export const AlarmAcknowledged = defineEvent('AlarmAcknowledged', 1, ofAlarm);
export const AlarmPutOnHold = defineEvent('AlarmPutOnHold', 1, ofAlarm);
export const AlarmClosed = defineEvent(
  'AlarmClosed',
  2,
  z.object({ alarmId: AlarmId, reason: personal({ max: 4000 }) }),
  [raised(z.object({ alarmId: AlarmId, reason: Text }), data => data)],
);
/** A closed alarm is in progress again. */
export const AlarmReopened = defineEvent('AlarmReopened', 1, ofAlarm);
export const AlarmAssigned = defineEvent(
  'AlarmAssigned',
  2,
  z.object({ alarmId: AlarmId, assignedTo: personal({ max: 200 }).nullable() }),
  [raised(z.object({ alarmId: AlarmId, assignedTo: z.string().max(200).nullable() }), data => data)],
);
export const AlarmPrioritised = defineEvent(
  'AlarmPrioritised',
  1,
  z.object({ alarmId: AlarmId, priority: AlarmPriority }),
);
export const AlarmCommented = defineEvent(
  'AlarmCommented',
  2,
  z.object({ alarmId: AlarmId, comment: personal({ min: 1, max: 4000 }) }),
  [raised(z.object({ alarmId: AlarmId, comment: Text.min(1) }), data => data)],
);

export const alarmEvents = [
  AlarmRaised,
  AlarmAcknowledged,
  AlarmPutOnHold,
  AlarmClosed,
  AlarmReopened,
  AlarmAssigned,
  AlarmPrioritised,
  AlarmCommented,
] as const;
export type AlarmEvent = EventOf<(typeof alarmEvents)[number]>;
