import type { ServedAccessUnit, ServedPresentation } from './media-provider.js';
import { encodeGoodbye, encodeSenderReport } from './rtcp-sender-report.js';
import { packetize, RTP_HEADER_BYTES, type RtpPayload } from './rtp-packetizer.js';
import { payloadTypeOf } from './session-description.js';

/** RFC 3550 §6.2 recommends at least 5 s between the reports of a small session. */
export const SENDER_REPORT_INTERVAL_S = 5;
const INTERLEAVED_HEADER_BYTES = 4;

export interface InterleavedChannels {
  readonly rtp: number;
  readonly rtcp: number;
}

interface SenderState {
  readonly trackIndex: number;
  readonly channels: InterleavedChannels;
  readonly ssrc: number;
  readonly timestampBase: number;
  readonly clockRate: number;
  sequence: number;
  packetCount: number;
  octetCount: number;
  reportedTicks: number | null;
}

/** What one client has set up: its tracks, each with its own SSRC, sequence and timestamp base (RFC 3550 §5.1). */
export class RtspSession {
  readonly id: string;
  readonly path: string;
  readonly presentation: ServedPresentation;
  readonly #random: (byteLength: number) => Buffer;
  readonly #write: (bytes: Buffer) => void;
  readonly #senders = new Map<number, SenderState>();
  #unsubscribe: (() => void) | null = null;

  constructor(options: {
    readonly path: string;
    readonly presentation: ServedPresentation;
    readonly random: (byteLength: number) => Buffer;
    /** Puts bytes on the connection, whole messages only. */
    readonly write: (bytes: Buffer) => void;
  }) {
    this.id = options.random(8).toString('hex');
    this.path = options.path;
    this.presentation = options.presentation;
    this.#random = options.random;
    this.#write = options.write;
  }

  get playing(): boolean {
    return this.#unsubscribe !== null;
  }

  get trackIndexes(): readonly number[] {
    return [...this.#senders.keys()].sort((a, b) => a - b);
  }

  /** The lowest pair of channels that no track of this session uses yet. */
  freeChannels(): InterleavedChannels {
    let rtp = 0;
    while (this.#usesChannel(rtp) || this.#usesChannel(rtp + 1)) rtp += 2;
    return { rtp, rtcp: rtp + 1 };
  }

  /** Returns the SSRC, or null when another track has one of these channels. Setting a track up again replaces it. */
  setUp(trackIndex: number, channels: InterleavedChannels): number | null {
    this.#senders.delete(trackIndex);
    if (channels.rtp === channels.rtcp) return null;
    if (this.#usesChannel(channels.rtp) || this.#usesChannel(channels.rtcp)) return null;
    const seed = this.#random(10);
    const ssrc = seed.readUInt32BE(0);
    this.#senders.set(trackIndex, {
      trackIndex,
      channels,
      ssrc,
      timestampBase: seed.readUInt32BE(4),
      sequence: seed.readUInt16BE(8),
      clockRate: this.presentation.tracks[trackIndex]!.clockRate,
      packetCount: 0,
      octetCount: 0,
      reportedTicks: null,
    });
    return ssrc;
  }

  /** The sequence number of the next packet of a track, for RTP-Info (RFC 2326 §12.33). */
  nextSequence(trackIndex: number): number {
    return this.#senders.get(trackIndex)!.sequence;
  }

  play(): void {
    this.#unsubscribe ??= this.presentation.subscribe(accessUnits => this.#deliver(accessUnits));
  }

  /** Ends delivery for good; says goodbye to a client that is still there to hear it. */
  close(options: { readonly sayGoodbye: boolean }): void {
    this.#unsubscribe?.();
    this.#unsubscribe = null;
    if (!options.sayGoodbye) return;
    for (const sender of this.#senders.values())
      this.#write(interleave(sender.channels.rtcp, encodeGoodbye(sender.ssrc)));
  }

  #usesChannel(channel: number): boolean {
    return [...this.#senders.values()].some(
      ({ channels }) => channels.rtp === channel || channels.rtcp === channel,
    );
  }

  /** One write for all packets of one moment: system calls are what an RTSP server spends its time on. */
  #deliver(accessUnits: readonly ServedAccessUnit[]): void {
    const blocks: Buffer[] = [];
    for (const accessUnit of accessUnits) {
      const sender = this.#senders.get(accessUnit.trackIndex);
      if (sender === undefined) continue;
      const track = this.presentation.tracks[accessUnit.trackIndex]!;
      const rtpTimestamp = (accessUnit.ticks + sender.timestampBase) % 2 ** 32;
      const due =
        (sender.reportedTicks ?? Number.NEGATIVE_INFINITY) + SENDER_REPORT_INTERVAL_S * sender.clockRate;
      if (accessUnit.ticks >= due) {
        sender.reportedTicks = accessUnit.ticks;
        const report = encodeSenderReport({
          ...sender,
          ticks: accessUnit.ticks,
          rtpTimestamp,
          cname: 'holdfast',
        });
        blocks.push(interleave(sender.channels.rtcp, report));
      }
      blocks.push(encodePackets(sender, packetize(track, accessUnit), rtpTimestamp));
    }
    if (blocks.length > 0) this.#write(blocks.length === 1 ? blocks[0]! : Buffer.concat(blocks));
  }
}

function interleave(channel: number, payload: Buffer): Buffer {
  const header = Buffer.from([0x24, channel, payload.length >> 8, payload.length & 0xff]);
  return Buffer.concat([header, payload]);
}

/** RTP packets (RFC 3550 §5.1) in interleaved frames (RFC 2326 §10.12), one behind the other. */
function encodePackets(sender: SenderState, payloads: readonly RtpPayload[], rtpTimestamp: number): Buffer {
  const overhead = INTERLEAVED_HEADER_BYTES + RTP_HEADER_BYTES;
  const byteLength = payloads.reduce(
    (sum, { prefix, body }) => sum + overhead + prefix.length + body.length,
    0,
  );
  const bytes = Buffer.allocUnsafe(byteLength);
  const payloadType = payloadTypeOf(sender.trackIndex);
  let offset = 0;
  for (const { prefix, body, marker } of payloads) {
    const payloadBytes = prefix.length + body.length;
    bytes[offset] = 0x24;
    bytes[offset + 1] = sender.channels.rtp;
    bytes.writeUInt16BE(RTP_HEADER_BYTES + payloadBytes, offset + 2);
    bytes[offset + 4] = 0x80;
    bytes[offset + 5] = (marker ? 0x80 : 0) | payloadType;
    bytes.writeUInt16BE(sender.sequence, offset + 6);
    bytes.writeUInt32BE(rtpTimestamp, offset + 8);
    bytes.writeUInt32BE(sender.ssrc, offset + 12);
    bytes.set(prefix, offset + overhead);
    bytes.set(body, offset + overhead + prefix.length);
    offset += overhead + payloadBytes;
    sender.sequence = (sender.sequence + 1) & 0xffff;
    sender.packetCount += 1;
    sender.octetCount += payloadBytes;
  }
  return bytes;
}
