import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { AccessUnit, StreamFormat } from './access-unit.js';
import { fromHex, pps, sps1080 } from './camera-bytes.fixture.js';
import { AUDIO_TRACK_ID, VIDEO_TRACK_ID } from './fmp4-init.js';
import { readFragment, readFragments, readInitSegment, readSamples } from './fmp4-reader.js';
import { type Fragment, fragmentByteLength, type InitSegment } from './fragment.js';
import { Fragmenter, GROUP_BYTES_MAX } from './fragmenter.js';
import { MediaMemory } from './media-memory.js';

const test = suite('fragmenter');

const format: StreamFormat = {
  video: { codec: 'H264', sps: sps1080, pps, width: 1920, height: 1080 },
  audio: { codec: 'AAC', audioSpecificConfig: fromHex('1188'), sampleRate: 48_000, channels: 1 },
};
const startMs = 1_767_225_600_000;

function picture(index: number, options: Partial<AccessUnit> = {}): AccessUnit {
  const part = Uint8Array.of(0, 0, 0, 3, 0x65, index & 0xff, index >> 8);
  return {
    track: 'VIDEO',
    ticks: startMs * 90 + index * 3600,
    keyFrame: index % 25 === 0,
    parts: [part],
    byteLength: part.length,
    arrivalMs: startMs + index * 40 + 3,
    timeSource: 'SENDER_REPORT',
    ...options,
  };
}

function sound(index: number): AccessUnit {
  return {
    track: 'AUDIO',
    ticks: startMs * 48 + index * 1024,
    keyFrame: true,
    parts: [Uint8Array.of(index & 0xff)],
    byteLength: 1,
    arrivalMs: startMs,
    timeSource: 'SENDER_REPORT',
  };
}

function harness() {
  const inits: InitSegment[] = [];
  const live: Fragment[] = [];
  const recorded: Fragment[] = [];
  const ended: [string, number][] = [];
  const fragmenter = new Fragmenter({
    format: init => inits.push(init),
    liveFragment: fragment => live.push(fragment),
    recordedFragment: fragment => recorded.push(fragment),
    runEnded: (cause, atMs) => ended.push([cause, atMs]),
  });
  return { inits, live, recorded, ended, fragmenter };
}

test('gives each picture to live at once and each group of pictures to the recording', () => {
  const { inits, live, recorded, ended, fragmenter } = harness();
  fragmenter.begin(format);
  for (let index = 0; index < 60; index += 1) {
    fragmenter.push(picture(index));
    assert.is(live.length, index + 1);
  }
  fragmenter.end('CAMERA_DISCONNECTED');
  assert.is(inits[0]!.codecs, 'avc1.640028,mp4a.40.2');
  assert.equal(
    recorded.map(fragment => [fragment.fromMs - startMs, fragment.toMs - startMs]),
    [
      [0, 1000],
      [1000, 2000],
      [2000, 2400],
    ],
  );
  assert.ok(recorded.every(fragment => fragment.beginsWithKeyFrame));
  assert.equal(ended, [['CAMERA_DISCONNECTED', startMs + 2400]]);
});

test('leaves large pieces of a recorded group where they lie, and copies small ones', () => {
  const { live, recorded, fragmenter } = harness();
  const large = new Uint8Array(5000).fill(7);
  const small = Uint8Array.of(0, 0, 0, 1, 0x41);
  fragmenter.begin(format);
  fragmenter.push(picture(0, { parts: [small, large, small], byteLength: 5010 }));
  fragmenter.push(picture(1, { parts: [large], byteLength: 5000 }));
  fragmenter.push(picture(2));
  fragmenter.end('SERVER_STOPPED');
  const group = recorded[0]!;
  const pieces = group.pieces!;
  assert.equal(
    pieces.map(piece => piece === large),
    [false, true, false, true, false],
  );
  assert.is(fragmentByteLength(group), group.bytes.length);
  assert.equal(
    [...group.bytes],
    pieces.flatMap(piece => [...piece]),
  );
  const sampleLengths = ({ bytes }: Fragment) =>
    readSamples(bytes, readFragment(bytes, 0)!, VIDEO_TRACK_ID).map(({ start, end }) => end - start);
  assert.equal(sampleLengths(group), [5010, 5000, 7]);
  assert.equal(sampleLengths(live[0]!), [5010]);
});

test('writes files that tell by themselves what the index has to know', () => {
  const { inits, recorded, fragmenter } = harness();
  fragmenter.begin(format);
  for (let index = 0; index < 51; index += 1) fragmenter.push(picture(index, { timeSource: 'ARRIVAL' }));
  fragmenter.end('SERVER_STOPPED');
  const file = Uint8Array.from([inits[0]!, ...recorded].flatMap(part => [...part.bytes]));
  const init = readInitSegment(file)!;
  assert.is(init.codecs, inits[0]!.codecs);
  assert.is(init.width, 1920);
  assert.is(init.audioTimescale, 48_000);
  const read = [...readFragments(file, init.byteLength)];
  assert.equal(
    read.map(one => one.facts),
    recorded.map(({ bytes: _, ...facts }) => facts),
  );
  assert.is(read.at(-1)!.end, file.length);
  const torn = file.subarray(0, file.length - 1);
  assert.is([...readFragments(torn, init.byteLength)].length, recorded.length - 1);
});

test('keeps ticks, durations, key frames and bytes of every sample', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ ticks: fc.integer({ min: 1, max: 200_000 }), byteLength: fc.nat(300) }), {
        minLength: 1,
        maxLength: 40,
      }),
      plans => {
        const { recorded, fragmenter } = harness();
        fragmenter.begin(format);
        let ticks = startMs * 90;
        const units = plans.map((plan, index) => {
          ticks += plan.ticks;
          const part = new Uint8Array(plan.byteLength).fill(index);
          return picture(index, { ticks, keyFrame: index % 7 === 0, parts: [part], byteLength: part.length });
        });
        for (const unit of units) fragmenter.push(unit);
        fragmenter.end('SERVER_STOPPED');
        const samples = recorded.flatMap(({ bytes }) =>
          readSamples(bytes, readFragment(bytes, 0)!, VIDEO_TRACK_ID).map(sample => ({
            ...sample,
            data: bytes.slice(sample.start, sample.end),
          })),
        );
        assert.is(samples.length, units.length);
        samples.forEach((sample, index) => {
          assert.is(sample.ticks, units[index]!.ticks);
          assert.is(sample.keyFrame, units[index]!.keyFrame);
          assert.equal(sample.data, units[index]!.parts[0]);
          const next = units[index + 1];
          if (next !== undefined) assert.is(sample.durationTicks, next.ticks - sample.ticks);
        });
      },
    ),
    { numRuns: 60 },
  );
});

test('lets fragments join without a gap or an overlap when ticks are no whole milliseconds', () => {
  const { recorded, fragmenter } = harness();
  fragmenter.begin(format);
  for (let index = 0; index < 90; index += 1)
    fragmenter.push(picture(index, { ticks: startMs * 90 + 17 + index * 3003, keyFrame: index % 30 === 0 }));
  fragmenter.end('SERVER_STOPPED');
  assert.is(recorded[1]!.fromMs, recorded[0]!.toMs);
  assert.is(recorded[2]!.fromMs, recorded[1]!.toMs);
});

test('carries audio in the fragment of its pictures', () => {
  const { live, recorded, fragmenter } = harness();
  fragmenter.begin(format);
  for (let index = 0; index < 51; index += 1) {
    fragmenter.push(picture(index));
    for (let frame = Math.floor((index * 40 * 48) / 1024); frame < ((index + 1) * 40 * 48) / 1024; frame += 1)
      fragmenter.push(sound(frame));
  }
  fragmenter.end('SERVER_STOPPED');
  const first = recorded[0]!.bytes;
  const audio = readSamples(first, readFragment(first, 0)!, AUDIO_TRACK_ID);
  assert.is(audio.length, 47);
  assert.is(audio[0]!.ticks, startMs * 48);
  assert.ok(audio.every(sample => sample.durationTicks === 1024));
  const second = recorded[1]!.bytes;
  assert.is(
    readSamples(second, readFragment(second, 0)!, AUDIO_TRACK_ID)[0]!.ticks,
    startMs * 48 + 47 * 1024,
  );
  assert.equal(
    live.map(fragmentByteLength),
    live.map(({ bytes }) => bytes.length),
  );
  const heard = live.flatMap(({ bytes }) => readSamples(bytes, readFragment(bytes, 0)!, AUDIO_TRACK_ID));
  assert.ok(heard.length >= 90);
});

test('drops audio that lies far from its picture or runs backwards', () => {
  const { recorded, fragmenter } = harness();
  fragmenter.begin(format);
  fragmenter.push(picture(0));
  fragmenter.push({ ...sound(0), ticks: (startMs + 11_000) * 48 });
  fragmenter.push(sound(2));
  fragmenter.push(sound(1));
  fragmenter.push(picture(1));
  fragmenter.push(picture(2));
  fragmenter.end('SERVER_STOPPED');
  const { bytes } = recorded[0]!;
  assert.equal(
    readSamples(bytes, readFragment(bytes, 0)!, AUDIO_TRACK_ID).map(sample => sample.ticks),
    [startMs * 48 + 2 * 1024],
  );
});

test('cuts a group of pictures that is too long or too large', () => {
  const long = harness();
  long.fragmenter.begin(format);
  for (let index = 0; index < 600; index += 1)
    long.fragmenter.push(picture(index, { keyFrame: index === 0 }));
  assert.equal(
    long.recorded.map(fragment => [fragment.toMs - fragment.fromMs, fragment.beginsWithKeyFrame]),
    [
      [10_000, true],
      [10_000, false],
    ],
  );
  const large = harness();
  const part = new Uint8Array(GROUP_BYTES_MAX / 2);
  large.fragmenter.begin(format);
  for (let index = 0; index < 5; index += 1)
    large.fragmenter.push(picture(index, { keyFrame: index === 0, parts: [part], byteLength: part.length }));
  assert.is(large.recorded.length, 2);
  assert.ok(large.recorded.every(fragment => fragment.bytes.length <= GROUP_BYTES_MAX + 1000));
});

test('writes signed composition offsets when pictures come out of order', () => {
  const { recorded, fragmenter } = harness();
  fragmenter.begin(format);
  fragmenter.push(picture(0));
  fragmenter.push(picture(3));
  fragmenter.push(picture(1, { ticks: startMs * 90 + 3 * 3600 + 1, compositionOffsetTicks: -2 * 3600 - 1 }));
  fragmenter.end('SERVER_STOPPED');
  const { bytes } = recorded[0]!;
  assert.equal(
    readSamples(bytes, readFragment(bytes, 0)!, VIDEO_TRACK_ID).map(
      sample => (sample.ticks + sample.compositionOffsetTicks - startMs * 90) / 3600,
    ),
    [0, 3, 1],
  );
});

test('waits for a key frame at the beginning of a run, and says nothing of a run that held nothing', () => {
  const { live, ended, fragmenter } = harness();
  fragmenter.begin(format);
  fragmenter.push(picture(3));
  fragmenter.end('CAMERA_DISCONNECTED');
  assert.is(live.length, 0);
  assert.is(ended.length, 0);
});

test('sound that was recorded, written and released is still there for the live picture after it', () => {
  const { live, recorded, fragmenter } = harness();
  const memory = new MediaMemory(16);
  const leased = (unit: AccessUnit): AccessUnit => {
    const [bytes] = unit.parts;
    return { ...unit, ...memory.copy(bytes!, 0, bytes!.length)! };
  };
  fragmenter.begin(format);
  fragmenter.push(leased(picture(0)));
  fragmenter.push(leased(sound(1)));
  fragmenter.push(leased(picture(25)));
  const group = recorded[0]!;
  const { bytes } = group;
  group.release!();
  for (let index = 26; index < 40; index += 1) fragmenter.push(leased(picture(index, { keyFrame: false })));
  assert.is(soundIn(bytes)[0], 1);
  assert.is(soundIn(live[1]!.bytes)[0], 1);
});

function soundIn(bytes: Uint8Array): Uint8Array {
  const [sample] = readSamples(bytes, readFragment(bytes, 0)!, AUDIO_TRACK_ID);
  return bytes.subarray(sample!.start, sample!.end);
}

test.run();
