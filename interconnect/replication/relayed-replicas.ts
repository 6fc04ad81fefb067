import {
  endOf,
  followLog,
  LOG_START,
  LogGrowth,
  type LogPlace,
  type RecordedEvent,
  type SignedCheckpoint,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { OfferedLog } from './offered-log.js';
import type { ReplicaIntake, ReplicaMender, ReplicaReader } from './replica-intake.js';
import type { RelayedLogs } from './replication-options.js';

/** A replica is relayed as far as its site has signed it, so that each parent can prove it anew. */
export class RelayedReplicas implements RelayedLogs {
  readonly #replicas: ReplicaReader;
  readonly #own: SiteId;
  /** How far each replica is signed. */
  readonly #growths = new Map<SiteId, LogGrowth>();
  /** What is signed of the logs of which all is lost here. */
  readonly #lost = new Map<SiteId, SignedCheckpoint>();
  #onNew = new Set<() => void>();

  /** `own`: the site whose own log is not relayed, but offered by itself. */
  constructor(options: { readonly own: SiteId; readonly replicas: ReplicaReader }) {
    this.#own = options.own;
    this.#replicas = options.replicas;
  }

  /** The same intake, watched: what it commits can be relayed at once. */
  watch(intake: ReplicaIntake): ReplicaIntake {
    return {
      openSession: site => intake.openSession(site),
      commit: async batch => {
        const outcome = await intake.commit(batch);
        if (outcome === 'COMMITTED' && batch.checkpoint) this.#grow(batch.checkpoint);
        return outcome;
      },
    };
  }

  /** The same for what is put right. */
  watchMended(mender: ReplicaMender): ReplicaMender {
    return {
      cursor: site => mender.cursor(site),
      replaceTail: async tail => {
        const outcome = await mender.replaceTail(tail);
        if (outcome === 'EXTENDED' || outcome === 'REPLACED') this.#grow(tail.proven().checkpoints.at(-1)!);
        return outcome;
      },
    };
  }

  /**
   * Nothing is held of a log, and who brings it no longer has its beginning. It is offered by what its site has signed, so that the
   * parent says how far it holds it, and gives it back.
   */
  lost(signed: SignedCheckpoint): void {
    const { site } = signed.head;
    this.#lost.set(site, signed);
    if (!this.#growths.has(site)) this.#add(site, LOG_START);
  }

  async *follow(
    signal: AbortSignal,
  ): AsyncGenerator<{ readonly origin: SiteId; readonly log: OfferedLog }, void, undefined> {
    const given = new Set<SiteId>([this.#own]);
    for (const origin of await this.#replicas.sites()) {
      const newest = await this.#replicas.checkpoint(origin);
      if (newest !== null) this.#grow(newest);
    }
    while (!signal.aborted) {
      const origin = this.#notIn(given);
      if (origin === undefined) await this.#newOne(given, signal);
      else {
        given.add(origin);
        yield { origin, log: this.#logOf(origin) };
      }
    }
  }

  #notIn(given: ReadonlySet<SiteId>): SiteId | undefined {
    return [...this.#growths.keys()].find(origin => !given.has(origin));
  }

  #grow({ head }: SignedCheckpoint): void {
    this.#lost.delete(head.site);
    const known = this.#growths.get(head.site);
    if (known !== undefined) known.grow(endOf(head));
    else this.#add(head.site, endOf(head));
  }

  #add(site: SiteId, end: LogPlace): void {
    this.#growths.set(site, new LogGrowth(end));
    for (const wake of [...this.#onNew]) wake();
  }

  /** Resolves when there is a log beyond those that are given, or the signal is aborted. */
  async #newOne(given: ReadonlySet<SiteId>, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && this.#notIn(given) === undefined) {
      await new Promise<void>(resolve => {
        const wake = () => {
          this.#onNew.delete(wake);
          signal.removeEventListener('abort', wake);
          resolve();
        };
        this.#onNew.add(wake);
        signal.addEventListener('abort', wake, { once: true });
      });
    }
  }

  #logOf(origin: SiteId): OfferedLog {
    const replicas = this.#replicas;
    const growth = this.#growths.get(origin)!;
    const read = (page: { readonly after: LogPlace; readonly limit: number }) =>
      replicas.read({ ...page, site: origin });
    return {
      read,
      subscribe: options => followLog({ ...options, growth, read: page => this.#readSigned(origin, page) }),
      // Nothing is ever removed from a replica.
      epochs: () => [],
      newest: async () => (await replicas.checkpoint(origin)) ?? ofNothing(this.#lost.get(origin)!),
      checkpointFor: async ({ epoch }) => (await replicas.checkpoint(origin, epoch))!,
      leafHashes: page => replicas.leafHashes({ ...page, site: origin }),
    };
  }

  /** What is signed of the epoch that goes on behind the place. */
  async #readSigned(
    site: SiteId,
    page: { readonly after: LogPlace; readonly limit: number },
  ): Promise<readonly RecordedEvent[]> {
    const events = await this.#replicas.read({ ...page, site });
    const [first] = events;
    if (first === undefined) return [];
    const signed = endOf((await this.#replicas.checkpoint(site, first.epoch))?.head ?? startOf);
    return events.filter(({ epoch, position }) => epoch === signed.epoch && position <= signed.position);
  }
}

/** What its site has signed, and the end of what is held here. */
const ofNothing = ({ head, note }: SignedCheckpoint) => ({ head: { ...head, ...startOf }, note });

const startOf = { epoch: LOG_START.epoch, size: LOG_START.position };
