import { VIDEO_TIMESCALE } from './access-unit.js';
import { METADATA_TRACK_ID } from './fmp4-init.js';
import { readFragments, readSamples } from './fmp4-reader.js';

/** One document of ONVIF metadata, as the camera sent it. */
export interface MetadataDocument {
  /** Milliseconds since the Unix epoch, on the timeline of the pictures beside it. */
  readonly atMs: number;
  readonly xml: string;
}

/** The metadata of a recorded fragment, in order of time. */
export function readMetadata(fragment: Uint8Array): readonly MetadataDocument[] {
  const decoder = new TextDecoder();
  return [...readFragments(fragment, 0)].flatMap(read =>
    readSamples(fragment, read, METADATA_TRACK_ID).map(({ ticks, start, end }) => ({
      atMs: Math.floor((ticks * 1000) / VIDEO_TIMESCALE),
      xml: decoder.decode(fragment.subarray(start, end)),
    })),
  );
}
