/** The few boxes of ISO/IEC 14496-12 that tell when a fragment was captured. */

interface Box {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

const CONTAINERS = new Set(['moov', 'trak', 'mdia', 'moof', 'traf']);

function* boxesOf(view: DataView, start: number, end: number): Generator<Box> {
  for (let at = start; at + 8 <= end; ) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > end) return;
    const type = String.fromCharCode(
      view.getUint8(at + 4),
      view.getUint8(at + 5),
      view.getUint8(at + 6),
      view.getUint8(at + 7),
    );
    const box = { type, start: at + 8, end: at + size };
    yield box;
    if (CONTAINERS.has(type)) yield* boxesOf(view, box.start, box.end);
    at += size;
  }
}

/** Timescale of each track of an init segment, by track id. */
export function timescalesOf(init: ArrayBuffer): ReadonlyMap<number, number> {
  const view = new DataView(init);
  const timescales = new Map<number, number>();
  let trackId = 0;
  for (const box of boxesOf(view, 0, view.byteLength)) {
    const wide = view.getUint8(box.start) === 1 ? 8 : 0;
    if (box.type === 'tkhd') trackId = view.getUint32(box.start + 12 + wide);
    if (box.type === 'mdhd') timescales.set(trackId, view.getUint32(box.start + 12 + wide));
  }
  return timescales;
}

/** Capture time of a fragment in seconds since the Unix epoch: its first track's `tfdt`. Null when it has none. */
export function fragmentTimeS(fragment: ArrayBuffer, timescales: ReadonlyMap<number, number>): number | null {
  const view = new DataView(fragment);
  let trackId = 0;
  for (const box of boxesOf(view, 0, view.byteLength)) {
    if (box.type === 'tfhd') trackId = view.getUint32(box.start + 4);
    if (box.type !== 'tfdt') continue;
    const timescale = timescales.get(trackId);
    if (timescale === undefined) return null;
    const wide = view.getUint8(box.start) === 1;
    return (wide ? Number(view.getBigUint64(box.start + 4)) : view.getUint32(box.start + 4)) / timescale;
  }
  return null;
}
