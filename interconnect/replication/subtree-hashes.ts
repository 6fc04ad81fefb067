import {
  encodeEdge,
  extendEdge,
  HASH_BYTES,
  type LeafRange,
  type LogPlace,
  nodeHash,
  ProofUnavailableError,
  type RecordedEvent,
  rootOf,
  type Sha256,
  type TreeEdge,
} from '@holdfast/core';

/** Leaves of the smallest subtree that is remembered; those below are hashed anew. */
const BLOCK_LEAVES = 256;
const READ_LEAVES = 4 * BLOCK_LEAVES;
/** From this size on a subtree is remembered over sessions: a link that breaks again and again costs less than this each time. */
const LASTING_LEAVES = READ_LEAVES;

/** At most `limit` leaf hashes of one epoch of a log after a place, in order, as one run of bytes; it may end earlier. */
export type ReadLeafHashes = (page: {
  readonly after: LogPlace;
  readonly limit: number;
}) => Promise<Uint8Array>;

/** What `ReadLeafHashes` gives of events that were read after a place, some of which may be of the next epoch. */
export function leafHashesOf(
  events: readonly Pick<RecordedEvent, 'epoch' | 'leafHash'>[],
  { epoch }: LogPlace,
): Uint8Array {
  return encodeEdge(events.filter(event => event.epoch === epoch).map(({ leafHash }) => leafHash));
}

/** Hashes by name, the newest of them. */
export class HashMemory {
  readonly #countMax: number;
  readonly #hashes = new Map<string, Uint8Array>();

  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  get(name: string): Uint8Array | undefined {
    return this.#hashes.get(name);
  }

  set(name: string, hash: Uint8Array): void {
    this.#hashes.set(name, hash);
    if (this.#hashes.size > this.#countMax) this.#hashes.delete(this.#hashes.keys().next().value!);
  }
}

/** Hashes of any run of leaves of one epoch of a log (RFC 6962 §2.1), out of its leaf hashes, and not one event is read. */
export class SubtreeHashes {
  readonly #name: string;
  readonly #epoch: number;
  readonly #size: number;
  readonly #read: ReadLeafHashes;
  readonly #lasting: HashMemory;
  readonly #sha256: Sha256;
  /** Complete subtrees of a block and more. */
  readonly #blocks = new Map<string, Uint8Array>();
  /** What was read last. */
  #run: { readonly from: number; readonly hashes: Uint8Array } = { from: 0, hashes: new Uint8Array(0) };

  constructor(options: {
    /** Of the log and the epoch, for `lasting`. */
    readonly name: string;
    readonly epoch: number;
    /** Leaves behind are not read. */
    readonly size: number;
    readonly read: ReadLeafHashes;
    /** Complete subtrees that are large: what was hashed before, in other sessions too. */
    readonly lasting: HashMemory;
    readonly sha256: Sha256;
  }) {
    this.#name = options.name;
    this.#epoch = options.epoch;
    this.#size = options.size;
    this.#read = options.read;
    this.#lasting = options.lasting;
    this.#sha256 = options.sha256;
  }

  /** Throws `ProofUnavailableError` when the log does not reach as far. */
  async hashOf({ from, to }: LeafRange): Promise<Uint8Array> {
    const edge: Uint8Array[] = [];
    for (let at = from; at < to; ) {
      const size = 2 ** Math.floor(Math.log2(to - at));
      edge.push(await this.#subtree(at, size));
      at += size;
    }
    return rootOf(edge, to - from, this.#sha256);
  }

  async #subtree(from: number, size: number): Promise<Uint8Array> {
    if (size < BLOCK_LEAVES) return this.#hashLeaves(from, size);
    const memory = size < LASTING_LEAVES ? this.#blocks : this.#lasting;
    const key = `${this.#name}/${from}+${size}`;
    const known = memory.get(key);
    if (known !== undefined) return known;
    const half = size / 2;
    const hash =
      size === BLOCK_LEAVES
        ? await this.#hashLeaves(from, size)
        : nodeHash(await this.#subtree(from, half), await this.#subtree(from + half, half), this.#sha256);
    memory.set(key, hash);
    return hash;
  }

  async #hashLeaves(from: number, size: number): Promise<Uint8Array> {
    let edge: TreeEdge = [];
    for (let count = 0; count < size; ) {
      const some = (await this.#leavesFrom(from + count)).slice(0, size - count);
      edge = extendEdge(edge, count, some, this.#sha256);
      count += some.length;
    }
    return rootOf(edge, size, this.#sha256);
  }

  /** One at least. */
  async #leavesFrom(from: number): Promise<readonly Uint8Array[]> {
    const isRead = () =>
      from >= this.#run.from && from < this.#run.from + this.#run.hashes.length / HASH_BYTES;
    if (!isRead()) {
      const limit = Math.min(READ_LEAVES, this.#size - from);
      const after = { epoch: this.#epoch, position: from };
      this.#run = { from, hashes: await this.#read({ after, limit }) };
      if (!isRead())
        throw new ProofUnavailableError(`leaf ${from} of ${this.#epoch}/${this.#size} is not there`);
    }
    const { hashes } = this.#run;
    const leaves: Uint8Array[] = [];
    for (let at = (from - this.#run.from) * HASH_BYTES; at < hashes.length; at += HASH_BYTES)
      leaves.push(hashes.subarray(at, at + HASH_BYTES));
    return leaves;
  }
}
