import type { SiteId } from '@holdfast/schema';
import { hlcMs } from '../clock/hybrid-logical-clock.js';
import type { Sha256 } from '../hash.js';
import { decodeRecordedEvent } from './envelope.js';
import { EnvelopeError } from './envelope-error.js';
import { decodeEventData } from './event-data.js';
import type { LogPlace } from './log-place.js';
import { hexOf, type LogStreamContext, logStreamEvent } from './log-stream.js';
import { equalBytes, extendEdge, rootOf, type TreeEdge } from './merkle-tree.js';
import type { LogHead, NewEvent, RecordedEvent, SealedEpoch } from './site-log.js';

/** The tree of one epoch. */
export interface EpochTree {
  readonly epoch: number;
  readonly size: number;
  readonly edge: TreeEdge;
}

/** The pulled history is not what the site once signed. */
export class HistoryUnprovenError extends Error {
  override readonly name = 'HistoryUnprovenError';
  readonly code = 'HISTORY_UNPROVEN';
}

/** Proves pulled events one after the other: each follows upon the one before, and each epoch seals the one before. */
export class HistoryProof {
  readonly #site: SiteId;
  readonly #sha256: Sha256;
  /** Trees of the epochs that are complete, then the one that grows. */
  readonly #trees: EpochTree[];
  #recordedAt: bigint;
  #count = 0;
  #fromMs: number | null = null;

  /** `common`: the tree up to the common place, of epoch 0 when there is none. `recordedAt`: the clock at that place. */
  constructor(options: {
    readonly site: SiteId;
    readonly common: EpochTree;
    readonly recordedAt: bigint;
    readonly sha256: Sha256;
  }) {
    this.#site = options.site;
    this.#trees = [options.common];
    this.#recordedAt = options.recordedAt;
    this.#sha256 = options.sha256;
  }

  get recordedAt(): bigint {
    return this.#recordedAt;
  }

  /** Of all epochs up to here. */
  get trees(): readonly EpochTree[] {
    return this.#trees.filter(tree => tree.epoch > 0);
  }

  get pulledBack(): { readonly count: number; readonly fromMs: number | null; readonly toMs: number | null } {
    return {
      count: this.#count,
      fromMs: this.#fromMs,
      toMs: this.#count === 0 ? null : hlcMs(this.#recordedAt),
    };
  }

  /** The event in these bytes, which is the next one. Throws `HistoryUnprovenError`. */
  take({ header, data }: Pick<RecordedEvent, 'header' | 'data'>): RecordedEvent {
    const event = this.#decode(header, data);
    const place = `${event.epoch}/${event.position}`;
    if (event.site !== this.#site) throw new HistoryUnprovenError(`${place} is an event of ${event.site}`);
    let tree = this.#trees.at(-1)!;
    if (event.epoch !== tree.epoch) {
      this.#assertOpens(event, tree);
      tree = { epoch: event.epoch, size: 0, edge: [] };
      this.#trees.push(tree);
    }
    if (event.position !== tree.size + 1) {
      throw new HistoryUnprovenError(`${place} stands where ${tree.epoch}/${tree.size + 1} should be`);
    }
    if (event.recordedAt <= this.#recordedAt) {
      throw new HistoryUnprovenError(`${place} was not recorded later than the event before`);
    }
    const edge = extendEdge(tree.edge, tree.size, [event.leafHash], this.#sha256);
    this.#trees[this.#trees.length - 1] = { epoch: tree.epoch, size: event.position, edge };
    this.#recordedAt = event.recordedAt;
    this.#fromMs ??= hlcMs(event.recordedAt);
    this.#count += 1;
    return event;
  }

  /** The trees of all epochs that the history touched, now that it ends where the site signed it. Throws `HistoryUnprovenError`. */
  finish(signed: LogHead): readonly EpochTree[] {
    const { epoch, size, edge } = this.#trees.at(-1)!;
    if (signed.site !== this.#site || signed.epoch !== epoch || signed.size !== size) {
      const of = `${signed.site} ${signed.epoch}/${signed.size}`;
      throw new HistoryUnprovenError(`it ends at ${epoch}/${size}, the checkpoint is of ${of}`);
    }
    if (epoch === 0 || !equalBytes(rootOf(edge, size, this.#sha256), signed.root)) {
      throw new HistoryUnprovenError(`up to ${epoch}/${size} it is not what the site signed`);
    }
    return this.trees;
  }

  #decode(header: Uint8Array, data: Uint8Array): RecordedEvent {
    try {
      return decodeRecordedEvent(header, data, this.#sha256);
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error;
      throw new HistoryUnprovenError(`event ${this.#count + 1} of it is none: ${error.message}`);
    }
  }

  #assertOpens(event: RecordedEvent, before: EpochTree): void {
    if (before.epoch === 0 && event.epoch === 1) return;
    const sealed = { ...before, root: rootOf(before.edge, before.size, this.#sha256) };
    if (event.epoch === before.epoch + 1 && opensBehind(event, sealed)) return;
    throw new HistoryUnprovenError(
      `${event.epoch}/${event.position} does not open an epoch behind ${before.epoch}/${before.size}`,
    );
  }
}

/** Whether this event is the `LogEpochOpened` that names exactly this end of the epoch before its own. */
export function opensBehind(
  event: Pick<RecordedEvent, 'type' | 'version' | 'data'>,
  sealed: SealedEpoch,
): boolean {
  if (event.type !== 'LogEpochOpened') return false;
  const opened = decodeEventData(event);
  return (
    opened.type === 'LogEpochOpened' &&
    opened.data.previousEpoch === sealed.epoch &&
    opened.data.previousSize === sealed.size &&
    opened.data.previousRoot === hexOf(sealed.root)
  );
}

/** What is done with the tail: whether an event of it is recorded again, and what `LogHistoryRecovered` will say. */
export class TailAccount {
  recordedAgainCount = 0;
  knownAlreadyCount = 0;
  #fromMs: number | null = null;
  #toMs: number | null = null;

  /** `isKnown`: its id stands in the pulled history. What opened an epoch of a life that is over is no fact of the next. */
  takes(event: Pick<RecordedEvent, 'type' | 'recordedAt'>, isKnown: boolean): boolean {
    if (isKnown) this.knownAlreadyCount += 1;
    if (isKnown || event.type === 'LogEpochOpened') return false;
    this.recordedAgainCount += 1;
    this.#fromMs ??= hlcMs(event.recordedAt);
    this.#toMs = hlcMs(event.recordedAt);
    return true;
  }

  /**
   * The last event of a recovery. Its id comes from all that `opened`, the epoch that it ends up in, holds before it: the tail may
   * hold such an event of an epoch of the same number, which nobody had heard of yet.
   */
  recovered(
    common: LogPlace,
    proof: Pick<HistoryProof, 'pulledBack'>,
    opened: EpochTree,
    context: LogStreamContext,
  ): NewEvent {
    const { count, fromMs, toMs } = proof.pulledBack;
    const { epoch, size, edge } = opened;
    return logStreamEvent(
      {
        type: 'LogHistoryRecovered',
        data: {
          ...{ commonEpoch: common.epoch, commonPosition: common.position },
          ...{ pulledBackCount: count, pulledBackFromMs: fromMs, pulledBackToMs: toMs },
          ...{ recordedAgainCount: this.recordedAgainCount, knownAlreadyCount: this.knownAlreadyCount },
          ...{ recordedAgainFromMs: this.#fromMs, recordedAgainToMs: this.#toMs },
        },
      },
      `${epoch} ${hexOf(rootOf(edge, size, context.sha256))}`,
      context,
    );
  }
}
