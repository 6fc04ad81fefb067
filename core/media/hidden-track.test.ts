import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AccessUnit, Track } from './access-unit.js';
import { AUDIO_TRACK_ID, METADATA_TRACK_ID, VIDEO_TRACK_ID, writeInitSegment } from './fmp4-init.js';
import { readFragment, readInitSegment, readSamples } from './fmp4-reader.js';
import { writeFragment } from './fmp4-writer.js';
import { browserCodecs, hideTracks, showTracks } from './hidden-track.js';

const test = suite('hidden track');

const init = writeInitSegment({
  video: { codec: 'MJPEG', width: 320, height: 180 },
  audio: { codec: 'PCMU', sampleRate: 8000, channels: 1 },
});
const facts = { fromMs: 0, toMs: 40, arrivalMs: 0, timeSource: 'ARRIVAL', beginsWithKeyFrame: true } as const;
const unit = (track: Track, bytes: readonly number[]): AccessUnit => ({
  ...{ track, ticks: 0, keyFrame: true, parts: [Uint8Array.from(bytes)], byteLength: bytes.length },
  ...{ arrivalMs: 0, timeSource: 'ARRIVAL' },
});

test('names what a browser is offered and what is withheld', () => {
  assert.is(init.codecs, 'mp4v.6C,ulaw');
  assert.equal(browserCodecs(init.codecs), {
    ...{ codecs: 'mp4v.6C', withheld: ['ulaw'] },
    hiddenTracks: [AUDIO_TRACK_ID],
  });
  const playable = { withheld: [], hiddenTracks: [] };
  assert.equal(browserCodecs('avc1.640028,opus'), { codecs: 'avc1.640028,opus', ...playable });
  assert.equal(browserCodecs('avc1.640028,opus,metx'), {
    ...{ codecs: 'avc1.640028,opus', withheld: [] },
    hiddenTracks: [METADATA_TRACK_ID],
  });
});

test('leaves the picture where it was, and no trace of the sound, in as many bytes', () => {
  const hidden = hideTracks(init.bytes, [AUDIO_TRACK_ID]);
  assert.is(hidden.length, init.bytes.length);
  assert.is(readInitSegment(init.bytes)?.codecs, 'mp4v.6C,ulaw');
  assert.is(readInitSegment(hidden)?.codecs, 'mp4v.6C');
  const fragment = writeFragment(1, facts, [
    { trackId: VIDEO_TRACK_ID, units: [unit('VIDEO', [1, 2, 3])], endTicks: 3600 },
    { trackId: AUDIO_TRACK_ID, units: [unit('AUDIO', [4, 5])], endTicks: 160 },
  ]);
  const silent = hideTracks(fragment, [AUDIO_TRACK_ID]);
  assert.is(silent.length, fragment.length);
  const read = readFragment(silent, 0)!;
  assert.equal(readSamples(silent, read, AUDIO_TRACK_ID), []);
  assert.equal(showTracks(hidden), init.bytes);
  assert.equal(showTracks(silent), fragment);
  const [picture] = readSamples(silent, read, VIDEO_TRACK_ID);
  assert.equal([...silent.subarray(picture!.start, picture!.end)], [1, 2, 3]);
});

test.run();
