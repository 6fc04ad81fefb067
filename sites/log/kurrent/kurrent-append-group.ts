import {
  type AppendOutcome,
  type RecordedAppend,
  type RecordedEvent,
  recordAppend,
  type StreamAppend,
} from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { sha256 } from '../sha256.js';
import type { KurrentLogIndex } from './kurrent-log-index.js';

/** Events in one call to the server: beyond it, waiting costs more than the round trip that is saved. */
export const GROUP_EVENTS_MAX = 512;
/** Bytes in one call, below the 1 MiB that a server takes unless it was configured otherwise. */
export const GROUP_BYTES_MAX = 768 * 1024;

/** Appends that are written in one call, and what the log will be when it is. Nothing outside changes before that. */
export class KurrentAppendGroup {
  readonly events: RecordedEvent[] = [];
  readonly #index: KurrentLogIndex;
  readonly #site: SiteId;
  readonly #revisions = new Map<string, number>();
  readonly #byId = new Map<EventId, RecordedEvent>();
  #byteLength = 0;

  constructor(index: KurrentLogIndex, site: SiteId) {
    this.#index = index;
    this.#site = site;
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  /** What is to be answered once the group is written. Throws `EnvelopeError` and takes nothing. */
  add(appends: readonly StreamAppend[], nowMs: number): AppendOutcome {
    const { epoch, size, recordedAt } = this.#index.end;
    const { outcome, events }: RecordedAppend = recordAppend(
      appends,
      {
        ...{ site: this.#site, epoch, size: size + this.events.length },
        recordedAt: this.events.at(-1)?.recordedAt ?? recordedAt,
        find: id => this.#byId.get(id) ?? this.#index.find(id),
        lastRevisionOf: stream => this.#revisions.get(stream) ?? this.#index.lastRevisionOf(stream),
      },
      nowMs,
      sha256,
    );
    for (const event of events) {
      this.events.push(event);
      this.#byId.set(event.id, event);
      this.#revisions.set(event.stream, event.revision);
      this.#byteLength += event.header.length + event.data.length;
    }
    return outcome;
  }
}
