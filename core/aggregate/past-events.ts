import type { EventId } from '@holdfast/schema';

/** What happened in a stream, as far as it tells who did what when. */
export interface PastEvent {
  readonly id: EventId;
  readonly causationId: EventId | null;
  readonly type: string;
  readonly actor: string;
  /** Milliseconds of the site's hybrid clock. */
  readonly atMs: number;
}

/** What came behind an event, or behind what a wish with that id brought about. Of a past without it only the end is known to be news. */
export function eventsAfter(past: readonly PastEvent[], id: EventId): readonly PastEvent[] {
  const index = past.findLastIndex(event => event.id === id || event.causationId === id);
  return index < 0 ? past.slice(-1) : past.slice(index + 1);
}
