// For tests: what a camera that sends nothing but key pictures would send, encoded by ffmpeg.
import {
  type AccessUnit,
  type Fragment,
  type InitSegment,
  VIDEO_TRACK_ID,
  type VideoFormat,
  writeFragment,
  writeInitSegment,
} from '@holdfast/core';
import { runFfmpeg } from '../snapshot/ffmpeg.js';

export interface KeyPictures {
  readonly init: InitSegment;
  /** Made into a fragment that arrives at this time. */
  readonly pictures: readonly ((atMs: number) => Fragment)[];
}

type Codec = 'H264' | 'H265' | 'MJPEG';

const encoders: Readonly<Record<Codec, readonly string[]>> = {
  H264: ['-c:v', 'libx264', '-preset', 'veryfast', '-x264-params', 'keyint=1:bframes=0', '-f', 'h264'],
  H265: ['-c:v', 'libx265', '-preset', 'ultrafast', '-x265-params', 'keyint=1:log-level=none', '-f', 'hevc'],
  MJPEG: ['-c:v', 'mjpeg', '-f', 'mjpeg'],
};

/** `source`: of ffmpeg's lavfi, at one picture a second. */
export async function encodeKeyPictures(options: {
  readonly codec: Codec;
  readonly source: string;
  readonly size: { readonly width: number; readonly height: number };
  readonly count: number;
}): Promise<KeyPictures> {
  const { codec, source, size, count } = options;
  const run = await runFfmpeg({
    command: 'ffmpeg',
    args: [
      ...['-hide_banner', '-loglevel', 'error', '-f', 'lavfi', '-i', source, '-frames:v', String(count)],
      ...['-pix_fmt', codec === 'MJPEG' ? 'yuvj420p' : 'yuv420p', ...encoders[codec], 'pipe:1'],
    ],
    input: Buffer.alloc(0),
    outputBytesMax: 64 * 1024 * 1024,
    signal: AbortSignal.timeout(60_000),
  });
  if (!run.done) throw new Error(run.detail);
  const { format, units } = codec === 'MJPEG' ? jpegs(run.output, size) : nalUnits(run.output, codec, size);
  return {
    init: writeInitSegment({ video: format, audio: null }),
    pictures: units.map(parts => (atMs: number) => fragmentOf(parts, atMs)),
  };
}

function fragmentOf(parts: readonly Uint8Array[], atMs: number): Fragment {
  const facts = {
    ...{ fromMs: atMs, toMs: atMs + 1000, arrivalMs: atMs, beginsWithKeyFrame: true },
    timeSource: 'ARRIVAL' as const,
  };
  const unit: AccessUnit = {
    ...{ track: 'VIDEO', ticks: atMs * 90, keyFrame: true, parts, arrivalMs: atMs, timeSource: 'ARRIVAL' },
    byteLength: parts.reduce((sum, part) => sum + part.length, 0),
  };
  const run = { trackId: VIDEO_TRACK_ID, units: [unit], endTicks: (atMs + 1000) * 90 };
  return { ...facts, bytes: writeFragment(1, facts, [run]) };
}

interface Encoded {
  readonly format: VideoFormat;
  readonly units: readonly (readonly Uint8Array[])[];
}

function jpegs(output: Buffer, size: { readonly width: number; readonly height: number }): Encoded {
  const starts: number[] = [];
  for (let at = output.indexOf('ffd8ff', 0, 'hex'); at !== -1; at = output.indexOf('ffd8ff', at + 3, 'hex'))
    starts.push(at);
  const units = starts.map((start, index) => [output.subarray(start, starts[index + 1] ?? output.length)]);
  return { format: { codec: 'MJPEG', ...size }, units };
}

function nalUnits(
  output: Buffer,
  codec: 'H264' | 'H265',
  size: { readonly width: number; readonly height: number },
): Encoded {
  const starts: number[] = [];
  for (let at = output.indexOf('000001', 0, 'hex'); at !== -1; at = output.indexOf('000001', at + 3, 'hex'))
    starts.push(at + 3);
  const sets = new Map<number, Uint8Array>();
  const units: Uint8Array[][] = [];
  for (const [index, start] of starts.entries()) {
    const next = starts[index + 1];
    let end = next === undefined ? output.length : next - 3;
    while (output[end - 1] === 0) end -= 1;
    const unit = output.subarray(start, end);
    const type = codec === 'H264' ? unit[0]! & 0x1f : (unit[0]! >> 1) & 0x3f;
    const isPicture = codec === 'H264' ? type === 5 : type >= 16 && type <= 21;
    if (!isPicture) sets.set(type, Buffer.from(unit));
    // One bit behind the header says that the first slice of a picture begins.
    else if ((unit[codec === 'H264' ? 1 : 2]! & 0x80) !== 0) units.push([lengthOf(unit), unit]);
    else units.at(-1)!.push(lengthOf(unit), unit);
  }
  if (codec === 'H264') return { format: { codec, sps: sets.get(7)!, pps: sets.get(8)!, ...size }, units };
  return { format: { codec, vps: sets.get(32)!, sps: sets.get(33)!, pps: sets.get(34)!, ...size }, units };
}

function lengthOf(unit: Uint8Array): Uint8Array {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(unit.length);
  return length;
}
