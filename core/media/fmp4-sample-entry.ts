import type { AudioFormat, VideoFormat } from './access-unit.js';
import { parseAudioSpecificConfig } from './audio-specific-config.js';
import { ascii, box, fullBox, uint8, uint16, uint32 } from './fmp4-bytes.js';
import { parseSequenceParameterSet } from './h264-parameter-sets.js';
import { codecOfProfile, generalProfile, parseH265SequenceParameterSet } from './h265-parameter-sets.js';

export interface SampleEntry {
  readonly bytes: Uint8Array;
  /** RFC 6381. */
  readonly codec: string;
}

/** By sample entry: what is said of a codec in one word. G.711 has none of RFC 6381; no browser plays it. */
export const PLAIN_CODECS = {
  mp4v: 'mp4v.6C',
  ulaw: 'ulaw',
  alaw: 'alaw',
  Opus: 'opus',
  metx: 'metx',
} as const;

/** ISO/IEC 14496-15 §5.4.2 (H.264), §8.4.1 (H.265), 14496-14 §5.6 (JPEG). */
export function videoSampleEntry(video: VideoFormat): SampleEntry {
  const entry = (type: string, configuration: Uint8Array) =>
    box(
      type,
      uint32(0),
      uint16(0, 1),
      uint32(0, 0, 0, 0),
      uint16(video.width, video.height),
      uint32(0x480000, 0x480000, 0),
      uint16(1),
      new Uint8Array(32),
      uint16(24, 0xffff),
      configuration,
    );
  switch (video.codec) {
    case 'H264':
      return {
        bytes: entry('avc1', avcConfiguration(video.sps, video.pps)),
        codec: codecOfSps(video.sps),
      };
    case 'H265':
      return {
        bytes: entry('hvc1', hevcConfiguration(video)),
        codec: codecOfProfile(generalProfile(video.sps)),
      };
    case 'MJPEG':
      return {
        bytes: entry('mp4v', elementaryStream(OBJECT_TYPE_JPEG, VISUAL_STREAM, null)),
        codec: PLAIN_CODECS.mp4v,
      };
  }
}

/** ISO/IEC 14496-14 §5.6 (AAC), "Encapsulation of Opus in ISO Base Media File Format" §4.3; G.711 as QuickTime has it. */
export function audioSampleEntry(audio: AudioFormat): SampleEntry {
  const entry = (type: string, configuration: Uint8Array) =>
    box(
      type,
      uint32(0),
      uint16(0, 1),
      uint32(0, 0),
      uint16(audio.channels, 16, 0, 0),
      // 16.16 fixed point: rates above 65 kHz do not fit and are read from the decoder configuration instead.
      uint16(audio.sampleRate <= 0xffff ? audio.sampleRate : 0, 0),
      configuration,
    );
  switch (audio.codec) {
    case 'AAC': {
      const config = audio.audioSpecificConfig;
      return {
        bytes: entry('mp4a', elementaryStream(OBJECT_TYPE_AAC, AUDIO_STREAM, config)),
        codec: codecOfAudioConfig(config),
      };
    }
    case 'PCMU':
      return { bytes: entry('ulaw', uint8()), codec: PLAIN_CODECS.ulaw };
    case 'PCMA':
      return { bytes: entry('alaw', uint8()), codec: PLAIN_CODECS.alaw };
    case 'OPUS':
      return { bytes: entry('Opus', opusConfiguration(audio)), codec: PLAIN_CODECS.Opus };
  }
}

/** ISO/IEC 14496-12 §12.3.3: XML that is not compressed, of the namespace of ONVIF's MetadataStream, without a schema beside it. */
export function metadataSampleEntry(): SampleEntry {
  const content = `\0${ONVIF_SCHEMA}\0\0`;
  return { bytes: box('metx', uint32(0), uint16(0, 1), ascii(content)), codec: PLAIN_CODECS.metx };
}

const ONVIF_SCHEMA = 'http://www.onvif.org/ver10/schema';

export function codecOfSps(sps: Uint8Array): string {
  const hex = [...sps.subarray(1, 4)].map(byte => byte.toString(16).padStart(2, '0')).join('');
  return `avc1.${hex}`;
}

export function codecOfAudioConfig(config: Uint8Array): string {
  return parseAudioSpecificConfig(config)?.codec ?? 'mp4a.40.2';
}

/** Profiles whose record ends with the chroma format and the bit depths, ISO/IEC 14496-15 §5.3.3.1. */
const extendedProfiles = new Set([100, 110, 122, 144]);

function avcConfiguration(sps: Uint8Array, pps: Uint8Array): Uint8Array {
  const parsed = parseSequenceParameterSet(sps);
  const extension =
    parsed !== null && extendedProfiles.has(parsed.profileIdc)
      ? uint8(
          0xfc | parsed.chromaFormatIdc,
          0xf8 | (parsed.bitDepthLuma - 8),
          0xf8 | (parsed.bitDepthChroma - 8),
          0,
        )
      : uint8();
  return box(
    'avcC',
    uint8(1, sps[1]!, sps[2]!, sps[3]!, 0xff, 0xe1),
    uint16(sps.length),
    sps,
    uint8(1),
    uint16(pps.length),
    pps,
    extension,
  );
}

/** ISO/IEC 14496-15 §8.3.3.1. */
function hevcConfiguration(video: Extract<VideoFormat, { codec: 'H265' }>): Uint8Array {
  const parsed = parseH265SequenceParameterSet(video.sps);
  const units = [video.vps, video.sps, video.pps];
  return box(
    'hvcC',
    uint8(1),
    generalProfile(video.sps),
    uint16(0xf000),
    uint8(0xfc),
    uint8(0xfc | (parsed?.chromaFormatIdc ?? 1)),
    uint8(0xf8 | ((parsed?.bitDepthLuma ?? 8) - 8), 0xf8 | ((parsed?.bitDepthChroma ?? 8) - 8)),
    uint16(0),
    // One temporal layer or more, lengths of four bytes.
    uint8(((parsed?.temporalLayerCount ?? 1) << 3) | ((parsed?.temporalIdNested ? 1 : 0) << 2) | 3),
    uint8(units.length),
    // Each array complete (0x80), of one unit.
    ...units.flatMap(unit => [uint8(0x80 | ((unit[0]! >> 1) & 0x3f)), uint16(1, unit.length), unit]),
  );
}

/** `dOps` §4.3.2: channel mapping 0; RTP does not say how much a decoder should skip at the beginning. */
function opusConfiguration(audio: AudioFormat): Uint8Array {
  return box('dOps', uint8(0, audio.channels), uint16(0), uint32(audio.sampleRate), uint16(0), uint8(0));
}

/** ISO/IEC 14496-1 §7.2.6.6: a visual and an audio stream, neither upstream; the last bit is reserved and 1. */
const VISUAL_STREAM = 0x11;
const AUDIO_STREAM = 0x15;
/** Object types of ISO/IEC 14496-3 audio (AAC) and of ISO/IEC 10918-1 (JPEG). */
const OBJECT_TYPE_AAC = 0x40;
const OBJECT_TYPE_JPEG = 0x6c;

/** ISO/IEC 14496-1 §7.2.6: ES descriptor, decoder configuration, SL configuration 2. */
function elementaryStream(objectType: number, streamType: number, config: Uint8Array | null): Uint8Array {
  const specific = config === null ? uint8() : descriptor(5, config);
  const decoder = descriptor(4, uint8(objectType, streamType, 0, 0, 0), uint32(0, 0), specific);
  return fullBox(
    'esds',
    { version: 0, flags: 0 },
    descriptor(3, uint16(0), uint8(0), decoder, descriptor(6, uint8(2))),
  );
}

function descriptor(tag: number, ...contents: readonly Uint8Array[]): Uint8Array {
  const byteLength = contents.reduce((sum, content) => sum + content.length, 0);
  const bytes = new Uint8Array(byteLength + 2);
  bytes[0] = tag;
  bytes[1] = byteLength;
  let offset = 2;
  for (const content of contents) {
    bytes.set(content, offset);
    offset += content.length;
  }
  return bytes;
}
