import type { DeviceId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SnapshotMaker } from './snapshot-maker.js';

const test = suite('snapshot maker');

test('without any ffmpeg it says what is missing', async () => {
  const maker = new SnapshotMaker({ ffmpeg: ['/nonexistent/ffmpeg'], read: async function* () {} });
  const snapshot = await maker.make({
    deviceId: '0198c0de-0000-7000-8000-00000000c001' as DeviceId,
    atMs: 0,
    signal: new AbortController().signal,
  });
  if (snapshot.made) throw new Error('a snapshot of nothing');
  assert.is(snapshot.refusal.code, 'NO_FFMPEG');
  assert.match(snapshot.refusal.message, /\/nonexistent\/ffmpeg.*install ffmpeg, or set FFMPEG_BIN/);
});

test.run();
