// For tests: events as they come out of a log, without the log.
import { createHash, randomUUID } from 'node:crypto';
import type { RecordedEvent } from '@holdfast/core';
import { currentVersion, type EventId, type HoldfastEvent, type SiteId } from '@holdfast/schema';
import type { Sql } from '../postgres/sql.js';
import { createPostgresReplicaIntake } from './postgres-replica-intake.js';

/** A site's log in memory that only counts: dense positions, dense revisions per stream, increasing time. */
export class FeedFixture {
  readonly site: SiteId;
  epoch = 1;
  position = 0;
  nowMs: number;
  readonly #revisions = new Map<string, number>();

  constructor(site: SiteId = randomUUID() as SiteId, nowMs = Date.UTC(2026, 10, 20, 12)) {
    this.site = site;
    this.nowMs = nowMs;
  }

  event(stream: string, event: HoldfastEvent, envelope: Partial<RecordedEvent> = {}): RecordedEvent {
    return this.raw(stream, event.type, currentVersion(event.type), event.data, envelope);
  }

  /** Also what no software of today writes. */
  raw(
    stream: string,
    type: string,
    version: number,
    value: unknown,
    envelope: Partial<RecordedEvent> = {},
  ): RecordedEvent {
    const revision = (this.#revisions.get(stream) ?? -1) + 1;
    this.#revisions.set(stream, revision);
    this.position += 1;
    this.nowMs += 10;
    const data = Buffer.from(JSON.stringify(value));
    const header = Buffer.from(`${this.site}/${this.epoch}/${this.position}`);
    return {
      site: this.site,
      epoch: this.epoch,
      position: this.position,
      id: randomUUID() as EventId,
      stream,
      revision,
      type,
      version,
      recordedAt: BigInt(this.nowMs) * 65536n,
      occurredAtMs: this.nowMs,
      clockQuality: 'NTP',
      actor: 'user:admin',
      causationId: null,
      correlationId: null,
      data,
      header,
      leafHash: createHash('sha256').update(header).update(data).digest(),
      ...envelope,
    };
  }
}

/** Events of one site, in their order, as a session takes them in. Throws when they are not. */
export async function takeIn(sql: Sql, events: readonly RecordedEvent[]): Promise<void> {
  const intake = createPostgresReplicaIntake(sql);
  const { site, epoch, position } = events.at(-1)!;
  const { fence, cursor: before } = await intake.openSession(site);
  const after = { epoch, position, treeEdge: [] };
  const outcome = await intake.commit({ site, fence, before, after, events });
  if (outcome !== 'COMMITTED') throw new Error(`events of ${site} up to ${epoch}/${position}: ${outcome}`);
}
