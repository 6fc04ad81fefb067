import type { Shape, Tone } from '../ui/state-mark';

export type AlarmState = 'NEW' | 'IN_PROGRESS' | 'ON_HOLD' | 'CLOSED';
export interface Alarm {
  readonly id: string;
  readonly localNumber: number;
  readonly name: string;
  readonly message: string;
  readonly priority: number;
  readonly state: AlarmState;
  readonly assignedTo: string | null;
  readonly site: { readonly id: string; readonly name: string };
  readonly source: { readonly id: string } | null;
  readonly sourceName: string;
  readonly raisedAt: string;
  readonly closedAt: string | null;
  readonly closedReason: string | null;
  /** The newest event of it that is shown. Null: not known, after an upgrade. */
  readonly lastEventId: string | null;
}
export interface AlarmDetail extends Alarm {
  readonly history: readonly { readonly at: string; readonly actor: string; readonly text: string }[];
}

export const ALARM_FIELDS =
  'id localNumber name message priority state assignedTo site { id name } source { id } sourceName raisedAt closedAt closedReason lastEventId';

export const alarmStates: Record<AlarmState, { word: string; tone: Tone; shape: Shape }> = {
  NEW: { word: 'New', tone: 'bad', shape: 'triangle' },
  IN_PROGRESS: { word: 'In progress', tone: 'info', shape: 'half' },
  ON_HOLD: { word: 'On hold', tone: 'warn', shape: 'square' },
  CLOSED: { word: 'Closed', tone: 'none', shape: 'ring' },
};

export const alarmPriorities: Record<number, { word: string; tone: Tone; shape: Shape }> = {
  1: { word: 'High', tone: 'bad', shape: 'diamond' },
  2: { word: 'Medium', tone: 'warn', shape: 'diamond' },
  3: { word: 'Low', tone: 'info', shape: 'diamond' },
};
export const priorityOf = (priority: number) =>
  alarmPriorities[priority] ?? ({ word: `Priority ${priority}`, tone: 'none', shape: 'diamond' } as const);
