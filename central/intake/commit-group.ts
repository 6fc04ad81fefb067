import { setTimeout as delay, setImmediate } from 'node:timers/promises';
import type { ReplicaIntake } from '@holdfast/interconnect';

export type ReplicaBatch = Parameters<ReplicaIntake['commit']>[0];
export type CommitOutcome = Awaited<ReturnType<ReplicaIntake['commit']>>;

/** Of all sites in one transaction: what waits behind it waits some 50 ms at most. */
const GROUP_EVENTS_MAX = 4_000;

/**
 * From the beginning of one transaction to the next: each costs some ms on both sides, however little it brings. Whoever comes
 * alone is not made to wait, nor is who brings much. With hundreds of sites it saves a sixth of what a central computes for an
 * event, and a third of what PostgreSQL does.
 */
const GROUP_PERIOD_MS_MIN = 25;
const EVENTS_AT_ONCE_MIN = 250;
/** Each is acknowledged to its site then: some ms, after which what else has come is looked at. */
const SETTLED_AT_ONCE = 16;

interface WaitingCommit {
  readonly batch: ReplicaBatch;
  readonly resolve: (outcome: CommitOutcome) => void;
  readonly reject: (error: unknown) => void;
}

/** Stores batches of different sites durably, all in one transaction. */
type StoreBatches = (batches: readonly ReplicaBatch[]) => Promise<readonly CommitOutcome[]>;

interface CommitGroupOptions {
  /** Hands over what stores, for one transaction behind the other; when one has failed there are no more. */
  readonly inTransactions: (work: (store: StoreBatches) => Promise<void>) => Promise<void>;
  /** Whether a failure may be of one batch alone, so that the others go on without it. */
  readonly mayBeOfOne: (error: unknown) => boolean;
}

/**
 * Commits of many sites in one transaction: the feed has one order, so they would wait for each other anyway, and a
 * thousand sites with an event each would cost a thousand flushes of the disk. What comes while one transaction runs is the
 * next. What waits is bounded by the sessions: each has one commit under way.
 */
export class CommitGroup {
  readonly #options: CommitGroupOptions;
  #waiting: WaitingCommit[] = [];
  #isRunning = false;
  #beganMs = Number.NEGATIVE_INFINITY;

  constructor(options: CommitGroupOptions) {
    this.#options = options;
  }

  commit(batch: ReplicaBatch): Promise<CommitOutcome> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ batch, resolve, reject });
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    // What else comes in this turn belongs to it.
    await Promise.resolve();
    while (this.#waiting.length > 0) await this.#commitWaiting();
    this.#isRunning = false;
  }

  /** As long as there is more, in transactions that follow each other without a pause. */
  async #commitWaiting(): Promise<void> {
    let group: readonly WaitingCommit[] = [];
    let isOver = false;
    try {
      await this.#options.inTransactions(async store => {
        while (this.#waiting.length > 0) {
          await this.#gather();
          // The connection may have been lost meanwhile.
          if (isOver) return;
          group = this.#next();
          const outcomes = await store(group.map(({ batch }) => batch));
          void settle(group, outcomes);
          group = [];
          // Who was waiting for this one brings the next now.
          if (this.#waiting.length === 0) await setImmediate();
        }
      });
    } catch (error) {
      isOver = true;
      // Between two transactions, or before the first one.
      if (group.length === 0) group = this.#next();
      await this.#commitApart(group, error);
    }
  }

  /** After a failure that stored none of them. */
  async #commitApart(group: readonly WaitingCommit[], error: unknown): Promise<void> {
    if (group.length < 2 || !this.#options.mayBeOfOne(error)) {
      for (const { reject } of group) reject(error);
      return;
    }
    for (const waiting of group) {
      const { batch, resolve, reject } = waiting;
      const alone = this.#options.inTransactions(async store => resolve((await store([batch]))[0]!));
      await alone.catch(reject);
    }
  }

  async #gather(): Promise<void> {
    const eventCount = this.#waiting.reduce((sum, { batch }) => sum + batch.events.length, 0);
    const waitMs = this.#beganMs + GROUP_PERIOD_MS_MIN - performance.now();
    if (waitMs > 0 && eventCount < EVENTS_AT_ONCE_MIN) await delay(waitMs);
    this.#beganMs = performance.now();
  }

  /** In order, and of each site one: a second one of it goes by what the first one leaves. */
  #next(): readonly WaitingCommit[] {
    const group: WaitingCommit[] = [];
    const later: WaitingCommit[] = [];
    const sites = new Set<string>();
    let eventCount = 0;
    for (const waiting of this.#waiting) {
      const { site, events } = waiting.batch;
      const fits = group.length === 0 || eventCount + events.length <= GROUP_EVENTS_MAX;
      if (fits && !sites.has(site)) {
        group.push(waiting);
        eventCount += events.length;
      } else later.push(waiting);
      sites.add(site);
    }
    this.#waiting = later;
    return group;
  }
}

/**
 * Of many in slices, beside the next transaction: to acknowledge some hundred sites in one go would hold up what it is answered.
 */
async function settle(group: readonly WaitingCommit[], outcomes: readonly CommitOutcome[]): Promise<void> {
  for (const [index, { resolve }] of group.entries()) {
    if (group.length > SETTLED_AT_ONCE && index % SETTLED_AT_ONCE === 0) await setImmediate();
    resolve(outcomes[index]!);
  }
}
