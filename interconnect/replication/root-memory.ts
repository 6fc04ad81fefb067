import { equalBytes, extendEdge, LogTruncatedError, rootOf, type Sha256, type SiteLog } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { OfferedLog } from './offered-log.js';
import type { EpochHead, WantFrame } from './replication-frame.js';

/** Frame boundaries that are remembered, of all logs: what a parent holds is one of the last, unless it is new to us. */
const ROOTS_MAX = 4_096;
/** Events in one read while histories are compared. */
const PAGE_EVENTS = 2_000;

/**
 * The roots of our logs at places where a parent may stand. They tell at once whether a parent's history is ours when a link
 * is back; after a restart the log itself is read for it, over the shorter side of the place.
 */
export class RootMemory {
  readonly #roots = new Map<string, Uint8Array>();

  remember(at: {
    readonly origin: SiteId;
    readonly epoch: number;
    readonly position: number;
    readonly root: Uint8Array;
  }): void {
    this.#roots.set(`${at.origin}/${at.epoch}/${at.position}`, at.root);
    if (this.#roots.size > ROOTS_MAX) this.#roots.delete(this.#roots.keys().next().value!);
  }

  /** Whether the leaves 1..want.after of our log are those of the parent's edge. Throws `TreeEdgeError`. */
  async agrees(options: {
    readonly origin: SiteId;
    readonly want: Pick<WantFrame, 'epoch' | 'after' | 'treeEdge'>;
    /** Of our log. */
    readonly head: EpochHead;
    readonly log: Pick<OfferedLog, 'read' | 'epochs'>;
    readonly sha256: Sha256;
  }): Promise<boolean> {
    const { origin, want, head, log, sha256 } = options;
    const { epoch, after, treeEdge } = want;
    const theirs = rootOf(treeEdge, after, sha256);
    if (after === 0) return true;
    const end = epoch === head.epoch ? head : log.epochs().find(sealed => sealed.epoch === epoch);
    if (end !== undefined && after > end.size) return false;
    if (after === end?.size) return equalBytes(theirs, end.root);
    const known = this.#roots.get(`${origin}/${epoch}/${after}`);
    if (known !== undefined) return equalBytes(theirs, known);
    if (end === undefined || after <= end.size - after) {
      try {
        const edge = await edgeOver({ log, epoch, edge: [], from: 0, to: after, sha256 });
        return edge !== null && equalBytes(theirs, rootOf(edge, after, sha256));
      } catch (error) {
        // The beginning was removed because others hold it: the rest tells as much, up to an end that is known.
        if (!(error instanceof LogTruncatedError) || end === undefined) throw error;
      }
    }
    const edge = await edgeOver({ log, epoch, edge: treeEdge, from: after, to: end.size, sha256 });
    return edge !== null && equalBytes(rootOf(edge, end.size, sha256), end.root);
  }
}

/** Null when the epoch ends before. */
async function edgeOver(options: {
  readonly log: Pick<SiteLog, 'read'>;
  readonly epoch: number;
  readonly edge: readonly Uint8Array[];
  readonly from: number;
  readonly to: number;
  readonly sha256: Sha256;
}): Promise<readonly Uint8Array[] | null> {
  const { epoch } = options;
  let { edge, from: position } = options;
  while (position < options.to) {
    const limit = Math.min(PAGE_EVENTS, options.to - position);
    const events = await options.log.read({ after: { epoch, position }, limit });
    if (events.at(-1)?.epoch !== epoch) return null;
    edge = extendEdge(
      edge,
      position,
      events.map(event => event.leafHash),
      options.sha256,
    );
    position = events.at(-1)!.position;
  }
  return edge;
}
