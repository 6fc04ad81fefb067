import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type AdtsStream, parseAdts } from './adts.js';
import { type CodedPicture, groupPictures, isPps, isSps, splitAnnexB } from './annex-b.js';

export const CLIP_FRAMES_PER_SECOND = 25;

/** The committed clips. Each lasts 16 s: 400 pictures, 750 AAC frames. */
export const clipNames = ['entrance', 'car-park', 'platform', 'corridor'] as const;
export type ClipName = (typeof clipNames)[number];

const clipFolder = fileURLToPath(new URL('../../simulated-cameras/clips', import.meta.url));

/** What a simulated camera plays, over and over. It begins with a key frame. */
export interface Clip {
  readonly sps: Uint8Array;
  readonly pps: Uint8Array;
  readonly pictures: readonly CodedPicture[];
  readonly audio: AdtsStream | null;
}

export class ClipError extends Error {
  override readonly name = 'ClipError';
  readonly code = 'CLIP_UNUSABLE';
}

/** Reads `<name>.h264` (Annex B) and, when there is one, `<name>.aac` (ADTS) of the committed clips. */
export async function loadClip(name: ClipName): Promise<Clip> {
  const [video, audio] = await Promise.all([
    readFile(path.join(clipFolder, `${name}.h264`)),
    readFile(path.join(clipFolder, `${name}.aac`)),
  ]);
  return parseClip(name, video, audio);
}

export function parseClip(name: string, video: Uint8Array, audio: Uint8Array | null): Clip {
  const nalUnits = splitAnnexB(video);
  const [sps, pps] = [nalUnits.find(isSps), nalUnits.find(isPps)];
  const pictures = groupPictures(nalUnits);
  if (!sps || !pps) throw new ClipError(`clip ${name}: no sequence and picture parameter set`);
  if (!pictures[0]?.keyFrame) throw new ClipError(`clip ${name}: does not begin with a key frame`);
  return { sps, pps, pictures, audio: audio && parseAdts(audio) };
}

/** The same clip cut short to its first pictures, without sound when there is less than a frame of it. */
export function shortenClip(clip: Clip, pictureCount: number): Clip {
  const seconds = pictureCount / CLIP_FRAMES_PER_SECOND;
  const frameCount = clip.audio ? Math.floor((seconds * clip.audio.sampleRate) / 1024) : 0;
  return {
    ...clip,
    pictures: clip.pictures.slice(0, pictureCount),
    audio:
      clip.audio && frameCount > 0 ? { ...clip.audio, frames: clip.audio.frames.slice(0, frameCount) } : null,
  };
}
