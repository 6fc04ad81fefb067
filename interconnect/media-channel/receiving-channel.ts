import { decodeManifest, type MediaItem, MediaRefusedError, type MediaRequest } from '@holdfast/core';
import {
  type CloseCode,
  ITEM_BYTES_MAX,
  type ItemHead,
  MediaProtocolError,
  type PieceFrame,
  pieceCost,
} from './media-frame.js';

/**
 * How much a sender may have sent ahead of the consumer, per channel: the most that a slow consumer can hold here, beside
 * one item. Live is small and late is worthless; retrieval must keep 100 Mbit/s at 300 ms busy.
 */
export const CREDIT_BYTES: { readonly [Kind in MediaRequest['kind']]: number } = {
  LIVE: 1024 * 1024,
  PLAYBACK: 2 * 1024 * 1024,
  RETRIEVE: 4 * 1024 * 1024,
};
/** Credit is returned in parts of this size, so that it costs few frames. */
const CREDIT_PARTS = 8;

/** Something broke at the other end of a media channel; asking again may help. */
export class MediaChannelFaultError extends Error {
  override readonly name = 'MediaChannelFaultError';
  readonly code = 'MEDIA_CHANNEL_FAULT';
}

interface Assembly {
  readonly head: ItemHead;
  readonly byteLength: number;
  readonly parts: Uint8Array[];
  received: number;
}

/** The consumer's end of one channel: puts items together, hands them out in order, returns credit. */
export class ReceivingChannel implements AsyncIterableIterator<MediaItem> {
  readonly #creditBytes: number;
  readonly #sendCredit: (byteCount: number) => void;
  readonly #onReleased: (because: 'ENDED' | 'CANCELLED') => void;
  readonly #ready: { readonly item: MediaItem; readonly cost: number }[] = [];
  #assembly: Assembly | null = null;
  /** Cost of the pieces of `#assembly` for which no credit was returned yet. */
  #assemblyCost = 0;
  #creditLeft: number;
  #creditToReturn = 0;
  #waiting: {
    readonly resolve: (result: IteratorResult<MediaItem>) => void;
    readonly reject: (error: Error) => void;
  }[] = [];
  #end: { readonly error: Error | null } | null = null;

  constructor(options: {
    readonly kind: MediaRequest['kind'];
    readonly sendCredit: (byteCount: number) => void;
    /** Called once, when nothing more is expected of the sender or wanted from it. */
    readonly onReleased: (because: 'ENDED' | 'CANCELLED') => void;
  }) {
    this.#creditBytes = CREDIT_BYTES[options.kind];
    this.#creditLeft = this.#creditBytes;
    this.#sendCredit = options.sendCredit;
    this.#onReleased = options.onReleased;
  }

  /** Throws `MediaProtocolError`, or what `decodeManifest` throws; the channel is of no use afterwards. */
  onPiece(piece: PieceFrame): void {
    if (this.#end !== null) return;
    const cost = pieceCost(piece.data);
    this.#creditLeft -= cost;
    if (this.#creditLeft < 0)
      throw new MediaProtocolError(`piece: ${-this.#creditLeft} bytes beyond the credit`);
    const assembly = this.#add(piece);
    this.#assemblyCost += cost;
    if (!piece.last) {
      // An item may be larger than the credit: while nothing else waits for the consumer it may grow up to its own limit.
      if (this.#ready.length === 0) this.#returnAssemblyCost();
      return;
    }
    if (assembly.received !== assembly.byteLength) {
      throw new MediaProtocolError(`piece: ${assembly.received} bytes of an item of ${assembly.byteLength}`);
    }
    const itemCost = this.#assemblyCost;
    this.#assembly = null;
    this.#assemblyCost = 0;
    this.#hand({ item: itemOf(assembly), cost: itemCost });
  }

  /** What arrived before is still handed out; then the iteration ends, or fails with the error. */
  finish(error: Error | null): void {
    if (this.#end !== null) return;
    this.#end = { error };
    this.#onReleased('ENDED');
    this.#settleWaiting();
  }

  /** The consumer wants no more: what has arrived is dropped at once. */
  cancel(): void {
    this.#ready.length = 0;
    if (this.#end === null) {
      this.#end = { error: null };
      this.#onReleased('CANCELLED');
    } else {
      this.#end = { error: null };
    }
    this.#assembly = null;
    this.#settleWaiting();
  }

  next(): Promise<IteratorResult<MediaItem>> {
    const ready = this.#ready.shift();
    if (ready !== undefined) {
      this.#returnCredit(ready.cost);
      if (this.#ready.length === 0) this.#returnAssemblyCost();
      return Promise.resolve({ done: false, value: ready.item });
    }
    if (this.#end !== null) return this.#ended();
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
    });
  }

  return(): Promise<IteratorResult<MediaItem>> {
    this.cancel();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #add(piece: PieceFrame): Assembly {
    if (piece.head !== null) {
      if (this.#assembly !== null) throw new MediaProtocolError('piece: an item begins within another');
      if (piece.itemByteLength > ITEM_BYTES_MAX) {
        throw new MediaProtocolError(
          `piece: an item of ${piece.itemByteLength} bytes, at most ${ITEM_BYTES_MAX}`,
        );
      }
      this.#assembly = { head: piece.head, byteLength: piece.itemByteLength, parts: [], received: 0 };
    }
    const assembly = this.#assembly;
    if (assembly === null) throw new MediaProtocolError('piece: it continues an item that did not begin');
    assembly.received += piece.data.byteLength;
    if (assembly.received > assembly.byteLength) {
      throw new MediaProtocolError(`piece: more bytes than the item's ${assembly.byteLength}`);
    }
    if (piece.data.byteLength > 0) assembly.parts.push(piece.data);
    return assembly;
  }

  #hand(ready: { readonly item: MediaItem; readonly cost: number }): void {
    const waiting = this.#waiting.shift();
    if (waiting === undefined) {
      this.#ready.push(ready);
      return;
    }
    this.#returnCredit(ready.cost);
    waiting.resolve({ done: false, value: ready.item });
  }

  #settleWaiting(): void {
    for (const waiting of this.#waiting.splice(0)) {
      this.#ended().then(waiting.resolve, waiting.reject);
    }
  }

  /** An error is thrown once; whoever asks again is told that there is no more. */
  #ended(): Promise<IteratorResult<MediaItem>> {
    const error = this.#end?.error ?? null;
    this.#end = { error: null };
    if (error !== null) return Promise.reject(error);
    return Promise.resolve({ done: true, value: undefined });
  }

  #returnAssemblyCost(): void {
    this.#returnCredit(this.#assemblyCost);
    this.#assemblyCost = 0;
  }

  #returnCredit(cost: number): void {
    this.#creditToReturn += cost;
    if (this.#end !== null || this.#creditToReturn < this.#creditBytes / CREDIT_PARTS) return;
    this.#creditLeft += this.#creditToReturn;
    this.#sendCredit(this.#creditToReturn);
    this.#creditToReturn = 0;
  }
}

/** The error that the consumer of a channel sees for the code that its sender closed it with. Null: a regular end. */
export function errorOfClose(code: CloseCode, detail: string): Error | null {
  switch (code) {
    case 'DONE':
    case 'CANCELLED':
      return null;
    case 'FAULT':
      return new MediaChannelFaultError(detail);
    default:
      return new MediaRefusedError(code, detail);
  }
}

function itemOf({ head, parts }: Assembly): MediaItem {
  const bytes: Uint8Array = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  switch (head.kind) {
    case 'init':
      return { kind: 'init', init: { bytes, codecs: head.codecs } };
    case 'fragment': {
      const { kind, reducedBecause, ...fragment } = head;
      return { kind, fragment: { ...fragment, bytes }, ...(reducedBecause && { reducedBecause }) };
    }
    case 'manifest':
      return { kind: 'manifest', manifest: decodeManifest(bytes) };
    case 'missing':
      return head;
  }
}
