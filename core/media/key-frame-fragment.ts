import { type AccessUnit, VIDEO_TIMESCALE } from './access-unit.js';
import { AUDIO_TRACK_ID, METADATA_TRACK_ID, VIDEO_TRACK_ID } from './fmp4-init.js';
import { type ReadFragment, readFragment, readSamples, type SampleFacts } from './fmp4-reader.js';
import { type TrackRun, writeFragment } from './fmp4-writer.js';
import type { Fragment } from './fragment.js';

const TICKS_PER_MS = VIDEO_TIMESCALE / 1000;

/**
 * The group of pictures with its first picture alone, which lasts until the group's end; sound and metadata stay whole, or go. Null: the group was
 * cut off from its key frame, and no picture of it can be shown by itself. The group is read, and stays with the caller.
 */
export function keyFrameFragment(group: Fragment, { silent = false } = {}): Fragment | null {
  if (!group.beginsWithKeyFrame) return null;
  const bytes = group.bytes;
  const read = readFragment(bytes, 0);
  const [first] = read === null ? [] : readSamples(bytes, read, VIDEO_TRACK_ID);
  if (read === null || first === undefined) return null;
  const endTicks = Math.max(first.ticks + 1, Math.round(group.toMs * TICKS_PER_MS));
  const runs: TrackRun[] = [
    { trackId: VIDEO_TRACK_ID, units: [unitOf('VIDEO', first, bytes, group)], endTicks },
    ...(silent ? [] : runsBeside(bytes, read, group)),
  ];
  const { fromMs, toMs, beginsWithKeyFrame, arrivalMs, timeSource } = group;
  const facts = { fromMs, toMs, beginsWithKeyFrame, arrivalMs, timeSource };
  return { ...facts, bytes: writeFragment(sequenceNumberOf(bytes), facts, runs) };
}

/** What is heard, and said of the scene, during a group whose picture is that of the group before it. Null: nothing. */
export function soundFragment(group: Fragment): Fragment | null {
  const read = readFragment(group.bytes, 0);
  const runs = read === null ? [] : runsBeside(group.bytes, read, group);
  if (runs.length === 0) return null;
  const { fromMs, toMs, arrivalMs, timeSource } = group;
  const facts = { fromMs, toMs, arrivalMs, timeSource, beginsWithKeyFrame: false };
  return { ...facts, bytes: writeFragment(sequenceNumberOf(group.bytes), facts, runs) };
}

function runsBeside(bytes: Uint8Array, read: ReadFragment, group: Fragment): readonly TrackRun[] {
  const tracks = [
    ['AUDIO', AUDIO_TRACK_ID],
    ['METADATA', METADATA_TRACK_ID],
  ] as const;
  return tracks.flatMap(([track, trackId]) => {
    const samples = readSamples(bytes, read, trackId);
    const last = samples.at(-1);
    if (last === undefined) return [];
    const units = samples.map(sample => unitOf(track, sample, bytes, group));
    return [{ trackId, units, endTicks: last.ticks + last.durationTicks }];
  });
}

function unitOf(
  track: AccessUnit['track'],
  sample: SampleFacts,
  bytes: Uint8Array,
  { arrivalMs, timeSource }: Fragment,
): AccessUnit {
  const { ticks, compositionOffsetTicks, start, end } = sample;
  return {
    ...{ track, ticks, compositionOffsetTicks, keyFrame: true, arrivalMs, timeSource },
    ...{ parts: [bytes.subarray(start, end)], byteLength: end - start },
  };
}

/** Of the `mfhd` box, behind the facts and the header of the `moof`. */
function sequenceNumberOf(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const moofStart = view.getUint32(0);
  return view.getUint32(moofStart + 8 + 8 + 4);
}
