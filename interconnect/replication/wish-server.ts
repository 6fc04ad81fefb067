import type { SiteId } from '@holdfast/schema';
import type { WishesFrame } from './replication-frame.js';
import { type WishFeed, type WishLog, wishStreamOf } from './wish-feed.js';
import { packWishes } from './wish-frame.js';

/** Wishes in one read: they are small and rare, and one frame takes at most 512 KiB of them. */
const WISHES_PER_READ = 256;

/** Answers one child's question for wishes as soon as there are some. One question is open at a time. */
export class WishServer {
  readonly #log: WishLog;
  readonly #child: SiteId;
  readonly #send: (frame: WishesFrame) => void;
  readonly #mayCompress: boolean;
  readonly #stopListening: () => void;
  /** Undefined when nothing is asked. */
  #after: number | null | undefined;
  #isReading = false;
  #isDirty = false;

  constructor(options: {
    readonly log: WishLog;
    readonly feed: WishFeed;
    readonly child: SiteId;
    readonly mayCompress: boolean;
    readonly send: (frame: WishesFrame) => void;
    readonly onFault: (error: unknown) => void;
    /** The child has answered a wish that is not in this log, which must be older than it was. */
    readonly onAhead: (answeredRevision: number) => void;
  }) {
    this.#log = options.log;
    this.#child = options.child;
    this.#send = options.send;
    this.#mayCompress = options.mayCompress;
    this.#onFault = options.onFault;
    this.#onAhead = options.onAhead;
    this.#stopListening = options.feed.listen(options.child, () => this.#look());
  }

  readonly #onFault: (error: unknown) => void;
  readonly #onAhead: (answeredRevision: number) => void;
  #isAhead = false;

  get isAsked(): boolean {
    return this.#after !== undefined;
  }

  ask(afterRevision: number | null): void {
    this.#after = afterRevision;
    this.#look();
  }

  close(): void {
    this.#stopListening();
    this.#after = undefined;
  }

  #look(): void {
    this.#isDirty = true;
    if (!this.#isReading) this.#read().catch(this.#onFault);
  }

  /** Wishes under revisions that the child answered long ago would pass it by unseen: then none is sent at all. */
  async #isAnswered(revision: number): Promise<boolean> {
    const afterRevision = revision === 0 ? null : revision - 1;
    const stream = wishStreamOf(this.#child);
    const [answered] = await this.#log.readStream({ stream, afterRevision, limit: 1, carried: true });
    if (answered !== undefined) return true;
    this.#isAhead = true;
    this.#onAhead(revision);
    return false;
  }

  /** Reads again when something was appended meanwhile, so that no wish falls between reading and waiting. */
  async #read(): Promise<void> {
    this.#isReading = true;
    try {
      while (this.#isDirty && this.#after !== undefined && !this.#isAhead) {
        this.#isDirty = false;
        const afterRevision = this.#after;
        const stream = wishStreamOf(this.#child);
        const wishes = await this.#log.readStream({
          stream,
          afterRevision,
          limit: WISHES_PER_READ,
          carried: true,
        });
        if (wishes.length === 0 && afterRevision !== null && !(await this.#isAnswered(afterRevision))) return;
        if (wishes.length === 0 || this.#after === undefined) continue;
        this.#after = undefined;
        this.#send(packWishes(wishes, this.#mayCompress));
      }
    } finally {
      this.#isReading = false;
    }
  }
}
