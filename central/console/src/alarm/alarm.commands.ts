import { COMMAND_FIELDS, send, wasTaken } from '../session/command';
import type { Variables } from '../session/graphql.client';
import type { Alarm } from './alarm';

const UPDATE = `mutation UpdateAlarm($id: ID!, $state: AlarmState, $assignedTo: String, $priority: Int, $comment: String, $reason: String, $expectedLastId: ID) {
  updateAlarm(id: $id, state: $state, assignedTo: $assignedTo, priority: $priority, comment: $comment, reason: $reason, expectedLastId: $expectedLastId) { ${COMMAND_FIELDS} }
}`;

/** The last request about an alarm in this tab, and what was shown of the alarm then. */
interface LastRequest {
  readonly seenId: string | null;
  readonly commandId: string;
}

/** Of as many alarms as were handled in this tab. */
const lastRequests = new Map<string, LastRequest>();
/** One request about an alarm waits for the one before: what that brings about is no news to who asked for it. */
const turns = new Map<string, Promise<unknown>>();

/**
 * Sends a change of an alarm to its site; true: it was taken. It is refused when something has happened to the alarm that `alarm` does
 * not show, and that was not asked for here.
 */
export function updateAlarm(alarm: Alarm, what: string, change: Variables): Promise<boolean> {
  const turn = (turns.get(alarm.id) ?? Promise.resolve()).then(() => ask(alarm, what, change));
  turns.set(alarm.id, turn);
  return turn;
}

async function ask({ id, localNumber, lastEventId }: Alarm, what: string, change: Variables) {
  const last = lastRequests.get(id);
  // As long as the alarm is shown as it was then, what was asked is the newest that is known of it.
  const expectedLastId = last?.seenId === lastEventId ? last.commandId : lastEventId;
  const outcome = await send({
    document: UPDATE,
    variables: { id, ...change, expectedLastId },
    olderVariables: { id, ...change },
    title: `${what}: alarm ${localNumber}`,
    topics: ['alarms'],
    about: id,
    onTaken: commandId => lastRequests.set(id, { seenId: lastEventId, commandId }),
    onRefusedLate: commandId => {
      if (lastRequests.get(id)?.commandId === commandId) lastRequests.delete(id);
    },
  });
  return wasTaken(outcome);
}
