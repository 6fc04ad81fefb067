import { CLIP_FRAMES_PER_SECOND, type Clip } from './clip.js';

const FILLER_DATA = 12;
/** In a surveillance stream a key frame is several times as long as the others. */
const KEY_FRAME_WEIGHT = 6;
/** Below this a filler NAL unit is more header than filling. */
const FILLER_BYTES_MIN = 16;

/**
 * The same clip at a higher bit rate: each picture is lengthened with a filler data NAL unit (H.264 §7.3.2.7), which
 * every decoder ignores. For benchmarks that need the traffic of a real camera.
 */
export function padClip(clip: Clip, options: { readonly bitsPerSecond: number }): Clip {
  const keyFrameCount = clip.pictures.filter(picture => picture.keyFrame).length;
  const totalBytes = (options.bitsPerSecond / 8 / CLIP_FRAMES_PER_SECOND) * clip.pictures.length;
  const weights = clip.pictures.length + keyFrameCount * (KEY_FRAME_WEIGHT - 1);
  // What a picture is longer than its share must be saved on the following ones, or the rate is missed.
  let owed = 0;
  const pictures = clip.pictures.map(picture => {
    const share = (totalBytes / weights) * (picture.keyFrame ? KEY_FRAME_WEIGHT : 1);
    const byteLength = picture.nalUnits.reduce((sum, unit) => sum + unit.length, 0);
    const missing = Math.round(share + owed - byteLength);
    if (missing < FILLER_BYTES_MIN) {
      owed += share - byteLength;
      return picture;
    }
    owed = 0;
    return { ...picture, nalUnits: [...picture.nalUnits, fillerNalUnit(missing)] };
  });
  return { ...clip, pictures };
}

function fillerNalUnit(byteLength: number): Uint8Array {
  const unit = new Uint8Array(byteLength).fill(0xff);
  unit[0] = FILLER_DATA;
  unit[byteLength - 1] = 0x80;
  return unit;
}
