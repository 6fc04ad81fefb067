/** Seconds from 1 January 1900, where NTP time begins, to the Unix epoch. */
const NTP_EPOCH_OFFSET_S = 2_208_988_800;
const SENDER_REPORT = 200;
const SOURCE_DESCRIPTION = 202;
const GOODBYE = 203;
const CNAME = 1;

export interface SenderReport {
  readonly ssrc: number;
  /** Capture time in ticks since the Unix epoch, and the same moment as this session's RTP timestamp. */
  readonly ticks: number;
  readonly clockRate: number;
  readonly rtpTimestamp: number;
  readonly packetCount: number;
  readonly octetCount: number;
  readonly cname: string;
}

/** A compound RTCP packet: sender report, then the CNAME that must accompany it (RFC 3550 §6.1, §6.4.1, §6.5). */
export function encodeSenderReport(report: SenderReport): Buffer {
  const name = Buffer.from(report.cname, 'utf8').subarray(0, 255);
  // SSRC, item type, length, text, then at least one zero byte up to a multiple of four.
  const chunkBytes = (4 + 2 + name.length + 4) & ~3;
  const packet = Buffer.alloc(28 + 4 + chunkBytes);
  packet[0] = 0x80;
  packet[1] = SENDER_REPORT;
  packet.writeUInt16BE(6, 2);
  packet.writeUInt32BE(report.ssrc, 4);
  const wholeSeconds = Math.floor(report.ticks / report.clockRate);
  const restTicks = report.ticks - wholeSeconds * report.clockRate;
  packet.writeUInt32BE((wholeSeconds + NTP_EPOCH_OFFSET_S) % 2 ** 32, 8);
  packet.writeUInt32BE(Math.floor((restTicks / report.clockRate) * 2 ** 32), 12);
  packet.writeUInt32BE(report.rtpTimestamp, 16);
  packet.writeUInt32BE(report.packetCount % 2 ** 32, 20);
  packet.writeUInt32BE(report.octetCount % 2 ** 32, 24);
  packet[28] = 0x81;
  packet[29] = SOURCE_DESCRIPTION;
  packet.writeUInt16BE(chunkBytes / 4, 30);
  packet.writeUInt32BE(report.ssrc, 32);
  packet[36] = CNAME;
  packet[37] = name.length;
  name.copy(packet, 38);
  return packet;
}

/** RFC 3550 §6.6: this source sends no more. */
export function encodeGoodbye(ssrc: number): Buffer {
  const packet = Buffer.alloc(8);
  packet[0] = 0x81;
  packet[1] = GOODBYE;
  packet.writeUInt16BE(1, 2);
  packet.writeUInt32BE(ssrc, 4);
  return packet;
}
