import type { EventId, SiteId } from '@holdfast/schema';
import type { Sha256 } from '../hash.js';
import { checkAppends } from './append.plan.js';
import { followLog, LogGrowth } from './log-growth.js';
import { endOf, LOG_START, type LogPlace } from './log-place.js';
import type { PulledHistory, ReopenableLog, ReopenOutcome } from './log-repair.js';
import { epochOpening, firstEventOf, LOG_STREAM } from './log-stream.js';
import { extendEdge, rootOf } from './merkle-tree.js';
import { recordAppend } from './record-append.js';
import { type EpochTree, HistoryProof, HistoryUnprovenError, TailAccount } from './reopen.plan.js';
import type {
  AppendOutcome,
  LogHead,
  NewEvent,
  RecordedEvent,
  SealedEpoch,
  StreamAppend,
} from './site-log.js';
import { checkReadLimit, READ_BYTES_MAX, SiteLogClosedError } from './site-log-access.js';

export interface MemorySiteLogOptions {
  readonly site: SiteId;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly sha256: Sha256;
  /** What a copy of the log holds, from its first event on: the log goes on behind it. Left out: a new log. */
  readonly copied?: readonly RecordedEvent[];
}

/**
 * A site log that forgets: the twin of the durable ones, for tests and simulations. Begins with `LogEpochOpened`. It has no
 * keys: of a checkpoint it believes the head.
 */
export function createMemorySiteLog(options: MemorySiteLogOptions): ReopenableLog {
  const { site, now, sha256, copied = [] } = options;
  const log = new MemorySiteLog(options, copied);
  if (copied.length === 0) log.open(1, [firstEventOf(site, now(), sha256)]);
  return log;
}

class MemorySiteLog implements ReopenableLog {
  readonly #options: MemorySiteLogOptions;
  readonly #events: RecordedEvent[] = [];
  readonly #streams = new Map<string, RecordedEvent[]>();
  readonly #byId = new Map<EventId, RecordedEvent>();
  readonly #growth = new LogGrowth(LOG_START);
  /** Oldest first; the last one is the current one. */
  readonly #trees: EpochTree[] = [];

  constructor(options: MemorySiteLogOptions, events: readonly RecordedEvent[]) {
    this.#options = options;
    for (const event of events) this.#take(event);
  }

  /** Begins an epoch with these events. */
  open(epoch: number, appends: readonly StreamAppend[]): void {
    this.#trees.push({ epoch, size: 0, edge: [] });
    this.#appendNow(appends);
  }

  async append(appends: readonly StreamAppend[]): Promise<AppendOutcome> {
    this.#assertOpen();
    return this.#appendNow(appends);
  }

  head(): LogHead {
    return { site: this.#options.site, ...this.#sealed(this.#tree) };
  }

  epochs(): readonly SealedEpoch[] {
    return this.#trees.slice(0, -1).map(tree => this.#sealed(tree));
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

  async reopenAs(history: PulledHistory): Promise<ReopenOutcome<ReopenableLog>> {
    this.#assertOpen();
    this.#growth.end();
    const unchanged = () => new MemorySiteLog(this.#options, this.#events);
    const { epoch, position } = history.common;
    const size = epoch === 0 ? 0 : (this.#trees.find(tree => tree.epoch === epoch)?.size ?? 0);
    if (position > size) {
      const detail = `this log has ${size} events of epoch ${epoch}, ${position} are said to be common`;
      return { reopened: false, log: unchanged(), refusal: { code: 'COMMON_NOT_HELD', detail } };
    }
    try {
      return { reopened: true, log: await this.#reopened(history) };
    } catch (error) {
      if (!(error instanceof HistoryUnprovenError)) throw error;
      const refusal = { code: 'HISTORY_UNPROVEN', detail: error.message } as const;
      return { reopened: false, log: unchanged(), refusal };
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#growth.end();
  }

  async #reopened({ common, events, checkpoint, reason }: PulledHistory): Promise<MemorySiteLog> {
    const { site, now, sha256 } = this.#options;
    const begin = this.#indexAfter(common);
    const next = new MemorySiteLog(this.#options, this.#events.slice(0, begin));
    const recordedAt = this.#events[begin - 1]?.recordedAt ?? 0n;
    const tree = next.#trees.at(-1) ?? { epoch: 0, size: 0, edge: [] };
    const proof = new HistoryProof({ site, common: tree, recordedAt, sha256 });
    for await (const batch of events) for (const event of batch) next.#take(proof.take(event));
    proof.finish(checkpoint.head);
    const context = { site, nowMs: now(), sha256 };
    const opening = epochOpening(next.#sealed(next.#tree), reason, context);
    next.open(next.#tree.epoch + 1, [anywhereIn(LOG_STREAM, opening)]);
    const account = new TailAccount();
    for (const event of this.#events.slice(begin)) {
      if (!account.takes(event, next.#byId.has(event.id))) continue;
      next.#appendNow([anywhereIn(event.stream, event)]);
    }
    const recovered = account.recovered(common, proof, next.#tree, context);
    const outcome = next.#appendNow([anywhereIn(LOG_STREAM, recovered)]);
    if (!outcome.appended || outcome.replayed) throw new Error(`the log has ${recovered.id} already`);
    return next;
  }

  #appendNow(appends: readonly StreamAppend[]): AppendOutcome {
    const refusal = checkAppends(appends);
    if (refusal !== null) return { appended: false, refusal };
    const { epoch, size } = this.#tree;
    const { outcome, events } = recordAppend(
      appends,
      {
        ...{ site: this.#options.site, epoch, size },
        recordedAt: this.#events.at(-1)?.recordedAt ?? 0n,
        find: id => this.#byId.get(id) ?? null,
        lastRevisionOf: stream => this.#streams.get(stream)?.at(-1)?.revision ?? null,
      },
      this.#options.now(),
      this.#options.sha256,
    );
    for (const event of events) this.#take(event);
    if (events.length > 0) this.#growth.grow(endOf(this.#tree));
    return outcome;
  }

  /** An event that stands behind all others. */
  #take(event: RecordedEvent): void {
    const last = this.#trees.at(-1);
    const tree = last?.epoch === event.epoch ? last : { epoch: event.epoch, size: 0, edge: [] };
    if (tree !== last) this.#trees.push(tree);
    const edge = extendEdge(tree.edge, tree.size, [event.leafHash], this.#options.sha256);
    this.#trees[this.#trees.length - 1] = { epoch: event.epoch, size: event.position, edge };
    this.#events.push(event);
    this.#byId.set(event.id, event);
    const stream = this.#streams.get(event.stream);
    if (stream) stream.push(event);
    else this.#streams.set(event.stream, [event]);
  }

  get #tree(): EpochTree {
    return this.#trees.at(-1)!;
  }

  #sealed({ epoch, size, edge }: EpochTree): SealedEpoch {
    return { epoch, size, root: rootOf(edge, size, this.#options.sha256) };
  }

  /** How many events stand up to a place. */
  #indexAfter({ epoch, position }: LogPlace): number {
    let index = 0;
    for (const tree of this.#trees) {
      if (tree.epoch > epoch) break;
      index += tree.epoch === epoch ? Math.min(position, tree.size) : tree.size;
    }
    return index;
  }

  #assertOpen(): void {
    if (this.#growth.ended) throw new SiteLogClosedError();
  }
}

function anywhereIn(stream: string, event: NewEvent): StreamAppend {
  return { stream, expected: 'any', events: [event] };
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
