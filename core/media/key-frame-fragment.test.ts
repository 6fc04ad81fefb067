import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AccessUnit } from './access-unit.js';
import { AUDIO_TRACK_ID, VIDEO_TRACK_ID } from './fmp4-init.js';
import { readFragment, readSamples } from './fmp4-reader.js';
import { writeFragment } from './fmp4-writer.js';
import { keyFrameFragment, soundFragment } from './key-frame-fragment.js';

const test = suite('key frame of a group');

const unit = (track: AccessUnit['track'], ticks: number, byteLength: number): AccessUnit => ({
  ...{ track, ticks, keyFrame: ticks === 90_000, byteLength, arrivalMs: 5, timeSource: 'ARRIVAL' },
  parts: [new Uint8Array(byteLength).fill(ticks % 251)],
});
const facts = {
  ...{ fromMs: 1000, toMs: 1120, arrivalMs: 5, timeSource: 'ARRIVAL' as const, beginsWithKeyFrame: true },
};
const bytes = writeFragment(7, facts, [
  {
    trackId: VIDEO_TRACK_ID,
    units: [unit('VIDEO', 90_000, 500), unit('VIDEO', 93_600, 50), unit('VIDEO', 97_200, 60)],
    endTicks: 100_800,
  },
  { trackId: AUDIO_TRACK_ID, units: [unit('AUDIO', 8_000, 30), unit('AUDIO', 9_024, 31)], endTicks: 10_048 },
]);

test('the key frame lasts until the end of its group, and audio is whole', () => {
  const reduced = keyFrameFragment({ ...facts, bytes })!;
  const read = readFragment(reduced.bytes, 0)!;
  assert.equal(read.facts, facts);
  assert.is(read.end, reduced.bytes.length);
  const [picture, ...others] = readSamples(reduced.bytes, read, VIDEO_TRACK_ID);
  assert.is(others.length, 0);
  assert.is(picture!.ticks, 90_000);
  assert.is(picture!.durationTicks, 10_800);
  assert.equal(reduced.bytes.subarray(picture!.start, picture!.end), new Uint8Array(500).fill(90_000 % 251));
  const original = readFragment(bytes, 0)!;
  const sounds = (of: Uint8Array, from: typeof read) =>
    readSamples(of, from, AUDIO_TRACK_ID).map(sample => of.slice(sample.start, sample.end));
  assert.equal(sounds(reduced.bytes, read), sounds(bytes, original));
  assert.ok(reduced.bytes.length < bytes.length);
});

test('without sound, the picture alone', () => {
  const silent = keyFrameFragment({ ...facts, bytes }, { silent: true })!;
  const read = readFragment(silent.bytes, 0)!;
  assert.is(readSamples(silent.bytes, read, VIDEO_TRACK_ID).length, 1);
  assert.equal(readSamples(silent.bytes, read, AUDIO_TRACK_ID), []);
});

test('a group that was cut off from its key frame has none', () => {
  assert.is(keyFrameFragment({ ...facts, bytes, beginsWithKeyFrame: false }), null);
});

test('of a group whose picture is that of the group before it, the sound is left', () => {
  const sound = soundFragment({ ...facts, bytes })!;
  const read = readFragment(sound.bytes, 0)!;
  assert.equal(read.facts, { ...facts, beginsWithKeyFrame: false });
  assert.equal(readSamples(sound.bytes, read, VIDEO_TRACK_ID), []);
  assert.is(readSamples(sound.bytes, read, AUDIO_TRACK_ID).length, 2);
  const silent = writeFragment(7, facts, [
    { trackId: VIDEO_TRACK_ID, units: [unit('VIDEO', 90_000, 500)], endTicks: 100_800 },
  ]);
  assert.is(soundFragment({ ...facts, bytes: silent }), null);
});

test.run();
