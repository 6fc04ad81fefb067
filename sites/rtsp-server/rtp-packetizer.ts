import type { ServedAccessUnit, ServedTrack } from './media-provider.js';

/** Keeps a packet below the usual 1,500 bytes of Ethernet, as real cameras do. */
export const RTP_PAYLOAD_BYTES_MAX = 1400;
export const RTP_HEADER_BYTES = 12;

const FU_A = 28;
const FU_START = 0x80;
const FU_END = 0x40;
/** RFC 3640 §3.3.6 AAC-hbr: 16 bits of AU-headers-length, then one AU header of 13 bits of size and 3 of index. */
const AU_HEADER_SECTION_BYTES = 4;

/** What goes behind one RTP header. `prefix` and `body` are written one after the other. */
export interface RtpPayload {
  readonly prefix: Uint8Array;
  readonly body: Uint8Array;
  /** Last packet of its access unit (RFC 6184 §5.1, RFC 3640 §3.1). */
  readonly marker: boolean;
}

const nothing = new Uint8Array(0);

export function packetize(track: ServedTrack, accessUnit: ServedAccessUnit): RtpPayload[] {
  if (track.kind === 'METADATA') return accessUnit.units.flatMap(packetizeDocument);
  return track.kind === 'VIDEO' ? packetizeH264(accessUnit.units) : packetizeAac(accessUnit.units);
}

/** ONVIF Streaming Specification §5.1.2.1.1: cut wherever a packet is full. */
function packetizeDocument(document: Uint8Array): RtpPayload[] {
  const payloads: RtpPayload[] = [];
  for (let offset = 0; offset < document.length; offset += RTP_PAYLOAD_BYTES_MAX) {
    const end = Math.min(offset + RTP_PAYLOAD_BYTES_MAX, document.length);
    const marker = end === document.length;
    payloads.push({ prefix: nothing, body: document.subarray(offset, end), marker });
  }
  return payloads;
}

/** RFC 6184 packetization-mode 1: single NAL unit packets (§5.6), and FU-A (§5.8) for what does not fit. */
export function packetizeH264(nalUnits: readonly Uint8Array[]): RtpPayload[] {
  const payloads: RtpPayload[] = [];
  nalUnits.forEach((nalUnit, index) => {
    const marker = index === nalUnits.length - 1;
    if (nalUnit.length <= RTP_PAYLOAD_BYTES_MAX) payloads.push({ prefix: nothing, body: nalUnit, marker });
    else pushFragments(payloads, nalUnit, marker);
  });
  return payloads;
}

function pushFragments(payloads: RtpPayload[], nalUnit: Uint8Array, lastOfAccessUnit: boolean): void {
  const header = nalUnit[0]!;
  const indicator = (header & 0xe0) | FU_A;
  const bytesMax = RTP_PAYLOAD_BYTES_MAX - 2;
  for (let offset = 1; offset < nalUnit.length; offset += bytesMax) {
    const end = Math.min(offset + bytesMax, nalUnit.length);
    const last = end === nalUnit.length;
    const flags = (offset === 1 ? FU_START : 0) | (last ? FU_END : 0);
    payloads.push({
      prefix: Uint8Array.of(indicator, flags | (header & 0x1f)),
      body: nalUnit.subarray(offset, end),
      marker: last && lastOfAccessUnit,
    });
  }
}

/** One AAC frame per packet; a frame too long for one packet is split, each part with the size of the whole (§3.2.3.1). */
export function packetizeAac(frames: readonly Uint8Array[]): RtpPayload[] {
  const payloads: RtpPayload[] = [];
  for (const frame of frames) {
    const prefix = Uint8Array.of(0, 16, (frame.length >> 5) & 0xff, (frame.length << 3) & 0xff);
    const bytesMax = RTP_PAYLOAD_BYTES_MAX - AU_HEADER_SECTION_BYTES;
    for (let offset = 0; offset < frame.length; offset += bytesMax) {
      const end = Math.min(offset + bytesMax, frame.length);
      payloads.push({ prefix, body: frame.subarray(offset, end), marker: end === frame.length });
    }
  }
  return payloads;
}
