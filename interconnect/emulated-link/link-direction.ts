import { LinkCapacity, type LinkRate } from './link-capacity.js';
import type { LinkLane } from './link-lane.js';

/** One direction of a link: its capacity is shared in turns by the lanes of all connections. */
export class LinkDirection {
  readonly now: () => number;
  #capacity: LinkCapacity;
  #delayMs = 0;
  #isUp = true;
  #carriedBytes = 0;
  /** Lanes that have something to send, in the order of their turns. */
  readonly #ready = new Set<LinkLane>();
  readonly #lanes = new Set<LinkLane>();
  #timer: NodeJS.Timeout | undefined;
  #serving = false;

  constructor(now: () => number) {
    this.now = now;
    this.#capacity = new LinkCapacity({ kind: 'UNLIMITED' }, now());
  }

  get delayMs(): number {
    return this.#delayMs;
  }

  get isUp(): boolean {
    return this.#isUp;
  }

  get carriedBytes(): number {
    return this.#carriedBytes;
  }

  get heldBytes(): number {
    return [...this.#lanes].reduce((sum, lane) => sum + lane.heldBytes, 0);
  }

  /** False while the trace has a gap: there is a link, but not now. */
  get hasCapacity(): boolean {
    return this.#capacity.bitsPerSecondAt(this.now()) > 0;
  }

  shape(rate: LinkRate, delayMs: number): void {
    this.#capacity = new LinkCapacity(rate, this.now());
    this.#delayMs = delayMs;
    this.#serve();
  }

  /** What has been sent and not arrived stays on its way while the link is down, as TCP would send it again. */
  setUp(isUp: boolean): void {
    this.#isUp = isUp;
    if (!isUp) return;
    for (const lane of [...this.#lanes]) lane.deliver();
    this.#serve();
  }

  join(lane: LinkLane): void {
    this.#lanes.add(lane);
  }

  leave(lane: LinkLane): void {
    this.#lanes.delete(lane);
    this.#ready.delete(lane);
  }

  wake(lane: LinkLane): void {
    if (lane.isReady) this.#ready.add(lane);
    this.#serve();
  }

  carried(byteLength: number): void {
    this.#carriedBytes += byteLength;
  }

  close(): void {
    clearTimeout(this.#timer);
    for (const lane of [...this.#lanes]) lane.forget();
  }

  #serve(): void {
    // Releasing bytes may wake a lane, which comes back here: the turn that is under way goes on with it.
    if (this.#serving || !this.#isUp) return;
    this.#serving = true;
    clearTimeout(this.#timer);
    for (let lane = this.#next(); lane !== undefined; lane = this.#next()) {
      const nowMs = this.now();
      const bytes = lane.waitingBytes === 0 ? 0 : this.#capacity.take(lane.waitingBytes, nowMs);
      if (bytes === 0 && (lane.waitingBytes > 0 || !this.hasCapacity)) {
        this.#timer = setTimeout(() => this.#serve(), this.#capacity.waitMs(lane.waitingBytes, nowMs));
        break;
      }
      this.#ready.delete(lane);
      lane.release(bytes);
      if (lane.isReady) this.#ready.add(lane);
    }
    this.#serving = false;
  }

  #next(): LinkLane | undefined {
    for (const lane of this.#ready) {
      if (lane.isReady) return lane;
      this.#ready.delete(lane);
    }
    return undefined;
  }
}
