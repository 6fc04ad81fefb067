import type { PictureReceiver } from './coded-picture.js';
import { NalDepacketiser, type NalSyntax } from './nal-depacketiser.js';

const NAL_SLICE = 1;
const NAL_IDR_SLICE = 5;
const NAL_SEI = 6;
const NAL_SPS = 7;
const NAL_PPS = 8;
const NAL_DELIMITER = 9;
const STAP_A = 24;
const FU_A = 28;

const h264: NalSyntax = {
  headerByteLength: 1,
  packetKind: firstByte => {
    const type = firstByte & 0x1f;
    if (type === FU_A) return 'FRAGMENT';
    if (type === STAP_A) return 'AGGREGATE';
    return type >= 1 && type < STAP_A ? 'UNIT' : 'UNKNOWN';
  },
  restoreHeader: (bytes, start) => {
    bytes[start + 1] = (bytes[start]! & 0xe0) | (bytes[start + 1]! & 0x1f);
  },
  unitKind: unit => {
    const type = unit[0]! & 0x1f;
    if (type >= NAL_SLICE && type <= NAL_IDR_SLICE) return 'SLICE';
    if (type === NAL_SPS || type === NAL_PPS) return 'PARAMETER_SET';
    if (type === NAL_DELIMITER) return 'DELIMITER';
    return type === NAL_SEI && saysRecoveryPoint(unit, 1) ? 'RECOVERY_POINT' : 'OTHER';
  },
  // first_mb_in_slice is ue(v): its first bit is 1 exactly when it is 0, which is where a picture begins.
  beginsPicture: slice => slice.length > 1 && slice[1]! >= 0x80,
  isKeySlice: (slice, recoveryPoint) => {
    const type = slice[0]! & 0x1f;
    return type === NAL_IDR_SLICE || (type === NAL_SLICE && recoveryPoint && isIntraSlice(slice));
  },
};

/** RFC 6184, packetisation modes 0 and 1: single NAL units (§5.6), STAP-A (§5.7.1), FU-A (§5.8). */
export class H264Depacketiser extends NalDepacketiser {
  constructor(receiver: PictureReceiver) {
    super(h264, receiver);
  }
}

/** SEI payload type 6 (§D.1.8): cameras with gradual refresh send it where decoding may begin without an IDR picture. */
export function saysRecoveryPoint(unit: Uint8Array, headerByteLength: number): boolean {
  let offset = headerByteLength;
  while (offset + 2 < unit.length) {
    const type = unit[offset]!;
    const size = unit[offset + 1]!;
    if (type === 6) return true;
    if (type === 0xff || size === 0xff) return false;
    offset += 2 + size;
  }
  return false;
}

/** slice_type 2 or 7 (§7.4.3) behind first_mb_in_slice 0, read from one byte: `1` + ue(2) = `011`, ue(7) = `0001000`. */
function isIntraSlice(unit: Uint8Array): boolean {
  const byte = unit[1] ?? 0;
  return (byte & 0xf0) === 0xb0 || byte === 0x88;
}
