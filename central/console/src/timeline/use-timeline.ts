import { useMemo } from 'react';
import { type Connection, nodesOf, request } from '../session/graphql.client';
import { useQuery } from '../session/use-query';
import { type KnownSpans, type Span, type View, windowAround } from './timeline.geometry';
import type { AlarmMarker, LockBar } from './timeline.painter';

export const TIMELINE = `query Timeline($devices: [ID!]!, $from: DateTime!, $to: DateTime!) {
  timeline(deviceIds: $devices, from: $from, to: $to) { deviceId spans { from to state cause retrievableUntil keyFramesOnly } }
}`;
const ALARMS = `query TimelineAlarms($from: DateTime!, $to: DateTime!) {
  alarms(filter: { from: $from, to: $to }, first: 200) {
    edges { cursor node { id localNumber name priority state raisedAt source { id } } } pageInfo { hasNextPage endCursor }
  }
}`;
const LOCKS = `query TimelineLocks { evidenceLocks(filter: { states: [ACTIVE] }, first: 100) {
  edges { cursor node { id headline from to devices { id } } } pageInfo { hasNextPage endCursor }
} }`;

export interface TimelineAnswer {
  readonly timeline: readonly {
    readonly deviceId: string;
    readonly spans: readonly {
      readonly from: string;
      readonly to: string;
      readonly state: Span['state'];
      readonly cause: string | null;
      readonly retrievableUntil: string | null;
      readonly keyFramesOnly: boolean;
    }[];
  }[];
}
interface AlarmNode {
  readonly id: string;
  readonly localNumber: number;
  readonly name: string;
  readonly priority: number;
  readonly state: string;
  readonly raisedAt: string;
  readonly source: { readonly id: string } | null;
}
interface LockNode {
  readonly id: string;
  readonly headline: string;
  readonly from: string;
  readonly to: string;
  readonly devices: readonly { readonly id: string }[];
}

/** While the view shows the present, what is recorded now grows. */
const PRESENT_INTERVAL_MS = 4_000;
/** Of the past, what can be had changes: recording servers come and go. */
const PAST_INTERVAL_MS = 30_000;

export interface TimelineData {
  readonly spans: ReadonlyMap<string, KnownSpans>;
  readonly alarms: readonly AlarmMarker[];
  readonly locks: readonly LockBar[];
  /** Why it is not known what was recorded. */
  readonly problem: string | undefined;
}

export function useTimeline(deviceIds: readonly string[], view: View): TimelineData {
  const asked = windowAround(view);
  const interval = { from: new Date(asked.fromMs).toISOString(), to: new Date(asked.toMs).toISOString() };
  const window = JSON.stringify(interval);
  const key = deviceIds.length === 0 ? null : `${deviceIds.join()} ${window}`;
  const answer = useQuery(
    key,
    async () =>
      knownSpans(await request<TimelineAnswer>(TIMELINE, { devices: deviceIds, ...interval }), asked),
    ['timeline'],
    view.toMs > Date.now() ? PRESENT_INTERVAL_MS : PAST_INTERVAL_MS,
  );
  const alarms = useQuery(window, () => request<{ alarms: Connection<AlarmNode> }>(ALARMS, interval), [
    'alarms',
  ]);
  const locks = useQuery('locks', () => request<{ evidenceLocks: Connection<LockNode> }>(LOCKS), [
    'evidence-locks',
  ]);
  return useMemo(
    () => ({
      spans: answer.data ?? new Map(),
      alarms: nodesOf(alarms.data?.alarms)
        .filter(alarm => alarm.source === null || deviceIds.includes(alarm.source.id))
        .map(toMarker),
      locks: nodesOf(locks.data?.evidenceLocks).map(toBar),
      problem: answer.data === undefined ? answer.error?.message : undefined,
    }),
    [answer.data, answer.error, alarms.data, locks.data, deviceIds],
  );
}

/** Of each device, what an answer says of the time that was asked for. */
export const knownSpans = (
  { timeline }: TimelineAnswer,
  { fromMs, toMs }: View,
): ReadonlyMap<string, KnownSpans> =>
  new Map(timeline.map(({ deviceId, spans }) => [deviceId, { fromMs, toMs, spans: spans.map(toSpan) }]));

const toSpan = (span: TimelineAnswer['timeline'][number]['spans'][number]): Span => ({
  ...{ fromMs: Date.parse(span.from), toMs: Date.parse(span.to), state: span.state },
  ...{ cause: span.cause, retrievableUntil: span.retrievableUntil, keyFramesOnly: span.keyFramesOnly },
});
const toMarker = (alarm: AlarmNode): AlarmMarker => ({
  ...{
    id: alarm.id,
    atMs: Date.parse(alarm.raisedAt),
    priority: alarm.priority,
    open: alarm.state !== 'CLOSED',
  },
  label: `Alarm ${alarm.localNumber}: ${alarm.name}`,
});
const toBar = (lock: LockNode): LockBar => ({
  ...{ id: lock.id, fromMs: Date.parse(lock.from), toMs: Date.parse(lock.to) },
  ...{ deviceIds: lock.devices.map(device => device.id), label: `Evidence lock: ${lock.headline}` },
});
