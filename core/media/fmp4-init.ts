import { type StreamFormat, VIDEO_TIMESCALE } from './access-unit.js';
import { parseAudioSpecificConfig } from './audio-specific-config.js';
import { ascii, box, fullBox, uint8, uint16, uint32 } from './fmp4-bytes.js';
import type { InitSegment } from './fragment.js';
import { parseSequenceParameterSet } from './h264-parameter-sets.js';

export const VIDEO_TRACK_ID = 1;
export const AUDIO_TRACK_ID = 2;

const plain = { version: 0, flags: 0 };
const unityMatrix = uint32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000);
/** `und`, packed as ISO 639-2 (§8.4.2). */
const undetermined = 0x55c4;

/** `ftyp` + `moov` for fragments of this format (ISO/IEC 14496-12 §8.8, 14496-15 §5.3, 14496-14 §5.6). */
export function writeInitSegment(format: StreamFormat): InitSegment {
  const tracks: Uint8Array[] = [];
  const extensions: Uint8Array[] = [];
  const codecs: string[] = [];
  if (format.video !== null) {
    tracks.push(videoTrack(format.video));
    extensions.push(trackExtends(VIDEO_TRACK_ID));
    codecs.push(codecOfSps(format.video.sps));
  }
  if (format.audio !== null) {
    tracks.push(audioTrack(format.audio));
    extensions.push(trackExtends(AUDIO_TRACK_ID));
    codecs.push(codecOfAudioConfig(format.audio.audioSpecificConfig));
  }
  const fileType = box('ftyp', ascii('iso6'), uint32(0), ascii('iso6cmfcmp41'));
  const movieHeader = fullBox(
    'mvhd',
    plain,
    uint32(0, 0, 1000, 0, 0x10000),
    uint16(0x100, 0),
    uint32(0, 0),
    unityMatrix,
    uint32(0, 0, 0, 0, 0, 0, AUDIO_TRACK_ID + 1),
  );
  const movie = box('moov', movieHeader, ...tracks, box('mvex', ...extensions));
  const bytes = new Uint8Array(fileType.length + movie.length);
  bytes.set(fileType);
  bytes.set(movie, fileType.length);
  return { bytes, codecs: codecs.join(',') };
}

export function codecOfSps(sps: Uint8Array): string {
  const hex = [...sps.subarray(1, 4)].map(byte => byte.toString(16).padStart(2, '0')).join('');
  return `avc1.${hex}`;
}

export function codecOfAudioConfig(config: Uint8Array): string {
  return parseAudioSpecificConfig(config)?.codec ?? 'mp4a.40.2';
}

function trackExtends(trackId: number): Uint8Array {
  return fullBox('trex', plain, uint32(trackId, 1, 0, 0, 0));
}

interface TrackBoxes {
  readonly trackId: number;
  readonly timescale: number;
  readonly handler: 'vide' | 'soun';
  readonly mediaHeader: Uint8Array;
  readonly sampleEntry: Uint8Array;
  readonly width: number;
  readonly height: number;
}

function track(boxes: TrackBoxes): Uint8Array {
  const header = fullBox(
    'tkhd',
    { version: 0, flags: 3 },
    uint32(0, 0, boxes.trackId, 0, 0, 0, 0),
    uint16(0, 0, boxes.handler === 'soun' ? 0x100 : 0, 0),
    unityMatrix,
    uint32(boxes.width * 0x10000, boxes.height * 0x10000),
  );
  const sampleTable = box(
    'stbl',
    fullBox('stsd', plain, uint32(1), boxes.sampleEntry),
    fullBox('stts', plain, uint32(0)),
    fullBox('stsc', plain, uint32(0)),
    fullBox('stsz', plain, uint32(0, 0)),
    fullBox('stco', plain, uint32(0)),
  );
  const dataReference = fullBox('dref', plain, uint32(1), fullBox('url ', { version: 0, flags: 1 }));
  return box(
    'trak',
    header,
    box(
      'mdia',
      fullBox('mdhd', plain, uint32(0, 0, boxes.timescale, 0), uint16(undetermined, 0)),
      fullBox('hdlr', plain, uint32(0), ascii(boxes.handler), uint32(0, 0, 0), ascii('Holdfast\0')),
      box('minf', boxes.mediaHeader, box('dinf', dataReference), sampleTable),
    ),
  );
}

function videoTrack(video: NonNullable<StreamFormat['video']>): Uint8Array {
  const sampleEntry = box(
    'avc1',
    uint32(0),
    uint16(0, 1),
    uint32(0, 0, 0, 0),
    uint16(video.width, video.height),
    uint32(0x480000, 0x480000, 0),
    uint16(1),
    new Uint8Array(32),
    uint16(24, 0xffff),
    avcConfiguration(video.sps, video.pps),
  );
  return track({
    trackId: VIDEO_TRACK_ID,
    timescale: VIDEO_TIMESCALE,
    handler: 'vide',
    mediaHeader: fullBox('vmhd', { version: 0, flags: 1 }, uint16(0, 0, 0, 0)),
    sampleEntry,
    width: video.width,
    height: video.height,
  });
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

function audioTrack(audio: NonNullable<StreamFormat['audio']>): Uint8Array {
  const sampleEntry = box(
    'mp4a',
    uint32(0),
    uint16(0, 1),
    uint32(0, 0),
    uint16(audio.channels, 16, 0, 0),
    // 16.16 fixed point: rates above 65 kHz do not fit and are read from the decoder configuration instead.
    uint16(audio.sampleRate <= 0xffff ? audio.sampleRate : 0, 0),
    elementaryStream(audio.audioSpecificConfig),
  );
  return track({
    trackId: AUDIO_TRACK_ID,
    timescale: audio.sampleRate,
    handler: 'soun',
    mediaHeader: fullBox('smhd', plain, uint32(0)),
    sampleEntry,
    width: 0,
    height: 0,
  });
}

/** ISO/IEC 14496-1 §7.2.6: ES descriptor, decoder configuration 0x40 (AAC) in an audio stream, SL configuration 2. */
function elementaryStream(config: Uint8Array): Uint8Array {
  const specific = descriptor(5, config);
  const decoder = descriptor(4, uint8(0x40, 0x15, 0, 0, 0), uint32(0, 0), specific);
  return fullBox('esds', plain, descriptor(3, uint16(0), uint8(0), decoder, descriptor(6, uint8(2))));
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
