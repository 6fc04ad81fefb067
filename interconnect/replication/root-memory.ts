import { equalBytes, extendEdge, rootOf, type Sha256, type SiteLog } from '@holdfast/core';
import type { WantFrame } from './replication-frame.js';

/** Frame boundaries that are remembered: what a parent holds is one of the last of them, unless it is new to us. */
const ROOTS_MAX = 512;
/** Events in one read while histories are compared. */
const PAGE_EVENTS = 2_000;

/**
 * The roots of our own log at places where a parent may stand. They tell at once whether a parent's history is ours when a
 * link is back; after a restart the log itself is read for it, over the shorter side of the place.
 */
export class RootMemory {
  readonly #roots = new Map<string, Uint8Array>();

  remember(epoch: number, position: number, root: Uint8Array): void {
    this.#roots.set(`${epoch}/${position}`, root);
    if (this.#roots.size > ROOTS_MAX) this.#roots.delete(this.#roots.keys().next().value!);
  }

  /** Whether the leaves 1..want.after of our log are those of the parent's edge. Throws `TreeEdgeError`. */
  async agrees(
    want: Pick<WantFrame, 'epoch' | 'after' | 'treeEdge'>,
    log: Pick<SiteLog, 'head' | 'read'>,
    sha256: Sha256,
  ): Promise<boolean> {
    const theirs = rootOf(want.treeEdge, want.after, sha256);
    const head = log.head();
    if (want.after === 0) return true;
    if (want.after === head.size) return equalBytes(theirs, head.root);
    const known = this.#roots.get(`${want.epoch}/${want.after}`);
    if (known !== undefined) return equalBytes(theirs, known);
    if (want.after <= head.size - want.after) {
      const edge = await edgeOver({
        ...{ log, epoch: want.epoch },
        edge: [],
        from: 0,
        to: want.after,
        sha256,
      });
      return equalBytes(theirs, rootOf(edge, want.after, sha256));
    }
    const edge = await edgeOver({
      ...{ log, epoch: want.epoch },
      edge: want.treeEdge,
      from: want.after,
      to: head.size,
      sha256,
    });
    return equalBytes(rootOf(edge, head.size, sha256), head.root);
  }
}

async function edgeOver(options: {
  readonly log: Pick<SiteLog, 'read'>;
  readonly epoch: number;
  readonly edge: readonly Uint8Array[];
  readonly from: number;
  readonly to: number;
  readonly sha256: Sha256;
}): Promise<readonly Uint8Array[]> {
  const { epoch } = options;
  let { edge, from: position } = options;
  while (position < options.to) {
    const limit = Math.min(PAGE_EVENTS, options.to - position);
    const events = await options.log.read({ after: { epoch, position }, limit });
    if (events.length === 0)
      throw new RangeError(`the log ends at ${position}, before its own head ${options.to}`);
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
