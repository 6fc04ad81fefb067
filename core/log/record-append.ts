import type { EventId, SiteId } from '@holdfast/schema';
import { nextHlc } from '../clock/hybrid-logical-clock.js';
import type { Sha256 } from '../hash.js';
import { type PlannableAppend, planReplay, planRevisions } from './append.plan.js';
import { decodeRecordedEvent, encodeHeader } from './envelope.js';
import type { LogPlace } from './log-place.js';
import type { AppendOutcome, RecordedEvent, StreamAppend } from './site-log.js';

/** What deciding about an append needs to know of a log. */
export interface AppendableLog {
  readonly site: SiteId;
  readonly epoch: number;
  /** Position of the last event of the epoch, 0 when it is empty. */
  readonly size: number;
  /** Of the last event of the log. */
  readonly recordedAt: bigint;
  find(id: EventId): (LogPlace & { readonly stream: string }) | null;
  lastRevisionOf(stream: string): number | null;
}

/** What to answer, and what to write first: nothing when the append is refused or was written before. */
export interface RecordedAppend {
  readonly outcome: AppendOutcome;
  readonly events: readonly RecordedEvent[];
}

/**
 * Decides about an append that `checkAppends` has let pass, and gives its events their places and bytes. Changes nothing.
 * Throws `EnvelopeError` when a field cannot be written exactly.
 */
export function recordAppend(
  appends: readonly StreamAppend[],
  log: AppendableLog,
  nowMs: number,
  sha256: Sha256,
): RecordedAppend {
  const plannable: readonly PlannableAppend<EventId>[] = appends.map(({ stream, expected, events }) => ({
    stream,
    expected,
    eventIds: events.map(event => event.id),
  }));
  const replay = planReplay(plannable, id => log.find(id));
  if (replay.kind === 'CONFLICT') return refused({ code: 'ID_CONFLICT', eventId: replay.eventId });
  if (replay.kind === 'REPLAYED') {
    const { epoch, firstPosition, lastPosition } = replay;
    return { outcome: { appended: true, epoch, firstPosition, lastPosition, replayed: true }, events: [] };
  }
  const plan = planRevisions(plannable, stream => log.lastRevisionOf(stream));
  if (plan.kind === 'REFUSED') return refused(plan.refusal);
  const events: RecordedEvent[] = [];
  let { recordedAt } = log;
  const { site, epoch, size } = log;
  for (const [index, append] of appends.entries()) {
    let revision = plan.firstRevisions[index]!;
    for (const event of append.events) {
      recordedAt = nextHlc(recordedAt, nowMs);
      const position = size + events.length + 1;
      const place = { site, epoch, position, stream: append.stream, revision, recordedAt };
      events.push(decodeRecordedEvent(encodeHeader({ ...event, ...place }), event.data.slice(), sha256));
      revision += 1;
    }
  }
  const [firstPosition, lastPosition] = [size + 1, size + events.length];
  return { outcome: { appended: true, epoch, firstPosition, lastPosition, replayed: false }, events };
}

function refused(refusal: Extract<AppendOutcome, { readonly appended: false }>['refusal']): RecordedAppend {
  return { outcome: { appended: false, refusal }, events: [] };
}
