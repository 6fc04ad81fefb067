import type { ServedAccessUnit } from '../../rtsp-server/media-provider.js';
import { RTP_PAYLOAD_BYTES_MAX, type RtpPayload } from '../../rtsp-server/rtp-packetizer.js';
import { splitAnnexB } from '../../simulated-cameras/annex-b.js';
import type { Clip } from '../../simulated-cameras/clip.js';

/** ITU-T H.265 table 7-1. */
const SLICE_TYPE_MAX = 31;
const [KEY_TYPE_MIN, KEY_TYPE_MAX] = [16, 21];
const [VPS, SPS, PPS] = [32, 33, 34];
/** RFC 7798 §4.4.3. */
const FRAGMENTATION_UNIT = 49;

const typeOf = (unit: Uint8Array): number => (unit[0]! >> 1) & 0x3f;

/** Pictures of one slice each, with the parameter sets before every key frame, as `x265` writes them when asked to. */
export function parseH265(stream: Uint8Array): Clip & { readonly vps: Uint8Array } {
  const pictures: Clip['pictures'][number][] = [];
  const sets = new Map<number, Uint8Array>();
  let units: Uint8Array[] = [];
  for (const unit of splitAnnexB(stream)) {
    const type = typeOf(unit);
    if (type >= VPS && type <= PPS) sets.set(type, unit);
    units.push(unit);
    if (type > SLICE_TYPE_MAX) continue;
    pictures.push({ keyFrame: isH265Key([unit]), nalUnits: units });
    units = [];
  }
  return { vps: sets.get(VPS)!, sps: sets.get(SPS)!, pps: sets.get(PPS)!, pictures, audio: null };
}

export function isH265Key(units: ServedAccessUnit['units']): boolean {
  return units.some(unit => typeOf(unit) >= KEY_TYPE_MIN && typeOf(unit) <= KEY_TYPE_MAX);
}

/** RFC 7798: single NAL unit packets, and fragmentation units for what does not fit. */
export function packetizeH265(nalUnits: readonly Uint8Array[]): readonly RtpPayload[] {
  const nothing = new Uint8Array(0);
  return nalUnits.flatMap((nalUnit, index) => {
    const isLastUnit = index === nalUnits.length - 1;
    if (nalUnit.length <= RTP_PAYLOAD_BYTES_MAX)
      return [{ prefix: nothing, body: nalUnit, marker: isLastUnit }];
    const head = [(nalUnit[0]! & 0x81) | (FRAGMENTATION_UNIT << 1), nalUnit[1]!];
    const bytesMax = RTP_PAYLOAD_BYTES_MAX - 3;
    const payloads: RtpPayload[] = [];
    for (let offset = 2; offset < nalUnit.length; offset += bytesMax) {
      const body = nalUnit.subarray(offset, offset + bytesMax);
      const isLast = offset + bytesMax >= nalUnit.length;
      const flags = (offset === 2 ? 0x80 : 0) | (isLast ? 0x40 : 0);
      payloads.push({
        prefix: Uint8Array.of(...head, flags | typeOf(nalUnit)),
        body,
        marker: isLast && isLastUnit,
      });
    }
    return payloads;
  });
}
