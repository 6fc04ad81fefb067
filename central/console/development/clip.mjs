// A short clip made by ffmpeg, cut into its frames, so that the double can send any instant of an endless recording.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const FRAMES_PER_SECOND = 25;
export const FRAMES_PER_GOP = 25;
const CLIP_SECONDS = 8;

function boxes(bytes, start = 0, end = bytes.length) {
  const found = [];
  for (let at = start; at + 8 <= end; ) {
    const size = bytes.readUInt32BE(at);
    found.push({ type: bytes.toString('latin1', at + 4, at + 8), at, size });
    at += size;
  }
  return found;
}

/** Frames, init segment and codecs string of a clip with a single H.264 track. */
export function makeClip(directory, name, source) {
  const file = join(directory, `${name}.mp4`);
  const keyFrames = ['-g', `${FRAMES_PER_GOP}`, '-keyint_min', `${FRAMES_PER_GOP}`, '-sc_threshold', '0'];
  const movflags = 'frag_every_frame+empty_moov+default_base_moof';
  execFileSync('ffmpeg', [
    ...['-v', 'error', '-y', '-f', 'lavfi', '-i', source, '-t', `${CLIP_SECONDS}`, '-threads', '1'],
    ...['-c:v', 'libx264', '-preset', 'veryfast', '-profile:v', 'main', '-bf', '0', ...keyFrames],
    ...['-pix_fmt', 'yuv420p', '-r', `${FRAMES_PER_SECOND}`, '-movflags', movflags, file],
  ]);
  const bytes = readFileSync(file);
  const frames = [];
  let initEnd = 0;
  for (const box of boxes(bytes)) {
    if (box.type === 'moov') initEnd = box.at + box.size;
    if (box.type === 'mdat') frames.push(bytes.subarray(box.at + 8, box.at + box.size));
  }
  const init = bytes.subarray(0, initEnd);
  const avcC = init.indexOf('avcC', 0, 'latin1') + 4;
  const codecs = `avc1.${init.toString('hex', avcC + 1, avcC + 4)}`;
  const mdhd = init.indexOf('mdhd', 0, 'latin1') + 4;
  const timescale = init.readUInt32BE(mdhd + 12);
  return { init, codecs, timescale, frames };
}

function box(type, ...parts) {
  const body = Buffer.concat(parts);
  const head = Buffer.alloc(8);
  head.writeUInt32BE(body.length + 8, 0);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, body]);
}

function words(...values) {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) => {
    bytes.writeUInt32BE(value >>> 0, index * 4);
  });
  return bytes;
}

/** `moof` + `mdat` of `count` frames from the frame number `first`, counted from the Unix epoch. */
export function fragment(clip, first, count) {
  const duration = clip.timescale / FRAMES_PER_SECOND;
  const frames = Array.from({ length: count }, (_, index) => (first + index) % clip.frames.length);
  const decodeTime = Buffer.alloc(8);
  decodeTime.writeBigUInt64BE(BigInt(first) * BigInt(duration));
  const samples = frames.map(frame =>
    words(duration, clip.frames[frame].length, frame % FRAMES_PER_GOP === 0 ? 0x02000000 : 0x01010000),
  );
  const moof = dataOffset =>
    box(
      'moof',
      box('mfhd', words(0, first)),
      box(
        'traf',
        box('tfhd', words(0x020000, 1)),
        box('tfdt', words(0x01000000), decodeTime),
        box('trun', words(0x000701, count, dataOffset), ...samples),
      ),
    );
  return Buffer.concat([moof(moof(0).length + 8), box('mdat', ...frames.map(frame => clip.frames[frame]))]);
}
