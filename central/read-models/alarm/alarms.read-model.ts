import type { AlarmState, HoldfastEvent } from '@holdfast/schema';
import { sideBySide } from '../../postgres/side-by-side.js';
import { ModelTable, mustBelongTo } from '../model-table.js';
import { defineReadModel, IndigestibleEventError } from '../read-model.js';

export interface AlarmRow {
  readonly id: string;
  readonly siteId: string;
  readonly localNumber: number;
  readonly name: string;
  readonly message: string;
  readonly priority: number;
  readonly state: AlarmState;
  readonly assignedTo: string | null;
  readonly sourceDeviceId: string | null;
  readonly sourceName: string;
  readonly raisedAtMs: number;
  readonly closedAtMs: number | null;
  readonly closedReason: string | null;
  /** The newest event of it. Null until the projection is built anew. */
  readonly lastEventId: string | null;
}

export interface AlarmHistoryRow {
  readonly seq: number;
  readonly alarmId: string;
  readonly atMs: number;
  readonly actor: string;
  readonly text: string;
}

const alarms = new ModelTable<AlarmRow>('alarm', ['id']);
const history = new ModelTable<AlarmHistoryRow>('alarm_history', ['seq']);

type AlarmEvent = Extract<HoldfastEvent, { type: `Alarm${string}` }>;

const eventTypes = [
  'AlarmRaised',
  'AlarmAcknowledged',
  'AlarmPutOnHold',
  'AlarmClosed',
  'AlarmReopened',
  'AlarmAssigned',
  'AlarmPrioritised',
  'AlarmCommented',
] as const satisfies readonly AlarmEvent['type'][];

export const alarmsReadModel = defineReadModel({
  name: 'alarms',
  version: 4,
  poison: 'stall-stream',
  checked: 'BY_SITE',
  tables: ['alarm', 'alarm_history'],
  eventTypes,
  async fold(events, { tx, changed }) {
    const rows = await alarms.load(
      tx,
      'id',
      events.map(({ event }) => event.data.alarmId),
    );
    const lines: AlarmHistoryRow[] = [];
    for (const { seq, id, site, actor, recordedAtMs, event } of events) {
      const { alarmId } = event.data;
      const known = rows.get(alarmId);
      if (known) mustBelongTo(site, known, `alarm ${alarmId}`);
      const row = { ...evolve(known, event, site, recordedAtMs), lastEventId: id };
      rows.set(alarmId, row);
      lines.push({ seq, alarmId, atMs: recordedAtMs, actor, text: describe(event) });
      changed({ kind: 'alarm', seq, entityId: alarmId, state: row });
    }
    await sideBySide(alarms.save(tx, rows.values()), history.append({ tx, isAlone: false }, lines));
  },
});

function evolve(
  alarm: AlarmRow | undefined,
  event: AlarmEvent,
  siteId: string,
  atMs: number,
): Omit<AlarmRow, 'lastEventId'> {
  if (event.type === 'AlarmRaised') {
    const { alarmId: id, ...data } = event.data;
    return {
      ...{ id, siteId, ...data, state: 'NEW' },
      ...{ assignedTo: null, closedAtMs: null, closedReason: null },
    };
  }
  if (!alarm) throw new IndigestibleEventError(`${event.type} of alarm ${event.data.alarmId}, never raised`);
  switch (event.type) {
    case 'AlarmAcknowledged':
      return { ...alarm, state: 'IN_PROGRESS' };
    case 'AlarmReopened':
      return { ...alarm, state: 'IN_PROGRESS', closedAtMs: null, closedReason: null };
    case 'AlarmPutOnHold':
      return { ...alarm, state: 'ON_HOLD' };
    case 'AlarmClosed':
      return { ...alarm, state: 'CLOSED', closedAtMs: atMs, closedReason: event.data.reason };
    case 'AlarmAssigned':
      return { ...alarm, assignedTo: event.data.assignedTo };
    case 'AlarmPrioritised':
      return { ...alarm, priority: event.data.priority };
    case 'AlarmCommented':
      return alarm;
  }
}

/** The line in the alarm's history. */
function describe(event: AlarmEvent): string {
  switch (event.type) {
    case 'AlarmRaised':
      return 'Raised';
    case 'AlarmAcknowledged':
      return 'Taken into progress';
    case 'AlarmReopened':
      return 'Reopened';
    case 'AlarmPutOnHold':
      return 'Put on hold';
    case 'AlarmClosed':
      return event.data.reason === '' ? 'Closed' : `Closed: ${event.data.reason}`;
    case 'AlarmAssigned':
      return event.data.assignedTo === null ? 'Assigned to nobody' : `Assigned to ${event.data.assignedTo}`;
    case 'AlarmPrioritised':
      return `Priority ${event.data.priority}`;
    case 'AlarmCommented':
      return event.data.comment;
  }
}
