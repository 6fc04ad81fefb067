import {
  type EventHeader,
  equalBytes,
  HASH_BYTES,
  type LogHead,
  type LogPlace,
  opensBehind,
  PatchedTree,
  placeOfKey,
  rootOf,
  type TreeEdge,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { sha256 } from './sha256.js';
import type { EpochState } from './site-log-file.js';
import { type EventRow, examineRow, type RowDamage } from './site-log-row.js';

export type EventDamage =
  | RowDamage
  | 'EVENT_MISSING'
  /** It stands on pages of the file that are damaged, or only reached over such. */
  | 'EVENT_UNREADABLE'
  /** There are events beyond the size that the log believes to have. */
  | 'EVENT_BEYOND_SIZE'
  /** There is an event in front of the place from which on the log keeps them. */
  | 'EVENT_TRUNCATED'
  /** An epoch does not begin with a `LogEpochOpened` that names the end of the one before. */
  | 'EPOCH_NOT_LINKED'
  /** `recordedAt` does not grow. */
  | 'CLOCK_RAN_BACK'
  /** The stored tree edge is not that of the leaves. */
  | 'TREE_EDGE_MISMATCH'
  /** A signed root is not that of the leaves: history up to its size was rewritten. */
  | 'CHECKPOINT_ROOT_MISMATCH'
  /** Events were signed that are not there any more. */
  | 'CHECKPOINT_BEYOND_END';

interface Damages {
  add(code: EventDamage, at: LogPlace, detail: string): void;
}

/** Events of an epoch that stand together. */
export interface EventSpan {
  readonly epoch: number;
  /** Positions; both are of it. */
  readonly from: number;
  readonly to: number;
}

export function isAmong(spans: readonly EventSpan[], { epoch, position }: LogPlace): boolean {
  return spans.some(span => span.epoch === epoch && span.from <= position && position <= span.to);
}

export interface LogToProve {
  readonly site: SiteId;
  readonly epochs: readonly EpochState[];
  readonly checkpoints: readonly LogHead[];
}

export interface ProvedEvents {
  readonly head: LogHead | null;
  readonly eventCount: number;
  /** Of what is in the file, in order: where the site's signature stands behind each leaf hash. */
  readonly signed: readonly EventSpan[];
}

/** Walks the events of all epochs in order. */
export class LogFileProof {
  readonly #log: LogToProve;
  readonly #damages: Damages;
  #epochsLeft: readonly EpochState[];
  #proof: EpochProof;
  #recordedAt = -1n;
  #eventCount = 0;
  /** Of the epochs that were walked, in order. */
  readonly #ends: (ProvedEpoch & { readonly epoch: number })[] = [];
  /** Epochs that begin by naming the end of the one before. */
  readonly #linked = new Set<number>();
  /** Why the next events that are missing are not there. */
  #absence: Absence = 'EVENT_MISSING';

  constructor(log: LogToProve, damages: Damages) {
    this.#log = log;
    this.#damages = damages;
    this.#epochsLeft = log.epochs.slice(1);
    this.#proof = this.#begin(log.epochs[0]!);
  }

  /** What comes next in the file cannot be read. */
  passOver(): void {
    this.#absence = 'EVENT_UNREADABLE';
  }

  /** What its header says, where the event is whole. */
  take(row: EventRow): EventHeader | null {
    const place = placeOfKey(row.key);
    const { epoch } = place;
    while (epoch > this.#proof.epoch && this.#next());
    this.#eventCount += 1;
    const { header, damages } = examineRow(row, this.#log.site);
    for (const { code, detail } of damages) this.#damages.add(code, place, detail);
    if (epoch !== this.#proof.epoch) {
      this.#damages.add('EVENT_BEYOND_SIZE', place, `the log has no epoch ${epoch}`);
      return null;
    }
    if (header !== null && damages.length === 0) {
      if (header.recordedAt <= this.#recordedAt) {
        const detail = 'recordedAt is not later than that of the event before';
        this.#damages.add('CLOCK_RAN_BACK', place, detail);
      }
      this.#recordedAt = header.recordedAt;
    }
    if (place.position === 1 && damages.length === 0) this.#checkOpening(header!, row.data, place);
    this.#proof.take(row, place, this.#absence);
    this.#absence = 'EVENT_MISSING';
    return damages.length === 0 ? header : null;
  }

  finish(): ProvedEvents {
    while (this.#next());
    const head = this.#end();
    for (const { epoch, size } of this.#log.checkpoints) {
      if (this.#log.epochs.some(known => known.epoch === epoch)) continue;
      this.#damages.add('CHECKPOINT_BEYOND_END', { epoch, position: size }, `the log has no epoch ${epoch}`);
    }
    return { head, eventCount: this.#eventCount, signed: this.#signed() };
  }

  /** An epoch begins by naming the size and the root of the one before: who has signed that has signed all of it. */
  #signed(): readonly EventSpan[] {
    let signed: readonly EventSpan[] = [];
    let nextIsSigned = false;
    for (const { epoch, head, spans, signedSize } of this.#ends.toReversed()) {
      const to: number = (nextIsSigned && head?.size) || signedSize;
      const own: readonly EventSpan[] =
        to > signedSize ? joined(spans, { epoch, from: signedSize + 1, to }) : spans;
      nextIsSigned = this.#linked.has(epoch) && own[0]?.from === 1;
      signed = [...own, ...signed];
    }
    return signed;
  }

  #begin(state: EpochState): EpochProof {
    const checkpoints = this.#log.checkpoints.filter(({ epoch }) => epoch === state.epoch);
    return new EpochProof(this.#log.site, state, checkpoints, this.#damages);
  }

  /** Goes over to the next epoch; false when there is none. */
  #next(): boolean {
    const [next, ...left] = this.#epochsLeft;
    if (next === undefined) return false;
    this.#end();
    this.#proof = this.#begin(next);
    this.#epochsLeft = left;
    return true;
  }

  #end(): LogHead | null {
    const end = this.#proof.finish(this.#absence);
    this.#ends.push({ ...end, epoch: this.#proof.epoch });
    return end.head;
  }

  #checkOpening(header: EventHeader, data: Uint8Array, place: LogPlace): void {
    const before = this.#log.epochs.findLast(({ epoch }) => epoch < place.epoch);
    if (before === undefined) return;
    const { epoch, size, edge } = before;
    if (opensBehind({ ...header, data }, { epoch, size, root: rootOf(edge, size, sha256) })) {
      this.#linked.add(place.epoch);
      return;
    }
    this.#damages.add('EPOCH_NOT_LINKED', place, `it does not open the epoch behind ${epoch}/${size}`);
  }
}

type Absence = 'EVENT_MISSING' | 'EVENT_UNREADABLE';

interface ProvedEpoch {
  /** Null when events are missing, or are not those of the stored tree edge. */
  readonly head: LogHead | null;
  readonly spans: readonly EventSpan[];
  /** The last checkpoint that was met. */
  readonly signedSize: number;
}

function joined(spans: readonly EventSpan[], next: EventSpan): readonly EventSpan[] {
  const last = spans.at(-1);
  return last?.to === next.from - 1 ? [...spans.slice(0, -1), { ...last, to: next.to }] : [...spans, next];
}

/**
 * Walks the events of one epoch in order, growing its tree and meeting its checkpoints on the way. Where some are missing, the edge
 * that the file keeps of the whole tree leads on to checkpoints behind them.
 */
class EpochProof {
  readonly #site: SiteId;
  readonly #state: EpochState;
  readonly #checkpoints: readonly LogHead[];
  readonly #damages: Damages;
  readonly #tree: PatchedTree;
  #spans: readonly EventSpan[] = [];
  #nextCheckpoint = 0;
  #signedSize: number;

  constructor(site: SiteId, state: EpochState, checkpoints: readonly LogHead[], damages: Damages) {
    this.#site = site;
    this.#state = state;
    this.#damages = damages;
    this.#tree = new PatchedTree({ size: state.keptAfter, edge: state.keptEdge }, state, sha256);
    this.#signedSize = state.keptAfter;
    // Those before the cut are proved with the leaf hashes that it left.
    this.#checkpoints = checkpoints.filter(({ size }) => size >= state.keptAfter);
    if (state.keptAfter > 0) this.#meetCheckpoints();
  }

  get epoch(): number {
    return this.#state.epoch;
  }

  take(row: EventRow, { position }: LogPlace, absence: Absence): void {
    if (position <= this.#tree.size) {
      if (position < 1) this.#add('COLUMN_MISMATCH', position, 'positions begin at 1');
      else this.#add('EVENT_TRUNCATED', position, `the log begins after ${this.#state.keptAfter}`);
      return;
    }
    if (position > this.#tree.size + 1) this.#miss(position - 1, absence);
    if (position > this.#state.size) {
      this.#add('EVENT_BEYOND_SIZE', position, `the size of the log is ${this.#state.size}`);
    }
    if (row.leaf_hash instanceof Uint8Array && row.leaf_hash.length === HASH_BYTES) {
      this.#tree.take(row.leaf_hash);
    } else this.#tree.skip(1);
    this.#meetCheckpoints();
  }

  finish(absence: Absence): ProvedEpoch {
    const { epoch, edge } = this.#state;
    const end = this.#tree.size;
    const found = this.#tree.edge();
    if (end === this.#state.size && found !== null && !isSameEdge(edge, found)) {
      this.#add('TREE_EDGE_MISMATCH', end, 'the stored tree edge is not that of the events');
    }
    if (end < this.#state.size) this.#miss(this.#state.size, absence);
    for (const { size } of this.#checkpoints) {
      if (size > end) {
        this.#add('CHECKPOINT_BEYOND_END', size, `${size} events were signed, ${end} are there`);
      }
    }
    const whole = this.#tree.wholeEdge();
    const head = whole && { site: this.#site, epoch, size: end, root: rootOf(whole, end, sha256) };
    return { head, spans: this.#spans, signedSize: this.#signedSize };
  }

  #miss(to: number, absence: Absence): void {
    const from = this.#tree.size + 1;
    const why = absence === 'EVENT_MISSING' ? 'not there' : 'not readable';
    const detail = from === to ? why : `${to - from + 1} events, up to position ${to}, are ${why}`;
    this.#add(absence, from, detail);
    this.#tree.skip(to - from + 1);
  }

  /** One inside of what is missing cannot be met. */
  #meetCheckpoints(): void {
    const { size } = this.#tree;
    for (;;) {
      const checkpoint = this.#checkpoints[this.#nextCheckpoint];
      if (checkpoint === undefined || checkpoint.size > size) return;
      this.#nextCheckpoint += 1;
      const root = checkpoint.size === size ? this.#tree.root() : null;
      if (root === null) continue;
      if (equalBytes(root, checkpoint.root)) {
        for (const span of this.#tree.knownAfter(this.#signedSize)) {
          this.#spans = joined(this.#spans, { epoch: this.#state.epoch, ...span });
        }
        this.#signedSize = size;
      } else {
        const since = `some event after ${this.#signedSize} and up to here is not the one that was signed`;
        this.#add('CHECKPOINT_ROOT_MISMATCH', size, since);
      }
    }
  }

  #add(code: EventDamage, position: number, detail: string): void {
    this.#damages.add(code, { epoch: this.#state.epoch, position }, detail);
  }
}

export function isSameEdge(left: TreeEdge, right: TreeEdge): boolean {
  return left.length === right.length && left.every((hash, index) => equalBytes(hash, right[index]!));
}
