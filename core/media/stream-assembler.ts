import type { RecordingCause } from '@holdfast/schema';
import { AacDepacketiser, type AacPacking } from './aac-depacketiser.js';
import {
  type AccessUnit,
  type AudioFormat,
  type StreamFormat,
  type Track,
  VIDEO_TIMESCALE,
  type VideoFormat,
} from './access-unit.js';
import type { AudioDepacketiser, AudioFrame, AudioReceiver } from './audio-frame.js';
import { CaptureClock, type CaptureTime, type TimedUnit } from './capture-clock.js';
import type { CodedPicture, PictureReceiver, PictureSize, VideoDepacketiser } from './coded-picture.js';
import { Fragmenter, type FragmentReceiver } from './fragmenter.js';
import { H264Depacketiser } from './h264-depacketiser.js';
import { H265Depacketiser } from './h265-depacketiser.js';
import { JpegDepacketiser } from './jpeg-depacketiser.js';
import { MetadataDepacketiser } from './metadata-depacketiser.js';
import { ParameterSets } from './parameter-sets.js';
import { parseSenderReport, RtpPacket } from './rtp-packet.js';
import { WholePacketDepacketiser } from './whole-packet-depacketiser.js';

export interface VideoStream {
  readonly codec: VideoFormat['codec'];
  readonly payloadType: number;
  /** From the SDP (`sprop-…`); empty when the camera sends them in-band only. */
  readonly parameterSets: readonly Uint8Array[];
  /** From the SDP, for MJPEG; `null`: it is in the pictures. */
  readonly size: PictureSize | null;
}

export type AudioStream = {
  readonly payloadType: number;
  readonly clockRate: number;
  readonly channels: number;
} & (
  | { readonly codec: 'AAC'; readonly audioSpecificConfig: Uint8Array; readonly packing: AacPacking }
  | { readonly codec: 'PCMU' | 'PCMA' | 'OPUS' }
);

export interface MetadataStream {
  readonly payloadType: number;
  readonly clockRate: number;
}

export interface AssembledStream extends FragmentReceiver {
  accessUnitsLost(count: number): void;
}

interface TimedPicture extends TimedUnit {
  readonly picture: CodedPicture;
  /** What the picture has to be decoded with. */
  readonly format: StreamFormat | null;
}

interface TimedAudio extends TimedUnit {
  readonly frame: AudioFrame;
}

/** Everything between the RTP packets of one camera and its fragments, for the life of one connection. */
export class StreamAssembler {
  readonly #output: AssembledStream;
  readonly #fragmenter: Fragmenter;
  readonly #packet = new RtpPacket();
  readonly #video: VideoStream;
  readonly #audio: AudioStream | null;
  readonly #pictures: VideoDepacketiser;
  readonly #audioFrames: AudioDepacketiser | null;
  readonly #videoClock: CaptureClock<TimedPicture>;
  readonly #audioClock: CaptureClock<TimedAudio> | null;
  readonly #metadata: MetadataTrack | null;
  /** `null`: the codec has none, its pictures say their size themselves. */
  readonly #parameterSets: ParameterSets | null;
  #format: StreamFormat | null = null;
  #hasBegun = false;

  constructor(options: {
    readonly video: VideoStream;
    readonly audio: AudioStream | null;
    readonly metadata?: MetadataStream | null;
    readonly output: AssembledStream;
  }) {
    this.#output = options.output;
    this.#video = options.video;
    this.#audio = options.audio;
    this.#fragmenter = new Fragmenter(options.output);
    const lost = (count: number) => this.#output.accessUnitsLost(count);
    this.#pictures = pictureMaker(options.video, { picture: picture => this.#picture(picture), lost });
    this.#videoClock = new CaptureClock({
      timescale: VIDEO_TIMESCALE,
      emit: (unit, time) => this.#timedPicture(unit, time),
    });
    this.#audioFrames =
      options.audio && frameMaker(options.audio, { frame: frame => this.#audioFrame(frame), lost });
    this.#audioClock =
      options.audio &&
      new CaptureClock({
        timescale: options.audio.clockRate,
        emit: (unit, time) => this.#timedAudio(unit, time),
      });
    this.#metadata = options.metadata
      ? new MetadataTrack(options.metadata, unit => this.#fragmenter.push(unit))
      : null;
    this.#parameterSets = options.video.codec === 'MJPEG' ? null : new ParameterSets(options.video.codec);
    this.#useParameterSets(options.video.parameterSets);
  }

  /** False when `bytes[start, end)` is not a packet of this track. The bytes are read, and some overwritten, before it returns. */
  rtp(track: Track, bytes: Uint8Array, start: number, end: number, arrivalMs: number): boolean {
    const packet = this.#packet;
    if (!packet.read(bytes, start, end)) return false;
    if (track === 'VIDEO') {
      if (packet.payloadType !== this.#video.payloadType) return false;
      this.#pictures.packet(packet, arrivalMs);
    } else if (track === 'METADATA') {
      return this.#metadata?.packet(packet, arrivalMs) ?? false;
    } else {
      if (packet.payloadType !== this.#audio?.payloadType) return false;
      this.#audioFrames?.packet(packet, arrivalMs);
    }
    return true;
  }

  rtcp(track: Track, bytes: Uint8Array, start: number, end: number, arrivalMs: number): void {
    const report = parseSenderReport(bytes, start, end);
    if (report === null) return;
    if (track === 'VIDEO') this.#videoClock.senderReport(report, arrivalMs);
    else if (track === 'METADATA') this.#metadata?.clock.senderReport(report, arrivalMs);
    else this.#audioClock?.senderReport(report, arrivalMs);
  }

  /** The connection has ended: hands over everything that is complete and closes the run. */
  end(cause: RecordingCause): void {
    this.#pictures.close();
    this.#videoClock.flush();
    this.#audioClock?.flush();
    this.#metadata?.clock.flush();
    this.#fragmenter.end(cause);
  }

  #picture(picture: CodedPicture): void {
    const extra = picture.parameterSets.length > 0 ? this.#useParameterSets(picture.parameterSets) : [];
    if (picture.size !== null) this.#useSize(picture.size);
    const complete = extra.length === 0 ? picture : withUnits(picture, extra);
    this.#videoClock.push({
      rtpTimestamp: complete.rtpTimestamp,
      arrivalMs: complete.arrivalMs,
      byteLength: complete.byteLength,
      mayBeginRun: complete.keyFrame,
      picture: complete,
      format: this.#format,
    });
  }

  /** Returns those that stay in the stream. */
  #useParameterSets(units: readonly Uint8Array[]): readonly Uint8Array[] {
    if (this.#parameterSets === null) return [];
    const extra = this.#parameterSets.take(units);
    const { format } = this.#parameterSets;
    if (format !== (this.#format?.video ?? null)) this.#useFormat(format);
    return extra;
  }

  #useSize(size: PictureSize): void {
    const video = this.#format?.video;
    if (video?.width !== size.width || video.height !== size.height)
      this.#useFormat({ codec: 'MJPEG', width: size.width, height: size.height });
  }

  #useFormat(video: VideoFormat | null): void {
    const audio = this.#audio && audioFormatOf(this.#audio);
    this.#format = { video, audio, ...(this.#metadata && { metadata: true }) };
  }

  #timedPicture(unit: TimedPicture, time: CaptureTime): void {
    const { picture, format } = unit;
    if (time.stepped) this.#fragmenter.end('CLOCK_STEPPED');
    if (picture.keyFrame && format !== null && this.#fragmenter.format !== format) {
      this.#fragmenter.end('CAMERA_FORMAT_SWITCHED');
      this.#fragmenter.begin(format);
      this.#hasBegun = true;
    }
    if (this.#fragmenter.format === null) {
      // Before the first key frame of a connection nothing is lost: recording has not begun.
      if (this.#hasBegun) this.#output.accessUnitsLost(1);
      return;
    }
    this.#fragmenter.push(accessUnit('VIDEO', picture.keyFrame, picture, unit, time));
  }

  #audioFrame(frame: AudioFrame): void {
    this.#audioClock?.push({
      rtpTimestamp: frame.rtpTimestamp,
      arrivalMs: frame.arrivalMs,
      byteLength: frame.bytes.length,
      mayBeginRun: true,
      frame,
    });
  }

  #timedAudio(unit: TimedAudio, time: CaptureTime): void {
    this.#fragmenter.push(
      accessUnit('AUDIO', true, { parts: [unit.frame.bytes], lease: unit.frame.lease }, unit, time),
    );
  }
}

/** The documents of metadata of one camera, on the clock of video. */
class MetadataTrack {
  readonly clock: CaptureClock<TimedAudio>;
  readonly #payloadType: number;
  readonly #documents: MetadataDepacketiser;

  constructor({ payloadType, clockRate }: MetadataStream, push: (unit: AccessUnit) => void) {
    this.#payloadType = payloadType;
    this.clock = new CaptureClock({
      timescale: clockRate,
      emit: (unit, time) => {
        const ticks = Math.round((time.ticks * VIDEO_TIMESCALE) / clockRate);
        const { bytes, lease } = unit.frame;
        push(accessUnit('METADATA', true, { parts: [bytes], lease }, unit, { ...time, ticks }));
      },
    });
    this.#documents = new MetadataDepacketiser({
      frame: frame =>
        this.clock.push({
          rtpTimestamp: frame.rtpTimestamp,
          arrivalMs: frame.arrivalMs,
          byteLength: frame.bytes.length,
          mayBeginRun: true,
          frame,
        }),
      // A document less is no gap in what was recorded.
      lost: () => undefined,
    });
  }

  packet(packet: RtpPacket, arrivalMs: number): boolean {
    if (packet.payloadType !== this.#payloadType) return false;
    this.#documents.packet(packet, arrivalMs);
    return true;
  }
}

function pictureMaker(video: VideoStream, receiver: PictureReceiver): VideoDepacketiser {
  switch (video.codec) {
    case 'H264':
      return new H264Depacketiser(receiver);
    case 'H265':
      return new H265Depacketiser(receiver);
    case 'MJPEG':
      return new JpegDepacketiser(video.size, receiver);
  }
}

function frameMaker(audio: AudioStream, receiver: AudioReceiver): AudioDepacketiser {
  return audio.codec === 'AAC'
    ? new AacDepacketiser(audio.packing, receiver)
    : new WholePacketDepacketiser(receiver);
}

function audioFormatOf(audio: AudioStream): AudioFormat {
  const { clockRate: sampleRate, channels } = audio;
  if (audio.codec !== 'AAC') return { codec: audio.codec, sampleRate, channels };
  return { codec: 'AAC', audioSpecificConfig: audio.audioSpecificConfig, sampleRate, channels };
}

function accessUnit(
  track: Track,
  keyFrame: boolean,
  { parts, lease }: Pick<AccessUnit, 'parts' | 'lease'>,
  unit: TimedUnit,
  time: CaptureTime,
): AccessUnit {
  return {
    track,
    ticks: time.ticks,
    compositionOffsetTicks: time.compositionOffsetTicks,
    keyFrame,
    parts,
    byteLength: unit.byteLength,
    lease: lease ?? null,
    arrivalMs: unit.arrivalMs,
    timeSource: time.timeSource,
  };
}

function withUnits(picture: CodedPicture, units: readonly Uint8Array[]): CodedPicture {
  const parts: Uint8Array[] = [];
  let byteLength = picture.byteLength;
  for (const unit of units) {
    const prefix = new Uint8Array(4);
    new DataView(prefix.buffer).setUint32(0, unit.length);
    parts.push(prefix, unit);
    byteLength += 4 + unit.length;
  }
  return { ...picture, parts: [...parts, ...picture.parts], byteLength };
}
