const NON_IDR_SLICE = 1;
const IDR_SLICE = 5;
const SPS = 7;
const PPS = 8;

export interface CodedPicture {
  readonly keyFrame: boolean;
  /** Without start codes, in the order of the stream, parameter sets included. */
  readonly nalUnits: readonly Uint8Array[];
}

export const nalUnitType = (nalUnit: Uint8Array): number => nalUnit[0]! & 0x1f;
export const isSps = (nalUnit: Uint8Array): boolean => nalUnitType(nalUnit) === SPS;
export const isPps = (nalUnit: Uint8Array): boolean => nalUnitType(nalUnit) === PPS;

/** The NAL units of a byte stream (H.264 Annex B): between start codes, without trailing zero bytes. */
export function splitAnnexB(stream: Uint8Array): Uint8Array[] {
  const bytes = Buffer.from(stream.buffer, stream.byteOffset, stream.byteLength);
  const startCode = Buffer.from([0, 0, 1]);
  const nalUnits: Uint8Array[] = [];
  for (let at = bytes.indexOf(startCode); at >= 0; ) {
    const next = bytes.indexOf(startCode, at + 3);
    let end = next < 0 ? bytes.length : next;
    while (end > at + 3 && bytes[end - 1] === 0) end -= 1;
    if (end > at + 3) nalUnits.push(bytes.subarray(at + 3, end));
    at = next;
  }
  return nalUnits;
}

const isSlice = (type: number): boolean => type >= NON_IDR_SLICE && type <= IDR_SLICE;

/** Groups NAL units into access units (H.264 §7.4.1.2.3), for streams of frames without redundant pictures. */
export function groupPictures(nalUnits: readonly Uint8Array[]): CodedPicture[] {
  const pictures: CodedPicture[] = [];
  let current: Uint8Array[] = [];
  let sliceSeen = false;
  const finish = (): void => {
    if (sliceSeen)
      pictures.push({ keyFrame: current.some(unit => nalUnitType(unit) === IDR_SLICE), nalUnits: current });
    current = [];
    sliceSeen = false;
  };
  for (const unit of nalUnits) {
    const type = nalUnitType(unit);
    // first_mb_in_slice is the first Exp-Golomb code of the slice header: a leading 1 bit means macroblock 0.
    const beginsPicture = isSlice(type) ? (unit[1]! & 0x80) !== 0 : type >= 6 && type <= 9;
    if (sliceSeen && beginsPicture) finish();
    current.push(unit);
    sliceSeen ||= isSlice(type);
  }
  finish();
  return pictures;
}
