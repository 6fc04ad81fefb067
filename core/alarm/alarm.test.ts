import type { AlarmEvent, AlarmId, DeviceId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { eventsAfter, type PastEvent } from '../aggregate/past-events.js';
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
type HandleAlarm = Extract<AlarmCommand, { kind: 'HandleAlarm' }>;
const handle = (asked: Partial<HandleAlarm>): HandleAlarm => ({
  ...{ kind: 'HandleAlarm', alarmId, meanwhile: [] },
  ...asked,
});
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
  given(alarmDecider, raised)
    .when(handle({ state: 'IN_PROGRESS' }))
    .then(acknowledged);
  given(alarmDecider, raised, acknowledged)
    .when(handle({ state: 'ON_HOLD' }))
    .then({ type: 'AlarmPutOnHold', data: { alarmId } });
  given(alarmDecider, raised, acknowledged)
    .when(handle({ state: 'CLOSED', reason: 'false alarm' }))
    .then(closed);
  given(alarmDecider, raised, acknowledged)
    .when(handle({ state: 'CLOSED' }))
    .then({ type: 'AlarmClosed', data: { alarmId, reason: '' } });
  given(alarmDecider, raised, closed)
    .when(handle({ state: 'IN_PROGRESS' }))
    .then({ type: 'AlarmReopened', data: { alarmId } });
});

test('a state that cannot follow is refused', () => {
  given(alarmDecider, raised, closed)
    .when(handle({ state: 'ON_HOLD' }))
    .thenRefused('ALARM_STATE_NOT_REACHABLE');
  given(alarmDecider, raised, acknowledged)
    .when(handle({ state: 'NEW' }))
    .thenRefused('ALARM_STATE_NOT_REACHABLE');
});

test('one command may take up, assign, prioritise and comment at once', () => {
  given(alarmDecider, raised)
    .when(handle({ state: 'IN_PROGRESS', assignedTo: 'ann', priority: 2, comment: 'on my way' }))
    .then(
      acknowledged,
      { type: 'AlarmAssigned', data: { alarmId, assignedTo: 'ann' } },
      { type: 'AlarmPrioritised', data: { alarmId, priority: 2 } },
      { type: 'AlarmCommented', data: { alarmId, comment: 'on my way' } },
    );
});

test('asking for what is so already is refused, and so is an unknown alarm', () => {
  given(alarmDecider, raised)
    .when(handle({ priority: 1 }))
    .thenRefused('NOTHING_ASKED');
  given(alarmDecider, raised, acknowledged)
    .when(handle({ state: 'IN_PROGRESS', assignedTo: null, comment: '' }))
    .thenRefused('NOTHING_ASKED');
  // What is so already is left out of what is new.
  given(alarmDecider, raised, acknowledged)
    .when(handle({ state: 'IN_PROGRESS', assignedTo: null, priority: 2 }))
    .then({ type: 'AlarmPrioritised', data: { alarmId, priority: 2 } });
  given(alarmDecider)
    .when(handle({ priority: 1 }))
    .thenRefused('ALARM_NOT_FOUND');
});

const eventId = (number: number) => `018f0000-0000-7000-8000-0000000001${number}0` as PastEvent['id'];
const pastEvent = (number: number, type: AlarmEvent['type'], causationId: PastEvent['id'] | null = null) => ({
  ...{ id: eventId(number), causationId, type },
  ...{ actor: `user:${'abcdefghi'[number]}`, atMs: Date.UTC(2026, 10, 27, 10, number) },
});

test('what somebody else has done meanwhile is not undone unseen: it is refused with who did what when', () => {
  const meanwhile = [pastEvent(1, 'AlarmClosed'), pastEvent(2, 'AlarmCommented')];
  for (const asked of [{ state: 'IN_PROGRESS' }, { assignedTo: 'ann' }, { priority: 3 }] as const) {
    given(alarmDecider, raised, closed)
      .when(handle({ ...asked, meanwhile }))
      .thenRefused('ALARM_HANDLED_MEANWHILE');
  }
  const decision = alarmDecider.decide(handle({ state: 'IN_PROGRESS', meanwhile }), {
    ...{ alarmId, state: 'CLOSED', assignedTo: null, priority: 1 },
  });
  assert.match(
    decision.accepted ? '' : decision.refusal.message,
    'closed by user:b at 2026-11-27T10:01:00.000Z, commented on by user:c at 2026-11-27T10:02:00.000Z',
  );
});

test('a comment is taken whatever has happened meanwhile, and what is told of much fits into an answer', () => {
  const much = Array.from({ length: 9 }, (_, index) => ({
    ...pastEvent(index, 'AlarmPrioritised'),
    actor: `user:${'x'.repeat(195)}`,
  }));
  given(alarmDecider, raised)
    .when(handle({ comment: 'seen', meanwhile: much }))
    .then({ type: 'AlarmCommented', data: { alarmId, comment: 'seen' } });
  const decision = alarmDecider.decide(handle({ state: 'CLOSED', meanwhile: much }), {
    ...{ alarmId, state: 'NEW', assignedTo: null, priority: 1 },
  });
  assert.ok(decision.accepted === false && decision.refusal.message.length <= 1000);
});

test('news is what came behind the event that was seen, or behind what the own wish brought about', () => {
  const past = [
    pastEvent(1, 'AlarmRaised'),
    pastEvent(2, 'AlarmAcknowledged', eventId(7)),
    pastEvent(3, 'AlarmAssigned', eventId(7)),
    pastEvent(4, 'AlarmClosed', eventId(8)),
  ];
  assert.equal(eventsAfter(past, eventId(1)), past.slice(1));
  assert.equal(eventsAfter(past, eventId(7)), past.slice(3));
  assert.equal(eventsAfter(past, eventId(4)), []);
  assert.equal(eventsAfter(past, eventId(8)), []);
  assert.equal(
    eventsAfter(past, eventId(9)),
    past.slice(3),
    'a wish that was refused, an event that was lost',
  );
});

test.run();
