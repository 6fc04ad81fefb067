import {
  PICTURE_BYTES_MAX,
  type PictureReceiver,
  type PictureSize,
  type VideoDepacketiser,
} from './coded-picture.js';
import { type JpegParameters, quantizationOf, writeJpegHeader } from './jpeg-header.js';
import { copyOf, MediaMemory } from './media-memory.js';
import { type RtpPacket, RtpSequence } from './rtp-packet.js';

const HEADER_BYTE_LENGTH = 8;
const endOfImage = Uint8Array.of(0xff, 0xd9);

/**
 * RFC 2435: each picture comes without its JPEG header, which is restored from the header of its first packet, so that what
 * is recorded is a JPEG file. Every picture is a key frame. One with a missing piece is dropped whole.
 */
export class JpegDepacketiser implements VideoDepacketiser {
  readonly #receiver: PictureReceiver;
  readonly #sizeInSdp: PictureSize | null;
  readonly #sequence = new RtpSequence();
  readonly #memory = new MediaMemory();
  /** By quality above 127: such tables are sent once or with every picture. */
  readonly #tables = new Map<number, readonly Uint8Array[]>();
  #open = false;
  #damaged = false;
  /** A gap between two pictures: either the next turns out to be damaged, or a whole picture was lost. */
  #lossUncounted = false;
  #timestamp = 0;
  #arrivalMs = 0;
  #size: PictureSize | null = null;
  #headerByteLength = 0;
  #scanByteLength = 0;
  #endsAsImage = false;

  /** `sizeInSdp`: a packet has room for multiples of 8 pixels up to 2040. */
  constructor(sizeInSdp: PictureSize | null, receiver: PictureReceiver) {
    this.#sizeInSdp = sizeInSdp;
    this.#receiver = receiver;
  }

  packet(packet: RtpPacket, arrivalMs: number): void {
    const verdict = this.#sequence.next(packet);
    if (verdict === 'OLD') return;
    if (verdict === 'GAP') this.#gap();
    // Without its marker a picture may be cut off.
    if (this.#open && packet.timestamp !== this.#timestamp) this.#loseOpen();
    this.#open = true;
    this.#timestamp = packet.timestamp;
    this.#arrivalMs = arrivalMs;
    if (!this.#damaged) this.#damaged = !this.#take(packet.bytes, packet.payloadStart, packet.payloadEnd);
    if (packet.marker) this.#end();
  }

  close(): void {
    if (this.#open) this.#loseOpen();
  }

  #gap(): void {
    if (this.#open) this.#damaged = true;
    else this.#lossUncounted = true;
  }

  /** False when the picture cannot be put together from here on. */
  #take(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < HEADER_BYTE_LENGTH) return false;
    const type = bytes[start + 4]!;
    const fragmentOffset = (bytes[start + 1]! << 16) | (bytes[start + 2]! << 8) | bytes[start + 3]!;
    if (fragmentOffset !== this.#scanByteLength) return false;
    let dataStart = start + HEADER_BYTE_LENGTH;
    let restartInterval = 0;
    if (type >= 64 && type < 128) {
      restartInterval = (bytes[dataStart]! << 8) | bytes[dataStart + 1]!;
      dataStart += 4;
    }
    if (fragmentOffset === 0) {
      const begun = this.#begin(bytes, { start, end, dataStart, restartInterval });
      if (begun === null) return false;
      dataStart = begun;
    }
    if (dataStart > end || fragmentOffset + end - dataStart > PICTURE_BYTES_MAX) return false;
    this.#memory.append(bytes, dataStart, end);
    this.#scanByteLength += end - dataStart;
    if (end - dataStart >= 2) this.#endsAsImage = bytes[end - 2] === 0xff && bytes[end - 1] === 0xd9;
    return true;
  }

  /** Writes the header of the file. Returns where the scan's data begins. */
  #begin(
    bytes: Uint8Array,
    packet: {
      readonly start: number;
      readonly end: number;
      readonly dataStart: number;
      readonly restartInterval: number;
    },
  ): number | null {
    const { start, end, restartInterval } = packet;
    const sampling = ({ 0: '4:2:2', 1: '4:2:0' } as const)[bytes[start + 4]! & 0x3f];
    const quality = bytes[start + 5]!;
    const width = exactLength(bytes[start + 6]!, this.#sizeInSdp?.width);
    const height = exactLength(bytes[start + 7]!, this.#sizeInSdp?.height);
    if (sampling === undefined || bytes[start + 4]! >= 128 || !width || !height) return null;
    let { dataStart } = packet;
    if (quality >= 128) {
      const length = (bytes[dataStart + 2]! << 8) | bytes[dataStart + 3]!;
      const tablesStart = dataStart + 4;
      if (tablesStart + length > end) return null;
      if (length > 0)
        this.#keepTables(quality, bytes[dataStart + 1]!, copyOf(bytes, tablesStart, tablesStart + length));
      dataStart = tablesStart + length;
    } else if (quality === 0 || quality > 99) return null;
    const quantization = quality >= 128 ? this.#tables.get(quality) : quantizationOf(quality);
    if (quantization === undefined) return null;
    this.#writeHeader({ width, height, sampling, quantization, restartInterval });
    return dataStart;
  }

  #keepTables(quality: number, precision: number, bytes: Uint8Array): void {
    const tables: Uint8Array[] = [];
    let offset = 0;
    for (let index = 0; index < 2 && offset < bytes.length; index += 1) {
      const length = (precision >> index) & 1 ? 128 : 64;
      if (offset + length > bytes.length) break;
      tables.push(bytes.subarray(offset, offset + length));
      offset += length;
    }
    if (tables.length > 0) this.#tables.set(quality, tables);
  }

  #writeHeader(parameters: JpegParameters): void {
    const header = writeJpegHeader(parameters);
    this.#memory.append(header, 0, header.length);
    this.#headerByteLength = header.length;
    this.#size = { width: parameters.width, height: parameters.height };
  }

  #end(): void {
    if (this.#damaged || this.#size === null) {
      this.#loseOpen();
      return;
    }
    if (this.#lossUncounted) this.#receiver.lost(1);
    this.#lossUncounted = false;
    if (!this.#endsAsImage) this.#memory.append(endOfImage, 0, endOfImage.length);
    const byteLength =
      this.#headerByteLength + this.#scanByteLength + (this.#endsAsImage ? 0 : endOfImage.length);
    const size = this.#size;
    const { parts, lease } = this.#memory.finish();
    this.#reset();
    this.#receiver.picture({
      rtpTimestamp: this.#timestamp,
      arrivalMs: this.#arrivalMs,
      keyFrame: true,
      parts,
      byteLength,
      lease,
      parameterSets: [],
      size,
    });
  }

  #loseOpen(): void {
    this.#lossUncounted = false;
    this.#receiver.lost(1);
    this.#reset();
    this.#memory.drop();
  }

  #reset(): void {
    this.#open = false;
    this.#damaged = false;
    this.#size = null;
    this.#scanByteLength = 0;
    this.#endsAsImage = false;
  }
}

/** What the SDP says, where the packet has nothing else to say. 0: neither knows. */
function exactLength(blockCount: number, said: number | undefined): number {
  if (said !== undefined && (blockCount === 0 || Math.ceil(said / 8) === blockCount)) return said;
  return blockCount * 8;
}
