import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AacDepacketiser } from './aac-depacketiser.js';
import type { AudioFrame } from './audio-frame.js';
import { parseAudioSpecificConfig } from './audio-specific-config.js';
import { fromHex, rtpPacket } from './camera-bytes.fixture.js';

const test = suite('AAC');

function harness() {
  const frames: AudioFrame[] = [];
  const state = { lost: 0, sequenceNumber: 0 };
  const depacketiser = new AacDepacketiser(
    { sizeLength: 13, indexLength: 3, indexDeltaLength: 3, ticksPerFrame: 1024 },
    {
      frame: frame => frames.push(frame),
      lost: count => {
        state.lost += count;
      },
    },
  );
  const send = (payload: Uint8Array, timestamp: number) => {
    depacketiser.packet(
      rtpPacket({ payload, timestamp, marker: true, sequenceNumber: state.sequenceNumber }),
      5,
    );
    state.sequenceNumber += 1;
  };
  return { frames, state, send };
}

const header = (size: number) => [(size >> 5) & 0xff, (size << 3) & 0xff];

test('splits a packet into its frames, each 1024 ticks after the one before', () => {
  const { frames, send } = harness();
  send(Uint8Array.of(0, 48, ...header(2), ...header(3), ...header(1), 1, 1, 2, 2, 2, 3), 0xffff_ffff);
  assert.equal(
    frames.map(frame => [frame.rtpTimestamp, [...frame.bytes]]),
    [
      [0xffff_ffff, [1, 1]],
      [1023, [2, 2, 2]],
      [2047, [3]],
    ],
  );
});

test('joins a frame that was spread over packets', () => {
  const { frames, state, send } = harness();
  send(Uint8Array.of(0, 16, ...header(5), 1, 2, 3), 0);
  send(Uint8Array.of(0, 16, ...header(5), 4, 5), 0);
  assert.equal([...frames[0]!.bytes], [1, 2, 3, 4, 5]);
  assert.is(state.lost, 0);
});

test('counts a frame whose other half never came', () => {
  const { frames, state, send } = harness();
  send(Uint8Array.of(0, 16, ...header(5), 1, 2, 3), 0);
  state.sequenceNumber += 1;
  send(Uint8Array.of(0, 16, ...header(2), 8, 9), 1024);
  assert.is(frames.length, 1);
  assert.is(state.lost, 1);
});

test('reads AudioSpecificConfig: AAC-LC, and HE-AAC with its core rate', () => {
  assert.equal(parseAudioSpecificConfig(fromHex('1188')), {
    objectType: 2,
    sampleRate: 48_000,
    channels: 1,
    samplesPerFrame: 1024,
    codec: 'mp4a.40.2',
  });
  assert.equal(parseAudioSpecificConfig(fromHex('2b8a0800'))?.sampleRate, 22_050);
  assert.is(parseAudioSpecificConfig(fromHex('2b8a0800'))?.codec, 'mp4a.40.5');
});

test('refuses a configuration that is cut off or not AAC', () => {
  assert.is(parseAudioSpecificConfig(fromHex('')), null);
  assert.is(parseAudioSpecificConfig(fromHex('11')), null);
  assert.is(parseAudioSpecificConfig(fromHex('ffff')), null);
});

test.run();
