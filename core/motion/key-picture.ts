import type { AccessUnit } from '../media/access-unit.js';
import { AUDIO_TRACK_ID, METADATA_TRACK_ID, VIDEO_TRACK_ID } from '../media/fmp4-init.js';
import { findBox, readFragment, readSamples } from '../media/fmp4-reader.js';
import { writeFragment } from '../media/fmp4-writer.js';
import type { Fragment, InitSegment } from '../media/fragment.js';
import { hideTracks } from '../media/hidden-track.js';

export type KeyPictureCodec = 'H264' | 'H265' | 'MJPEG';

/** What a decoder of key pictures needs, so that those of many cameras go through one of them. */
export interface KeyPictureSource {
  readonly codec: KeyPictureCodec;
  /** Without sound. */
  readonly init: Uint8Array;
  /** Each behind its 4-byte length: they go before every picture, since the picture before it was of another camera. */
  readonly parameterSets: readonly Uint8Array[];
}

const sampleEntry = ['moov', 'trak', 'mdia', 'minf', 'stbl', 'stsd'];
const LENGTH_BYTES = 4;
const TICKS_PER_PICTURE = 90_000;

/** Null: pictures of a codec that is not decoded here. */
export function keyPictureSource({ bytes, codecs }: InitSegment): KeyPictureSource | null {
  const init = hideTracks(bytes, [AUDIO_TRACK_ID, METADATA_TRACK_ID]);
  const avc = findBox(bytes, [...sampleEntry, 'avc1', 'avcC']);
  if (avc !== null) {
    const parameterSets = avcParameterSets(bytes.subarray(avc.contentStart, avc.end));
    return { codec: 'H264', init, parameterSets };
  }
  const hevc = findBox(bytes, [...sampleEntry, 'hvc1', 'hvcC']);
  if (hevc !== null) {
    const parameterSets = hevcParameterSets(bytes.subarray(hevc.contentStart, hevc.end));
    return { codec: 'H265', init, parameterSets };
  }
  return codecs.startsWith('mp4v.6') ? { codec: 'MJPEG', init, parameterSets: [] } : null;
}

/** A fragment of the key picture alone, at `index` seconds: a decoder gives the time back with what it made of it. */
export function keyPicture(source: KeyPictureSource, fragment: Fragment, index: number): Uint8Array | null {
  const { bytes } = fragment;
  const read = readFragment(bytes, 0);
  const [sample] = read === null ? [] : readSamples(bytes, read, VIDEO_TRACK_ID);
  if (!sample?.keyFrame) return null;
  const parts = [...source.parameterSets, bytes.subarray(sample.start, sample.end)];
  const unit: AccessUnit = {
    ...{ track: 'VIDEO', ticks: index * TICKS_PER_PICTURE, keyFrame: true, parts },
    byteLength: parts.reduce((sum, part) => sum + part.length, 0),
    ...{ arrivalMs: fragment.arrivalMs, timeSource: fragment.timeSource },
  };
  const run = { trackId: VIDEO_TRACK_ID, units: [unit], endTicks: (index + 1) * TICKS_PER_PICTURE };
  return writeFragment(index, { ...fragment, beginsWithKeyFrame: true }, [run]);
}

/** ISO/IEC 14496-15 §5.3.3.1. */
function avcParameterSets(record: Uint8Array): readonly Uint8Array[] {
  const sets: Uint8Array[] = [];
  let offset = 5;
  for (const countMask of [0x1f, 0xff]) {
    const count = (record[offset] ?? 0) & countMask;
    offset = takeUnits(record, offset + 1, count, sets);
  }
  return sets;
}

/** ISO/IEC 14496-15 §8.3.3.1. */
function hevcParameterSets(record: Uint8Array): readonly Uint8Array[] {
  const sets: Uint8Array[] = [];
  const arrayCount = record[22] ?? 0;
  let offset = 23;
  for (let index = 0; index < arrayCount; index += 1) {
    const count = ((record[offset + 1] ?? 0) << 8) | (record[offset + 2] ?? 0);
    offset = takeUnits(record, offset + 3, count, sets);
  }
  return sets;
}

/** Returns where they end. */
function takeUnits(record: Uint8Array, start: number, count: number, sets: Uint8Array[]): number {
  let offset = start;
  for (let index = 0; index < count && offset + 2 <= record.length; index += 1) {
    const byteLength = (record[offset]! << 8) | record[offset + 1]!;
    const set = new Uint8Array(LENGTH_BYTES + byteLength);
    set[2] = byteLength >> 8;
    set[3] = byteLength & 0xff;
    set.set(record.subarray(offset + 2, offset + 2 + byteLength), LENGTH_BYTES);
    sets.push(set);
    offset += 2 + byteLength;
  }
  return offset;
}
