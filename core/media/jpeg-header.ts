/** What RFC 2435 leaves out of a JPEG file, as its receiver knows it. */
export interface JpegParameters {
  readonly width: number;
  readonly height: number;
  /** How many samples the colours have beside the brightness. */
  readonly sampling: '4:2:2' | '4:2:0';
  /** One or two tables in zigzag order, of 64 values in 8 or 16 bits. */
  readonly quantization: readonly Uint8Array[];
  /** MCUs between two restart markers; 0: there are none. */
  readonly restartInterval: number;
}

/** ITU-T T.81 tables K.1 and K.2, in zigzag order. */
const luminance = [
  16, 11, 12, 14, 12, 10, 16, 14, 13, 14, 18, 17, 16, 19, 24, 40, 26, 24, 22, 22, 24, 49, 35, 37, 29, 40, 58,
  51, 61, 60, 57, 51, 56, 55, 64, 72, 92, 78, 64, 68, 87, 69, 55, 56, 80, 109, 81, 87, 95, 98, 103, 104, 103,
  62, 77, 113, 121, 112, 100, 120, 92, 101, 103, 99,
];
const chrominance = [
  17, 18, 18, 24, 21, 24, 47, 26, 26, 47, 99, 66, 56, 66, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
  99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
  99, 99, 99, 99, 99, 99, 99, 99, 99, 99,
];

/** RFC 2435 §4.2 and appendix A, for `quality` from 1 to 99. */
export function quantizationOf(quality: number): readonly Uint8Array[] {
  const factor = quality < 50 ? Math.floor(5000 / quality) : 200 - quality * 2;
  const scaled = (value: number) => Math.max(1, Math.min(255, Math.floor((value * factor + 50) / 100)));
  return [Uint8Array.from(luminance, scaled), Uint8Array.from(chrominance, scaled)];
}

/** ITU-T T.81 tables K.3 to K.6: how many codes of each length, and their values. */
const directCodes = {
  luminance: [0, 1, 5, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0],
  chrominance: [0, 3, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0],
};
const directValues = Array.from({ length: 12 }, (_, index) => index);
const alternatingLuminance = {
  codes: [0, 2, 1, 3, 3, 2, 4, 3, 5, 5, 4, 4, 0, 0, 1, 0x7d],
  values:
    '0102030004110512213141061351610722711432' +
    '8191a1082342b1c11552d1f02433627282090a16' +
    '1718191a25262728292a3435363738393a434445' +
    '464748494a535455565758595a63646566676869' +
    '6a737475767778797a838485868788898a929394' +
    '95969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6' +
    'b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8' +
    'd9dae1e2e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa',
};
const alternatingChrominance = {
  codes: [0, 2, 1, 2, 4, 4, 3, 4, 7, 5, 4, 4, 0, 1, 2, 0x77],
  values:
    '0001020311040521310612415107617113223281' +
    '08144291a1b1c109233352f0156272d10a162434' +
    'e125f11718191a262728292a35363738393a4344' +
    '45464748494a535455565758595a636465666768' +
    '696a737475767778797a82838485868788898a92' +
    '939495969798999aa2a3a4a5a6a7a8a9aab2b3b4' +
    'b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6' +
    'd7d8d9dae2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa',
};

const huffmanTables = [
  ...segment(0xc4, [0x00, ...directCodes.luminance, ...directValues]),
  ...segment(0xc4, [0x10, ...alternatingLuminance.codes, ...fromHex(alternatingLuminance.values)]),
  ...segment(0xc4, [0x01, ...directCodes.chrominance, ...directValues]),
  ...segment(0xc4, [0x11, ...alternatingChrominance.codes, ...fromHex(alternatingChrominance.values)]),
];

/** From the start of the image to where the scan's data begins. */
export function writeJpegHeader(parameters: JpegParameters): Uint8Array {
  const { width, height, sampling, quantization, restartInterval } = parameters;
  const tableCount = quantization.length;
  return Uint8Array.from([
    ...[0xff, 0xd8],
    ...quantization.flatMap((table, index) =>
      segment(0xdb, [(table.length > 64 ? 0x10 : 0) | index, ...table]),
    ),
    ...(restartInterval > 0 ? segment(0xdd, uint16(restartInterval)) : []),
    ...segment(0xc0, [
      ...[8, ...uint16(height), ...uint16(width), 3],
      ...[1, sampling === '4:2:0' ? 0x22 : 0x21, 0],
      ...[2, 0x11, tableCount - 1],
      ...[3, 0x11, tableCount - 1],
    ]),
    ...huffmanTables,
    ...segment(0xda, [3, 1, 0x00, 2, 0x11, 3, 0x11, 0, 63, 0]),
  ]);
}

/** Width and height as a JPEG file says them in its frame header (ITU-T T.81 §B.2.2); `null`: it has none. */
export function jpegSize(bytes: Uint8Array): { readonly width: number; readonly height: number } | null {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return null;
  let offset = 2;
  while (offset + 9 < bytes.length && bytes[offset] === 0xff) {
    const marker = bytes[offset + 1]!;
    if (marker === 0xff) {
      offset += 1;
      continue;
    }
    const isFrame = marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc;
    if (isFrame) {
      const height = (bytes[offset + 5]! << 8) | bytes[offset + 6]!;
      const width = (bytes[offset + 7]! << 8) | bytes[offset + 8]!;
      return width > 0 && height > 0 ? { width, height } : null;
    }
    offset += 2 + ((bytes[offset + 2]! << 8) | bytes[offset + 3]!);
  }
  return null;
}

function segment(marker: number, content: readonly number[]): readonly number[] {
  return [0xff, marker, ...uint16(content.length + 2), ...content];
}

function uint16(value: number): readonly number[] {
  return [(value >> 8) & 0xff, value & 0xff];
}

function fromHex(hex: string): readonly number[] {
  return hex.match(/../g)!.map(pair => Number.parseInt(pair, 16));
}
