import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { pps, pps144, sps144, sps360, sps720, sps1080 } from './camera-bytes.fixture.js';
import { parseSequenceParameterSet, pictureParameterSetId } from './h264-parameter-sets.js';

const test = suite('H.264 parameter sets');

test('reads the size after cropping and the codec string', () => {
  const read = [sps360, sps720, sps1080, sps144].map(parseSequenceParameterSet);
  assert.equal(
    read.map(sps => [sps?.width, sps?.height, sps?.codec]),
    [
      [640, 360, 'avc1.64001e'],
      [1280, 720, 'avc1.64001f'],
      [1920, 1080, 'avc1.640028'],
      [176, 144, 'avc1.42c00b'],
    ],
  );
  assert.is(read[2]?.chromaFormatIdc, 1);
  assert.is(read[2]?.bitDepthLuma, 8);
});

test('reads the id of a picture parameter set', () => {
  assert.is(pictureParameterSetId(pps), 0);
  assert.is(pictureParameterSetId(pps144), 0);
  assert.is(pictureParameterSetId(Uint8Array.of(0x68, 0b0101_0000)), 1);
});

test('refuses what is cut off or is no parameter set, and never throws', () => {
  for (let length = 0; length < 10; length += 1)
    assert.is(parseSequenceParameterSet(sps1080.subarray(0, length)), null, `length ${length}`);
  assert.is(parseSequenceParameterSet(pps), null);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), bytes => {
      const sps = parseSequenceParameterSet(Uint8Array.of(0x67, ...bytes));
      assert.ok(sps === null || (sps.width > 0 && sps.width <= 16_384));
    }),
  );
});

test.run();
