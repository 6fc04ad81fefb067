import type { RecordedEvent } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { cutIntoFrames, packEvents } from './event-frame.js';
import type { ReplicaReader } from './replica-intake.js';
import { type HistoryFrame, ReplicationProtocolError, type WantHistoryFrame } from './replication-frame.js';

/** Events in one read: one frame takes 128 KiB of them. */
const HISTORY_EVENTS_MAX = 1_000;

/** Gives a child back what is held of its own log, or of one that it relays. One question is open at a time. */
export class HistoryServer {
  readonly #child: SiteId;
  readonly #replicas: ReplicaReader;
  #isAsked = false;

  constructor(child: SiteId, replicas: ReplicaReader) {
    this.#child = child;
    this.#replicas = replicas;
  }

  /** Throws `ReplicationProtocolError` when the last question is still open. */
  async answer(question: WantHistoryFrame, mayCompress: boolean): Promise<HistoryFrame> {
    if (this.#isAsked) throw new ReplicationProtocolError('asked for history twice');
    this.#isAsked = true;
    const site = question.origin ?? this.#child;
    const limit = Math.min(HISTORY_EVENTS_MAX, question.limit);
    const page = await this.#replicas.read({ site, after: question.after, limit });
    const events = firstFrameOf(page);
    const [first] = events;
    const checkpoint = await this.#replicas.checkpoint(site);
    const isNewest = first === undefined || first.epoch === checkpoint?.head.epoch;
    const ofEpoch = isNewest ? checkpoint : await this.#replicas.checkpoint(site, first.epoch);
    this.#isAsked = false;
    const frame = { kind: 'history', checkpoint: checkpoint?.note ?? null } as const;
    if (first === undefined) return { ...frame, events: null, epochCheckpoint: null };
    const { epoch, position: firstPosition } = first;
    const epochCheckpoint = ofEpoch?.note ?? null;
    return {
      ...frame,
      epochCheckpoint,
      events: { epoch, firstPosition, ...packEvents(events, mayCompress) },
    };
  }
}

function firstFrameOf(page: readonly RecordedEvent[]): readonly RecordedEvent[] {
  const [first] = page;
  const next = page.findIndex(event => event.epoch !== first!.epoch);
  return cutIntoFrames(next < 0 ? page : page.slice(0, next)).next().value ?? [];
}
