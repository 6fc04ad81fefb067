import type { PictureReceiver } from './coded-picture.js';
import { saysRecoveryPoint } from './h264-depacketiser.js';
import { NalDepacketiser, type NalSyntax } from './nal-depacketiser.js';

/** ITU-T H.265 §7.4.2.2. */
const NAL_BLA_FIRST = 16;
const NAL_IRAP_LAST = 23;
const NAL_SLICE_LAST = 31;
const NAL_VPS = 32;
const NAL_PPS = 34;
const NAL_DELIMITER = 35;
const NAL_PREFIX_SEI = 39;
const AGGREGATION = 48;
const FRAGMENTATION = 49;

const typeOf = (firstByte: number) => (firstByte >> 1) & 0x3f;

const h265: NalSyntax = {
  headerByteLength: 2,
  packetKind: firstByte => {
    const type = typeOf(firstByte);
    if (type === FRAGMENTATION) return 'FRAGMENT';
    if (type === AGGREGATION) return 'AGGREGATE';
    return type < AGGREGATION ? 'UNIT' : 'UNKNOWN';
  },
  restoreHeader: (bytes, start) => {
    const layerAndTemporalId = bytes[start + 1]!;
    bytes[start + 1] = (bytes[start]! & 0x81) | ((bytes[start + 2]! & 0x3f) << 1);
    bytes[start + 2] = layerAndTemporalId;
  },
  unitKind: unit => {
    const type = typeOf(unit[0]!);
    if (type <= NAL_SLICE_LAST) return 'SLICE';
    if (type >= NAL_VPS && type <= NAL_PPS) return 'PARAMETER_SET';
    if (type === NAL_DELIMITER) return 'DELIMITER';
    return type === NAL_PREFIX_SEI && saysRecoveryPoint(unit, 2) ? 'RECOVERY_POINT' : 'OTHER';
  },
  // first_slice_segment_in_pic_flag is the first bit behind the header.
  beginsPicture: slice => slice.length > 2 && slice[2]! >= 0x80,
  // Without a picture of this kind (gradual refresh) no camera seen sends H.265: where its slices say that they are intra
  // depends on the picture parameter set.
  isKeySlice: slice => {
    const type = typeOf(slice[0]!);
    return type >= NAL_BLA_FIRST && type <= NAL_IRAP_LAST;
  },
};

/** RFC 7798 without decoding order numbers: single NAL units (§4.4.1), aggregation (§4.4.2) and fragmentation units (§4.4.3). */
export class H265Depacketiser extends NalDepacketiser {
  constructor(receiver: PictureReceiver) {
    super(h265, receiver);
  }
}
