import { BitReader } from './bit-reader.js';

/** ISO/IEC 14496-3 §1.6.2.1, as far as a recorder needs it. */
export interface AudioSpecificConfig {
  /** 2: AAC-LC, 5: HE-AAC, 29: HE-AAC v2. */
  readonly objectType: number;
  /** Of the core coder. HE-AAC plays at twice this rate. */
  readonly sampleRate: number;
  readonly channels: number;
  /** Samples at `sampleRate` in one access unit: 1024 or 960. */
  readonly samplesPerFrame: number;
  /** RFC 6381, e.g. `mp4a.40.2`. */
  readonly codec: string;
}

const sampleRates = [
  96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350,
];
const channelsOf = [0, 1, 2, 3, 4, 5, 6, 8];

/** `null` when it is cut off or names a coder that is not AAC. */
export function parseAudioSpecificConfig(bytes: Uint8Array): AudioSpecificConfig | null {
  const reader = new BitReader(bytes);
  const objectType = readObjectType(reader);
  const sampleRate = readSampleRate(reader);
  const channels = channelsOf[reader.bits(4)] ?? 0;
  let coreType = objectType;
  if (objectType === 5 || objectType === 29) {
    readSampleRate(reader);
    coreType = readObjectType(reader);
  }
  const samplesPerFrame = reader.bit() === 1 ? 960 : 1024;
  if (reader.overrun || sampleRate === 0 || channels === 0 || coreType < 1 || coreType > 4) return null;
  return { objectType, sampleRate, channels, samplesPerFrame, codec: `mp4a.40.${objectType}` };
}

function readObjectType(reader: BitReader): number {
  const type = reader.bits(5);
  return type === 31 ? 32 + reader.bits(6) : type;
}

function readSampleRate(reader: BitReader): number {
  const index = reader.bits(4);
  return index === 15 ? reader.bits(24) : (sampleRates[index] ?? 0);
}
