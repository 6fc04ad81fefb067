import type { RecordedEvent, WishPlace } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { WishesFrame } from './replication-frame.js';
import { type WishFeed, type WishLog, wishStreamOf } from './wish-feed.js';
import { packWishes } from './wish-frame.js';

/** Wishes in one read: they are small and rare, and one frame takes at most 512 KiB of them. */
const WISHES_PER_READ = 256;

export interface WishServerOptions {
  readonly log: WishLog;
  readonly feed: WishFeed;
  readonly child: SiteId;
  readonly mayCompress: boolean;
  readonly send: (frame: WishesFrame) => void;
  readonly onFault: (error: unknown) => void;
  /** The child has answered a wish that is not in this log, which must have lost its end. Called once. */
  readonly onLost: (wish: WishPlace) => void;
}

/**
 * Answers one child's question for wishes as soon as there are some. One question is open at a time. A child that has answered a
 * wish that is not in this log gets all wishes from the first on: it knows best which of them it has not answered.
 */
export class WishServer {
  readonly #options: WishServerOptions;
  readonly #stopListening: () => void;
  /** Undefined when nothing is asked. */
  #after: WishPlace | null | undefined;
  #isReading = false;
  #isDirty = false;
  #isToldOfLoss = false;

  constructor(options: WishServerOptions) {
    this.#options = options;
    this.#stopListening = options.feed.listen(options.child, () => this.#look());
  }

  get isAsked(): boolean {
    return this.#after !== undefined;
  }

  ask(after: WishPlace | null): void {
    this.#after = after;
    this.#look();
  }

  close(): void {
    this.#stopListening();
    this.#after = undefined;
  }

  #look(): void {
    this.#isDirty = true;
    if (!this.#isReading) this.#read().catch(this.#options.onFault);
  }

  /** Reads again when something was appended meanwhile, so that no wish falls between reading and waiting. */
  async #read(): Promise<void> {
    const { mayCompress, send } = this.#options;
    this.#isReading = true;
    try {
      while (this.#isDirty && this.#after !== undefined) {
        this.#isDirty = false;
        const { wishes, fromStart } = await this.#wishesAfter(this.#after);
        if (wishes.length === 0 || this.#after === undefined) continue;
        this.#after = undefined;
        send(packWishes(wishes, { fromStart, mayCompress }));
      }
    } finally {
      this.#isReading = false;
    }
  }

  async #wishesAfter(
    after: WishPlace | null,
  ): Promise<{ readonly wishes: readonly RecordedEvent[]; readonly fromStart: boolean }> {
    if (after === null) return { wishes: await this.#wishesFrom(0), fromStart: false };
    const [answered, ...wishes] = await this.#wishesFrom(after.revision);
    const isHeld = answered !== undefined && (after.wishId === null || after.wishId === answered.id);
    if (isHeld) return { wishes, fromStart: false };
    if (!this.#isToldOfLoss) this.#options.onLost(after);
    this.#isToldOfLoss = true;
    // Older software does not say which wish it was, and would pass over all that it finds under numbers that it has answered.
    return after.wishId === null
      ? { wishes: [], fromStart: false }
      : { wishes: await this.#wishesFrom(0), fromStart: true };
  }

  #wishesFrom(revision: number): Promise<readonly RecordedEvent[]> {
    const { child, log } = this.#options;
    const afterRevision = revision === 0 ? null : revision - 1;
    const stream = wishStreamOf(child);
    return log.readStream({ stream, afterRevision, limit: WISHES_PER_READ, carried: true });
  }
}
