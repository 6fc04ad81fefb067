/** What a server that is overloaded takes from its viewers, so that recordings go on: nothing, all but key frames, everything. */
export type Shedding = 'NONE' | 'KEY_FRAMES' | 'CLOSED';

export interface LiveCounts {
  readonly viewerCount: number;
  /** Of these, those that get key frames only, for whatever reason. */
  readonly reducedViewerCount: number;
  /** What is kept in memory for all of them. */
  readonly ringByteLength: number;
  /** Since the start: how often a viewer was reduced because it was too slow, and how often one was closed. */
  readonly reductionCount: number;
  readonly closedCount: number;
}

interface Watched {
  readonly counts: Pick<LiveCounts, 'viewerCount' | 'reducedViewerCount' | 'ringByteLength'>;
  wakeAll(): void;
}

/** All viewers of one server, over all its cameras: where they are counted, and the lever by which overload sheds them. */
export class LiveViewers {
  readonly #watched = new Set<Watched>();
  #shedding: Shedding = 'NONE';
  reductionCount = 0;
  closedCount = 0;

  get shedding(): Shedding {
    return this.#shedding;
  }

  /** Takes effect for who watches now and for who comes, until it is taken back. */
  shed(shedding: Shedding): void {
    if (shedding === this.#shedding) return;
    this.#shedding = shedding;
    for (const watched of this.#watched) watched.wakeAll();
  }

  counts(): LiveCounts {
    const sums = { viewerCount: 0, reducedViewerCount: 0, ringByteLength: 0 };
    for (const { counts } of this.#watched) {
      sums.viewerCount += counts.viewerCount;
      sums.reducedViewerCount += counts.reducedViewerCount;
      sums.ringByteLength += counts.ringByteLength;
    }
    return { ...sums, reductionCount: this.reductionCount, closedCount: this.closedCount };
  }

  add(watched: Watched): void {
    this.#watched.add(watched);
  }

  remove(watched: Watched): void {
    this.#watched.delete(watched);
  }
}
