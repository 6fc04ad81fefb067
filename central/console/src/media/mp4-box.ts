/** The few boxes of ISO/IEC 14496-12 that tell when a fragment was captured. */

interface Box {
  readonly type: string;
  readonly start: number;
  readonly end: number;
}

const CONTAINERS = new Set(['moov', 'trak', 'mdia', 'moof', 'traf']);

const typeAt = (view: DataView, at: number): string =>
  String.fromCharCode(...[4, 5, 6, 7].map(byte => view.getUint8(at + byte)));

function* boxesOf(view: DataView, start: number, end: number): Generator<Box> {
  for (let at = start; at + 8 <= end; ) {
    const size = view.getUint32(at);
    if (size < 8 || at + size > end) return;
    const type = typeAt(view, at);
    const box = { type, start: at + 8, end: at + size };
    yield box;
    if (CONTAINERS.has(type)) yield* boxesOf(view, box.start, box.end);
    at += size;
  }
}

const viewOf = (bytes: ArrayBuffer | Uint8Array): DataView =>
  bytes instanceof Uint8Array
    ? new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new DataView(bytes);

/** Timescale of each track of an init segment, by track id. */
export function timescalesOf(init: ArrayBuffer | Uint8Array): ReadonlyMap<number, number> {
  const view = viewOf(init);
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
    return decodeTime(view, box) / timescale;
  }
  return null;
}

function decodeTime(view: DataView, { start }: Box): number {
  const wide = view.getUint8(start) === 1;
  return wide ? Number(view.getBigUint64(start + 4)) : view.getUint32(start + 4);
}

/** When each picture of a `moof` begins to be shown, in seconds since the Unix epoch: those of its first track, in order of time. */
export function pictureTimesS(moof: Uint8Array, timescales: ReadonlyMap<number, number>): readonly number[] {
  const view = viewOf(moof);
  const times: number[] = [];
  let trackId: number | null = null;
  let timescale = 1;
  let baseTicks = 0;
  let defaultTicks = 0;
  for (const box of boxesOf(view, 0, view.byteLength)) {
    if (box.type === 'tfhd') {
      // The second track is sound.
      if (trackId !== null) break;
      trackId = view.getUint32(box.start + 4);
      timescale = timescales.get(trackId) ?? 1;
      defaultTicks = defaultDuration(view, box);
    } else if (box.type === 'tfdt') baseTicks = decodeTime(view, box);
    else if (box.type === 'trun')
      for (const ticks of runTicks(view, box, defaultTicks)) times.push((baseTicks + ticks) / timescale);
  }
  return times.sort((one, other) => one - other);
}

/** Of a `tfhd` (§8.8.7): what stands before it depends on its flags. */
function defaultDuration(view: DataView, { start }: Box): number {
  const flags = view.getUint32(start) & 0xffffff;
  if ((flags & 0x8) === 0) return 0;
  return view.getUint32(start + 8 + (flags & 0x1 ? 8 : 0) + (flags & 0x2 ? 4 : 0));
}

/** Of a `trun` (§8.8.8): decode time plus composition offset of each sample, from the start of the fragment. */
function* runTicks(view: DataView, { start, end }: Box, defaultTicks: number): Generator<number> {
  const flags = view.getUint32(start) & 0xffffff;
  const has = (flag: number): number => ((flags & flag) === 0 ? 0 : 4);
  const sampleBytes = has(0x100) + has(0x200) + has(0x400) + has(0x800);
  const count = view.getUint32(start + 4);
  let at = start + 8 + has(0x1) + has(0x4);
  let ticks = 0;
  for (let index = 0; index < count && at + sampleBytes <= end; index += 1, at += sampleBytes) {
    const offset = has(0x800) === 0 ? 0 : view.getInt32(at + sampleBytes - 4);
    yield ticks + offset;
    ticks += has(0x100) === 0 ? defaultTicks : view.getUint32(at);
  }
}

/** Finds the boxes `moov` and `moof` in a stream that arrives in pieces of any size; what else it carries is passed over. */
export class BoxStream {
  #head = new Uint8Array(0);
  #skip = 0;

  /** Calls back with each box that is complete, header and all. */
  push(bytes: Uint8Array, onBox: (type: 'moov' | 'moof', box: Uint8Array) => void): void {
    let rest = bytes;
    for (;;) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, rest.length);
        this.#skip -= skipped;
        rest = rest.subarray(skipped);
      }
      if (rest.length === 0) return;
      const joined = new Uint8Array(this.#head.length + rest.length);
      joined.set(this.#head);
      joined.set(rest, this.#head.length);
      this.#head = new Uint8Array(0);
      const view = viewOf(joined);
      const size = joined.length < 8 ? null : view.getUint32(0);
      const type = size === null ? null : typeAt(view, 0);
      if (size !== null && size < 8) throw new Error(`box of ${size} bytes`);
      if (size !== null && type !== 'moov' && type !== 'moof') {
        this.#skip = size;
        rest = joined;
      } else if (size === null || joined.length < size) {
        this.#head = joined;
        return;
      } else {
        onBox(type as 'moov' | 'moof', joined.subarray(0, size));
        rest = joined.subarray(size);
      }
    }
  }
}
