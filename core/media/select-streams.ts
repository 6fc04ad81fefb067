import { decodeLenientBase64 } from '../rtsp/lenient-base64.js';
import type { SdpMedia, SessionDescription } from '../rtsp/sdp.js';
import { parseAudioSpecificConfig } from './audio-specific-config.js';
import type { AudioStream, MetadataStream, VideoStream } from './stream-assembler.js';

export type SelectedStreams =
  | {
      readonly kind: 'selected';
      readonly video: VideoStream & { readonly control: string | null };
      readonly audio: (AudioStream & { readonly control: string | null }) | null;
      readonly metadata: (MetadataStream & { readonly control: string | null }) | null;
      /** Audio that is offered and not recorded, with the reason; `null` when there is none. */
      readonly audioRefused: string | null;
    }
  | { readonly kind: 'refused'; readonly code: 'NO_VIDEO' | 'UNSUPPORTED_VIDEO'; readonly detail: string };

/** Which of the streams that a camera describes are recorded: its first video and its first audio in a codec that we know. */
export function selectStreams(description: SessionDescription): SelectedStreams {
  const videos = description.media.filter(media => media.kind === 'video');
  const video = videos.map(readVideo).find(found => found !== null) ?? null;
  if (video === null) {
    const offered = videos.map(media => media.encoding ?? `payload type ${media.payloadType}`).join(', ');
    return videos.length === 0
      ? { kind: 'refused', code: 'NO_VIDEO', detail: 'the camera describes no video stream' }
      : {
          kind: 'refused',
          code: 'UNSUPPORTED_VIDEO',
          detail: `the camera offers ${offered}; H264 (packetization-mode 0 or 1), H265 (without interleaving) and JPEG can be recorded`,
        };
  }
  const audios = description.media.filter(media => media.kind === 'audio' && !media.isBackChannel);
  const audio = audios.map(readAudio).find(found => found !== null) ?? null;
  const offered = audios.map(media => media.encoding ?? `payload type ${media.payloadType}`).join(', ');
  return {
    kind: 'selected',
    video,
    audio,
    metadata: description.media.map(readMetadata).find(found => found !== null) ?? null,
    audioRefused:
      audio === null && audios.length > 0
        ? `audio in ${offered} is not recorded; AAC (AAC-hbr), G.711 (PCMU, PCMA) and Opus are`
        : null,
  };
}

/** ONVIF Streaming Specification §5.1.2.1.1; compressed metadata has other names and is not recorded. */
function readMetadata({ kind, encoding, payloadType, clockRate, control }: SdpMedia) {
  if (kind !== 'application' || encoding !== 'VND.ONVIF.METADATA') return null;
  return { payloadType, clockRate, control };
}

function readVideo(media: SdpMedia): (VideoStream & { readonly control: string | null }) | null {
  const codec = videoCodecOf(media);
  if (codec === null) return null;
  const { payloadType, dimensions: size, control } = media;
  return { codec, payloadType, parameterSets: readParameterSets(media), size, control };
}

function videoCodecOf({
  encoding,
  payloadType,
  clockRate,
  formatParameters,
}: SdpMedia): VideoStream['codec'] | null {
  if (clockRate !== 90_000) return null;
  if (encoding === 'H264') return formatParameters.get('packetization-mode') === '2' ? null : 'H264';
  // With decoding order numbers each unit has two more bytes (RFC 7798 §7.1); no camera seen sends them.
  if (encoding === 'H265')
    return Number(formatParameters.get('sprop-max-don-diff') ?? '0') > 0 ? null : 'H265';
  // RFC 3551 §6: static payload types need no name.
  return encoding === 'JPEG' || (encoding === null && payloadType === 26) ? 'MJPEG' : null;
}

function readParameterSets({ formatParameters }: SdpMedia): readonly Uint8Array[] {
  return ['sprop-parameter-sets', 'sprop-vps', 'sprop-sps', 'sprop-pps']
    .flatMap(name => (formatParameters.get(name) ?? '').split(','))
    .map(part => decodeLenientBase64(part.trim()))
    .filter(unit => unit.length > 1);
}

function readAudio(media: SdpMedia): (AudioStream & { readonly control: string | null }) | null {
  const { encoding, payloadType, clockRate, channels, control } = media;
  const stream = { payloadType, clockRate, channels, control };
  if (encoding === 'MPEG4-GENERIC') return readAac(media);
  if (encoding === 'PCMU' || (encoding === null && payloadType === 0)) return { codec: 'PCMU', ...stream };
  if (encoding === 'PCMA' || (encoding === null && payloadType === 8)) return { codec: 'PCMA', ...stream };
  // RFC 7587 §4.1: whatever is sent can be decoded to two channels at 48 kHz.
  return encoding === 'OPUS' ? { codec: 'OPUS', ...stream, clockRate: 48_000, channels: 2 } : null;
}

/** RFC 3640 with `mode=AAC-hbr`; cameras differ in how they spell it, so the lengths decide. */
function readAac(media: SdpMedia): (AudioStream & { readonly control: string | null }) | null {
  const audioSpecificConfig = decodeHex(media.formatParameters.get('config') ?? '');
  const parsed = parseAudioSpecificConfig(audioSpecificConfig);
  const sizeLength = Number(media.formatParameters.get('sizelength') ?? '0');
  if (parsed === null || sizeLength !== 13) return null;
  return {
    codec: 'AAC',
    payloadType: media.payloadType,
    clockRate: media.clockRate,
    channels: parsed.channels,
    audioSpecificConfig,
    packing: {
      sizeLength,
      indexLength: Number(media.formatParameters.get('indexlength') ?? '3'),
      indexDeltaLength: Number(media.formatParameters.get('indexdeltalength') ?? '3'),
      ticksPerFrame: Math.round((parsed.samplesPerFrame * media.clockRate) / parsed.sampleRate),
    },
    control: media.control,
  };
}

function decodeHex(text: string): Uint8Array {
  const pairs = /^(?:[0-9a-f]{2})+$/i.test(text) ? text.match(/../g)! : [];
  return Uint8Array.from(pairs, pair => Number.parseInt(pair, 16));
}

/** Where a camera takes sound for its loudspeaker (ONVIF Streaming Specification §5.3). */
export interface BackChannel {
  readonly codec: 'PCMU' | 'PCMA';
  readonly payloadType: number;
  readonly control: string | null;
}

/** Null: it has none that takes G.711. */
export function selectBackChannel(description: SessionDescription): BackChannel | null {
  for (const media of description.media) {
    if (media.kind !== 'audio' || !media.isBackChannel) continue;
    const audio = readAudio(media);
    if (audio?.codec !== 'PCMU' && audio?.codec !== 'PCMA') continue;
    if (audio.clockRate === 8000)
      return { codec: audio.codec, payloadType: media.payloadType, control: media.control };
  }
  return null;
}
