import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { writeFragment } from './fmp4-writer.js';
import { readTrackTimes, segmentIndexBox, shiftTrackTimes } from './fragment-times.js';

const test = suite('times of a fragment');

/** 2026-01-01T00:00:00Z in ticks: beyond 32 bits for every track. */
const epochS = 1_767_225_600;
const unit = (ticks: number) => ({ ticks, keyFrame: true, byteLength: 3, parts: [Uint8Array.of(1, 2, 3)] });
const facts = {
  fromMs: epochS * 1000,
  toMs: epochS * 1000 + 40,
  arrivalMs: epochS * 1000,
  timeSource: 'ARRIVAL',
  beginsWithKeyFrame: true,
} as const;
const fragment = writeFragment(7, facts, [
  { trackId: 1, units: [unit(epochS * 90_000)] as never, endTicks: epochS * 90_000 + 3600 },
  { trackId: 2, units: [unit(epochS * 48_000 + 5)] as never, endTicks: epochS * 48_000 + 1029 },
]);

test('each track is shifted by its own ticks, and back to the same bytes', () => {
  assert.equal(readTrackTimes(fragment), [
    { trackId: 1, ticks: epochS * 90_000 },
    { trackId: 2, ticks: epochS * 48_000 + 5 },
  ]);
  const shift = (trackId: number) => epochS * (trackId === 1 ? 90_000 : 48_000);
  const shifted = shiftTrackTimes(fragment, shift);
  assert.equal(readTrackTimes(shifted), [
    { trackId: 1, ticks: 0 },
    { trackId: 2, ticks: 5 },
  ]);
  assert.equal(
    shiftTrackTimes(shifted, trackId => -shift(trackId)),
    fragment,
  );
});

test('a time before the beginning is refused', () => {
  assert.throws(() => shiftTrackTimes(fragment, () => epochS * 90_000 + 1), /track 1 would begin at -1/);
});

test('an index of segments has one reference of 12 bytes for each, from moof to moof', () => {
  const reference = { byteLength: 0x01020304, durationTicks: 180_000, beginsWithKeyFrame: true };
  const references = [reference, reference];
  const box = segmentIndexBox({ trackId: 1, timescale: 90_000, bytesBeforeMoof: 3, references });
  assert.equal([...box.subarray(24, 28)], [0, 0, 0, 3]);
  assert.is(box.length, 12 + 20 + 2 * 12);
  assert.equal([...box.subarray(30, 32)], [0, 2]);
  assert.equal([...box.subarray(32, 44)], [1, 2, 3, 4, 0, 2, 0xbf, 0x20, 0x90, 0, 0, 0]);
  assert.equal([...box.subarray(44, 48)], [1, 2, 3, 1]);
});

test.run();
