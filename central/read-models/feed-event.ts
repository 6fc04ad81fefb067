import type { EventId, HoldfastEvent, SiteId } from '@holdfast/schema';

/** An event of the feed, decoded: what a fold sees. */
export interface FeedEvent<Event extends HoldfastEvent = HoldfastEvent> {
  /** Feed position: dense over all sites, in the order in which this central took events in. */
  readonly seq: number;
  readonly site: SiteId;
  readonly epoch: number;
  readonly position: number;
  readonly id: EventId;
  readonly stream: string;
  /** Milliseconds of the site's hybrid clock. */
  readonly recordedAtMs: number;
  readonly occurredAtMs: number;
  readonly actor: string;
  readonly event: Event;
}
