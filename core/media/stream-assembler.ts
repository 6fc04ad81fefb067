import type { RecordingCause } from '@holdfast/schema';
import { AacDepacketiser, type AacFrame, type AacPacking } from './aac-depacketiser.js';
import { type AccessUnit, type StreamFormat, type Track, VIDEO_TIMESCALE } from './access-unit.js';
import { CaptureClock, type CaptureTime, type TimedUnit } from './capture-clock.js';
import { Fragmenter, type FragmentReceiver } from './fragmenter.js';
import { type CodedPicture, H264Depacketiser } from './h264-depacketiser.js';
import { parseSequenceParameterSet, pictureParameterSetId } from './h264-parameter-sets.js';
import { parseSenderReport, RtpPacket } from './rtp-packet.js';

export interface VideoStream {
  readonly payloadType: number;
  /** From the SDP (`sprop-parameter-sets`); empty when the camera sends them in-band only. */
  readonly parameterSets: readonly Uint8Array[];
}

export interface AudioStream {
  readonly payloadType: number;
  readonly clockRate: number;
  readonly channels: number;
  readonly audioSpecificConfig: Uint8Array;
  readonly packing: AacPacking;
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
  readonly frame: AacFrame;
}

/** Everything between the RTP packets of one camera and its fragments, for the life of one connection. */
export class StreamAssembler {
  readonly #output: AssembledStream;
  readonly #fragmenter: Fragmenter;
  readonly #packet = new RtpPacket();
  readonly #video: VideoStream;
  readonly #audio: AudioStream | null;
  readonly #pictures: H264Depacketiser;
  readonly #audioFrames: AacDepacketiser | null;
  readonly #videoClock: CaptureClock<TimedPicture>;
  readonly #audioClock: CaptureClock<TimedAudio> | null;
  #sps: Uint8Array | null = null;
  #pps: Uint8Array | null = null;
  #format: StreamFormat | null = null;
  #hasBegun = false;

  constructor(options: {
    readonly video: VideoStream;
    readonly audio: AudioStream | null;
    readonly output: AssembledStream;
  }) {
    this.#output = options.output;
    this.#video = options.video;
    this.#audio = options.audio;
    this.#fragmenter = new Fragmenter(options.output);
    const lost = (count: number) => this.#output.accessUnitsLost(count);
    this.#pictures = new H264Depacketiser({ picture: picture => this.#picture(picture), lost });
    this.#videoClock = new CaptureClock({
      timescale: VIDEO_TIMESCALE,
      emit: (unit, time) => this.#timedPicture(unit, time),
    });
    this.#audioFrames =
      options.audio &&
      new AacDepacketiser(options.audio.packing, { frame: frame => this.#audioFrame(frame), lost });
    this.#audioClock =
      options.audio &&
      new CaptureClock({
        timescale: options.audio.clockRate,
        emit: (unit, time) => this.#timedAudio(unit, time),
      });
    this.#useParameterSets(options.video.parameterSets);
  }

  /** False when `bytes[start, end)` is not a packet of this track. The bytes are read, and some overwritten, before it returns. */
  rtp(track: Track, bytes: Uint8Array, start: number, end: number, arrivalMs: number): boolean {
    const packet = this.#packet;
    if (!packet.read(bytes, start, end)) return false;
    if (track === 'VIDEO') {
      if (packet.payloadType !== this.#video.payloadType) return false;
      this.#pictures.packet(packet, arrivalMs);
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
    else this.#audioClock?.senderReport(report, arrivalMs);
  }

  /** The connection has ended: hands over everything that is complete and closes the run. */
  end(cause: RecordingCause): void {
    this.#pictures.close();
    this.#videoClock.flush();
    this.#audioClock?.flush();
    this.#fragmenter.end(cause);
  }

  #picture(picture: CodedPicture): void {
    const extra = picture.parameterSets.length > 0 ? this.#useParameterSets(picture.parameterSets) : [];
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

  /**
   * Takes over new parameter sets and returns those that stay in the stream: a second picture parameter set, with another
   * id, is no change of the format.
   */
  #useParameterSets(units: readonly Uint8Array[]): readonly Uint8Array[] {
    let sps = this.#sps;
    let pps = this.#pps;
    const extra: Uint8Array[] = [];
    for (const unit of units) {
      if ((unit[0]! & 0x1f) === 7) {
        if (sps !== null && equal(sps, unit)) continue;
        if (parseSequenceParameterSet(unit) === null) continue;
        sps = unit;
        pps = null;
      } else if ((unit[0]! & 0x1f) === 8) {
        if (pps === null || pictureParameterSetId(pps) === pictureParameterSetId(unit)) pps = unit;
        else extra.push(unit);
      }
    }
    // A new SPS without a PPS behind it goes on with the PPS that is known.
    pps ??= this.#pps;
    const changed = !equalOrNull(sps, this.#sps) || !equalOrNull(pps, this.#pps);
    this.#sps = sps;
    this.#pps = pps;
    if (changed && sps !== null && pps !== null) this.#format = this.#makeFormat(sps, pps);
    return extra;
  }

  #makeFormat(sps: Uint8Array, pps: Uint8Array): StreamFormat {
    const size = parseSequenceParameterSet(sps)!;
    const audio = this.#audio;
    return {
      video: { sps, pps, width: size.width, height: size.height },
      audio: audio && {
        audioSpecificConfig: audio.audioSpecificConfig,
        sampleRate: audio.clockRate,
        channels: audio.channels,
      },
    };
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

  #audioFrame(frame: AacFrame): void {
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

function equal(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

function equalOrNull(left: Uint8Array | null, right: Uint8Array | null): boolean {
  return left === right || (left !== null && right !== null && equal(left, right));
}
