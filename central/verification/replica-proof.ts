import {
  encodeBase64,
  equalBytes,
  extendEdge,
  HASH_BYTES,
  type LogHead,
  type LogPlace,
  opensBehind,
  rootOf,
  TakenOverAccount,
  type TakenOverEvents,
  type TreeEdge,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { sha256 } from '@holdfast/sites';
import { examineReplicaRow, type ReplicaRow, type ReplicaRowDamage } from './replica-row.js';

/** Damages that are named. Behind so many, the replica is worthless, and the list no help. */
export const REPLICA_DAMAGES_NAMED_MAX = 1000;

export type ReplicaDamageCode =
  | ReplicaRowDamage
  /** The database cannot be read on. */
  | 'DATABASE_UNREADABLE'
  /** A position of a log is not there. */
  | 'EVENT_MISSING'
  /** `recordedAt` does not grow. */
  | 'CLOCK_RAN_BACK'
  | 'REVISION_MISSING'
  /** A log stands in the feed in another order than it was recorded in. */
  | 'FEED_ORDER'
  /** A feed position is not there, or there are more than were given out. */
  | 'FEED_NOT_DENSE'
  /** The cursor says that the replica ends elsewhere than it does, or the replica has no cursor. */
  | 'CURSOR_MISMATCH'
  /** The stored tree edge is not that of the leaves. */
  | 'TREE_EDGE_MISMATCH'
  /** An epoch was opened behind another root than that of the epoch before. */
  | 'EPOCH_ROOT_MISMATCH'
  | 'CHECKPOINT_MALFORMED'
  /** A checkpoint was not signed by a key of its site that is believed. */
  | 'CHECKPOINT_SIGNATURE'
  /** An epoch is over, and its end is not signed. */
  | 'EPOCH_UNSIGNED'
  /** Nobody who is believed says by which key the site signs. */
  | 'LOG_KEY_UNKNOWN'
  /** A checkpoint that was accepted states another root than that of the leaves. */
  | 'CHECKPOINT_ROOT_MISMATCH'
  /** A checkpoint was accepted over events that are not there. */
  | 'CHECKPOINT_BEYOND_END'
  /** What is kept here of a log is not what is kept of it elsewhere. */
  | 'HOLDINGS_DIFFER';

export interface ReplicaDamage {
  readonly code: ReplicaDamageCode;
  /** `feed`, or the site whose replica is damaged. */
  readonly where: string;
  readonly detail: string;
}

export class ReplicaDamages {
  readonly named: ReplicaDamage[] = [];

  add(code: ReplicaDamageCode, where: string, detail: string): void {
    if (this.named.length < REPLICA_DAMAGES_NAMED_MAX) this.named.push({ code, where, detail });
  }
}

/** A checkpoint as it was accepted; who signed it is not known yet. */
export interface StoredCheckpoint {
  readonly head: LogHead;
  readonly note: string;
}

/** A replica by itself, without regard to who signed it. */
export interface ProvedReplica {
  readonly site: SiteId;
  /** One for each epoch of which no event is missing. */
  readonly heads: readonly LogHead[];
  /** The last place of each epoch. */
  readonly ends: readonly LogPlace[];
  /** Those whose root is that of the events. */
  readonly met: readonly StoredCheckpoint[];
  /** What a salvage at the site has found with no signature behind it, and the site has signed only then. */
  readonly takenOver: readonly TakenOverEvents[];
}

/** Walks the replica of one site in order, over all its epochs, growing their trees and meeting what was signed. */
export class ReplicaProof {
  readonly #site: SiteId;
  readonly #damages: ReplicaDamages;
  readonly #checkpoints: readonly StoredCheckpoint[];
  readonly #heads: LogHead[] = [];
  readonly #ends: LogPlace[] = [];
  readonly #met: StoredCheckpoint[] = [];
  readonly #takenOver = new TakenOverAccount();
  /** Checkpoints of the epoch that are not met yet, smallest first. */
  #expected: StoredCheckpoint[] = [];
  #epoch = 0;
  #size = 0;
  #edge: TreeEdge = [];
  #recordedAt = -1n;
  #seq = 0;
  /** Once an event is missing, no root after it can be right, and each would only repeat that. */
  #isComplete = true;

  constructor(site: SiteId, checkpoints: readonly StoredCheckpoint[], damages: ReplicaDamages) {
    this.#site = site;
    this.#checkpoints = checkpoints;
    this.#damages = damages;
  }

  take(row: ReplicaRow): void {
    if (row.epoch !== this.#epoch) this.#open(row);
    const add = (code: ReplicaDamageCode, detail: string) => this.#add(code, row.position, detail);
    if (row.position !== this.#size + 1) {
      add('EVENT_MISSING', `the event before it is at ${this.#size}`);
      this.#isComplete = false;
    }
    const damages = examineReplicaRow(row);
    for (const { code, detail } of damages) add(code, detail);
    const recordedAt = BigInt(row.recordedAt);
    if (damages.length === 0 && recordedAt <= this.#recordedAt) {
      add('CLOCK_RAN_BACK', 'recordedAt is not later than that of the event before');
    }
    this.#recordedAt = recordedAt;
    if (damages.length === 0) this.#takenOver.take({ ...row, recordedAt });
    if (row.seq <= this.#seq) add('FEED_ORDER', `feed position ${row.seq} is not behind ${this.#seq}`);
    this.#seq = row.seq;
    if (row.leafHash.length !== HASH_BYTES) this.#isComplete = false;
    if (this.#isComplete) this.#edge = extendEdge(this.#edge, this.#size, [row.leafHash], sha256);
    this.#size = row.position;
    if (this.#isComplete) this.#meetCheckpoints();
  }

  /** What the replica amounts to. */
  finish(cursor: StoredCursor | null): ProvedReplica {
    this.#close();
    if (cursor === null || cursor.epoch !== this.#epoch || cursor.position !== this.#size) {
      const at =
        cursor === null ? 'there is no cursor' : `the cursor is at ${cursor.epoch}/${cursor.position}`;
      this.#add('CURSOR_MISMATCH', this.#size, `the replica ends here, ${at}`);
    } else if (this.#isComplete && cursor.treeEdge.length > 0 && !isSameEdge(cursor.treeEdge, this.#edge)) {
      this.#add('TREE_EDGE_MISMATCH', this.#size, 'the stored tree edge is not that of the events');
    }
    for (const { head } of this.#checkpoints) {
      const { epoch, size } = head;
      if (epoch > this.#epoch)
        this.#add('CHECKPOINT_BEYOND_END', this.#size, `${epoch}/${size} was accepted`);
    }
    const takenOver = this.#takenOver.all();
    return { site: this.#site, heads: this.#heads, ends: this.#ends, met: this.#met, takenOver };
  }

  #open(row: ReplicaRow): void {
    this.#close();
    const before = this.#heads.at(-1);
    const opens =
      this.#epoch === 0 ? row.epoch === 1 : before?.epoch === this.#epoch && isOpening(row, before);
    this.#epoch = row.epoch;
    this.#size = 0;
    this.#edge = [];
    this.#recordedAt = -1n;
    this.#isComplete = true;
    this.#expected = this.#checkpoints
      .filter(({ head }) => head.epoch === row.epoch)
      .sort((left, right) => left.head.size - right.head.size);
    if (opens) return;
    const end =
      before === undefined ? 'nothing' : `${before.epoch}/${before.size}, root ${encodeBase64(before.root)}`;
    this.#add('EPOCH_ROOT_MISMATCH', row.position, `the epoch does not open behind the one before: ${end}`);
  }

  #close(): void {
    if (this.#epoch === 0) return;
    this.#ends.push({ epoch: this.#epoch, position: this.#size });
    for (const { head } of this.#expected) {
      if (head.size > this.#size)
        this.#add('CHECKPOINT_BEYOND_END', this.#size, `${this.#epoch}/${head.size} was accepted`);
    }
    if (!this.#isComplete) return;
    const root = rootOf(this.#edge, this.#size, sha256);
    this.#heads.push({ site: this.#site, epoch: this.#epoch, size: this.#size, root });
  }

  #meetCheckpoints(): void {
    for (;;) {
      const [checkpoint] = this.#expected;
      if (checkpoint === undefined || checkpoint.head.size > this.#size) return;
      this.#expected.shift();
      const { size, root } = checkpoint.head;
      if (size === this.#size && equalBytes(rootOf(this.#edge, size, sha256), root)) {
        this.#met.push(checkpoint);
        continue;
      }
      const detail = 'the root that was signed and accepted is not that of the events up to here';
      this.#add('CHECKPOINT_ROOT_MISMATCH', size, detail);
    }
  }

  #add(code: ReplicaDamageCode, position: number, detail: string): void {
    this.#damages.add(code, this.#site, `${this.#epoch}/${position}: ${detail}`);
  }
}

/** A row of `replica_cursor`. */
export interface StoredCursor {
  readonly epoch: number;
  readonly position: number;
  /** Empty for the log of the central itself, which it takes in without proof. */
  readonly treeEdge: TreeEdge;
}

/** An event that cannot be read opens nothing; what is wrong with it is named with its row. */
function isOpening(row: ReplicaRow, before: LogHead): boolean {
  try {
    return row.epoch === before.epoch + 1 && opensBehind(row, before);
  } catch {
    return false;
  }
}

function isSameEdge(left: TreeEdge, right: TreeEdge): boolean {
  return left.length === right.length && left.every((hash, index) => equalBytes(hash, right[index]!));
}
