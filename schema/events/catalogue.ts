import type { z } from 'zod';
import { alarmEvents } from './alarm.js';
import { bookmarkEvents } from './bookmark.js';
import { commandEvents } from './command.js';
import type { EventDefinition, EventOf } from './event-definition.js';
import { EvidenceLockApplied, evidenceLockEvents } from './evidence-lock.js';
import { exactFitOf } from './exact-fit.js';
import { hardwareConnectionEvents, hardwareEvents } from './hardware.js';
import { hardwareSignalEvents } from './hardware-signal.js';
import { healthEvents } from './health.js';
import { linkEvents } from './link.js';
import { logEvents } from './log.js';
import { manualRecordingEvents } from './manual-recording.js';
import { operatorEvents } from './operator.js';
import { recordingEvents } from './recording.js';
import { recordingServerEvents, StorageMeasured } from './recording-server.js';
import { retrievalEvents } from './retrieval.js';
import { siteEvents } from './site.js';
import { subjectEvents } from './subject.js';
import { userEvents } from './user.js';

/** Everything that can ever happen in the system. */
export const eventCatalogue = [
  ...siteEvents,
  ...logEvents,
  ...recordingServerEvents,
  StorageMeasured,
  ...hardwareEvents,
  ...hardwareConnectionEvents,
  ...healthEvents,
  ...hardwareSignalEvents,
  ...recordingEvents,
  ...manualRecordingEvents,
  ...bookmarkEvents,
  ...alarmEvents,
  ...evidenceLockEvents,
  EvidenceLockApplied,
  ...retrievalEvents,
  ...linkEvents,
  ...commandEvents,
  ...userEvents,
  ...operatorEvents,
  ...subjectEvents,
] as const;

export type HoldfastEvent = EventOf<(typeof eventCatalogue)[number]>;
export type EventType = HoldfastEvent['type'];

const byType = new Map<string, EventDefinition>(
  (eventCatalogue as readonly EventDefinition[]).map(definition => [definition.type, definition]),
);

/** `UNKNOWN_TYPE` and `NEWER_VERSION`: newer software wrote it, and after an upgrade it can be read. `INVALID_DATA`: never. */
export type DecodeFailure = 'UNKNOWN_TYPE' | 'NEWER_VERSION' | 'INVALID_DATA';

export class EventDecodeError extends Error {
  override readonly name = 'EventDecodeError';
  readonly code = 'EVENT_NOT_DECODABLE';
  readonly failure: DecodeFailure;
  readonly eventType: string;
  readonly eventVersion: number;

  constructor(failure: DecodeFailure, eventType: string, eventVersion: number, detail: string) {
    super(`${eventType} version ${eventVersion}: ${detail}`);
    this.failure = failure;
    this.eventType = eventType;
    this.eventVersion = eventVersion;
  }

  /** Readers put such an event aside until they are upgraded; it is no damage. */
  get isFromNewerSoftware(): boolean {
    return this.failure !== 'INVALID_DATA';
  }
}

/** `data` (parsed JSON) in today's version of its type, whatever version it was written under. Throws `EventDecodeError`. */
export function decodeEvent(type: string, version: number, data: unknown): HoldfastEvent {
  const definition = byType.get(type);
  if (!definition) throw new EventDecodeError('UNKNOWN_TYPE', type, version, 'no such event type');
  return { type, data: decodeData(definition, version, data) } as HoldfastEvent;
}

/** As `decodeEvent`, for one definition: checked as what it was written as, then raised and checked step by step. */
export function decodeData(definition: EventDefinition, version: number, data: unknown): unknown {
  const { type, earlier } = definition;
  if (version > definition.version) {
    const detail = `this software knows versions up to ${definition.version}`;
    throw new EventDecodeError('NEWER_VERSION', type, version, detail);
  }
  if (!Number.isInteger(version) || version < 1) {
    throw new EventDecodeError('INVALID_DATA', type, version, 'a version is an integer from 1');
  }
  const steps = earlier.slice(version - 1);
  let current = data;
  for (const step of steps) current = step.raise(checked(step.data, current));
  return checked(definition.data, current);

  function checked(schema: z.ZodType, candidate: unknown): unknown {
    if (exactFitOf(schema)?.(candidate)) return candidate;
    const parsed = schema.safeParse(candidate);
    if (parsed.success) return parsed.data;
    throw new EventDecodeError('INVALID_DATA', type, version, describeIssues(parsed.error));
  }
}

/** The version under which events of this type are written today, except `forOlderSoftware`. */
export function currentVersion(type: EventType): number {
  return byType.get(type)!.version;
}

/** The version under which this event is written. Of data that fit none, today's. */
export function versionToWrite(event: HoldfastEvent): number {
  return versionFor(byType.get(event.type)!, event.data);
}

/** As `versionToWrite`, for one definition. */
export function versionFor(definition: EventDefinition, data: unknown): number {
  const { earlier, version, isForOlderSoftware } = definition;
  const today = definition.data.safeParse(data);
  if (!isForOlderSoftware || !today.success) return version;
  const lowest = earlier.findIndex(({ data: schema }, index) => {
    const parsed = schema.safeParse(today.data);
    if (!parsed.success || !isSameData(parsed.data, today.data)) return false;
    const steps = earlier.slice(index);
    const raised = steps.reduce<unknown>((current, step) => step.raise(current), parsed.data);
    return isSameData(raised, today.data);
  });
  return lowest < 0 ? version : lowest + 1;
}

/** As JSON: a field that is undefined is none. */
function isSameData(one: unknown, other: unknown): boolean {
  if (typeof one !== 'object' || typeof other !== 'object' || one === null || other === null) {
    return one === other;
  }
  const [fields, others] = [one, other].map(each =>
    Object.entries(each).filter(([, value]) => value !== undefined),
  ) as [[string, unknown][], [string, unknown][]];
  const byName = new Map(others);
  return (
    Array.isArray(one) === Array.isArray(other) &&
    fields.length === others.length &&
    fields.every(([name, value]) => byName.has(name) && isSameData(value, byName.get(name)))
  );
}

/** The types whose events are `passing`. What this software does not know is none of them. */
export const passingEventTypes: readonly string[] = [...byType.values()]
  .filter(definition => definition.passes === true)
  .map(definition => definition.type);

/** The types whose events are `unhurried`. What this software does not know is none of them. */
export const unhurriedEventTypes: ReadonlySet<string> = new Set(
  [...byType.values()].filter(definition => definition.isUnhurried === true).map(({ type }) => type),
);

/** Whether this software can read events of this type and version; their data may still be wrong. */
export function isKnownEvent(type: string, version: number): boolean {
  const definition = byType.get(type);
  return definition !== undefined && version <= definition.version;
}

function describeIssues(error: z.ZodError): string {
  return error.issues.map(issue => `${issue.path.join('.') || 'data'}: ${issue.message}`).join('; ');
}
