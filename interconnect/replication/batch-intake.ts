import { type LogPlace, placeOf, type RecordedEvent, type SignedCheckpoint } from '@holdfast/core';
import { type AcceptedBatch, acceptBatch, isSigned, unproven } from './acceptance.js';
import type { AcceptanceTurns } from './acceptance-turns.js';
import type { GrantedCredit } from './credit-window.js';
import { faultOfFrame } from './event-frame.js';
import { checkCheckpoint, type OriginKey } from './origin-checkpoint.js';
import type { ReplicaCursor, ReplicaIntake } from './replica-intake.js';
import {
  type BatchFrame,
  type EpochHead,
  ReplicationProtocolError,
  type ReplicationRefusal,
} from './replication-frame.js';

/** One transaction takes what has come in meanwhile, up to this: twice as many would be hardly faster, only later. */
const COMMIT_EVENTS_MAX = 3_000;

/** From this many on, what waits is accepted while the group before it is still being stored: it pays to check it together. */
const ACCEPT_AHEAD_EVENTS_MIN = 500;

/** What of one session is stored by one transaction. */
interface AcceptedGroup {
  readonly events: readonly RecordedEvent[];
  /** As they were granted, frames that were known already included. */
  readonly rawByteLength: number;
  readonly after: ReplicaCursor;
  /** The newest that these events reach. */
  readonly reached: SignedCheckpoint | null;
  /** Of the frame behind these events. */
  readonly refusal: ReplicationRefusal | null;
}

export interface BatchIntakeOptions {
  readonly key: OriginKey;
  readonly fence: number;
  /** As the intake holds it. */
  readonly durable: ReplicaCursor;
  /** As the log was offered, its signature checked. */
  readonly signed: SignedCheckpoint;
  readonly intake: ReplicaIntake;
  /** Of the whole session. */
  readonly credit: GrantedCredit;
  /** Of all sessions. */
  readonly turns: AcceptanceTurns;
  /** After the commit. */
  readonly onStored: (stored: StoredBatches) => void;
  readonly onRefusal: (refusal: ReplicationRefusal) => void;
  readonly onFault: (error: unknown) => void;
}

export interface StoredBatches {
  /** What was held before. */
  readonly before: LogPlace;
  readonly place: LogPlace;
  readonly eventCount: number;
  /** The newest checkpoint that was reached: what is proved up to there may be acknowledged. */
  readonly reached: SignedCheckpoint | null;
}

const nothingNew = { events: [], rawByteLength: 0, refusal: null } as const;

/** Takes in the batches of one log in a session: accepts them in order, and commits what came together in one transaction. */
export class BatchIntake {
  readonly #options: BatchIntakeOptions;
  /** Bounded by the credit. Unpacked only when their turn comes. */
  readonly #waiting: BatchFrame[] = [];
  #waitingEventCount = 0;
  #durable: ReplicaCursor;
  /** Accepted, and perhaps being stored. */
  #tip: ReplicaCursor;
  #signed: SignedCheckpoint;
  #beginning: Promise<void> = Promise.resolve();
  #isRunning = false;
  #isClosed = false;

  constructor(options: BatchIntakeOptions) {
    this.#options = options;
    this.#durable = options.durable;
    this.#tip = options.durable;
    this.#signed = options.signed;
  }

  get durable(): ReplicaCursor {
    return this.#durable;
  }

  /** The newest checkpoint that was shown. */
  get signed(): SignedCheckpoint {
    return this.#signed;
  }

  /** Throws `ReplicationProtocolError` for what no honest child sends; it is not unpacked then. */
  push(batch: BatchFrame): void {
    const fault = faultOfFrame(batch);
    if (fault !== null) throw new ReplicationProtocolError(`a batch of ${fault}`);
    if (!this.#options.credit.arrive(batch.rawByteLength)) {
      throw new ReplicationProtocolError(`a batch of ${batch.rawByteLength} bytes is more than was granted`);
    }
    this.#waiting.push(batch);
    this.#waitingEventCount += batch.count;
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#run().catch(error => this.#fail(error));
  }

  /** A log that is held to its signed end already is acknowledged, with no event to wait for. */
  begin(): void {
    const { epoch, size } = this.#signed.head;
    const { position } = this.#durable;
    if (this.#durable.epoch !== epoch || position !== size) return;
    this.#beginning = this.#store({ ...nothingNew, after: this.#durable, reached: this.#signed });
    this.#beginning.catch(error => this.#fail(error));
  }

  /** What waits is dropped: the child sends it again. A commit that runs is let run. */
  close(): void {
    this.#isClosed = true;
    for (const { rawByteLength } of this.#waiting.splice(0)) this.#options.credit.release(rawByteLength);
  }

  /** With much waiting, the next group is hashed while the one before it is being stored; with little, it is let grow. */
  async #run(): Promise<void> {
    let storing = this.#beginning;
    while (!this.#isClosed) {
      if (this.#waitingEventCount < ACCEPT_AHEAD_EVENTS_MIN) await storing;
      if (this.#waiting.length === 0) {
        // In the same turn as the look at what waits, so that nothing can come in between and be left lying.
        this.#isRunning = false;
        return;
      }
      await this.#options.turns.take(this.#waiting[0]!.rawByteLength);
      if (this.#isClosed) return;
      const group = await this.#accept(this.#takeSome());
      await storing;
      if (this.#isClosed) return this.#options.credit.release(group.rawByteLength);
      storing = this.#store(group);
      // Its failure is noticed where it is awaited: in the next round, which there always is.
      storing.catch(() => undefined);
    }
  }

  #fail(error: unknown): void {
    if (!this.#isClosed) this.#options.onFault(error);
  }

  /** What is accepted together: of one epoch, because one transaction moves the cursor within one. */
  #takeSome(): readonly BatchFrame[] {
    const { epoch } = this.#waiting[0]!;
    let eventCount = 0;
    let length = 0;
    for (const batch of this.#waiting) {
      const fits = batch.epoch === epoch && eventCount + batch.count <= COMMIT_EVENTS_MAX;
      if (length > 0 && !fits) break;
      eventCount += batch.count;
      length += 1;
    }
    this.#waitingEventCount -= eventCount;
    return this.#waiting.splice(0, length);
  }

  /** What is accepted ends where its site has signed it, or where it is proven to be a part of that; the rest is dropped. */
  async #accept(batches: readonly BatchFrame[]): Promise<AcceptedGroup> {
    const { key, turns } = this.#options;
    const { origin: site, sha256 } = key;
    const events: RecordedEvent[] = [];
    const rawByteLength = batches.reduce((sum, batch) => sum + batch.rawByteLength, 0);
    const before = this.#tip;
    let reached: SignedCheckpoint | null = null;
    let refusal: ReplicationRefusal | null = null;
    let { note } = this.#signed;
    /** The last one, as long as what proves it has not come. */
    let open: BatchFrame | null = null;
    const spokenForCount = await this.#checkNewest(batches);
    for (const [index, batch] of batches.entries()) {
      // A catch-up goes on beside what its own transaction before this one, and everybody else, has to send.
      if (index > 0) await turns.take(batch.rawByteLength);
      refusal = index < spokenForCount ? null : await this.#checkOwn(batch);
      if (refusal !== null) break;
      const { head: signed } = this.#signed;
      const isProvenLater = index < spokenForCount - 1;
      const verdict = acceptBatch({ site, cursor: this.#tip, batch, signed, isProvenLater, sha256 });
      refusal = verdict.accepted ? this.#faultOfKnown(verdict) : verdict.refusal;
      if (!verdict.accepted || refusal !== null) break;
      for (const event of verdict.events) events.push(event);
      this.#tip = verdict.cursor;
      note = batch.checkpoint ?? note;
      const isReached = isAt(this.#tip, signed);
      if (isReached) reached = this.#signed;
      if (verdict.events.length > 0)
        open = isProvenLater && !isReached ? { ...batch, checkpoint: note } : null;
    }
    if (open !== null) {
      const signed = await this.#signedBy(open);
      if (signed === null) {
        refusal ??= { code: 'BAD_SIGNATURE', detail: unproven(this.#tip, this.#signed.head) };
        this.#tip = before;
        return { events: [], rawByteLength, after: before, reached: null, refusal };
      }
      reached = isAt(this.#tip, signed.head) ? signed : null;
    }
    return { events, rawByteLength, after: this.#tip, reached, refusal };
  }

  /** Of events that are held already, another history may be signed. */
  #faultOfKnown({ events, cursor }: AcceptedBatch): ReplicationRefusal | null {
    const { head } = this.#signed;
    if (events.length > 0 || !isAt(cursor, head) || isSigned(cursor, head, [], this.#options.key.sha256))
      return null;
    return {
      code: 'FORK',
      detail: `another history than its site has signed is held up to ${head.epoch}/${head.size}`,
    };
  }

  /**
   * The newest checkpoint of what is accepted together speaks for all before it: one signature to check instead of many.
   * Returns for how many of the batches; none when it is false, so that each is judged by its own.
   */
  async #checkNewest(batches: readonly BatchFrame[]): Promise<number> {
    const last = batches.findLastIndex(({ checkpoint }) => checkpoint !== null);
    if (last < 1) return 0;
    const verdict = await checkCheckpoint(batches[last]!.checkpoint!, this.#options.key);
    if (!verdict.accepted) return 0;
    this.#signed = verdict.signed;
    return last + 1;
  }

  async #checkOwn({ checkpoint }: BatchFrame): Promise<ReplicationRefusal | null> {
    if (checkpoint === null || checkpoint === this.#signed.note) return null;
    const verdict = await checkCheckpoint(checkpoint, this.#options.key);
    if (!verdict.accepted) return verdict.refusal;
    this.#signed = verdict.signed;
    return null;
  }

  /** Whoever spoke for a batch is refused itself, or brings nothing: then the batch's own checkpoint counts. */
  async #signedBy({ checkpoint, consistency }: BatchFrame): Promise<SignedCheckpoint | null> {
    const { key } = this.#options;
    const verdict = await checkCheckpoint(checkpoint!, key);
    if (!verdict.accepted || !isSigned(this.#tip, verdict.signed.head, consistency, key.sha256)) return null;
    return verdict.signed;
  }

  async #store({ events, rawByteLength, after, reached, refusal }: AcceptedGroup): Promise<void> {
    const { key, fence, intake, credit, onStored, onRefusal } = this.#options;
    let stop = refusal;
    const before = placeOf(this.#durable);
    if (events.length > 0 || reached !== null) {
      const batch = { site: key.origin, fence, before: this.#durable, after, events };
      const outcome = await intake.commit(reached === null ? batch : { ...batch, checkpoint: reached });
      if (outcome === 'COMMITTED') this.#durable = after;
      else stop = refusalOf(outcome);
    }
    credit.release(rawByteLength);
    if (this.#isClosed) return;
    if (stop !== null) return onRefusal(stop);
    onStored({ before, place: placeOf(after), eventCount: events.length, reached });
  }
}

function isAt({ epoch, position }: LogPlace, head: EpochHead): boolean {
  return epoch === head.epoch && position === head.size;
}

function refusalOf(outcome: 'FENCED' | 'STALE_CURSOR'): ReplicationRefusal {
  return outcome === 'FENCED'
    ? { code: 'FENCED', detail: 'a newer session of this site has begun' }
    : { code: 'UNAVAILABLE', detail: 'the replica has moved under this session: begin again' };
}
