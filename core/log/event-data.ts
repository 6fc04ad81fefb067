import {
  decodeEvent,
  EventDecodeError,
  type EventId,
  type HoldfastEvent,
  versionToWrite,
} from '@holdfast/schema';
import type { ClockQuality, NewEvent } from './site-log.js';

const utf8Encoder = new TextEncoder();
const utf8Decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Who, when and why: what an event needs beside its type and data. */
export interface EventFacts {
  readonly id: EventId;
  readonly actor: string;
  readonly occurredAtMs: number;
  readonly clockQuality: ClockQuality;
  readonly causationId?: EventId | null;
  readonly correlationId?: EventId | null;
}

/**
 * An event of the catalogue, ready to be appended, under the version of its schema that is written today. Throws `EventDecodeError` when its
 * data does not fit the schema: what is written now must be readable for ever.
 */
export function newEvent(event: HoldfastEvent, facts: EventFacts): NewEvent {
  const version = versionToWrite(event);
  const checked = decodeEvent(event.type, version, event.data);
  return {
    id: facts.id,
    type: event.type,
    version,
    data: utf8Encoder.encode(JSON.stringify(checked.data)),
    actor: facts.actor,
    occurredAtMs: facts.occurredAtMs,
    clockQuality: facts.clockQuality,
    causationId: facts.causationId ?? null,
    correlationId: facts.correlationId ?? null,
  };
}

/** The schema event in a recorded (or new) one. Throws `EventDecodeError`: an unknown type, a newer version, bad data. */
export function decodeEventData(recorded: Pick<NewEvent, 'type' | 'version' | 'data'>): HoldfastEvent {
  let json: unknown;
  try {
    json = JSON.parse(utf8Decoder.decode(recorded.data));
  } catch (cause) {
    throw new EventDecodeError('INVALID_DATA', recorded.type, recorded.version, `not UTF-8 JSON: ${cause}`);
  }
  return decodeEvent(recorded.type, recorded.version, json);
}

/** As `decodeEventData`, for those who go on without what they cannot read: the error is returned. */
export function readEventData(
  recorded: Pick<NewEvent, 'type' | 'version' | 'data'>,
): HoldfastEvent | EventDecodeError {
  try {
    return decodeEventData(recorded);
  } catch (error) {
    if (error instanceof EventDecodeError) return error;
    throw error;
  }
}
