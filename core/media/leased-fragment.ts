import type { TimeSource } from '@holdfast/schema';
import type { FragmentFacts } from './fmp4-writer.js';
import type { Fragment } from './fragment.js';
import { concatenated, type MediaLease, MediaReleasedError } from './media-memory.js';

/** A fragment whose bytes lie in a `MediaMemory`: one holder of each lease, until it is released. */
abstract class LeasedFragment implements Fragment {
  readonly fromMs: number;
  readonly toMs: number;
  readonly beginsWithKeyFrame: boolean;
  readonly arrivalMs: number;
  readonly timeSource: TimeSource;
  #leases: readonly MediaLease[] | null;

  constructor(facts: FragmentFacts, leases: readonly MediaLease[]) {
    this.fromMs = facts.fromMs;
    this.toMs = facts.toMs;
    this.beginsWithKeyFrame = facts.beginsWithKeyFrame;
    this.arrivalMs = facts.arrivalMs;
    this.timeSource = facts.timeSource;
    this.#leases = leases;
  }

  abstract get bytes(): Uint8Array;

  release(): void {
    const leases = this.#leases;
    this.#leases = null;
    if (leases !== null) for (const lease of leases) lease.release();
  }

  protected requireHeld(): void {
    if (this.#leases === null)
      throw new MediaReleasedError(`the fragment from ${this.fromMs} is read after it was released`);
  }
}

/** Builds its bytes when somebody looks: most live pictures are watched by nobody. Built, it needs the memory no more. */
export class LazyFragment extends LeasedFragment {
  readonly byteLength: number;
  #write: (() => Uint8Array) | null;
  #bytes: Uint8Array | null = null;

  constructor(
    facts: FragmentFacts,
    built: { readonly byteLength: number; readonly write: () => Uint8Array },
    leases: readonly MediaLease[],
  ) {
    super(facts, leases);
    this.byteLength = built.byteLength;
    this.#write = built.write;
  }

  get bytes(): Uint8Array {
    if (this.#bytes === null) {
      this.requireHeld();
      this.#bytes = this.#write!();
      this.release();
    }
    return this.#bytes;
  }

  override release(): void {
    this.#write = null;
    super.release();
  }
}

/** As it lies in memory: a group of pictures is written to disk without ever being one piece. */
export class PiecewiseFragment extends LeasedFragment {
  #pieces: readonly Uint8Array[];
  #bytes: Uint8Array | null = null;

  constructor(facts: FragmentFacts, pieces: readonly Uint8Array[], leases: readonly MediaLease[]) {
    super(facts, leases);
    this.#pieces = pieces;
  }

  get pieces(): readonly Uint8Array[] {
    this.requireHeld();
    return this.#pieces;
  }

  get bytes(): Uint8Array {
    if (this.#bytes === null) {
      this.requireHeld();
      this.#bytes = concatenated(this.#pieces);
    }
    return this.#bytes;
  }

  override release(): void {
    this.#pieces = [];
    super.release();
  }
}
