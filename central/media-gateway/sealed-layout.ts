import { browserCodecs, hideTracks, type SegmentManifest, type TimeSpan } from '@holdfast/core';
import type { DeviceId, SegmentId } from '@holdfast/schema';
import type { MediaDatabase, StoredSegment } from '@holdfast/sites';
import type { ByteRange } from './byte-range.js';

/** Segments read from the index at once. */
const SEGMENTS_PER_PAGE = 500;

/** What an answer of known length consists of: of each segment its init, where the format changes, and its fragments. */
export interface SealedLayout {
  readonly codecs: string;
  readonly byteLength: number;
  readonly segments: readonly LaidOutSegment[];
}

interface LaidOutSegment {
  readonly segmentId: SegmentId;
  /** Where it begins in the answer. */
  readonly offset: number;
  /** 0 when the segment before has the same format. */
  readonly initByteLength: number;
  /** Tracks that are left out: the answer has as many bytes all the same. */
  readonly hiddenTracks: readonly number[];
  readonly firstFragment: number;
  readonly fragmentByteLengths: readonly number[];
}

/**
 * The sealed recordings that touch the span, out of index and manifests alone. Null when there are none. `forBrowsers`:
 * without the sound that browsers do not play.
 */
export async function layOutSealed(
  database: MediaDatabase,
  deviceId: DeviceId,
  span: TimeSpan,
  { forBrowsers }: { readonly forBrowsers: boolean },
): Promise<SealedLayout | null> {
  const segments: LaidOutSegment[] = [];
  let codecs: string | null = null;
  let format: Uint8Array | null = null;
  let offset = 0;
  let sentToMs = Number.NEGATIVE_INFINITY;
  for await (const manifest of manifests(database, deviceId, span)) {
    const inside = manifest.fragments
      .map((fragment, index) => ({ ...fragment, index }))
      // Two segments may hold the same moments (a copy beside an original); none is shown twice.
      .filter(({ fromMs, toMs }) => toMs > span.fromMs && fromMs < span.toMs && fromMs >= sentToMs);
    const [first] = inside;
    if (!first) continue;
    const sameFormat = format !== null && Buffer.compare(format, manifest.initDigest) === 0;
    const laidOut = {
      segmentId: manifest.segmentId,
      offset,
      initByteLength: sameFormat ? 0 : manifest.initByteLength,
      hiddenTracks: forBrowsers ? browserCodecs(manifest.codecs).hiddenTracks : [],
      firstFragment: first.index,
      fragmentByteLengths: inside.map(({ byteLength }) => byteLength),
    };
    segments.push(laidOut);
    offset += byteLengthOf(laidOut);
    format = manifest.initDigest;
    codecs ??= manifest.codecs;
    sentToMs = inside.at(-1)!.toMs;
  }
  return codecs === null ? null : { codecs, byteLength: offset, segments };
}

/** The bytes of the range, read segment by segment. Throws when a segment went away after it was laid out. */
export async function* readSealed(
  database: MediaDatabase,
  deviceId: DeviceId,
  layout: SealedLayout,
  range: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for (const segment of layout.segments) {
    const end = segment.offset + byteLengthOf(segment);
    if (end <= range.from || segment.offset > range.to) continue;
    let position = segment.offset;
    for await (const bytes of piecesOf(database, deviceId, segment, range, signal)) {
      const from = Math.max(0, range.from - position);
      const to = Math.min(bytes.length, range.to + 1 - position);
      position += bytes.length;
      if (from < to) yield bytes.subarray(from, to);
      if (position > range.to) break;
    }
  }
}

/** Init (if it belongs to the layout) and fragments; what lies before the range comes as empty space of the same length. */
async function* piecesOf(
  database: MediaDatabase,
  deviceId: DeviceId,
  segment: LaidOutSegment,
  range: ByteRange,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const { segmentId, firstFragment, fragmentByteLengths, hiddenTracks } = segment;
  const shown = (bytes: Uint8Array) => hideTracks(bytes, hiddenTracks);
  // Fragments that end before the range are not read.
  let skipped = 0;
  let position = segment.offset + segment.initByteLength;
  while (skipped < fragmentByteLengths.length - 1 && position + fragmentByteLengths[skipped]! <= range.from) {
    position += fragmentByteLengths[skipped]!;
    skipped += 1;
  }
  const items = database.readSegments({
    ...{ deviceId, segmentIds: [segmentId], signal },
    resumeAtFragment: firstFragment + skipped,
  });
  let index = skipped;
  for await (const item of items) {
    if (item.kind === 'missing') throw new SegmentGoneError(segmentId, item.cause);
    if (item.kind === 'init') {
      if (segment.initByteLength > 0) yield shown(item.init.bytes);
      for (let at = 0; at < skipped; at += 1) yield new Uint8Array(fragmentByteLengths[at]!);
    }
    if (item.kind !== 'fragment') continue;
    if (index >= fragmentByteLengths.length) return;
    index += 1;
    yield shown(item.fragment.bytes);
  }
}

/** Retention or damage took a segment away while it was being sent. */
export class SegmentGoneError extends Error {
  override readonly name = 'SegmentGoneError';
  readonly code = 'SEGMENT_GONE';

  constructor(segmentId: SegmentId, cause: string) {
    super(`segment ${segmentId} can no longer be read: ${cause}`);
  }
}

async function* manifests(
  database: MediaDatabase,
  deviceId: DeviceId,
  span: TimeSpan,
): AsyncGenerator<SegmentManifest> {
  let after: StoredSegment | null = null;
  for (;;) {
    const page: readonly StoredSegment[] = database.segments({
      ...{ deviceId, ...span, after, limit: SEGMENTS_PER_PAGE },
    });
    for (const { segment } of page) {
      const manifest = await database.manifest(segment.segmentId);
      if (manifest) yield manifest;
    }
    after = page.at(-1) ?? null;
    if (page.length < SEGMENTS_PER_PAGE) return;
  }
}

function byteLengthOf({ initByteLength, fragmentByteLengths }: LaidOutSegment): number {
  return fragmentByteLengths.reduce((sum, byteLength) => sum + byteLength, initByteLength);
}
