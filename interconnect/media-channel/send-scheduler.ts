import type { MediaPriority } from '@holdfast/core';
import { type ItemHead, type MediaFrame, PIECE_OVERHEAD_BYTES, pieceCost } from './media-frame.js';
import { SendWindow } from './send-window.js';

const rankOf: { readonly [Priority in MediaPriority]: number } = {
  LIVE: 0,
  ALARM: 1,
  EVIDENCE_LOCK: 2,
  REQUEST: 3,
  RULE: 4,
  LINK_RESTORE: 5,
  SCHEDULE: 6,
};

/** A live picture waits for at most one piece of something else: 4 KiB take 16 ms at 2 Mbit/s. */
const PIECE_BYTES_MIN = 4 * 1024;
/** On fast links larger pieces save work; a piece is then still under a millisecond. */
const PIECE_BYTES_USED_MAX = 128 * 1024;
/** A piece is at most this part of what may be under way. */
const PIECES_PER_WINDOW = 8;

interface Lane {
  readonly channel: number;
  readonly rank: number;
  creditBytes: number;
  /** Lower was served longer ago. */
  servedAt: number;
  item: {
    readonly head: ItemHead;
    readonly data: Uint8Array;
    offset: number;
    readonly settle: (outcome: SendOutcome) => void;
  } | null;
}

export type SendOutcome = 'SENT' | 'CLOSED';

/**
 * Decides which channel's piece goes onto the wire next: the most urgent that has credit, in turn among equals, as long as
 * the window has room and the stream takes more. Each channel has at most one item here, so nothing grows.
 */
export class SendScheduler {
  readonly #write: (frame: MediaFrame) => boolean;
  readonly #monotonicMs: () => number;
  readonly #window = new SendWindow();
  readonly #lanes = new Map<number, Lane>();
  #streamIsFull = false;
  #turn = 0;

  constructor(options: {
    /** False: the stream took it and wants no more until `onDrain`. */
    readonly write: (frame: MediaFrame) => boolean;
    readonly monotonicMs: () => number;
  }) {
    this.#write = options.write;
    this.#monotonicMs = options.monotonicMs;
  }

  get windowBytes(): number {
    return this.#window.windowBytes;
  }

  openLane(channel: number, priority: MediaPriority, creditBytes: number): void {
    const rank = rankOf[priority];
    this.#lanes.set(channel, { channel, rank, creditBytes, servedAt: 0, item: null });
  }

  /** Resolves when the last piece of the item is on the wire, or the lane is closed. One at a time per channel. */
  send(channel: number, head: ItemHead, data: Uint8Array): Promise<SendOutcome> {
    const lane = this.#lanes.get(channel);
    if (lane === undefined) return Promise.resolve('CLOSED');
    return new Promise(settle => {
      lane.item = { head, data, offset: 0, settle };
      this.#pump();
    });
  }

  closeLane(channel: number): void {
    const lane = this.#lanes.get(channel);
    this.#lanes.delete(channel);
    lane?.item?.settle('CLOSED');
  }

  closeAll(): void {
    for (const channel of [...this.#lanes.keys()]) this.closeLane(channel);
  }

  onCredit(channel: number, byteCount: number): void {
    const lane = this.#lanes.get(channel);
    // Credit for a channel that has just been closed here is on its way quite regularly.
    if (lane === undefined) return;
    lane.creditBytes += byteCount;
    this.#pump();
  }

  /** False: the peer claims to have received what was never sent. */
  onReceived(byteCount: number): boolean {
    const plausible = this.#window.onReceived(byteCount, this.#monotonicMs());
    this.#pump();
    return plausible;
  }

  onDrain(): void {
    this.#streamIsFull = false;
    this.#pump();
  }

  #pump(): void {
    while (!this.#streamIsFull) {
      const lane = this.#next();
      if (lane === null || !this.#window.mayBeSent({ urgent: lane.rank === rankOf.LIVE })) return;
      this.#sendPiece(lane);
    }
  }

  #next(): Lane | null {
    let best: Lane | null = null;
    for (const lane of this.#lanes.values()) {
      if (lane.item === null || lane.creditBytes <= PIECE_OVERHEAD_BYTES) continue;
      if (
        best === null ||
        lane.rank < best.rank ||
        (lane.rank === best.rank && lane.servedAt < best.servedAt)
      ) {
        best = lane;
      }
    }
    return best;
  }

  #sendPiece(lane: Lane): void {
    const item = lane.item!;
    const share = Math.floor(this.#window.windowBytes / PIECES_PER_WINDOW);
    const pieceBytes = Math.min(Math.max(share, PIECE_BYTES_MIN), PIECE_BYTES_USED_MAX);
    const byteLength = Math.min(pieceBytes, lane.creditBytes - PIECE_OVERHEAD_BYTES);
    const data = item.data.subarray(item.offset, item.offset + byteLength);
    const head = item.offset === 0 ? item.head : null;
    item.offset += data.byteLength;
    const last = item.offset === item.data.byteLength;
    lane.creditBytes -= pieceCost(data);
    this.#turn += 1;
    lane.servedAt = this.#turn;
    this.#window.onSent(pieceCost(data), this.#monotonicMs());
    const { channel } = lane;
    const itemByteLength = head === null ? 0 : item.data.byteLength;
    this.#streamIsFull = !this.#write({ kind: 'piece', channel, head, itemByteLength, data, last });
    if (last) {
      lane.item = null;
      item.settle('SENT');
    }
  }
}
