import type { EventId, SiteId } from '@holdfast/schema';
import { nextHlc } from '../clock/hybrid-logical-clock.js';
import type { Sha256 } from '../hash.js';
import {
  checkAppends,
  firstEventOf,
  type PlannableAppend,
  planReplay,
  planRevisions,
} from './append.plan.js';
import { decodeRecordedEvent, encodeHeader } from './envelope.js';
import { followLog, LogGrowth } from './log-growth.js';
import { endOf, LOG_START, type LogPlace } from './log-place.js';
import { extendEdge, rootOf } from './merkle-tree.js';
import type { AppendOutcome, LogHead, NewEvent, RecordedEvent, SiteLog, StreamAppend } from './site-log.js';
import { checkReadLimit, READ_BYTES_MAX, SiteLogClosedError } from './site-log-access.js';

export interface MemorySiteLogOptions {
  readonly site: SiteId;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly sha256: Sha256;
}

/** A site log that forgets: the twin of the durable ones, for tests and simulations. Begins with `LogEpochOpened`. */
export function createMemorySiteLog(options: MemorySiteLogOptions): SiteLog {
  return new MemorySiteLog(options);
}

const EPOCH = 1;

class MemorySiteLog implements SiteLog {
  readonly #site: SiteId;
  readonly #now: () => number;
  readonly #sha256: Sha256;
  readonly #events: RecordedEvent[] = [];
  readonly #streams = new Map<string, RecordedEvent[]>();
  readonly #byId = new Map<EventId, RecordedEvent>();
  readonly #growth = new LogGrowth(LOG_START);
  #edge: readonly Uint8Array[] = [];
  #recordedAt = 0n;

  constructor({ site, now, sha256 }: MemorySiteLogOptions) {
    this.#site = site;
    this.#now = now;
    this.#sha256 = sha256;
    this.#appendNow([firstEventOf(site, now(), sha256)]);
  }

  async append(appends: readonly StreamAppend[]): Promise<AppendOutcome> {
    this.#assertOpen();
    return this.#appendNow(appends);
  }

  head(): LogHead {
    const size = this.#events.length;
    return { site: this.#site, epoch: EPOCH, size, root: rootOf(this.#edge, size, this.#sha256) };
  }

  async read(options: {
    readonly after: LogPlace;
    readonly limit: number;
  }): Promise<readonly RecordedEvent[]> {
    this.#assertOpen();
    return page(this.#events, this.#indexAfter(options.after), options.limit);
  }

  async readStream(options: {
    readonly stream: string;
    readonly afterRevision: number | null;
    readonly limit: number;
  }): Promise<readonly RecordedEvent[]> {
    this.#assertOpen();
    return page(this.#streams.get(options.stream) ?? [], (options.afterRevision ?? -1) + 1, options.limit);
  }

  subscribe(options: {
    readonly after: LogPlace;
    readonly signal: AbortSignal;
  }): AsyncIterable<readonly RecordedEvent[]> {
    this.#assertOpen();
    const read = async (at: { readonly after: LogPlace; readonly limit: number }) =>
      page(this.#events, this.#indexAfter(at.after), at.limit);
    return followLog({ ...options, read, growth: this.#growth });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#growth.end();
  }

  #appendNow(appends: readonly StreamAppend[]): AppendOutcome {
    const refusal = checkAppends(appends);
    if (refusal !== null) return { appended: false, refusal };
    const plannable: readonly PlannableAppend<EventId>[] = appends.map(({ stream, expected, events }) => ({
      stream,
      expected,
      eventIds: events.map(event => event.id),
    }));
    const replay = planReplay(plannable, id => this.#byId.get(id) ?? null);
    if (replay.kind === 'CONFLICT') {
      return { appended: false, refusal: { code: 'ID_CONFLICT', eventId: replay.eventId } };
    }
    if (replay.kind === 'REPLAYED') {
      const { firstPosition, lastPosition } = replay;
      return { appended: true, epoch: EPOCH, firstPosition, lastPosition, replayed: true };
    }
    const plan = planRevisions(plannable, stream => this.#streams.get(stream)?.at(-1)?.revision ?? null);
    if (plan.kind === 'REFUSED') return { appended: false, refusal: plan.refusal };
    return this.#record(appends, plan.firstRevisions);
  }

  #record(appends: readonly StreamAppend[], firstRevisions: readonly number[]): AppendOutcome {
    const firstPosition = this.#events.length + 1;
    const recorded: RecordedEvent[] = [];
    const nowMs = this.#now();
    let recordedAt = this.#recordedAt;
    // All headers first: a field that no header can hold must leave nothing behind.
    appends.forEach(({ stream, events }, index) => {
      let revision = firstRevisions[index]!;
      for (const event of events) {
        recordedAt = nextHlc(recordedAt, nowMs);
        const position = firstPosition + recorded.length;
        recorded.push(this.#recordedEvent(event, { stream, revision, position, recordedAt }));
        revision += 1;
      }
    });
    const leafHashes = recorded.map(event => event.leafHash);
    this.#edge = extendEdge(this.#edge, this.#events.length, leafHashes, this.#sha256);
    this.#recordedAt = recordedAt;
    for (const event of recorded) {
      this.#events.push(event);
      this.#byId.set(event.id, event);
      const stream = this.#streams.get(event.stream);
      if (stream) stream.push(event);
      else this.#streams.set(event.stream, [event]);
    }
    const lastPosition = this.#events.length;
    this.#growth.grow(endOf({ epoch: EPOCH, size: lastPosition }));
    return { appended: true, epoch: EPOCH, firstPosition, lastPosition, replayed: false };
  }

  #recordedEvent(
    event: NewEvent,
    place: Pick<RecordedEvent, 'stream' | 'revision' | 'position' | 'recordedAt'>,
  ): RecordedEvent {
    const header = encodeHeader({ ...event, ...place, site: this.#site, epoch: EPOCH });
    return decodeRecordedEvent(header, event.data.slice(), this.#sha256);
  }

  #indexAfter({ epoch, position }: LogPlace): number {
    if (epoch === EPOCH) return position;
    return epoch < EPOCH ? 0 : this.#events.length;
  }

  #assertOpen(): void {
    if (this.#growth.ended) throw new SiteLogClosedError();
  }
}

function page(events: readonly RecordedEvent[], first: number, limit: number): readonly RecordedEvent[] {
  checkReadLimit(limit);
  let byteLength = 0;
  let end = first;
  while (end < events.length && end < first + limit && byteLength < READ_BYTES_MAX) {
    byteLength += events[end]!.data.length;
    end += 1;
  }
  return events.slice(first, end);
}
