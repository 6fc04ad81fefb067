import type { RecordingCause, RecordingPolicy } from '@holdfast/schema';

export type TriggerKind = 'MOTION' | 'EVENT' | 'MANUAL' | 'BOOKMARK' | 'RELATED';

/** Of a bookmark, whatever the policy says: what somebody wants to find again lies behind and before it. */
export const BOOKMARK_PRE_MS = 3_000;
export const BOOKMARK_POST_MS = 30_000;
/** More causes than this at one time say nothing new; the one that ends first makes room. */
export const TRIGGERS_MAX = 256;

/** All times of this file are those of the recording server's clock, not of the camera's. */
export type TriggerChange =
  /** `untilMs` null: until it ends. */
  | {
      readonly change: 'BEGAN';
      readonly key: string;
      readonly kind: TriggerKind;
      readonly atMs: number;
      readonly untilMs: number | null;
    }
  | { readonly change: 'ENDED'; readonly key: string; readonly atMs: number };

/** Something that wants the device recorded: `[fromMs, untilMs)`, what comes before and after it included. */
export interface RecordingTrigger {
  readonly key: string;
  readonly kind: TriggerKind;
  readonly fromMs: number;
  readonly untilMs: number;
}

export type RecordingTriggers = readonly RecordingTrigger[];

export const NO_TRIGGERS: RecordingTriggers = [];

/** Whether a policy listens to triggers of this kind. People are always listened to. */
export function heeds({ mode }: RecordingPolicy, kind: TriggerKind): boolean {
  switch (kind) {
    case 'MOTION':
      return mode === 'MOTION';
    case 'EVENT':
      return mode === 'EVENT';
    case 'MANUAL':
    case 'BOOKMARK':
    case 'RELATED':
      return mode !== 'CONTINUOUS';
  }
}

/** The table of this machine stands in SPEC.md. */
export function withTrigger(
  triggers: RecordingTriggers,
  change: TriggerChange,
  policy: RecordingPolicy,
): RecordingTriggers {
  if (change.change === 'ENDED') {
    return triggers.map(trigger =>
      trigger.key === change.key
        ? { ...trigger, untilMs: Math.min(trigger.untilMs, change.atMs + postMs(policy, trigger.kind)) }
        : trigger,
    );
  }
  const { key, kind, atMs } = change;
  if (!heeds(policy, kind)) return triggers;
  const known = triggers.find(trigger => trigger.key === key);
  const fromMs = atMs - preMs(policy, kind);
  const untilMs = change.untilMs === null ? Number.POSITIVE_INFINITY : change.untilMs + postMs(policy, kind);
  // Begun again before it was over, it goes on. What its beginning has recorded is recorded.
  const begun = { key, kind, fromMs: Math.min(fromMs, known?.fromMs ?? fromMs), untilMs };
  const others = triggers.filter(trigger => trigger.key !== key);
  return [...others, begun].sort((one, other) => other.untilMs - one.untilMs).slice(0, TRIGGERS_MAX);
}

/** Without those that nothing can fall into any more. */
export function withoutPast(triggers: RecordingTriggers, beforeMs: number): RecordingTriggers {
  return triggers.every(trigger => trigger.untilMs > beforeMs)
    ? triggers
    : triggers.filter(trigger => trigger.untilMs > beforeMs);
}

/** Why the span is to be recorded: the trigger that lasts longest, and so says why recording ends. Null: it is not. */
export function triggerOf(
  triggers: RecordingTriggers,
  span: { readonly fromMs: number; readonly toMs: number },
): RecordingTrigger | null {
  let longest: RecordingTrigger | null = null;
  for (const trigger of triggers) {
    if (trigger.fromMs >= span.toMs || trigger.untilMs <= span.fromMs) continue;
    if (longest === null || trigger.untilMs > longest.untilMs) longest = trigger;
  }
  return longest;
}

/** How much a device that is not recorded must be held in memory for. */
export function preBufferMsOf(policy: RecordingPolicy): number {
  return Math.max(policy.preBufferMs, BOOKMARK_PRE_MS);
}

const ends: Readonly<Record<TriggerKind, RecordingCause>> = {
  MOTION: 'MOTION_STOPPED',
  EVENT: 'EVENT_ENDED',
  MANUAL: 'MANUAL_STOPPED',
  BOOKMARK: 'BOOKMARK_ENDED',
  RELATED: 'RELATED_ENDED',
};

/** Why a run ends whose last trigger was of this kind. */
export function endCauseOf(kind: TriggerKind): RecordingCause {
  return ends[kind];
}

function preMs(policy: RecordingPolicy, kind: TriggerKind): number {
  if (kind === 'BOOKMARK') return BOOKMARK_PRE_MS;
  return kind === 'MANUAL' ? 0 : policy.preBufferMs;
}

function postMs(policy: RecordingPolicy, kind: TriggerKind): number {
  if (kind === 'BOOKMARK') return BOOKMARK_POST_MS;
  return kind === 'MANUAL' ? 0 : policy.postMs;
}
