import { BitReader } from './bit-reader.js';
import { removeEmulationPrevention } from './h264-parameter-sets.js';

/** Sequence parameter set, as far as a recorder needs it. ITU-T H.265 §7.3.2.2.1. */
export interface H265SequenceParameterSet {
  readonly chromaFormatIdc: number;
  readonly bitDepthLuma: number;
  readonly bitDepthChroma: number;
  readonly temporalLayerCount: number;
  readonly temporalIdNested: boolean;
  /** After cropping. */
  readonly width: number;
  readonly height: number;
}

/** Larger than any camera; beyond it the bytes were no parameter set. */
const DIMENSION_MAX = 16_384;
/** general_profile_space to general_level_idc (§7.3.3), which `hvcC` repeats as they are. */
export const PROFILE_BYTE_LENGTH = 12;
/** Behind the header of the unit and the byte with the number of temporal layers. */
const PROFILE_START = 3;

/** `null` when the NAL unit is cut off or says what no encoder says. */
export function parseH265SequenceParameterSet(nalUnit: Uint8Array): H265SequenceParameterSet | null {
  const bytes = removeEmulationPrevention(nalUnit);
  if (bytes.length < PROFILE_START + PROFILE_BYTE_LENGTH) return null;
  const reader = new BitReader(bytes);
  reader.skip(16 + 4);
  const subLayerCount = reader.bits(3);
  const temporalIdNested = reader.bit() === 1;
  reader.skip(PROFILE_BYTE_LENGTH * 8);
  skipSubLayers(reader, subLayerCount);
  reader.unsignedExpGolomb(); // sps_seq_parameter_set_id
  const chromaFormatIdc = reader.unsignedExpGolomb();
  if (chromaFormatIdc > 3) return null;
  if (chromaFormatIdc === 3) reader.skip(1);
  const size = readSize(reader, chromaFormatIdc);
  const bitDepthLuma = reader.unsignedExpGolomb() + 8;
  const bitDepthChroma = reader.unsignedExpGolomb() + 8;
  if (reader.overrun || size === null || bitDepthLuma > 15 || bitDepthChroma > 15) return null;
  const temporalLayerCount = subLayerCount + 1;
  return { chromaFormatIdc, bitDepthLuma, bitDepthChroma, temporalLayerCount, temporalIdNested, ...size };
}

function skipSubLayers(reader: BitReader, count: number): void {
  let bits = 0;
  for (let index = 0; index < count; index += 1) {
    if (reader.bit() === 1) bits += 88;
    if (reader.bit() === 1) bits += 8;
  }
  if (count > 0) bits += 2 * (8 - count);
  reader.skip(bits);
}

function readSize(reader: BitReader, chromaFormatIdc: number): { width: number; height: number } | null {
  let width = reader.unsignedExpGolomb();
  let height = reader.unsignedExpGolomb();
  if (reader.bit() === 1) {
    const unitX = chromaFormatIdc === 1 || chromaFormatIdc === 2 ? 2 : 1;
    const unitY = chromaFormatIdc === 1 ? 2 : 1;
    width -= (reader.unsignedExpGolomb() + reader.unsignedExpGolomb()) * unitX;
    height -= (reader.unsignedExpGolomb() + reader.unsignedExpGolomb()) * unitY;
  }
  const possible = width > 0 && height > 0 && width <= DIMENSION_MAX && height <= DIMENSION_MAX;
  return possible ? { width, height } : null;
}

/** `pps_pic_parameter_set_id` (§7.3.2.3). */
export function h265PictureParameterSetId(nalUnit: Uint8Array): number {
  return new BitReader(removeEmulationPrevention(nalUnit.subarray(2))).unsignedExpGolomb();
}

/** Profile, tier and level of a sequence parameter set that parses. */
export function generalProfile(sps: Uint8Array): Uint8Array {
  return removeEmulationPrevention(sps).slice(PROFILE_START, PROFILE_START + PROFILE_BYTE_LENGTH);
}

/** ISO/IEC 14496-15 §E.3, e.g. `hvc1.1.6.L93.B0`. */
export function codecOfProfile(profile: Uint8Array): string {
  const [first = 0, ...rest] = profile;
  const space = ['', 'A', 'B', 'C'][first >> 6]!;
  const tier = first & 0x20 ? 'H' : 'L';
  const flags = rest.slice(0, 4).reduceRight((sum, byte) => sum * 256 + reversed(byte), 0);
  const constraints = rest.slice(4, 10);
  while (constraints.at(-1) === 0) constraints.pop();
  return [
    `hvc1.${space}${first & 0x1f}`,
    flags.toString(16).toUpperCase(),
    `${tier}${rest[10] ?? 0}`,
    ...constraints.map(byte => byte.toString(16).toUpperCase()),
  ].join('.');
}

function reversed(byte: number): number {
  let result = 0;
  for (let bit = 0; bit < 8; bit += 1) result |= ((byte >> bit) & 1) << (7 - bit);
  return result;
}
