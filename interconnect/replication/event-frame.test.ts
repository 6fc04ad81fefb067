import { randomBytes } from 'node:crypto';
import { EVENT_DATA_BYTES_MAX, HEADER_BYTES_MAX } from '@holdfast/core';
import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  cutIntoFrames,
  EVENT_RAW_BYTES_MIN,
  type EventBytes,
  FRAME_RAW_BYTES_MAX,
  FRAME_RAW_BYTES_TARGET,
  faultOfFrame,
  type PackedEvents,
  packEvents,
  unpackEvents,
} from './event-frame.js';

const test = suite('event frame');

const event = (byteLength: number, headerLength = 100): EventBytes => ({
  header: new Uint8Array(headerLength).fill(7),
  data: new Uint8Array(byteLength).fill(65),
});
const plain = (events: readonly EventBytes[]) =>
  events.map(({ header, data }) => [Buffer.from(header).toString('hex'), Buffer.from(data).toString('hex')]);
const refuses = (frame: PackedEvents) =>
  assert.throws(
    () => unpackEvents(frame),
    (error: Error) => error.name === 'FrameMalformedError',
  );

test('any events come back as the bytes that they were', () => {
  const anyEvent = fc.record({
    header: fc.uint8Array({ minLength: 82, maxLength: 300 }),
    data: fc.uint8Array({ maxLength: 2_000 }),
  });
  fc.assert(
    fc.property(fc.array(anyEvent, { minLength: 1, maxLength: 20 }), fc.boolean(), (events, mayCompress) => {
      assert.equal(plain(unpackEvents(packEvents(events, mayCompress))), plain(events));
    }),
  );
});

test('any flipped bit is either refused or changes the bytes: none passes unseen', () => {
  const events = [event(700), event(20), event(0)];
  const before = JSON.stringify(plain(events));
  for (const mayCompress of [true, false]) {
    const packed = packEvents(events, mayCompress);
    for (let bit = 0; bit < packed.events.length * 8; bit += 1) {
      const damaged = Uint8Array.from(packed.events);
      damaged[bit >> 3]! ^= 1 << (bit & 7);
      let after: string | null;
      try {
        after = JSON.stringify(plain(unpackEvents({ ...packed, events: damaged })));
      } catch (error) {
        assert.is((error as Error).name, 'FrameMalformedError');
        after = null;
      }
      // A bit that zstd ignores may leave the content as it was; then nothing was damaged.
      if (after === before) assert.is(packed.codec, 'ZSTD');
    }
  }
});

test('a page is cut into frames of the target size, in order, and a large event stands alone', () => {
  const events = [...Array.from({ length: 1_000 }, () => event(400)), event(200_000), event(10)];
  const frames = [...cutIntoFrames(events)];
  assert.equal(frames.flat(), events);
  for (const frame of frames) {
    const { rawByteLength } = packEvents(frame, false);
    assert.ok(rawByteLength <= FRAME_RAW_BYTES_TARGET || frame.length === 1);
    assert.is(faultOfFrame(packEvents(frame, true)), null);
  }
  assert.equal([...cutIntoFrames([])], []);
  // Each frame but the last is as full as it can be.
  const lengthOf = (frame: readonly EventBytes[]) => packEvents(frame, false).rawByteLength;
  for (const [index, [next]] of frames.slice(1).entries())
    assert.ok(lengthOf([...frames[index]!, next!]) > FRAME_RAW_BYTES_TARGET);
  const half = event(FRAME_RAW_BYTES_TARGET / 2 - 108);
  assert.is([...cutIntoFrames([half, half])].length, 1);
  assert.is([...cutIntoFrames([half, event(half.data.length + 1)])].length, 2);
});

test('repetitive events are compressed, single live ones are not', () => {
  assert.is(
    packEvents(
      Array.from({ length: 100 }, () => event(300)),
      true,
    ).codec,
    'ZSTD',
  );
  assert.is(
    packEvents(
      Array.from({ length: 100 }, () => event(300)),
      false,
    ).codec,
    'IDENTITY',
  );
  assert.is(packEvents([event(100)], true).codec, 'IDENTITY');
  const noise = { ...event(0), data: randomBytes(8192) };
  assert.is(packEvents([noise, noise], true).codec, 'ZSTD');
  assert.is(packEvents([{ header: randomBytes(100), data: noise.data }], true).codec, 'IDENTITY');
});

test('a decompression bomb is not unpacked beyond what it states, nor beyond the limit', () => {
  const bomb = packEvents([event(256 * 1024)], true);
  assert.ok(bomb.events.length < 1_000);
  refuses({ ...bomb, rawByteLength: 1_000 });
  refuses({ ...bomb, rawByteLength: FRAME_RAW_BYTES_MAX });
  refuses({ ...bomb, rawByteLength: FRAME_RAW_BYTES_MAX + 1 });
});

test('a frame that states what cannot be is refused as it arrives, before it is unpacked', () => {
  const stated = {
    count: 10,
    codec: 'ZSTD',
    rawByteLength: 10 * EVENT_RAW_BYTES_MIN,
    events: new Uint8Array(1),
  };
  const faultOf = (change: Partial<PackedEvents>) => faultOfFrame({ ...stated, ...change } as PackedEvents);
  const longest = new Uint8Array(stated.rawByteLength + 1024);
  for (const possible of [{}, { rawByteLength: FRAME_RAW_BYTES_MAX }, { count: 1 }, { events: longest }])
    assert.is(faultOf(possible), null);
  for (const impossible of [
    ...[FRAME_RAW_BYTES_MAX + 1, 10_000.5, Number.NaN].map(rawByteLength => ({ rawByteLength })),
    ...[0, 1.5, 11, Number.NaN].map(count => ({ count })),
    { events: new Uint8Array(longest.length + 1) },
  ]) {
    assert.type(faultOf(impossible), 'string', JSON.stringify(impossible));
    refuses({ ...stated, ...impossible } as PackedEvents);
  }
});

test('an event is no larger than one may be, though its frame has room', () => {
  const largest = event(EVENT_DATA_BYTES_MAX, HEADER_BYTES_MAX);
  assert.equal(plain(unpackEvents(packEvents([largest], false))), plain([largest]));
  refuses(packEvents([event(EVENT_DATA_BYTES_MAX + 1)], false));
  refuses(packEvents([event(0, HEADER_BYTES_MAX + 1)], false));
});

test('counts and lengths that do not fit are refused', () => {
  const packed = packEvents([event(500), event(500)], false);
  refuses({ ...packed, count: 1 });
  refuses({ ...packed, count: 3 });
  refuses({ ...packed, count: 0 });
  refuses({ ...packed, count: 100_000 });
  refuses({ ...packed, rawByteLength: packed.rawByteLength - 1 });
  refuses({ ...packed, events: packed.events.subarray(0, 300) });
  refuses({ ...packed, codec: 'ZSTD' });
});

test.run();
