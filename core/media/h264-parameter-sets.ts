import { BitReader } from './bit-reader.js';

/** Sequence parameter set, as far as a recorder needs it. ITU-T H.264 §7.3.2.1.1. */
export interface SequenceParameterSet {
  readonly profileIdc: number;
  readonly levelIdc: number;
  readonly chromaFormatIdc: number;
  readonly bitDepthLuma: number;
  readonly bitDepthChroma: number;
  /** After cropping. */
  readonly width: number;
  readonly height: number;
  /** RFC 6381 §3.3, e.g. `avc1.640028`. */
  readonly codec: string;
}

/** Larger than any camera; beyond it the bytes were no parameter set. */
const DIMENSION_MAX = 16_384;
const highProfiles = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

/** `null` when the NAL unit is cut off or says what no encoder says. */
export function parseSequenceParameterSet(nalUnit: Uint8Array): SequenceParameterSet | null {
  if (nalUnit.length < 5 || (nalUnit[0]! & 0x1f) !== 7) return null;
  const reader = new BitReader(removeEmulationPrevention(nalUnit.subarray(1)));
  const profileIdc = reader.bits(8);
  reader.skip(8);
  const levelIdc = reader.bits(8);
  reader.unsignedExpGolomb();
  const chroma = highProfiles.has(profileIdc) ? readChroma(reader) : plainChroma;
  reader.unsignedExpGolomb(); // log2_max_frame_num_minus4
  if (!skipPictureOrderCount(reader)) return null;
  reader.unsignedExpGolomb(); // max_num_ref_frames
  reader.skip(1);
  const size = readSize(reader, chroma.chromaFormatIdc);
  if (reader.overrun || size === null) return null;
  const hex = [...nalUnit.subarray(1, 4)].map(byte => byte.toString(16).padStart(2, '0')).join('');
  return { profileIdc, levelIdc, ...chroma, ...size, codec: `avc1.${hex}` };
}

interface Chroma {
  readonly chromaFormatIdc: number;
  readonly bitDepthLuma: number;
  readonly bitDepthChroma: number;
}
const plainChroma: Chroma = { chromaFormatIdc: 1, bitDepthLuma: 8, bitDepthChroma: 8 };

function readChroma(reader: BitReader): Chroma {
  const chromaFormatIdc = reader.unsignedExpGolomb();
  if (chromaFormatIdc === 3) reader.skip(1);
  const bitDepthLuma = reader.unsignedExpGolomb() + 8;
  const bitDepthChroma = reader.unsignedExpGolomb() + 8;
  reader.skip(1);
  if (reader.bit() === 1) {
    const listCount = chromaFormatIdc === 3 ? 12 : 8;
    for (let list = 0; list < listCount; list += 1)
      if (reader.bit() === 1) skipScalingList(reader, list < 6 ? 16 : 64);
  }
  return { chromaFormatIdc, bitDepthLuma, bitDepthChroma };
}

function skipScalingList(reader: BitReader, size: number): void {
  let last = 8;
  let next = 8;
  for (let index = 0; index < size && !reader.overrun; index += 1) {
    if (next !== 0) next = (last + reader.signedExpGolomb() + 256) % 256;
    if (next !== 0) last = next;
  }
}

function skipPictureOrderCount(reader: BitReader): boolean {
  const type = reader.unsignedExpGolomb();
  if (type > 2) return false;
  if (type === 0) reader.unsignedExpGolomb();
  if (type === 1) {
    reader.skip(1);
    reader.signedExpGolomb();
    reader.signedExpGolomb();
    const count = reader.unsignedExpGolomb();
    if (count > 255) return false;
    for (let index = 0; index < count; index += 1) reader.signedExpGolomb();
  }
  return true;
}

function readSize(reader: BitReader, chromaFormatIdc: number): { width: number; height: number } | null {
  const widthInBlocks = reader.unsignedExpGolomb() + 1;
  const heightInUnits = reader.unsignedExpGolomb() + 1;
  const framesOnly = reader.bit();
  if (framesOnly === 0) reader.skip(1);
  reader.skip(1);
  const cropped = reader.bit() === 1;
  const [left, right, top, bottom] = cropped
    ? [
        reader.unsignedExpGolomb(),
        reader.unsignedExpGolomb(),
        reader.unsignedExpGolomb(),
        reader.unsignedExpGolomb(),
      ]
    : [0, 0, 0, 0];
  const cropUnitX = chromaFormatIdc === 1 || chromaFormatIdc === 2 ? 2 : 1;
  const cropUnitY = (chromaFormatIdc === 1 ? 2 : 1) * (2 - framesOnly);
  const width = widthInBlocks * 16 - (left + right) * cropUnitX;
  const height = heightInUnits * 16 * (2 - framesOnly) - (top + bottom) * cropUnitY;
  const possible = width > 0 && height > 0 && width <= DIMENSION_MAX && height <= DIMENSION_MAX;
  return possible ? { width, height } : null;
}

/** `pic_parameter_set_id` of a picture parameter set (§7.3.2.2): one stream may carry several. */
export function pictureParameterSetId(nalUnit: Uint8Array): number {
  return new BitReader(removeEmulationPrevention(nalUnit.subarray(1))).unsignedExpGolomb();
}

/** §7.4.1: `00 00 03` stands for `00 00` within a NAL unit. */
export function removeEmulationPrevention(bytes: Uint8Array): Uint8Array {
  const clean = new Uint8Array(bytes.length);
  let length = 0;
  let zeros = 0;
  for (const byte of bytes) {
    if (zeros >= 2 && byte === 3) {
      zeros = 0;
      continue;
    }
    zeros = byte === 0 ? zeros + 1 : 0;
    clean[length] = byte;
    length += 1;
  }
  return clean.subarray(0, length);
}
