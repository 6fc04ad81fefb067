import type {
  ChildDuplex,
  ChildFrame,
  DuplexListener,
  ParentDuplex,
  ParentFrame,
} from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import type { SeededRandom } from './seeded-random.js';
import type { SimulatedProcess } from './simulated-process.js';
import type { SimulatedTime } from './simulated-time.js';

/** What the network between a child and its parent may do to frames. TLS makes the last four impossible for others, not for a peer. */
export type FrameFault = 'DROP' | 'DUPLICATE' | 'SWAP' | 'TAMPER' | 'REPLAY';
export const frameFaults: readonly FrameFault[] = ['DROP', 'DUPLICATE', 'SWAP', 'TAMPER', 'REPLAY'];

type AnyFrame = ChildFrame | ParentFrame;

const LATENCY_MS_MIN = 1;
const LATENCY_MS_MAX = 80;
/** Of a link that resets: each end hears of it after this at the latest, or not at all. */
const RESET_NOTICE_MS_MAX = 300;

/** Answers a stream of a child; null when nobody listens. */
export type AnswerChild = () => {
  readonly process: SimulatedProcess;
  answer(stream: ChildDuplex): void;
} | null;

/** The way between one child and its parent, with what can happen on it. */
export class SimulatedLink {
  readonly #time: SimulatedTime;
  readonly #random: SeededRandom;
  readonly #streams = new Set<SimulatedStream>();
  /** CUT: nobody is reached. FROZEN: nothing arrives, and nobody is told. */
  state: 'UP' | 'CUT' | 'FROZEN' = 'UP';
  faultCount = 0;
  #faultChance = 0;
  #wasFaulty = false;
  #remembered: { readonly frame: AnyFrame; readonly toParent: boolean } | null = null;

  constructor(time: SimulatedTime, random: SeededRandom) {
    this.#time = time;
    this.#random = random;
  }

  /** Of so many frames one meets a fault; 0: none. */
  get faultChance(): number {
    return this.#faultChance;
  }

  set faultChance(chance: number) {
    this.#faultChance = chance;
    this.#wasFaulty ||= chance > 0;
  }

  /** Ever. */
  get wasFaulty(): boolean {
    return this.#wasFaulty;
  }

  dial(
    child: { readonly site: SiteId; readonly process: SimulatedProcess },
    parent: SiteId,
    answer: AnswerChild,
  ): ParentDuplex {
    const stream = new SimulatedStream(this, this.#time, this.#random, { child: child.site, parent });
    this.#streams.add(stream);
    child.process.onKilled(() => stream.breakOff({ tellsChild: false, tellsParent: this.#tells() }));
    this.#time.after(this.#latencyMs(), () => {
      const peer = this.state === 'UP' ? answer() : null;
      if (peer?.process.isAlive) {
        peer.process.onKilled(() => stream.breakOff({ tellsChild: this.#tells(), tellsParent: false }));
        peer.answer(stream.parentEnd);
        stream.connected();
      } else if (this.state !== 'FROZEN') stream.breakOff({ tellsChild: true, tellsParent: false });
    });
    return stream.childEnd;
  }

  /** A reset: what is under way is lost, and each end may hear of it, or only notice the silence. */
  cut(): void {
    this.state = 'CUT';
    for (const stream of [...this.#streams]) {
      stream.breakOff({ tellsChild: this.#tells(), tellsParent: this.#tells() });
    }
  }

  freeze(): void {
    this.state = 'FROZEN';
  }

  restore(): void {
    this.state = 'UP';
    for (const stream of this.#streams) stream.thaw();
  }

  forget(stream: SimulatedStream): void {
    this.#streams.delete(stream);
  }

  latencyMs(): number {
    return this.#latencyMs();
  }

  /** The frames that arrive in place of this one. */
  faulty(frame: AnyFrame, toParent: boolean): readonly AnyFrame[] | 'SWAP' {
    if (!this.#random.chance(this.faultChance)) {
      if (this.#random.chance(0.1)) this.#remembered = { frame, toParent };
      return [frame];
    }
    this.faultCount += 1;
    switch (this.#random.pick(frameFaults)) {
      case 'DROP':
        return [];
      case 'DUPLICATE':
        return [frame, frame];
      case 'SWAP':
        return 'SWAP';
      case 'TAMPER':
        return [tampered(frame, this.#random)];
      case 'REPLAY':
        return this.#remembered?.toParent === toParent ? [this.#remembered.frame, frame] : [frame];
    }
  }

  #tells(): boolean {
    return this.#random.chance(0.7);
  }

  #latencyMs(): number {
    return this.#random.between(LATENCY_MS_MIN, LATENCY_MS_MAX);
  }
}

interface Direction<Frame extends AnyFrame> {
  readonly toParent: boolean;
  listener: DuplexListener<Frame> | null;
  readonly queue: Frame[];
  /** In order: nothing overtakes on a stream. */
  lastDueMs: number;
  swapped: Frame | null;
}

class SimulatedStream {
  readonly childEnd: ParentDuplex;
  readonly parentEnd: ChildDuplex;
  readonly #link: SimulatedLink;
  readonly #time: SimulatedTime;
  readonly #random: SeededRandom;
  readonly #up: Direction<ChildFrame> = {
    toParent: true,
    listener: null,
    queue: [],
    lastDueMs: 0,
    swapped: null,
  };
  readonly #down: Direction<ParentFrame> = {
    toParent: false,
    listener: null,
    queue: [],
    lastDueMs: 0,
    swapped: null,
  };
  #isConnected = false;
  #isOver = false;

  constructor(
    link: SimulatedLink,
    time: SimulatedTime,
    random: SeededRandom,
    sites: { readonly child: SiteId; readonly parent: SiteId },
  ) {
    this.#link = link;
    this.#time = time;
    this.#random = random;
    const end = () =>
      void this.#time.after(link.latencyMs(), () => this.breakOff({ tellsChild: true, tellsParent: true }));
    this.childEnd = {
      peerSite: () => sites.parent,
      send: frame => this.#send(this.#up, frame),
      listen: listener => {
        this.#down.listener = listener;
      },
      end,
      cancel: () => this.breakOff({ tellsChild: false, tellsParent: true }),
    };
    this.parentEnd = {
      peerSite: () => sites.child,
      send: frame => this.#send(this.#down, frame),
      listen: listener => {
        this.#up.listener = listener;
      },
      end,
    };
  }

  connected(): void {
    this.#isConnected = true;
    this.thaw();
  }

  /** What was held back arrives, in order. */
  thaw(): void {
    this.#deliverAll(this.#up);
    this.#deliverAll(this.#down);
  }

  breakOff(notice: { readonly tellsChild: boolean; readonly tellsParent: boolean }): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#link.forget(this);
    if (notice.tellsChild) this.#tell(this.#down);
    if (notice.tellsParent) this.#tell(this.#up);
  }

  #tell(direction: { readonly listener: { readonly onLost: (detail: string) => void } | null }): void {
    this.#time.after(this.#random.between(0, RESET_NOTICE_MS_MAX), () =>
      direction.listener?.onLost('the connection was reset'),
    );
  }

  #send<Frame extends AnyFrame>(direction: Direction<Frame>, frame: Frame): boolean {
    if (this.#isOver) return true;
    const arriving = this.#link.faulty(frame, direction.toParent);
    if (arriving === 'SWAP' && direction.swapped === null) direction.swapped = frame;
    else {
      const frames = arriving === 'SWAP' ? [frame] : (arriving as readonly Frame[]);
      for (const each of frames) this.#carry(direction, each);
      if (direction.swapped !== null) this.#carry(direction, direction.swapped);
      direction.swapped = null;
    }
    if (!this.#random.chance(0.1)) return true;
    this.#time.after(this.#link.latencyMs(), () => this.#sender(direction)?.onDrain());
    return false;
  }

  /** Who sends in this direction listens in the other. */
  #sender(direction: { readonly toParent: boolean }): { readonly onDrain: () => void } | null {
    return direction.toParent ? this.#down.listener : this.#up.listener;
  }

  #carry<Frame extends AnyFrame>(direction: Direction<Frame>, frame: Frame): void {
    direction.lastDueMs = Math.max(direction.lastDueMs, this.#time.nowMs + this.#link.latencyMs());
    this.#time.after(direction.lastDueMs - this.#time.nowMs, () => {
      if (this.#isOver) return;
      direction.queue.push(frame);
      this.#deliverAll(direction);
    });
  }

  #deliverAll<Frame extends AnyFrame>(direction: Direction<Frame>): void {
    if (!this.#isConnected || this.#link.state !== 'UP' || direction.listener === null) return;
    while (!this.#isOver) {
      const frame = direction.queue.shift();
      if (frame === undefined) return;
      direction.listener.onFrame(frame);
    }
  }
}

/**
 * The frame with one bit, number or word other than it was sent. Not the text of a wish: that is its parent's word, which TLS
 * keeps on its way, and no hash that came with it could prove it.
 */
function tampered(frame: AnyFrame, random: SeededRandom): AnyFrame {
  if (frame.kind === 'wishes') return { ...frame, firstRevision: frame.firstRevision + 1 };
  const fields = Object.entries(frame).filter(([name, value]) => !names.has(name) && isTamperable(value));
  if (fields.length === 0) return frame;
  const payload = fields.filter(([name, value]) => name === 'checkpoint' || value instanceof Uint8Array);
  const [name, value] = random.pick(payload.length > 0 && random.chance(0.5) ? payload : fields);
  return { ...frame, [name]: otherValue(value, random) } as AnyFrame;
}

/** Of a few words: a frame with another one is none. */
const names = new Set(['kind', 'codec', 'code']);

const isTamperable = (value: unknown): boolean =>
  typeof value === 'number' || (value instanceof Uint8Array && value.length > 0) || typeof value === 'string';

function otherValue(value: unknown, random: SeededRandom): unknown {
  if (typeof value === 'number') return Math.max(0, value + random.pick([-1, 1, 1000, -1000]));
  if (typeof value === 'string') {
    const index = random.below(value.length);
    return `${value.slice(0, index)}${value[index] === 'a' ? 'b' : 'a'}${value.slice(index + 1)}`;
  }
  const bytes = Uint8Array.from(value as Uint8Array);
  const index = random.below(bytes.length);
  bytes[index] = bytes[index]! ^ (1 << random.below(8));
  return bytes;
}
