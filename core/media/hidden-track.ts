import { AUDIO_TRACK_ID, METADATA_TRACK_ID } from './fmp4-init.js';
import { findBox, walkBoxes } from './fmp4-reader.js';
import { PLAIN_CODECS } from './fmp4-sample-entry.js';
import { readUint32 } from './rtp-packet.js';

/** G.711 is played by no browser; one that meets it refuses the picture too. */
const unplayable = new Set(['ulaw', 'alaw']);

export interface BrowserCodecs {
  /** What a browser may be offered. */
  readonly codecs: string;
  /** Sound that it has to be spared: `ulaw`, `alaw`. */
  readonly withheld: readonly string[];
  /** The tracks that it has to be spared. */
  readonly hiddenTracks: readonly number[];
}

export function browserCodecs(codecs: string): BrowserCodecs {
  const all = codecs.split(',');
  const withheld = all.filter(codec => unplayable.has(codec));
  const hasMetadata = all.includes(PLAIN_CODECS.metx);
  return {
    codecs: all.filter(codec => !unplayable.has(codec) && codec !== PLAIN_CODECS.metx).join(','),
    withheld,
    hiddenTracks: [
      ...(withheld.length > 0 ? [AUDIO_TRACK_ID] : []),
      ...(hasMetadata ? [METADATA_TRACK_ID] : []),
    ],
  };
}

/** Where the id of a track lies behind the header of the box that says it: all are version 0. */
const idBoxes = {
  trak: { path: ['tkhd'], offset: 12 },
  trex: { path: [], offset: 4 },
  traf: { path: ['tfhd'], offset: 4 },
} as const;

/**
 * A copy of an init segment, or of a fragment, in which some tracks are free space (ISO/IEC 14496-12 §8.1.2). No byte moves:
 * lengths, offsets and ranges stay what they are.
 */
export function hideTracks(bytes: Uint8Array, trackIds: readonly number[]): Uint8Array {
  if (trackIds.length === 0) return bytes;
  const hidden = bytes.slice();
  for (const outer of walkBoxes(bytes)) {
    if (outer.type !== 'moov' && outer.type !== 'moof') continue;
    hideWithin(hidden, outer, trackIds);
  }
  return hidden;
}

function hideWithin(
  bytes: Uint8Array,
  outer: { readonly contentStart: number; readonly end: number },
  trackIds: readonly number[],
): void {
  for (const inner of walkBoxes(bytes, outer.contentStart, outer.end)) {
    if (inner.type === 'mvex') hideWithin(bytes, inner, trackIds);
    if (inner.type !== 'trak' && inner.type !== 'trex' && inner.type !== 'traf') continue;
    const { path, offset } = idBoxes[inner.type];
    const said = findBox(bytes, path, inner);
    if (said !== null && trackIds.includes(readUint32(bytes, said.contentStart + offset)))
      bytes.set(free, inner.start + 4);
  }
}

const typeBytes = (type: string): Uint8Array => Uint8Array.from(type, letter => letter.charCodeAt(0));
const free = typeBytes('free');

/** What `hideTracks` has hidden is there again: nothing else is free space within these boxes. */
export function showTracks(bytes: Uint8Array): Uint8Array {
  const shown = bytes.slice();
  const name = (start: number, type: 'trak' | 'trex' | 'traf') => shown.set(typeBytes(type), start + 4);
  for (const outer of walkBoxes(bytes)) {
    if (outer.type !== 'moov' && outer.type !== 'moof') continue;
    for (const inner of walkBoxes(bytes, outer.contentStart, outer.end)) {
      if (inner.type === 'free') name(inner.start, outer.type === 'moov' ? 'trak' : 'traf');
      if (inner.type !== 'mvex') continue;
      for (const { type, start } of walkBoxes(bytes, inner.contentStart, inner.end))
        if (type === 'free') name(start, 'trex');
    }
  }
  return shown;
}
