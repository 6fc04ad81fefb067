import type { BackboneDelivery, BackboneFrame } from './backbone.js';

/** One transaction of the reader takes about this many: more is not faster, only later. */
const DELIVERY_EVENTS_MAX = 4_000;

/** Cuts what a partition gave into deliveries, in order. `frame` is null where the record is no frame of ours. */
export function* cutDeliveries(
  partition: number,
  records: readonly { readonly offset: number; readonly frame: BackboneFrame | null }[],
): Generator<BackboneDelivery> {
  let frames: BackboneFrame[] = [];
  let eventCount = 0;
  let from: number | null = null;
  for (const [index, { offset, frame }] of records.entries()) {
    from ??= offset;
    if (frame !== null) {
      frames.push(frame);
      eventCount += frame.frame.count;
    }
    if (eventCount < DELIVERY_EVENTS_MAX && index < records.length - 1) continue;
    yield { partition, from, next: offset + 1, frames };
    frames = [];
    eventCount = 0;
    from = null;
  }
}
