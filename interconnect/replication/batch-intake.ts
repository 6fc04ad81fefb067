import type { RecordedEvent, Sha256 } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { acceptBatch } from './acceptance.js';
import { GrantedCredit } from './credit-window.js';
import { faultOfFrame } from './event-frame.js';
import type { ReplicaCursor, ReplicaIntake } from './replica-intake.js';
import {
  type BatchFrame,
  type EpochHead,
  ReplicationProtocolError,
  type ReplicationRefusal,
} from './replication-frame.js';

/** One transaction takes what has come in meanwhile, up to this: more would not be faster, only later. */
const COMMIT_EVENTS_MAX = 1_000;

/** What of one session is stored by one transaction. */
interface AcceptedGroup {
  readonly events: readonly RecordedEvent[];
  /** As they were granted, frames that were known already included. */
  readonly rawByteLength: number;
  readonly after: ReplicaCursor;
  /** Of the frame behind these events. */
  readonly refusal: ReplicationRefusal | null;
}

export interface BatchIntakeOptions {
  readonly site: SiteId;
  readonly fence: number;
  /** As the intake holds it. */
  readonly durable: ReplicaCursor;
  /** As `durable`, or the beginning of a new epoch. */
  readonly from: ReplicaCursor;
  readonly statedHead: EpochHead;
  readonly intake: ReplicaIntake;
  readonly sha256: Sha256;
  /** How much may be on its way or waiting here at the moment, in bytes. */
  readonly creditBytes: () => number;
  /** After the commit. */
  readonly onStored: (stored: {
    readonly cursor: ReplicaCursor;
    readonly eventCount: number;
    readonly creditBytes: number;
  }) => void;
  readonly onRefusal: (refusal: ReplicationRefusal) => void;
  readonly onFault: (error: unknown) => void;
}

/** Takes in the batches of one session: accepts them in order, and commits what came together in one transaction. */
export class BatchIntake {
  readonly #options: BatchIntakeOptions;
  readonly #credit = new GrantedCredit();
  /** Bounded by the credit. Unpacked only when their turn comes. */
  readonly #waiting: BatchFrame[] = [];
  #waitingEventCount = 0;
  #durable: ReplicaCursor;
  /** Accepted, and perhaps being stored. */
  #tip: ReplicaCursor;
  #isRunning = false;
  #isClosed = false;

  constructor(options: BatchIntakeOptions) {
    this.#options = options;
    this.#durable = options.durable;
    this.#tip = options.from;
  }

  get durable(): ReplicaCursor {
    return this.#durable;
  }

  grant(): number {
    return this.#credit.grant(this.#options.creditBytes());
  }

  /** Throws `ReplicationProtocolError` for what no honest child sends; it is not unpacked then. */
  push(batch: BatchFrame): void {
    const fault = faultOfFrame(batch);
    if (fault !== null) throw new ReplicationProtocolError(`a batch of ${fault}`);
    if (!this.#credit.arrive(batch.rawByteLength)) {
      throw new ReplicationProtocolError(`a batch of ${batch.rawByteLength} bytes is more than was granted`);
    }
    this.#waiting.push(batch);
    this.#waitingEventCount += batch.count;
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#run().catch(error => {
      if (!this.#isClosed) this.#options.onFault(error);
    });
  }

  /** What waits is dropped: the child sends it again. A commit that runs is let run. */
  close(): void {
    this.#isClosed = true;
    this.#waiting.length = 0;
  }

  /** With much waiting, the next group is hashed while the one before it is being stored; with little, it is let grow. */
  async #run(): Promise<void> {
    let storing: Promise<void> = Promise.resolve();
    while (!this.#isClosed) {
      if (this.#waitingEventCount < COMMIT_EVENTS_MAX) await storing;
      if (this.#waiting.length === 0) {
        // In the same turn as the look at what waits, so that nothing can come in between and be left lying.
        this.#isRunning = false;
        return;
      }
      const group = this.#acceptSome();
      await storing;
      if (this.#isClosed) return;
      storing = this.#store(group);
      // Its failure is noticed where it is awaited: in the next round, which there always is.
      storing.catch(() => undefined);
    }
  }

  #acceptSome(): AcceptedGroup {
    const { site, statedHead, sha256 } = this.#options;
    const events: RecordedEvent[] = [];
    let rawByteLength = 0;
    for (let batch = this.#waiting[0]; batch !== undefined; batch = this.#waiting[0]) {
      if (events.length > 0 && events.length + batch.count > COMMIT_EVENTS_MAX) break;
      this.#waiting.shift();
      this.#waitingEventCount -= batch.count;
      rawByteLength += batch.rawByteLength;
      const verdict = acceptBatch({ site, cursor: this.#tip, batch, statedHead, sha256 });
      if (!verdict.accepted) return { events, rawByteLength, after: this.#tip, refusal: verdict.refusal };
      events.push(...verdict.events);
      this.#tip = verdict.cursor;
    }
    return { events, rawByteLength, after: this.#tip, refusal: null };
  }

  async #store({ events, rawByteLength, after, refusal }: AcceptedGroup): Promise<void> {
    const { site, fence, intake, onStored, onRefusal } = this.#options;
    if (events.length > 0) {
      const outcome = await intake.commit({ site, fence, before: this.#durable, after, events });
      if (outcome !== 'COMMITTED') {
        if (!this.#isClosed) onRefusal(refusalOf(outcome));
        return;
      }
      this.#durable = after;
    }
    if (this.#isClosed) return;
    this.#credit.release(rawByteLength);
    if (refusal === null) onStored({ cursor: after, eventCount: events.length, creditBytes: this.grant() });
    else onRefusal(refusal);
  }
}

function refusalOf(outcome: 'FENCED' | 'STALE_CURSOR'): ReplicationRefusal {
  return outcome === 'FENCED'
    ? { code: 'FENCED', detail: 'a newer session of this site has begun' }
    : { code: 'UNAVAILABLE', detail: 'the replica has moved under this session: begin again' };
}
