import { decodeLenientBase64 } from '../rtsp/lenient-base64.js';
import type { SdpMedia, SessionDescription } from '../rtsp/sdp.js';
import { parseAudioSpecificConfig } from './audio-specific-config.js';
import type { AudioStream, VideoStream } from './stream-assembler.js';

export type SelectedStreams =
  | {
      readonly kind: 'selected';
      readonly video: VideoStream & { readonly control: string | null };
      readonly audio: (AudioStream & { readonly control: string | null }) | null;
      /** Audio that is offered and not recorded, with the reason; `null` when there is none. */
      readonly audioRefused: string | null;
    }
  | { readonly kind: 'refused'; readonly code: 'NO_VIDEO' | 'UNSUPPORTED_VIDEO'; readonly detail: string };

/** Which of the streams that a camera describes are recorded: its first H.264 video, its first AAC audio. */
export function selectStreams(description: SessionDescription): SelectedStreams {
  const videos = description.media.filter(media => media.kind === 'video');
  const video = videos.find(isRecordable);
  if (video === undefined) {
    const offered = videos.map(media => media.encoding ?? `payload type ${media.payloadType}`).join(', ');
    return videos.length === 0
      ? { kind: 'refused', code: 'NO_VIDEO', detail: 'the camera describes no video stream' }
      : {
          kind: 'refused',
          code: 'UNSUPPORTED_VIDEO',
          detail: `the camera offers ${offered}; H264 in packetization-mode 0 or 1 can be recorded`,
        };
  }
  const audios = description.media.filter(media => media.kind === 'audio');
  const audio = audios.map(readAudio).find(found => found !== null) ?? null;
  const offered = audios.map(media => media.encoding ?? `payload type ${media.payloadType}`).join(', ');
  return {
    kind: 'selected',
    video: {
      payloadType: video.payloadType,
      parameterSets: readParameterSets(video),
      control: video.control,
    },
    audio,
    audioRefused:
      audio === null && audios.length > 0 ? `audio in ${offered} is not recorded; AAC (AAC-hbr) is` : null,
  };
}

function isRecordable(media: SdpMedia): boolean {
  return (
    media.encoding === 'H264' &&
    media.clockRate === 90_000 &&
    media.formatParameters.get('packetization-mode') !== '2'
  );
}

function readParameterSets(media: SdpMedia): readonly Uint8Array[] {
  return (media.formatParameters.get('sprop-parameter-sets') ?? '')
    .split(',')
    .map(part => decodeLenientBase64(part.trim()))
    .filter(unit => unit.length > 1);
}

/** RFC 3640 with `mode=AAC-hbr`; cameras differ in how they spell it, so the lengths decide. */
function readAudio(media: SdpMedia): (AudioStream & { readonly control: string | null }) | null {
  if (media.encoding !== 'MPEG4-GENERIC') return null;
  const audioSpecificConfig = decodeHex(media.formatParameters.get('config') ?? '');
  const parsed = parseAudioSpecificConfig(audioSpecificConfig);
  const sizeLength = Number(media.formatParameters.get('sizelength') ?? '0');
  if (parsed === null || sizeLength !== 13) return null;
  return {
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
