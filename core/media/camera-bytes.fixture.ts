import { RtpPacket } from './rtp-packet.js';

/** What cameras send, for the tests of what reads it. */
export function fromHex(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], pair => Number.parseInt(pair, 16));
}

/** Written by x264, High profile: 640×360, 1920×1080 (cropped from 1088), 1280×720; and Baseline 176×144. */
export const sps360 = fromHex('6764001eacd940a02ff97011000003000100000300320f162d96');
export const sps1080 = fromHex('67640028acd940780227e5c044000003000400000300c83c60c658');
export const sps720 = fromHex('6764001facd9405005bb011000000300100000030320f1831960');
export const sps144 = fromHex('6742c00bd902c4ec0440000003004000000c83c50a92');
export const pps = fromHex('68ebe3cb22c0');
export const pps144 = fromHex('68cb83cb20');

/** The first slice of a picture (first_mb_in_slice 0), of so many bytes that all differ from one seed to another. */
export function slice(options: {
  readonly keyFrame: boolean;
  readonly byteLength: number;
  readonly seed?: number;
}) {
  const unit = new Uint8Array(options.byteLength);
  for (let index = 2; index < unit.length; index += 1)
    unit[index] = (index * 31 + (options.seed ?? 0) * 17) & 0xff;
  unit[0] = options.keyFrame ? 0x65 : 0x41;
  unit[1] = options.keyFrame ? 0x88 : 0x9a;
  return unit;
}

export interface RtpFields {
  readonly payload: Uint8Array;
  readonly sequenceNumber: number;
  readonly timestamp: number;
  readonly marker: boolean;
  readonly payloadType?: number;
}

export function rtpBytes(fields: RtpFields): Uint8Array {
  const bytes = new Uint8Array(12 + fields.payload.length);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, 0x80);
  view.setUint8(1, (fields.marker ? 0x80 : 0) | (fields.payloadType ?? 96));
  view.setUint16(2, fields.sequenceNumber & 0xffff);
  view.setUint32(4, fields.timestamp >>> 0);
  view.setUint32(8, 0x1234);
  bytes.set(fields.payload, 12);
  return bytes;
}

export function rtpPacket(fields: RtpFields): RtpPacket {
  const packet = new RtpPacket();
  const bytes = rtpBytes(fields);
  if (!packet.read(bytes, 0, bytes.length)) throw new Error('the fixture is not RTP');
  return packet;
}

/** RFC 6184 §5.8. `chunkBytes`: payload bytes per packet. */
export function fragmentUnit(unit: Uint8Array, chunkBytes: number): readonly Uint8Array[] {
  const payloads: Uint8Array[] = [];
  for (let offset = 1; offset < unit.length; offset += chunkBytes) {
    const chunk = unit.subarray(offset, offset + chunkBytes);
    const flags = (offset === 1 ? 0x80 : 0) | (offset + chunkBytes >= unit.length ? 0x40 : 0);
    payloads.push(Uint8Array.of((unit[0]! & 0xe0) | 28, flags | (unit[0]! & 0x1f), ...chunk));
  }
  return payloads;
}

/** RFC 6184 §5.7.1. */
export function aggregateUnits(units: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.of(0x78, ...units.flatMap(unit => [unit.length >> 8, unit.length & 0xff, ...unit]));
}

/** Length-prefixed parts taken apart into their NAL units. */
export function unitsOf(parts: readonly Uint8Array[]): readonly Uint8Array[] {
  const bytes = Uint8Array.from(parts.flatMap(part => [...part]));
  const view = new DataView(bytes.buffer);
  const units: Uint8Array[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const length = view.getUint32(offset);
    units.push(bytes.slice(offset + 4, offset + 4 + length));
    offset += 4 + length;
  }
  return units;
}

export function senderReportBytes(options: {
  readonly wallMs: number;
  readonly rtpTimestamp: number;
}): Uint8Array {
  const view = new DataView(new ArrayBuffer(28));
  view.setUint32(0, 0x80c80006);
  view.setUint32(4, 0x1234);
  view.setUint32(8, Math.floor(options.wallMs / 1000) + 2_208_988_800);
  view.setUint32(12, ((options.wallMs % 1000) / 1000) * 2 ** 32);
  view.setUint32(16, options.rtpTimestamp >>> 0);
  return new Uint8Array(view.buffer);
}
