import { encodeBase64, equalBytes, type LogHead } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';

/** One place where an epoch of a log is kept: at its site, or as a replica further up. */
export interface Holding {
  /** In words: a folder, a database. */
  readonly where: string;
  /** What was proved there. */
  readonly head: LogHead;
  /** The root over the first `size` events, null when that cannot be told there (any more). */
  readonly rootAt: (size: number, signal: AbortSignal) => Promise<Uint8Array | null>;
}

export interface HoldingsComparison {
  readonly site: SiteId;
  readonly epoch: number;
  /** As much as all of them hold. */
  readonly size: number;
  readonly where: readonly string[];
  /** Null when all of them hold the same history up to `size`. */
  readonly difference: string | null;
}

/**
 * Whether every log that is kept at several places is the same everywhere, as far as all of them hold it. Where one is further
 * than another, its root at the other's size is computed out of its leaf hashes.
 */
export async function compareHoldings(
  holdings: readonly Holding[],
  signal: AbortSignal,
): Promise<readonly HoldingsComparison[]> {
  const byLog = Map.groupBy(holdings, ({ head }) => `${head.site}/${head.epoch}`);
  const comparisons: HoldingsComparison[] = [];
  for (const ofLog of byLog.values()) {
    const size = Math.min(...ofLog.map(({ head }) => head.size));
    if (ofLog.length < 2 || size === 0) continue;
    const told: { where: string; root: Uint8Array }[] = [];
    for (const { where, head, rootAt } of ofLog) {
      const root = head.size === size ? head.root : await rootAt(size, signal);
      if (root !== null) told.push({ where, root });
    }
    const [first, ...others] = told;
    if (first === undefined || others.length === 0) continue;
    const { site, epoch } = ofLog[0]!.head;
    const other = others.find(({ root }) => !equalBytes(root, first.root));
    const difference =
      other === undefined
        ? null
        : `${epoch}/${size}: ${first.where} holds the root ${encodeBase64(first.root)}, ${other.where} ${encodeBase64(other.root)}`;
    comparisons.push({ site, epoch, size, where: told.map(({ where }) => where), difference });
  }
  return comparisons;
}
