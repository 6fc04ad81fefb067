import { Counter, Gauge, type Registry } from 'prom-client';
import type { LiveCounts, LiveViewers } from '../recording-server/camera/live-viewers.js';

/** How live pictures are watched, read when it is asked for. */
export function defineLiveMetrics(registry: Registry, viewersOf: () => readonly LiveViewers[]): void {
  const registers = [registry];
  const viewers: Gauge = new Gauge({
    ...{ name: 'holdfast_live_viewers', help: 'Open live streams.', registers },
    collect() {
      const counts = viewersOf().map(server => server.counts());
      const sum = (count: keyof LiveCounts) => counts.reduce((total, one) => total + one[count], 0);
      viewers.set(sum('viewerCount'));
      reduced.set(sum('reducedViewerCount'));
      ring.set(sum('ringByteLength'));
      set(reductions, sum('reductionCount'));
      set(closed, sum('closedCount'));
    },
  });
  const reduced = new Gauge({
    ...{ name: 'holdfast_live_viewers_reduced', help: 'Open live streams of key frames only.', registers },
  });
  const ring = new Gauge({
    ...{ name: 'holdfast_live_ring_bytes', help: 'Live pictures kept in memory for all viewers.', registers },
  });
  const reductions = new Counter({
    ...{ name: 'holdfast_live_reductions_total', help: 'Times that a viewer was too slow for all pictures.' },
    registers,
  });
  const closed = new Counter({
    ...{ name: 'holdfast_live_closed_total', help: 'Viewers that were closed because they took no picture.' },
    registers,
  });
}

function set(counter: Counter, value: number): void {
  counter.reset();
  counter.inc(value);
}
