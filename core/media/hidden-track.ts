import { findBox, walkBoxes } from './fmp4-reader.js';
import { readUint32 } from './rtp-packet.js';

/** G.711 is played by no browser; one that meets it refuses the picture too. */
const unplayable = new Set(['ulaw', 'alaw']);

export interface BrowserCodecs {
  /** What a browser may be offered. */
  readonly codecs: string;
  /** What it has to be spared: `ulaw`, `alaw`. */
  readonly withheld: readonly string[];
}

export function browserCodecs(codecs: string): BrowserCodecs {
  const all = codecs.split(',');
  return {
    codecs: all.filter(codec => !unplayable.has(codec)).join(','),
    withheld: all.filter(codec => unplayable.has(codec)),
  };
}

/** Where the id of a track lies behind the header of the box that says it: all are version 0. */
const idBoxes = {
  trak: { path: ['tkhd'], offset: 12 },
  trex: { path: [], offset: 4 },
  traf: { path: ['tfhd'], offset: 4 },
} as const;

/**
 * A copy of an init segment, or of a fragment, in which one track is free space (ISO/IEC 14496-12 §8.1.2). No byte moves:
 * lengths, offsets and ranges stay what they are.
 */
export function hideTrack(bytes: Uint8Array, trackId: number): Uint8Array {
  const hidden = bytes.slice();
  for (const outer of walkBoxes(bytes)) {
    if (outer.type !== 'moov' && outer.type !== 'moof') continue;
    hideWithin(hidden, outer, trackId);
  }
  return hidden;
}

function hideWithin(
  bytes: Uint8Array,
  outer: { readonly contentStart: number; readonly end: number },
  trackId: number,
): void {
  for (const inner of walkBoxes(bytes, outer.contentStart, outer.end)) {
    if (inner.type === 'mvex') hideWithin(bytes, inner, trackId);
    if (inner.type !== 'trak' && inner.type !== 'trex' && inner.type !== 'traf') continue;
    const { path, offset } = idBoxes[inner.type];
    const said = findBox(bytes, path, inner);
    if (said !== null && readUint32(bytes, said.contentStart + offset) === trackId)
      bytes.set(free, inner.start + 4);
  }
}

/** `free` */
const free = Uint8Array.of(0x66, 0x72, 0x65, 0x65);
