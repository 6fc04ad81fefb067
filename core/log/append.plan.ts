import type { EventId } from '@holdfast/schema';
import { EVENT_DATA_BYTES_MAX } from './envelope.js';
import { LOG_START, type LogPlace } from './log-place.js';
import type { AppendOutcome, ExpectedRevision, StreamAppend } from './site-log.js';

/** Events in one append: it is one transaction, and others wait behind it. */
export const APPEND_EVENTS_MAX = 512;
/** Bytes of data in one append, for the same reason. */
export const APPEND_BYTES_MAX = 4 * 1024 * 1024;

export type AppendRefusal = Extract<AppendOutcome, { readonly appended: false }>['refusal'];

/** A call that no log can carry out whatever it holds: a fault of the caller. */
export class InvalidAppendError extends Error {
  override readonly name = 'InvalidAppendError';
  readonly code = 'INVALID_APPEND';
}

/** What may be said about an append without knowing the log. Throws `InvalidAppendError`. */
export function checkAppends(appends: readonly StreamAppend[]): AppendRefusal | null {
  let eventCount = 0;
  let byteLength = 0;
  for (const { expected, events } of appends) {
    if (typeof expected === 'number' && (!Number.isSafeInteger(expected) || expected < 0)) {
      throw new InvalidAppendError(
        `the expected revision ${expected} is not 0 or more; 'none' means no event yet`,
      );
    }
    for (const event of events) {
      if (event.data.length > EVENT_DATA_BYTES_MAX) {
        return { code: 'TOO_LARGE', bytes: event.data.length, bytesMax: EVENT_DATA_BYTES_MAX };
      }
      byteLength += event.data.length;
    }
    eventCount += events.length;
  }
  if (eventCount === 0) throw new InvalidAppendError('an append holds at least one event');
  if (eventCount > APPEND_EVENTS_MAX) {
    throw new InvalidAppendError(`${eventCount} events in one append, at most ${APPEND_EVENTS_MAX}`);
  }
  if (byteLength > APPEND_BYTES_MAX)
    return { code: 'TOO_LARGE', bytes: byteLength, bytesMax: APPEND_BYTES_MAX };
  return eventCount > 1 ? repeatedId(appends) : null;
}

/** An append as far as revisions and ids decide about it, however its events are held. */
export interface PlannableAppend<Id> {
  readonly stream: string;
  readonly expected: ExpectedRevision;
  readonly eventIds: readonly Id[];
}

export type RevisionPlan =
  /** For each append the revision of its first event. */
  | { readonly kind: 'FITS'; readonly firstRevisions: readonly number[] }
  | { readonly kind: 'REFUSED'; readonly refusal: AppendRefusal };

/**
 * Checks each expected revision, in order, against the streams as the appends before it leave them. An append
 * without events only checks: it holds a stream still while another one is written.
 */
export function planRevisions(
  appends: readonly PlannableAppend<unknown>[],
  lastRevisionOf: (stream: string) => number | null,
): RevisionPlan {
  // Nearly every append is to one stream: there is nothing before it that it could follow.
  const planned = appends.length > 1 ? new Map<string, number | null>() : null;
  const firstRevisions: number[] = [];
  for (const { stream, expected, eventIds } of appends) {
    const known = planned?.get(stream);
    const actual = known === undefined ? lastRevisionOf(stream) : known;
    const fits = expected === 'any' || (expected === 'none' ? actual === null : actual === expected);
    if (!fits) {
      return { kind: 'REFUSED', refusal: { code: 'WRONG_REVISION', stream, expected, actual } };
    }
    const firstRevision = actual === null ? 0 : actual + 1;
    firstRevisions.push(firstRevision);
    planned?.set(stream, eventIds.length === 0 ? actual : firstRevision + eventIds.length - 1);
  }
  return { kind: 'FITS', firstRevisions };
}

export type ReplayPlan<Id> =
  | { readonly kind: 'NEW' }
  | {
      readonly kind: 'REPLAYED';
      readonly epoch: number;
      readonly firstPosition: number;
      readonly lastPosition: number;
    }
  | { readonly kind: 'CONFLICT'; readonly eventId: Id };

/**
 * Whether these events are in the log already: all of them, in this order, without another between them and in
 * these streams. When only some are, or otherwise, the first that is there is the conflict.
 */
export function planReplay<Id>(
  appends: readonly PlannableAppend<Id>[],
  find: (id: Id) => (LogPlace & { readonly stream: string }) | null,
): ReplayPlan<Id> {
  let firstFound: Id | undefined;
  let first: LogPlace = LOG_START;
  let index = 0;
  let isReplay = true;
  for (const { stream, eventIds } of appends) {
    for (const id of eventIds) {
      const found = find(id);
      if (found !== null) firstFound ??= id;
      if (index === 0) first = found ?? LOG_START;
      isReplay &&= found !== null && found.stream === stream;
      isReplay &&= found?.epoch === first.epoch && found.position === first.position + index;
      index += 1;
    }
  }
  if (firstFound === undefined) return { kind: 'NEW' };
  if (isReplay) {
    const { epoch, position: firstPosition } = first;
    return { kind: 'REPLAYED', epoch, firstPosition, lastPosition: firstPosition + index - 1 };
  }
  return { kind: 'CONFLICT', eventId: firstFound };
}

function repeatedId(appends: readonly StreamAppend[]): AppendRefusal | null {
  const seen = new Set<EventId>();
  for (const { events } of appends) {
    for (const { id } of events) {
      if (seen.has(id)) return { code: 'ID_CONFLICT', eventId: id };
      seen.add(id);
    }
  }
  return null;
}
