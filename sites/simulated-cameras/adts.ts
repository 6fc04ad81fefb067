const sampleRates = [96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350];

export interface AdtsStream {
  readonly sampleRate: number;
  readonly channels: number;
  readonly audioSpecificConfig: Uint8Array;
  /** Raw AAC frames of 1,024 samples, without their ADTS headers. */
  readonly frames: readonly Uint8Array[];
}

export class AdtsFormatError extends Error {
  override readonly name = 'AdtsFormatError';
  readonly code = 'ADTS_MALFORMED';
}

/** Reads an ADTS stream (ISO/IEC 13818-7 §6.2) whose format does not vary. */
export function parseAdts(bytes: Uint8Array): AdtsStream {
  const frames: Uint8Array[] = [];
  for (let offset = 0; offset < bytes.length; ) {
    const isHeader = bytes[offset] === 0xff && (bytes[offset + 1]! & 0xf6) === 0xf0;
    if (!isHeader || offset + 7 > bytes.length)
      throw new AdtsFormatError(`no ADTS header at byte ${offset} of ${bytes.length}`);
    const headerBytes = (bytes[offset + 1]! & 1) === 1 ? 7 : 9;
    const byteLength =
      ((bytes[offset + 3]! & 3) << 11) | (bytes[offset + 4]! << 3) | (bytes[offset + 5]! >> 5);
    if (byteLength <= headerBytes || offset + byteLength > bytes.length)
      throw new AdtsFormatError(`frame of ${byteLength} bytes at byte ${offset} of ${bytes.length}`);
    frames.push(bytes.subarray(offset + headerBytes, offset + byteLength));
    offset += byteLength;
  }
  if (frames.length === 0) throw new AdtsFormatError('no frame in an empty stream');
  const objectType = (bytes[2]! >> 6) + 1;
  const rateIndex = (bytes[2]! >> 2) & 15;
  const channels = ((bytes[2]! & 1) << 2) | (bytes[3]! >> 6);
  const sampleRate = sampleRates[rateIndex];
  if (sampleRate === undefined) throw new AdtsFormatError(`reserved sample rate index ${rateIndex}`);
  // ISO/IEC 14496-3 §1.6.2.1: 5 bits of object type, 4 of rate index, 4 of channel configuration.
  const config = (objectType << 11) | (rateIndex << 7) | (channels << 3);
  return { sampleRate, channels, audioSpecificConfig: Uint8Array.of(config >> 8, config & 0xff), frames };
}
