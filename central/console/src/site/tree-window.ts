import type { TreeNode } from './site-tree.nodes';

/** As site-tree.css has them. */
const HEIGHT_PX: Readonly<Record<TreeNode['kind'], number>> = { site: 48, device: 27 };
/** Beyond each edge of what is seen, so that scrolling finds lines. */
const BEYOND_PX = 300;

/** Where the lines of a tree lie, below each other. */
export interface TreeLayout {
  readonly topsPx: readonly number[];
  readonly heightPx: number;
}

export function treeLayout(nodes: readonly Pick<TreeNode, 'kind'>[]): TreeLayout {
  let heightPx = 0;
  const topsPx = nodes.map(({ kind }) => {
    const topPx = heightPx;
    heightPx += HEIGHT_PX[kind];
    return topPx;
  });
  return { topsPx, heightPx };
}

/** What of a tree is seen. */
export interface TreeView {
  readonly topPx: number;
  readonly heightPx: number;
}

/** The indexes of the lines to show, in order: those in view, and the one that has the focus or would get it. */
export function linesInView({ topsPx }: TreeLayout, view: TreeView, focusIndex: number): number[] {
  const fromPx = view.topPx - BEYOND_PX;
  const toPx = view.topPx + view.heightPx + BEYOND_PX;
  return topsPx.flatMap((topPx, index) =>
    index === focusIndex || (topPx >= fromPx && topPx < toPx) ? [index] : [],
  );
}
