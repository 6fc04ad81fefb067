import type { AlarmEvent, AlarmId, AlarmState } from '@holdfast/schema';
import type { PastEvent } from '../aggregate/past-events.js';
import { accept, type Decider, type Decision, refuse } from '../decider/decider.js';
import { ALARM_STATES_AFTER, type AlarmCommand, type AlarmRefusal } from './alarm.commands.js';

/** Null before the alarm was raised. */
export type Alarm = {
  readonly alarmId: AlarmId;
  readonly state: AlarmState;
  readonly assignedTo: string | null;
  readonly priority: number;
} | null;

export const alarmDecider: Decider<Alarm, AlarmCommand, AlarmEvent, AlarmRefusal> = {
  initialState: null,
  decide(command, alarm) {
    switch (command.kind) {
      case 'RaiseAlarm':
        return raise(command, alarm);
      case 'HandleAlarm':
        return handle(command, alarm);
    }
  },
  evolve(alarm, event) {
    if (event.type === 'AlarmRaised') {
      const { alarmId, priority } = event.data;
      return { alarmId, state: 'NEW', assignedTo: null, priority };
    }
    if (alarm === null) return alarm;
    switch (event.type) {
      case 'AlarmAcknowledged':
      case 'AlarmReopened':
        return { ...alarm, state: 'IN_PROGRESS' };
      case 'AlarmPutOnHold':
        return { ...alarm, state: 'ON_HOLD' };
      case 'AlarmClosed':
        return { ...alarm, state: 'CLOSED' };
      case 'AlarmAssigned':
        return { ...alarm, assignedTo: event.data.assignedTo };
      case 'AlarmPrioritised':
        return { ...alarm, priority: event.data.priority };
      case 'AlarmCommented':
        return alarm;
    }
  },
};

type AlarmDecision = Decision<AlarmEvent, AlarmRefusal>;

function raise(command: Extract<AlarmCommand, { kind: 'RaiseAlarm' }>, alarm: Alarm): AlarmDecision {
  const { alarmId, localNumber, name, message, priority, sourceDeviceId, sourceName, nowMs } = command;
  if (alarm !== null) return refuse({ code: 'ALARM_EXISTS', message: `alarm ${alarmId} was raised before` });
  if (sourceDeviceId !== null && sourceName === null) {
    return refuse({ code: 'DEVICE_NOT_FOUND', message: `this site has no device ${sourceDeviceId}` });
  }
  return accept({
    type: 'AlarmRaised',
    data: {
      ...{ alarmId, localNumber, name, message, priority, sourceDeviceId },
      sourceName: sourceName ?? '',
      raisedAtMs: nowMs,
    },
  });
}

type HandleAlarm = Extract<AlarmCommand, { kind: 'HandleAlarm' }>;

function handle(command: HandleAlarm, alarm: Alarm): AlarmDecision {
  const { alarmId } = command;
  if (alarm === null)
    return refuse({ code: 'ALARM_NOT_FOUND', message: `this site has no alarm ${alarmId}` });
  // To comment sets nothing that somebody else may have set.
  const sets = [command.state, command.assignedTo, command.priority].some(value => value !== undefined);
  if (sets && command.meanwhile.length > 0) return handledMeanwhile(command);
  const events: AlarmEvent[] = [];
  if (command.state !== undefined && command.state !== alarm.state) {
    const step = stateStep({ ...command, state: command.state }, alarm.state);
    if (!step.accepted) return step;
    events.push(...step.events);
  }
  if (command.assignedTo !== undefined && command.assignedTo !== alarm.assignedTo) {
    events.push({ type: 'AlarmAssigned', data: { alarmId, assignedTo: command.assignedTo } });
  }
  if (command.priority !== undefined && command.priority !== alarm.priority) {
    events.push({ type: 'AlarmPrioritised', data: { alarmId, priority: command.priority } });
  }
  if (command.comment) events.push({ type: 'AlarmCommented', data: { alarmId, comment: command.comment } });
  if (events.length > 0) return accept(...events);
  return refuse({
    code: 'NOTHING_ASKED',
    message: `alarm ${alarmId} is so already: give another state, assignee or priority, or a comment`,
  });
}

const deeds: Readonly<Record<AlarmEvent['type'], string>> = {
  AlarmRaised: 'raised',
  AlarmAcknowledged: 'taken into progress',
  AlarmPutOnHold: 'put on hold',
  AlarmClosed: 'closed',
  AlarmReopened: 'reopened',
  AlarmAssigned: 'assigned',
  AlarmPrioritised: 'given another priority',
  AlarmCommented: 'commented on',
};
/** The newest ones: an actor has up to 200 characters, a message in an answer up to 1000. */
const DEEDS_TOLD_MAX = 3;

function handledMeanwhile({ alarmId, meanwhile }: HandleAlarm): AlarmDecision {
  const told = meanwhile.slice(-DEEDS_TOLD_MAX).map(inWords).join(', ');
  const message = `alarm ${alarmId} was handled meanwhile: ${told}; look at it as it is now, then ask again`;
  return refuse({ code: 'ALARM_HANDLED_MEANWHILE', message });
}

function inWords({ type, actor, atMs }: PastEvent): string {
  const deed = (deeds as Readonly<Record<string, string>>)[type] ?? type;
  return `${deed} by ${actor} at ${new Date(atMs).toISOString()}`;
}

function stateStep(command: HandleAlarm & { readonly state: AlarmState }, from: AlarmState): AlarmDecision {
  const { alarmId, state } = command;
  const reachable = ALARM_STATES_AFTER[from];
  if (state === 'NEW' || !reachable.includes(state)) {
    return refuse({
      code: 'ALARM_STATE_NOT_REACHABLE',
      message: `alarm ${alarmId} is ${from}; from there it can become ${reachable.join(', ')}, not ${state}`,
    });
  }
  switch (state) {
    case 'IN_PROGRESS':
      return accept({ type: from === 'CLOSED' ? 'AlarmReopened' : 'AlarmAcknowledged', data: { alarmId } });
    case 'ON_HOLD':
      return accept({ type: 'AlarmPutOnHold', data: { alarmId } });
    case 'CLOSED':
      return accept({ type: 'AlarmClosed', data: { alarmId, reason: command.reason ?? '' } });
  }
}
