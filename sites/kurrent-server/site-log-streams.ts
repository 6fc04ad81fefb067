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
 * and the data whoever wants can compute the leaf hash. Of a log that was truncated, what is there is served, as a server does after
 * a scavenge: what was carried over the cut, then the rest.
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
      const page = await this.#log.readStream({ stream, afterRevision, limit, carried: true });
      if (page.length === 0 && (await this.#endOf(stream)) === null) return null;
      return page.map(servedEventOf);
    }
    const last = await this.#endOf(stream);
    if (last === null) return null;
    const events = await readBackwards({
      ...{ end: Math.min(from ?? last, last), start: -1, limit },
      numberOf: event => event.revision,
      read: (after, count) =>
        this.#log.readStream({
          ...{ stream, limit: count, carried: true },
          afterRevision: after < 0 ? null : after,
        }),
    });
    return events.map(servedEventOf);
  }

  async readAll(options: {
    readonly from: bigint | null;
    readonly direction: ReadDirection;
    readonly limit: number;
  }): Promise<readonly ServedEvent[]> {
    const { from, direction, limit } = options;
    if (direction === 'FORWARDS') {
      const after = from === null || from === 0n ? LOG_START : placeOfPosition(from - 1n);
      return (await this.#log.read({ after, limit, carried: true })).map(servedEventOf);
    }
    const last = placeKey(endOf(this.#log.head()));
    const events = await readBackwards({
      ...{ end: from === null ? last : Math.min(placeKey(placeOfPosition(from)), last), start: 0, limit },
      numberOf: placeKey,
      read: (after, count) => this.#log.read({ after: placeOfKey(after), limit: count, carried: true }),
    });
    return events.map(servedEventOf);
  }

  async end(): Promise<bigint> {
    return positionOf(endOf(this.#log.head()));
  }

  async *follow(after: bigint, signal: AbortSignal): AsyncGenerator<readonly ServedEvent[]> {
    for await (const batch of this.#log.subscribe({ after: placeOfPosition(after), signal, carried: true })) {
      yield batch.map(servedEventOf);
    }
  }

  async #endOf(stream: string): Promise<number | null> {
    return (await readStreamEnd(this.#log, { stream, count: 1 }))[0]?.revision ?? null;
  }
}

interface NumberedEvents {
  /** The last number that counts. */
  readonly end: number;
  /** Below the first number. */
  readonly start: number;
  readonly numberOf: (event: RecordedEvent) => number;
  /** Events after a number, in order. */
  readonly read: (after: number, limit: number) => Promise<readonly RecordedEvent[]>;
}

/** At least one event, when there is any, and up to `limit` that end at a number, the last one first. Numbers may have holes. */
async function readBackwards(
  events: NumberedEvents & { readonly limit: number },
): Promise<readonly RecordedEvent[]> {
  const last = await lastNumber(events);
  if (last === null) return [];
  const found: RecordedEvent[] = [];
  let after = Math.max(events.start, last - events.limit);
  while (after < last) {
    const page = await events.read(after, last - after);
    const upToLast = page.filter(event => events.numberOf(event) <= last);
    if (upToLast.length === 0) break;
    found.push(...upToLast);
    after = events.numberOf(upToLast.at(-1)!);
  }
  return found.reverse();
}

/** The number of the last event up to the end: found in one read where there is no hole, else by doubling and halving. */
async function lastNumber({ end, start, numberOf, read }: NumberedEvents): Promise<number | null> {
  const firstAfter = async (after: number) => {
    const [event] = await read(after, 1);
    return event !== undefined && numberOf(event) <= end ? numberOf(event) : null;
  };
  let low: number | null = null;
  let high = end;
  for (let width = 1; low === null; width *= 2) {
    if (high <= start) return null;
    const after = Math.max(start, end - width);
    low = await firstAfter(after);
    if (low === null) high = after;
  }
  // There is an event at `low`, and none beyond `high`.
  while (low < high) {
    const middle: number = Math.floor((low + high) / 2);
    const found = await firstAfter(middle);
    if (found === null) high = middle;
    else low = found;
  }
  return low;
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
