import {
  comparePlaces,
  LOG_START,
  type LogPlace,
  newEvent,
  type RecordedEvent,
  readEventData,
  readStreamEnd,
  type SiteLog,
} from '@holdfast/core';
import { EventDecodeError, type EventId, type LinkEvent, type SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { LinkLossCause, LinkMeasurement, LinkObserver } from '../replication/link-observer.js';
import type { RelayedHead } from '../replication/replication-frame.js';
import {
  initialLink,
  type LinkMachineState,
  type LinkObservation,
  type LinkSnapshot,
  nextLink,
} from './link.machine.js';

/** What is known of a link now. Measurements are null while it is not up: old ones would pass for live. */
export interface LinkView {
  readonly state: LinkMachineState;
  /** `UP`: when the session began. Otherwise since when nothing is known; null when the link was never up. */
  readonly sinceMs: number | null;
  readonly cause: LinkLossCause | 'PARENT_RESTARTED' | null;
  readonly roundTripMs: number | null;
  /** The child's clock minus ours. */
  readonly clockOffsetMs: number | null;
  /**
   * The end of the child's log as it last said: kept when the link is lost, since it stays true as a lower bound. Null in a new
   * session until it says more, because an end that is reached long ago would pass for the present one.
   */
  readonly headEpoch: number | null;
  readonly headPosition: number | null;
  readonly headRoot: Uint8Array | null;
  /** Of the logs below the child, what it said of their heads in this session. Null: it has not, or cannot say. */
  readonly relayed: ReadonlyMap<SiteId, RelayedHead> | null;
}

export interface LinkKeeperOptions {
  /** The parent's own. */
  readonly log: SiteLog;
  /** The children that are known when the parent starts; others are taken up when they first connect. */
  readonly sites: readonly SiteId[];
  /** How far the replica of a child has come: for the loss that a restart means. Null when nothing is held. */
  readonly replicaPosition: (
    site: SiteId,
  ) => Promise<{ readonly epoch: number; readonly position: number } | null>;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly newEventId: () => EventId;
  /** `server:<id>` */
  readonly actor: string;
  readonly logger: Logger;
  /** After the fact is durable. Must not throw. */
  readonly onUp?: (site: SiteId) => void;
  readonly onDown?: (site: SiteId) => void;
  /** After any change of state, attempts included, and after the first measurement of a session. */
  readonly onChange?: (site: SiteId, view: LinkView) => void;
}

/** Give it to the replication service as `links`. */
export interface LinkKeeper extends LinkObserver, AsyncDisposable {
  connecting(site: SiteId): void;
  view(site: SiteId): LinkView;
  /** The head of a log below a child, by what was said in a session that lasts. */
  relayedHead(origin: SiteId): RelayedHead | null;
  /** How far the logs of all sites below reach, as they said last over links that are up. */
  heads(): readonly RelayedHead[];
  /**
   * How far each log was held when its link was lost, as this log remembered it when it was opened: what is held by now may be less,
   * where that was restored from an older copy.
   */
  heldBefore(): ReadonlyMap<SiteId, LogPlace>;
  /** Resolves when everything that was observed until now is in the log. */
  settled(): Promise<void>;
}

/** Another writer of the same stream would have to interfere this often in a row: there is none. */
const APPEND_TRIES_MAX = 3;
const PAGE_EVENTS = 1_000;
/** Each fact says all that the link is after it; a few more than one, because of the facts that change nothing. */
const LAST_FACTS = 8;
/** `recordedAt` is milliseconds × 65536 + counter. */
const HLC_COUNTER_BITS = 16n;

/** Restores every link from the log, and notes for those that were up that this parent was restarted. */
export async function openLinkKeeper(options: LinkKeeperOptions): Promise<LinkKeeper> {
  const keeper = new LogLinkKeeper(options);
  await Promise.all(options.sites.map(site => keeper.restore(site)));
  return keeper;
}

interface KeptLink {
  snapshot: LinkSnapshot;
  /** Of the last event in its stream; null when there is none. */
  revision: number | null;
  measurement: LinkMeasurement | null;
  /** Whether the measurement is of the present session. */
  isMeasured: boolean;
  measuredAtMs: number;
  /** What is observed of one link is written in the order in which it was observed. */
  queue: Promise<void>;
}

class LogLinkKeeper implements LinkKeeper {
  readonly #options: LinkKeeperOptions;
  readonly #links = new Map<SiteId, KeptLink>();
  readonly #heldBefore = new Map<SiteId, LogPlace>();

  constructor(options: LinkKeeperOptions) {
    this.#options = options;
  }

  async restore(site: SiteId): Promise<void> {
    await this.#link(site).queue;
  }

  connecting(site: SiteId): void {
    this.#enqueue(site, link => this.#observe(site, link, { type: 'ConnectionAttempted' }));
  }

  established(site: SiteId, session: number): void {
    const atMs = this.#options.now();
    this.#link(site).isMeasured = false;
    this.#enqueue(site, async link => {
      const fact = { type: 'LinkEstablished', data: { siteId: site, atMs, session } } as const;
      if (await this.#record(site, link, fact)) this.#options.onUp?.(site);
    });
  }

  lost(site: SiteId, cause: LinkLossCause, lastEpoch: number, lastPosition: number): void {
    const { isMeasured, measuredAtMs } = this.#link(site);
    // A link that went silent was lost when the child was last heard, not when that was noticed some beats later.
    const wasSilent = cause === 'HEARTBEAT_MISSED' && isMeasured;
    const atMs = wasSilent ? measuredAtMs : this.#options.now();
    this.#enqueue(site, async link => {
      this.#observe(site, link, { type: 'AttemptFailed' });
      const data = { siteId: site, atMs, lastEpoch, lastPosition, cause };
      if (await this.#record(site, link, { type: 'LinkLost', data })) this.#options.onDown?.(site);
    });
  }

  measured(site: SiteId, measurement: LinkMeasurement): void {
    const link = this.#link(site);
    const isFirst = !link.isMeasured;
    link.measurement = measurement;
    link.isMeasured = true;
    link.measuredAtMs = this.#options.now();
    if (isFirst) this.#options.onChange?.(site, this.view(site));
  }

  view(site: SiteId): LinkView {
    const link = this.#links.get(site);
    const { value, context } = link?.snapshot ?? initialLink();
    const measurement = link?.measurement ?? null;
    const live = value === 'UP' && link?.isMeasured === true ? measurement : null;
    const said = value === 'UP' ? live : measurement;
    return {
      state: value as LinkMachineState,
      sinceMs: context.sinceMs,
      cause: context.cause,
      roundTripMs: live?.roundTripMs ?? null,
      clockOffsetMs: live?.clockOffsetMs ?? null,
      headEpoch: said?.epoch ?? null,
      headPosition: said?.headPosition ?? null,
      headRoot: said?.headRoot ?? null,
      relayed: live?.relayed ?? null,
    };
  }

  relayedHead(origin: SiteId): RelayedHead | null {
    for (const site of this.#links.keys()) {
      const head = this.view(site).relayed?.get(origin);
      if (head !== undefined) return head;
    }
    return null;
  }

  heads(): readonly RelayedHead[] {
    const heads: RelayedHead[] = [];
    for (const [origin, { snapshot, measurement, isMeasured }] of this.#links) {
      const { session } = snapshot.context;
      if (snapshot.value !== 'UP' || !isMeasured || measurement === null || session === null) continue;
      heads.push({ origin, session, epoch: measurement.epoch, size: measurement.headPosition });
      if (measurement.relayed !== null) heads.push(...measurement.relayed.values());
    }
    return heads;
  }

  heldBefore(): ReadonlyMap<SiteId, LogPlace> {
    return this.#heldBefore;
  }

  async settled(): Promise<void> {
    await Promise.all([...this.#links.values()].map(link => link.queue));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.settled();
  }

  #link(site: SiteId): KeptLink {
    const known = this.#links.get(site);
    if (known !== undefined) return known;
    const link: KeptLink = {
      snapshot: initialLink(),
      revision: null,
      measurement: null,
      isMeasured: false,
      measuredAtMs: 0,
      queue: Promise.resolve(),
    };
    this.#links.set(site, link);
    link.queue = this.#guard(site, () => this.#restoreFromLog(site, link));
    return link;
  }

  #enqueue(site: SiteId, task: (link: KeptLink) => Promise<void> | void): void {
    const link = this.#link(site);
    link.queue = link.queue.then(() => this.#guard(site, async () => task(link)));
  }

  async #guard(site: SiteId, task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      // Whoever owns the log notices its end too; what is lost here is noted as a restart the next time.
      this.#options.logger.error({ site, err: error }, 'the state of a link could not be written');
    }
  }

  async #restoreFromLog(site: SiteId, link: KeptLink): Promise<void> {
    const facts = await readStreamEnd(this.#options.log, { stream: streamOf(site), count: LAST_FACTS });
    for (const fact of facts) {
      this.#fold(site, link, fact);
      const { lastEpoch: epoch, lastPosition: position } = link.snapshot.context;
      const before = this.#heldBefore.get(site) ?? LOG_START;
      if (comparePlaces({ epoch, position }, before) > 0) this.#heldBefore.set(site, { epoch, position });
    }
    const { value, context } = link.snapshot;
    if (value !== 'UP') return;
    const replica = await this.#options.replicaPosition(site);
    const data = {
      siteId: site,
      atMs: Math.max(context.sinceMs ?? 0, await this.#lastAliveMs()),
      lastEpoch: replica?.epoch ?? 0,
      lastPosition: replica?.position ?? 0,
      cause: 'PARENT_RESTARTED',
    } as const;
    if (await this.#record(site, link, { type: 'LinkLost', data })) this.#options.onDown?.(site);
  }

  /** Folds what stands in the stream behind the revision that is known. */
  async #readOn(site: SiteId, link: KeptLink): Promise<void> {
    for (;;) {
      const stream = streamOf(site);
      const page = await this.#options.log.readStream({
        stream,
        afterRevision: link.revision,
        limit: PAGE_EVENTS,
        carried: true,
      });
      if (page.length === 0) return;
      for (const event of page) this.#fold(site, link, event);
    }
  }

  #fold(site: SiteId, link: KeptLink, recorded: RecordedEvent): void {
    link.revision = recorded.revision;
    const fact = readEventData(recorded);
    // What newer software says of a link is overtaken by what is seen of it now.
    if (fact instanceof EventDecodeError)
      this.#options.logger.warn({ site, err: fact }, 'a fact of a link cannot be read');
    else link.snapshot = nextLink(link.snapshot, fact as LinkEvent);
  }

  /** When this parent last wrote into its log, which is a moment at which it was alive. */
  async #lastAliveMs(): Promise<number> {
    const { log } = this.#options;
    const { epoch, size } = log.head();
    const [last] = await log.read({ after: { epoch, position: Math.max(0, size - 1) }, limit: 1 });
    return last === undefined ? 0 : Number(last.recordedAt >> HLC_COUNTER_BITS);
  }

  /** Appends a fact unless it changes nothing. True when it was appended and the link has changed by it. */
  async #record(site: SiteId, link: KeptLink, fact: LinkEvent): Promise<boolean> {
    const { log, newEventId, actor } = this.#options;
    const occurredAtMs = fact.data.atMs;
    const event = newEvent(fact, { id: newEventId(), actor, occurredAtMs, clockQuality: 'UNKNOWN' });
    for (let tries = 0; tries < APPEND_TRIES_MAX; tries += 1) {
      const next = nextLink(link.snapshot, fact);
      if (!hasChanged(link.snapshot, next)) return false;
      const expected = link.revision ?? 'none';
      const outcome = await log.append([{ stream: streamOf(site), expected, events: [event] }]);
      if (outcome.appended) {
        link.revision = link.revision === null ? 0 : link.revision + 1;
        this.#move(site, link, next);
        return true;
      }
      if (outcome.refusal.code !== 'WRONG_REVISION') break;
      await this.#readOn(site, link);
    }
    throw new LinkFactError(`${fact.type} of ${site} could not be appended`);
  }

  #observe(site: SiteId, link: KeptLink, observation: LinkObservation): void {
    const next = nextLink(link.snapshot, observation);
    if (hasChanged(link.snapshot, next)) this.#move(site, link, next);
  }

  #move(site: SiteId, link: KeptLink, next: LinkSnapshot): void {
    link.snapshot = next;
    this.#options.onChange?.(site, this.view(site));
  }
}

export class LinkFactError extends Error {
  override readonly name = 'LinkFactError';
  readonly code = 'LINK_FACT_NOT_APPENDED';
}

function streamOf(site: SiteId): string {
  return `link-${site}`;
}

function hasChanged(before: LinkSnapshot, after: LinkSnapshot): boolean {
  return before.value !== after.value || before.context.session !== after.context.session;
}
