import { type EventId, LogSalvaged } from '@holdfast/schema';
import { hlcMs } from '../clock/hybrid-logical-clock.js';
import type { LogPlace } from './log-place.js';
import type { NewEvent, RecordedEvent } from './site-log.js';

/** An event that was found with no signature behind it, as the salvage that this `LogSalvaged` tells of records it again. */
export function takenOver(event: NewEvent, by: EventId): NewEvent {
  return { ...event, correlationId: by };
}

/** What one salvage has taken over without a signature. */
export interface TakenOverEvents {
  /** Its `LogSalvaged`. */
  readonly by: EventId;
  readonly salvagedAt: LogPlace;
  /** Milliseconds since the Unix epoch, by the site's clock. */
  readonly salvagedAtMs: number;
  readonly count: number;
  /** The first and the last of them, in the order of the log. */
  readonly from: LogPlace;
  readonly to: LogPlace;
}

type MarkedEvent = Pick<RecordedEvent, 'id' | 'type' | 'epoch' | 'position' | 'recordedAt' | 'correlationId'>;

/** Finds the events that salvage has taken over, in a log that is read in its order: each `LogSalvaged` stands in front of its own. */
export class TakenOverAccount {
  readonly #salvages = new Map<string, Omit<TakenOverEvents, 'from' | 'to'> & Partial<TakenOverEvents>>();

  take({ id, type, epoch, position, recordedAt, correlationId }: MarkedEvent): void {
    const place = { epoch, position };
    if (type === LogSalvaged.type) {
      this.#salvages.set(id, { by: id, salvagedAt: place, salvagedAtMs: hlcMs(recordedAt), count: 0 });
    }
    const salvage = correlationId === null ? undefined : this.#salvages.get(correlationId);
    if (salvage === undefined) return;
    const { count, from = place } = salvage;
    this.#salvages.set(salvage.by, { ...salvage, count: count + 1, from, to: place });
  }

  /** The oldest first; those that took nothing over are none. */
  all(): readonly TakenOverEvents[] {
    return [...this.#salvages.values()].filter(({ count }) => count > 0) as TakenOverEvents[];
  }
}
