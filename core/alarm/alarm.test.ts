import type { AlarmEvent, AlarmId, DeviceId } from '@holdfast/schema';
import { suite } from 'uvu';
import { given } from '../decider/decider-specification.js';
import type { AlarmCommand } from './alarm.commands.js';
import { alarmDecider } from './alarm.decider.js';

const test = suite('alarm');
const alarmId = '018f0000-0000-7000-8000-000000000001' as AlarmId;
const deviceId = '018f0000-0000-7000-8000-000000000002' as DeviceId;

const raise: AlarmCommand = {
  ...{ kind: 'RaiseAlarm', alarmId, name: 'Door forced', message: '', priority: 1 },
  ...{ sourceDeviceId: deviceId, localNumber: 7, sourceName: 'Entrance', nowMs: 1000 },
};
const raised: AlarmEvent = {
  type: 'AlarmRaised',
  data: {
    ...{ alarmId, localNumber: 7, name: 'Door forced', message: '', priority: 1 },
    ...{ sourceDeviceId: deviceId, sourceName: 'Entrance', raisedAtMs: 1000 },
  },
};
const acknowledged: AlarmEvent = { type: 'AlarmAcknowledged', data: { alarmId } };
const closed: AlarmEvent = { type: 'AlarmClosed', data: { alarmId, reason: 'false alarm' } };

test('an alarm is raised once', () => {
  given(alarmDecider).when(raise).then(raised);
  given(alarmDecider, raised).when(raise).thenRefused('ALARM_EXISTS');
});

test('what is told of an alarm that was never raised makes none', () => {
  given(alarmDecider, acknowledged, closed).when(raise).then(raised);
});

test('an alarm of a device that the site does not have is refused', () => {
  given(alarmDecider)
    .when({ ...raise, sourceName: null })
    .thenRefused('DEVICE_NOT_FOUND');
});

test('an alarm of the site itself is of no device', () => {
  given(alarmDecider)
    .when({ ...raise, sourceDeviceId: null, sourceName: null })
    .then({
      type: 'AlarmRaised',
      data: { ...raised.data, sourceDeviceId: null, sourceName: '' },
    } as AlarmEvent);
});

test('an alarm is acknowledged, put on hold, closed with a reason and reopened', () => {
  given(alarmDecider, raised).when({ kind: 'HandleAlarm', alarmId, state: 'IN_PROGRESS' }).then(acknowledged);
  given(alarmDecider, raised, acknowledged)
    .when({ kind: 'HandleAlarm', alarmId, state: 'ON_HOLD' })
    .then({ type: 'AlarmPutOnHold', data: { alarmId } });
  given(alarmDecider, raised, acknowledged)
    .when({ kind: 'HandleAlarm', alarmId, state: 'CLOSED', reason: 'false alarm' })
    .then(closed);
  given(alarmDecider, raised, acknowledged)
    .when({ kind: 'HandleAlarm', alarmId, state: 'CLOSED' })
    .then({ type: 'AlarmClosed', data: { alarmId, reason: '' } });
  given(alarmDecider, raised, closed)
    .when({ kind: 'HandleAlarm', alarmId, state: 'IN_PROGRESS' })
    .then({ type: 'AlarmReopened', data: { alarmId } });
});

test('a state that cannot follow is refused', () => {
  given(alarmDecider, raised, closed)
    .when({ kind: 'HandleAlarm', alarmId, state: 'ON_HOLD' })
    .thenRefused('ALARM_STATE_NOT_REACHABLE');
  given(alarmDecider, raised, acknowledged)
    .when({ kind: 'HandleAlarm', alarmId, state: 'NEW' })
    .thenRefused('ALARM_STATE_NOT_REACHABLE');
});

test('one command may take up, assign, prioritise and comment at once', () => {
  given(alarmDecider, raised)
    .when({
      kind: 'HandleAlarm',
      alarmId,
      state: 'IN_PROGRESS',
      assignedTo: 'ann',
      priority: 2,
      comment: 'on my way',
    })
    .then(
      acknowledged,
      { type: 'AlarmAssigned', data: { alarmId, assignedTo: 'ann' } },
      { type: 'AlarmPrioritised', data: { alarmId, priority: 2 } },
      { type: 'AlarmCommented', data: { alarmId, comment: 'on my way' } },
    );
});

test('asking for what is so already is refused, and so is an unknown alarm', () => {
  given(alarmDecider, raised)
    .when({ kind: 'HandleAlarm', alarmId, priority: 1 })
    .thenRefused('NOTHING_ASKED');
  given(alarmDecider, raised, acknowledged)
    .when({ kind: 'HandleAlarm', alarmId, state: 'IN_PROGRESS', assignedTo: null, comment: '' })
    .thenRefused('NOTHING_ASKED');
  // What is so already is left out of what is new.
  given(alarmDecider, raised, acknowledged)
    .when({ kind: 'HandleAlarm', alarmId, state: 'IN_PROGRESS', assignedTo: null, priority: 2 })
    .then({ type: 'AlarmPrioritised', data: { alarmId, priority: 2 } });
  given(alarmDecider).when({ kind: 'HandleAlarm', alarmId, priority: 1 }).thenRefused('ALARM_NOT_FOUND');
});

test.run();
