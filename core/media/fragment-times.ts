import { fullBox, uint32 } from './fmp4-bytes.js';
import { type Box, findBox, walkBoxes } from './fmp4-reader.js';
import { readUint32 } from './rtp-packet.js';

/** When a track of a fragment begins: its `tfdt`, in ticks of the track. */
export interface TrackTime {
  readonly trackId: number;
  readonly ticks: number;
}

export function readTrackTimes(bytes: Uint8Array): readonly TrackTime[] {
  return [...trackFragments(bytes)].map(({ trackId, time }) => ({ trackId, ticks: readTicks(bytes, time) }));
}

/**
 * The fragment with all of a track's times earlier by `earlierTicks(trackId)`; nothing else differs, so adding the same again
 * gives the bytes that were recorded.
 */
export function shiftTrackTimes(
  bytes: Uint8Array,
  earlierTicks: (trackId: number) => number,
): Uint8Array<ArrayBuffer> {
  const shifted = Uint8Array.from(bytes);
  const view = new DataView(shifted.buffer);
  for (const { trackId, time } of trackFragments(bytes)) {
    const ticks = readTicks(bytes, time) - earlierTicks(trackId);
    if (ticks < 0) throw new RangeError(`track ${trackId} would begin at ${ticks} ticks`);
    view.setUint32(time.contentStart + 4, Math.floor(ticks / 2 ** 32));
    view.setUint32(time.contentStart + 8, ticks % 2 ** 32);
  }
  return shifted;
}

/** Ticks per second of each track (`mdhd`), by track id (`tkhd`), of an init segment. */
export function readTimescales(init: Uint8Array): ReadonlyMap<number, number> {
  const timescales = new Map<number, number>();
  const movie = findBox(init, ['moov']);
  if (movie === null) return timescales;
  for (const track of walkBoxes(init, movie.contentStart, movie.end)) {
    if (track.type !== 'trak') continue;
    const header = findBox(init, ['tkhd'], track);
    const media = findBox(init, ['mdia', 'mdhd'], track);
    if (header === null || media === null) continue;
    // Both are version 0, as `writeInitSegment` writes them: the id and the timescale lie behind two times of 4 bytes.
    timescales.set(readUint32(init, header.contentStart + 12), readUint32(init, media.contentStart + 12));
  }
  return timescales;
}

/** More do not fit the 16 bits in which `sidx` counts them. */
export const REFERENCES_MAX = 65_535;

/**
 * `sidx` (ISO/IEC 14496-12 §8.16.3) for fragments that follow it: with it players know how long a file is, and find a time
 * without reading all of it. `timescale` is that of the track `trackId`, which begins at 0. Each reference begins at the `moof`, where
 * players expect it, and not at what `bytesBeforeMoof` says stands before it in each fragment.
 */
export function segmentIndexBox(options: {
  readonly trackId: number;
  readonly timescale: number;
  readonly bytesBeforeMoof: number;
  readonly references: readonly {
    readonly byteLength: number;
    readonly durationTicks: number;
    readonly beginsWithKeyFrame: boolean;
  }[];
}): Uint8Array {
  const { trackId, timescale, bytesBeforeMoof, references } = options;
  if (references.length > REFERENCES_MAX) throw new RangeError(`${references.length} references`);
  return fullBox(
    'sidx',
    { version: 0, flags: 0 },
    uint32(trackId, timescale, 0, bytesBeforeMoof, references.length),
    uint32(
      ...references.flatMap(({ byteLength, durationTicks, beginsWithKeyFrame }, index) => [
        index === references.length - 1 ? byteLength - bytesBeforeMoof : byteLength,
        durationTicks,
        // Starts with a stream access point of type 1.
        beginsWithKeyFrame ? 0x90000000 : 0,
      ]),
    ),
  );
}

/**
 * A copy of an init segment whose `mvhd` says how long the film is, in milliseconds; it says 0, and is recorded so, because nobody
 * knows. VLC seeks in no film of length 0.
 */
export function withDuration(init: Uint8Array, durationMs: number): Uint8Array {
  const copy = init.slice();
  const header = findBox(init, ['moov', 'mvhd']);
  // Version 0, as `writeInitSegment` writes it: two times of 4 bytes, the timescale of 1000, the duration.
  if (header !== null && init[header.contentStart] === 0)
    new DataView(copy.buffer, copy.byteOffset).setUint32(
      header.contentStart + 16,
      Math.min(durationMs, 0xffffffff),
    );
  return copy;
}

function* trackFragments(bytes: Uint8Array): Generator<{ readonly trackId: number; readonly time: Box }> {
  for (const movie of walkBoxes(bytes)) {
    if (movie.type !== 'moof') continue;
    for (const track of walkBoxes(bytes, movie.contentStart, movie.end)) {
      if (track.type !== 'traf') continue;
      const header = findBox(bytes, ['tfhd'], track);
      const time = findBox(bytes, ['tfdt'], track);
      // `tfdt` of version 1, as `writeFragment` writes it: 64 bits.
      if (header === null || time === null || bytes[time.contentStart] !== 1) continue;
      yield { trackId: readUint32(bytes, header.contentStart + 4), time };
    }
  }
}

function readTicks(bytes: Uint8Array, time: Box): number {
  return readUint32(bytes, time.contentStart + 4) * 2 ** 32 + readUint32(bytes, time.contentStart + 8);
}
