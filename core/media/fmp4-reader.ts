import type { Track } from './access-unit.js';
import { codecOfAudioConfig, codecOfSps, PLAIN_CODECS } from './fmp4-sample-entry.js';
import { FACTS_BOX_BYTE_LENGTH, FACTS_BOX_ID, type FragmentFacts } from './fmp4-writer.js';
import { codecOfProfile, PROFILE_BYTE_LENGTH } from './h265-parameter-sets.js';
import { readUint32 } from './rtp-packet.js';

export interface Box {
  readonly type: string;
  /** Of the header. */
  readonly start: number;
  readonly contentStart: number;
  readonly end: number;
}

/** Boxes that lie side by side in `bytes[start, end)`. Stops before a box that is cut off or whose size is impossible. */
export function* walkBoxes(bytes: Uint8Array, start = 0, end = bytes.length): Generator<Box> {
  let offset = start;
  while (offset + 8 <= end) {
    const small = readUint32(bytes, offset);
    const large = small === 1;
    if (large && offset + 16 > end) return;
    const byteLength = large ? readUint64(bytes, offset + 8) : small;
    const headerLength = large ? 16 : 8;
    if (byteLength < headerLength || offset + byteLength > end) return;
    yield {
      type: String.fromCharCode(...bytes.subarray(offset + 4, offset + 8)),
      start: offset,
      contentStart: offset + headerLength,
      end: offset + byteLength,
    };
    offset += byteLength;
  }
}

export function findBox(bytes: Uint8Array, path: readonly string[], within?: Box): Box | null {
  let found: Box | null = within ?? null;
  for (const type of path) {
    const inner: Iterable<Box> =
      found === null
        ? walkBoxes(bytes)
        : walkBoxes(bytes, found.contentStart + contentSkip(found), found.end);
    found = null;
    for (const box of inner) {
      if (box.type !== type) continue;
      found = box;
      break;
    }
    if (found === null) return null;
  }
  return found;
}

/** How far the boxes within a box lie behind its header. */
function contentSkip(box: Box): number {
  return { stsd: 8, avc1: 78, hvc1: 78, mp4a: 28, meta: 4 }[box.type] ?? 0;
}

function readUint64(bytes: Uint8Array, offset: number): number {
  return readUint32(bytes, offset) * 2 ** 32 + readUint32(bytes, offset + 4);
}

export interface InitFacts {
  /** `ftyp` + `moov`. */
  readonly byteLength: number;
  readonly codecs: string;
  readonly width: number;
  readonly height: number;
  readonly videoTimescale: number;
  readonly audioTimescale: number | null;
}

/** Reads what `writeInitSegment` wrote, at the beginning of `bytes`. `null`: there is no whole init segment. */
export function readInitSegment(bytes: Uint8Array): InitFacts | null {
  const fileType = findBox(bytes, ['ftyp']);
  const movie = findBox(bytes, ['moov']);
  if (fileType?.start !== 0 || movie?.start !== fileType.end) return null;
  const codecs: string[] = [];
  let width = 0;
  let height = 0;
  let videoTimescale: number | null = null;
  let audioTimescale: number | null = null;
  for (const track of walkBoxes(bytes, movie.contentStart, movie.end)) {
    if (track.type !== 'trak') continue;
    const mediaHeader = findBox(bytes, ['mdia', 'mdhd'], track);
    if (mediaHeader === null) return null;
    const timescale = readUint32(bytes, mediaHeader.contentStart + 12);
    const entry = readSampleEntry(bytes, track);
    if (entry === null) continue;
    codecs.push(entry.codec);
    if (entry.kind === 'AUDIO') audioTimescale = timescale;
    else if (entry.kind === 'VIDEO') {
      width = (bytes[entry.contentStart + 24]! << 8) | bytes[entry.contentStart + 25]!;
      height = (bytes[entry.contentStart + 26]! << 8) | bytes[entry.contentStart + 27]!;
      videoTimescale = timescale;
    }
  }
  if (videoTimescale === null) return null;
  return { byteLength: movie.end, codecs: codecs.join(','), width, height, videoTimescale, audioTimescale };
}

interface SampleEntryFacts {
  readonly kind: Track;
  readonly codec: string;
  readonly contentStart: number;
}

/** The first description of a track's samples; `null`: none that `writeInitSegment` writes. */
function readSampleEntry(bytes: Uint8Array, track: Box): SampleEntryFacts | null {
  const descriptions = findBox(bytes, ['mdia', 'minf', 'stbl', 'stsd'], track);
  if (descriptions === null) return null;
  const entry: Box | undefined = walkBoxes(bytes, descriptions.contentStart + 8, descriptions.end).next()
    .value;
  if (entry === undefined) return null;
  const content = (type: string, skip: number) => {
    const found = findBox(bytes, [type], entry);
    return found && bytes.subarray(found.contentStart + skip, found.end);
  };
  const { contentStart } = entry;
  switch (entry.type) {
    case 'avc1': {
      const configuration = content('avcC', 8);
      return configuration && { kind: 'VIDEO', codec: codecOfSps(configuration), contentStart };
    }
    case 'hvc1': {
      const profile = content('hvcC', 1)?.subarray(0, PROFILE_BYTE_LENGTH);
      return profile ? { kind: 'VIDEO', codec: codecOfProfile(profile), contentStart } : null;
    }
    case 'mp4a': {
      const stream = content('esds', 4);
      return stream && { kind: 'AUDIO', codec: codecOfAudioConfig(specificConfig(stream)), contentStart };
    }
    case 'mp4v':
      return { kind: 'VIDEO', codec: PLAIN_CODECS.mp4v, contentStart };
    case 'ulaw':
    case 'alaw':
    case 'Opus':
      return { kind: 'AUDIO', codec: PLAIN_CODECS[entry.type], contentStart };
    case 'metx':
      return { kind: 'METADATA', codec: PLAIN_CODECS.metx, contentStart };
    default:
      return null;
  }
}

/** Descends ISO/IEC 14496-1 descriptors 3 and 4 to the decoder specific info (5). */
function specificConfig(bytes: Uint8Array): Uint8Array {
  let offset = 0;
  while (offset + 2 <= bytes.length) {
    const tag = bytes[offset]!;
    const byteLength = bytes[offset + 1]!;
    if (tag === 5) return bytes.subarray(offset + 2, offset + 2 + byteLength);
    offset += 2 + (tag === 3 ? 3 : tag === 4 ? 13 : byteLength);
  }
  return bytes.subarray(0, 0);
}

export interface SampleFacts {
  readonly ticks: number;
  readonly durationTicks: number;
  readonly compositionOffsetTicks: number;
  readonly keyFrame: boolean;
  /** Where the sample lies in the bytes that were read. */
  readonly start: number;
  readonly end: number;
}

export interface ReadFragment {
  readonly facts: FragmentFacts;
  readonly start: number;
  readonly end: number;
}

/**
 * The fragment that begins at `start` (`uuid` + `moof` + `mdat`, as `writeFragment` writes it), or `null` when there is no
 * whole one: the end of a file, or what a crash has left behind.
 */
export function readFragment(bytes: Uint8Array, start: number): ReadFragment | null {
  const boxes = walkBoxes(bytes, start);
  const facts = boxes.next().value;
  const movie = boxes.next().value;
  const data = boxes.next().value;
  if (facts?.type !== 'uuid' || movie?.type !== 'moof' || data?.type !== 'mdat') return null;
  const read = readFacts(bytes, facts);
  return read === null ? null : { facts: read, start, end: data.end };
}

function readFacts(bytes: Uint8Array, box: Box): FragmentFacts | null {
  if (box.end - box.start < FACTS_BOX_BYTE_LENGTH) return null;
  if (FACTS_BOX_ID.some((byte, index) => bytes[box.contentStart + index] !== byte)) return null;
  const offset = box.contentStart + 16;
  if (bytes[offset] !== 1) return null;
  return {
    timeSource: bytes[offset + 1] === 1 ? 'SENDER_REPORT' : 'ARRIVAL',
    beginsWithKeyFrame: bytes[offset + 2] === 1,
    arrivalMs: readUint64(bytes, offset + 4),
    fromMs: readUint64(bytes, offset + 12),
    toMs: readUint64(bytes, offset + 20),
  };
}

/** Every whole fragment of a file, in order. `start`: the byte length of its init segment. */
export function* readFragments(bytes: Uint8Array, start: number): Generator<ReadFragment> {
  for (let read = readFragment(bytes, start); read !== null; read = readFragment(bytes, read.end)) yield read;
}

/** The samples of one track of a fragment. Reads the layout that `writeFragment` writes, not every MP4. */
export function readSamples(
  bytes: Uint8Array,
  fragment: ReadFragment,
  trackId: number,
): readonly SampleFacts[] {
  for (const movie of walkBoxes(bytes, fragment.start, fragment.end)) {
    if (movie.type !== 'moof') continue;
    for (const track of walkBoxes(bytes, movie.contentStart, movie.end)) {
      if (track.type !== 'traf') continue;
      const header = findBox(bytes, ['tfhd'], track);
      const time = findBox(bytes, ['tfdt'], track);
      const run = findBox(bytes, ['trun'], track);
      if (header === null || time === null || run === null) continue;
      if (readUint32(bytes, header.contentStart + 4) !== trackId) continue;
      return readRun(bytes, run, movie.start, readUint64(bytes, time.contentStart + 4));
    }
  }
  return [];
}

function readRun(bytes: Uint8Array, run: Box, moofStart: number, baseTicks: number): readonly SampleFacts[] {
  const hasComposition = (readUint32(bytes, run.contentStart) & 0x800) !== 0;
  const count = readUint32(bytes, run.contentStart + 4);
  let position = moofStart + readUint32(bytes, run.contentStart + 8);
  let ticks = baseTicks;
  let offset = run.contentStart + 12;
  const samples: SampleFacts[] = [];
  for (let index = 0; index < count && offset + 12 <= run.end; index += 1) {
    const durationTicks = readUint32(bytes, offset);
    const end = position + readUint32(bytes, offset + 4);
    const keyFrame = (readUint32(bytes, offset + 8) & 0x010000) === 0;
    const compositionOffsetTicks = hasComposition ? readUint32(bytes, offset + 12) | 0 : 0;
    samples.push({ ticks, durationTicks, compositionOffsetTicks, keyFrame, start: position, end });
    position = end;
    ticks += durationTicks;
    offset += hasComposition ? 16 : 12;
  }
  return samples;
}
