import type { DeviceId, SegmentId, TimeSource } from '@holdfast/schema';

/** `ftyp` + `moov`: what stands before fragments of one stream format. */
export interface InitSegment {
  readonly bytes: Uint8Array;
  /** RFC 6381, e.g. `avc1.640028,mp4a.40.2`: for `MediaSource.isTypeSupported('video/mp4; codecs="…"')`. */
  readonly codecs: string;
}

/**
 * `moof` + `mdat` of fragmented MP4. In the media database: one GOP. In live: one frame. `tfdt` holds capture time in
 * ticks since the Unix epoch, so fragments of different segments and sites join on one timeline without rewriting.
 */
export interface Fragment {
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  readonly beginsWithKeyFrame: boolean;
  readonly bytes: Uint8Array;
  /** Of `bytes`, where they are built only when first read. */
  readonly byteLength?: number;
  /**
   * The same bytes one behind the other, for who can take them so. Absent: `bytes` is there already. Of a fragment that has
   * it, `bytes` is joined when first read, which costs a copy.
   */
  readonly pieces?: readonly Uint8Array[];
  /**
   * Of a fragment whose bytes lie in memory that is used again: says that they will not be read any more, after which
   * reading `bytes` or `pieces` throws. `bytes` once read are a copy that stays with whoever has it. Whom a fragment was
   * handed to calls it once done; who does not leaves the memory to the garbage collector, which is safe and dearer.
   */
  release?(): void;
  /** When its first access unit arrived, milliseconds since the Unix epoch. */
  readonly arrivalMs: number;
  readonly timeSource: TimeSource;
}

/** Of `bytes`, without building or joining them. */
export function fragmentByteLength(fragment: Fragment): number {
  if (fragment.byteLength !== undefined) return fragment.byteLength;
  if (fragment.pieces === undefined) return fragment.bytes.length;
  return fragment.pieces.reduce((sum, piece) => sum + piece.length, 0);
}

export interface FragmentEntry {
  readonly fromMs: number;
  readonly toMs: number;
  readonly byteLength: number;
  readonly arrivalMs: number;
  readonly timeSource: TimeSource;
  readonly beginsWithKeyFrame: boolean;
  /** SHA-256 of the fragment's bytes. */
  readonly digest: Uint8Array;
}

/**
 * What a segment consists of. Its canonical binary encoding (`encodeManifest`) is hashed to give the digest in
 * `RecordingSealed`: who holds that event can check any fragment of the segment by itself.
 */
export interface SegmentManifest {
  readonly segmentId: SegmentId;
  readonly deviceId: DeviceId;
  readonly codecs: string;
  readonly initByteLength: number;
  readonly initDigest: Uint8Array;
  readonly fragments: readonly FragmentEntry[];
}
