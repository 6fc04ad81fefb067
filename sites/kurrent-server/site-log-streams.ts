import {
  endOf,
  LOG_START,
  type LogPlace,
  placeKey,
  placeOfKey,
  type RecordedEvent,
  readStreamEnd,
  type SiteLog,
} from '@holdfast/core';
import type { ReadDirection, ServedEvent, ServedStreams } from './served-streams.js';

const POSITION_MAX = BigInt(Number.MAX_SAFE_INTEGER);
const HLC_COUNTER_BITS = 16n;

/**
 * A site's log as streams for reading: each stream of the log under its own name and with its own revisions. The data is
 * served as it is stored; the metadata is JSON of what the header says, and the header itself in base64, from which
 * and the data whoever wants can compute the leaf hash.
 */
export class SiteLogStreams implements ServedStreams {
  readonly #log: SiteLog;

  constructor(log: SiteLog) {
    this.#log = log;
  }

  async readStream(options: {
    readonly stream: string;
    readonly from: number | null;
    readonly direction: ReadDirection;
    readonly limit: number;
  }): Promise<readonly ServedEvent[] | null> {
    const { stream, from, direction, limit } = options;
    if (direction === 'FORWARDS') {
      const afterRevision = from === null || from === 0 ? null : from - 1;
      const page = await this.#log.readStream({ stream, afterRevision, limit });
      if (page.length === 0 && (await this.#endOf(stream)) === null) return null;
      return page.map(servedEventOf);
    }
    const last = await this.#endOf(stream);
    if (last === null) return null;
    const end = Math.min(from ?? last, last);
    const events: RecordedEvent[] = [];
    let revision = Math.max(-1, end - limit);
    while (revision < end) {
      const page = await this.#log.readStream({
        stream,
        afterRevision: revision < 0 ? null : revision,
        limit: end - revision,
      });
      if (page.length === 0) break;
      events.push(...page);
      revision = page.at(-1)!.revision;
    }
    return events.reverse().map(servedEventOf);
  }

  async readAll(options: {
    readonly from: bigint | null;
    readonly direction: ReadDirection;
    readonly limit: number;
  }): Promise<readonly ServedEvent[]> {
    const { from, direction, limit } = options;
    if (direction === 'FORWARDS') {
      const after = from === null || from === 0n ? LOG_START : placeOfPosition(from - 1n);
      return (await this.#log.read({ after, limit })).map(servedEventOf);
    }
    let place: LogPlace | null = from === null ? endOf(this.#log.head()) : placeOfPosition(from);
    while (place !== null && place.epoch > 0) {
      const end: number = Math.min(place.position, this.#sizeOf(place.epoch));
      if (end > 0)
        return (await this.#backwards({ epoch: place.epoch, position: end }, limit)).map(servedEventOf);
      place = place.epoch === 1 ? null : { epoch: place.epoch - 1, position: Number.MAX_SAFE_INTEGER };
    }
    return [];
  }

  async end(): Promise<bigint> {
    return positionOf(endOf(this.#log.head()));
  }

  async *follow(after: bigint, signal: AbortSignal): AsyncGenerator<readonly ServedEvent[]> {
    for await (const batch of this.#log.subscribe({ after: placeOfPosition(after), signal })) {
      yield batch.map(servedEventOf);
    }
  }

  async #endOf(stream: string): Promise<number | null> {
    return (await readStreamEnd(this.#log, { stream, count: 1 }))[0]?.revision ?? null;
  }

  /** Up to `limit` events of one epoch that end at a place, the last one first. */
  async #backwards(end: LogPlace, limit: number): Promise<readonly RecordedEvent[]> {
    const events: RecordedEvent[] = [];
    let position = Math.max(0, end.position - limit);
    while (position < end.position) {
      const after = { epoch: end.epoch, position };
      const page = await this.#log.read({ after, limit: end.position - position });
      if (page.length === 0) break;
      events.push(...page);
      position = page.at(-1)!.position;
    }
    return events.reverse();
  }

  #sizeOf(epoch: number): number {
    const head = this.#log.head();
    if (epoch === head.epoch) return head.size;
    return this.#log.epochs().find(sealed => sealed.epoch === epoch)?.size ?? 0;
  }
}

/** A place as one number, in the order of the log. */
function positionOf(place: LogPlace): bigint {
  return BigInt(placeKey(place));
}

/** What no place can be is behind all of them. */
function placeOfPosition(position: bigint): LogPlace {
  return position > POSITION_MAX ? placeOfKey(Number(POSITION_MAX)) : placeOfKey(Number(position));
}

function servedEventOf(event: RecordedEvent): ServedEvent {
  const { site, epoch, position, version, actor, clockQuality, causationId, correlationId } = event;
  const recordedAtMs = Number(event.recordedAt >> HLC_COUNTER_BITS);
  const metadata = {
    ...{ site, epoch, position, version, actor },
    occurredAt: new Date(event.occurredAtMs).toISOString(),
    recordedAt: new Date(recordedAtMs).toISOString(),
    clockQuality,
    // The names that the servers' own projections and clients look for.
    ...(correlationId === null ? {} : { $correlationId: correlationId }),
    ...(causationId === null ? {} : { $causationId: causationId }),
    header: Buffer.from(event.header).toString('base64'),
  };
  return {
    id: event.id,
    stream: event.stream,
    revision: event.revision,
    position: positionOf(event),
    type: event.type,
    contentType: 'application/json',
    metadata: Buffer.from(JSON.stringify(metadata)),
    data: event.data,
    createdMs: recordedAtMs,
  };
}
