import { COMMAND_FIELDS, send, wasTaken } from '../session/command';
import type { Variables } from '../session/graphql.client';
import type { Alarm } from './alarm';
import { notePending } from './pending-alarm.store';

const UPDATE = `mutation UpdateAlarm($id: ID!, $state: AlarmState, $assignedTo: String, $priority: Int, $comment: String, $reason: String) {
  updateAlarm(id: $id, state: $state, assignedTo: $assignedTo, priority: $priority, comment: $comment, reason: $reason) { ${COMMAND_FIELDS} }
}`;

/** Sends a change of an alarm to its site; true: it was taken. What is not answered yet is shown at the alarm until it changes. */
export async function updateAlarm(alarm: Alarm, what: string, change: Variables): Promise<boolean> {
  const outcome = await send({
    document: UPDATE,
    variables: { id: alarm.id, ...change },
    title: `${what}: alarm ${alarm.localNumber}`,
    topics: ['alarms'],
  });
  if (outcome === 'PENDING') notePending(alarm.id, what);
  return wasTaken(outcome);
}
