import { type StreamFormat, VIDEO_TIMESCALE } from './access-unit.js';
import { ascii, box, fullBox, uint16, uint32 } from './fmp4-bytes.js';
import { audioSampleEntry, metadataSampleEntry, videoSampleEntry } from './fmp4-sample-entry.js';
import type { InitSegment } from './fragment.js';

export const VIDEO_TRACK_ID = 1;
export const AUDIO_TRACK_ID = 2;
export const METADATA_TRACK_ID = 3;

const plain = { version: 0, flags: 0 };
const unityMatrix = uint32(0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000);
/** `und`, packed as ISO 639-2 (§8.4.2). */
const undetermined = 0x55c4;

/** `ftyp` + `moov` for fragments of this format (ISO/IEC 14496-12 §8.8). */
export function writeInitSegment(format: StreamFormat): InitSegment {
  const tracks: Uint8Array[] = [];
  const extensions: Uint8Array[] = [];
  const codecs: string[] = [];
  if (format.video !== null) {
    const { width, height } = format.video;
    const entry = videoSampleEntry(format.video);
    tracks.push(track({ ...videoTrack, sampleEntry: entry.bytes, width, height }));
    extensions.push(trackExtends(VIDEO_TRACK_ID));
    codecs.push(entry.codec);
  }
  if (format.audio !== null) {
    const entry = audioSampleEntry(format.audio);
    const timescale = format.audio.sampleRate;
    tracks.push(track({ ...audioTrack, timescale, sampleEntry: entry.bytes }));
    extensions.push(trackExtends(AUDIO_TRACK_ID));
    codecs.push(entry.codec);
  }
  if (format.metadata) {
    const entry = metadataSampleEntry();
    tracks.push(track({ ...metadataTrack, sampleEntry: entry.bytes }));
    extensions.push(trackExtends(METADATA_TRACK_ID));
    codecs.push(entry.codec);
  }
  const nextTrackId = format.metadata ? METADATA_TRACK_ID + 1 : AUDIO_TRACK_ID + 1;
  const fileType = box('ftyp', ascii('iso6'), uint32(0), ascii('iso6cmfcmp41'));
  const movieHeader = fullBox(
    'mvhd',
    plain,
    uint32(0, 0, 1000, 0, 0x10000),
    uint16(0x100, 0),
    uint32(0, 0),
    unityMatrix,
    uint32(0, 0, 0, 0, 0, 0, nextTrackId),
  );
  const movie = box('moov', movieHeader, ...tracks, box('mvex', ...extensions));
  const bytes = new Uint8Array(fileType.length + movie.length);
  bytes.set(fileType);
  bytes.set(movie, fileType.length);
  return { bytes, codecs: codecs.join(',') };
}

function trackExtends(trackId: number): Uint8Array {
  return fullBox('trex', plain, uint32(trackId, 1, 0, 0, 0));
}

interface TrackBoxes {
  readonly trackId: number;
  readonly timescale: number;
  readonly handler: 'vide' | 'soun' | 'meta';
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

const videoTrack = {
  trackId: VIDEO_TRACK_ID,
  timescale: VIDEO_TIMESCALE,
  handler: 'vide',
  mediaHeader: fullBox('vmhd', { version: 0, flags: 1 }, uint16(0, 0, 0, 0)),
} as const;

/** ISO/IEC 14496-12 §12.3: timed metadata, with a null media header. */
const metadataTrack = {
  trackId: METADATA_TRACK_ID,
  timescale: VIDEO_TIMESCALE,
  handler: 'meta',
  mediaHeader: fullBox('nmhd', plain),
  width: 0,
  height: 0,
} as const;

const audioTrack = {
  trackId: AUDIO_TRACK_ID,
  handler: 'soun',
  mediaHeader: fullBox('smhd', plain, uint32(0)),
  width: 0,
  height: 0,
} as const;
