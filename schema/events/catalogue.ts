import type { z } from 'zod';
import { alarmEvents } from './alarm.js';
import { commandEvents } from './command.js';
import type { EventDefinition, EventOf } from './event-definition.js';
import { evidenceLockEvents } from './evidence-lock.js';
import { hardwareConnectionEvents, hardwareEvents } from './hardware.js';
import { linkEvents } from './link.js';
import { recordingEvents } from './recording.js';
import { recordingServerEvents } from './recording-server.js';
import { retrievalEvents } from './retrieval.js';
import { siteEvents } from './site.js';
import { userEvents } from './user.js';

/** Everything that can ever happen in the system. */
export const eventCatalogue = [
  ...siteEvents,
  ...recordingServerEvents,
  ...hardwareEvents,
  ...hardwareConnectionEvents,
  ...recordingEvents,
  ...alarmEvents,
  ...evidenceLockEvents,
  ...retrievalEvents,
  ...linkEvents,
  ...commandEvents,
  ...userEvents,
] as const;

export type HoldfastEvent = EventOf<(typeof eventCatalogue)[number]>;
export type EventType = HoldfastEvent['type'];

const byType = new Map<string, EventDefinition>(
  (eventCatalogue as readonly EventDefinition[]).map(definition => [definition.type, definition]),
);

export type DecodeFailure = 'UNKNOWN_TYPE' | 'UNKNOWN_VERSION' | 'INVALID_DATA';

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
}

/** Checks `data` (parsed JSON) against the schema of its type and version. Throws `EventDecodeError`. */
export function decodeEvent(type: string, version: number, data: unknown): HoldfastEvent {
  const definition = byType.get(type);
  if (!definition) throw new EventDecodeError('UNKNOWN_TYPE', type, version, 'no such event type');
  if (definition.version !== version) {
    throw new EventDecodeError(
      'UNKNOWN_VERSION',
      type,
      version,
      `this software knows version ${definition.version}`,
    );
  }
  const parsed = definition.data.safeParse(data);
  if (!parsed.success) {
    throw new EventDecodeError('INVALID_DATA', type, version, describeIssues(parsed.error));
  }
  return { type, data: parsed.data } as HoldfastEvent;
}

/** The version under which events of this type are written today. */
export function currentVersion(type: EventType): number {
  return byType.get(type)!.version;
}

function describeIssues(error: z.ZodError): string {
  return error.issues.map(issue => `${issue.path.join('.') || 'data'}: ${issue.message}`).join('; ');
}
