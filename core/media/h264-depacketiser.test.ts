import * as fc from 'fast-check';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { RtspStreamParser } from '../rtsp/rtsp-stream-parser.js';
import {
  aggregateUnits,
  fragmentUnit,
  pps,
  rtpBytes,
  rtpPacket,
  slice,
  sps360,
  unitsOf,
} from './camera-bytes.fixture.js';
import type { CodedPicture } from './coded-picture.js';
import { H264Depacketiser } from './h264-depacketiser.js';
import { RtpPacket } from './rtp-packet.js';

const test = suite('H.264 depacketiser');

function harness() {
  const pictures: CodedPicture[] = [];
  const state = { lost: 0, sequenceNumber: 65_530 };
  const depacketiser = new H264Depacketiser({
    picture: picture => pictures.push(picture),
    lost: count => {
      state.lost += count;
    },
  });
  const send = (payload: Uint8Array, timestamp: number, marker: boolean) => {
    depacketiser.packet(
      rtpPacket({ payload, timestamp, marker, sequenceNumber: state.sequenceNumber }),
      1000,
    );
    state.sequenceNumber += 1;
  };
  return { pictures, state, depacketiser, send };
}

test('gives back the NAL units that went in, however they were packed', () => {
  const packing = fc.record({
    packing: fc.constantFrom('single', 'fragments'),
    byteLength: fc.integer({ min: 3, max: 5000 }),
    chunkBytes: fc.integer({ min: 1, max: 1400 }),
    seed: fc.nat(1000),
  });
  fc.assert(
    fc.property(fc.array(packing, { minLength: 1, maxLength: 6 }), plans => {
      const { pictures, send } = harness();
      plans.forEach((plan, index) => {
        const unit = slice({ keyFrame: index === 0, byteLength: plan.byteLength, seed: plan.seed });
        const payloads = plan.packing === 'single' ? [unit] : fragmentUnit(unit, plan.chunkBytes);
        payloads.forEach((payload, part) => {
          send(Uint8Array.from(payload), index * 3600, part === payloads.length - 1);
        });
      });
      assert.is(pictures.length, plans.length);
      plans.forEach((plan, index) => {
        const unit = slice({ keyFrame: index === 0, byteLength: plan.byteLength, seed: plan.seed });
        assert.equal(unitsOf(pictures[index]!.parts), [unit]);
        assert.is(pictures[index]!.byteLength, unit.length + 4);
        assert.is(pictures[index]!.keyFrame, index === 0);
      });
    }),
    { numRuns: 60 },
  );
});

test('takes parameter sets out of an aggregate and keeps the rest', () => {
  const { pictures, send } = harness();
  const picture = slice({ keyFrame: true, byteLength: 50 });
  const sei = Uint8Array.of(6, 5, 1, 0, 0x80);
  send(aggregateUnits([Uint8Array.of(9, 0x10), sps360, pps, sei, picture]), 0, true);
  assert.equal(pictures[0]!.parameterSets, [sps360, pps]);
  assert.equal(unitsOf(pictures[0]!.parts), [sei, picture]);
});

test('ends a picture where the timestamp changes when the camera never sets the marker', () => {
  const { pictures, state, send } = harness();
  for (let index = 0; index < 5; index += 1)
    send(slice({ keyFrame: index === 0, byteLength: 40 }), index * 3600, false);
  assert.is(pictures.length, 4);
  assert.is(state.lost, 0);
});

test('does not end a picture at a marker that a parameter set carries', () => {
  const { pictures, send } = harness();
  send(sps360, 0, true);
  send(pps, 0, true);
  send(slice({ keyFrame: true, byteLength: 40 }), 0, true);
  assert.is(pictures.length, 1);
  assert.equal(pictures[0]!.parameterSets, [sps360, pps]);
});

test('stops trusting markers once a slice continues a picture that a marker had ended', () => {
  const { pictures, send } = harness();
  const second = Uint8Array.of(0x41, 0x01, 7, 7, 7);
  for (let index = 0; index < 4; index += 1) {
    send(slice({ keyFrame: false, byteLength: 40, seed: index }), index * 3600, true);
    send(Uint8Array.from(second), index * 3600, true);
  }
  send(slice({ keyFrame: false, byteLength: 40 }), 4 * 3600, true);
  const whole = pictures.filter(picture => unitsOf(picture.parts).length === 2);
  assert.is(whole.length, 3);
});

test('drops a picture that lost a fragment, counts it, and goes on with the next', () => {
  const { pictures, state, send } = harness();
  const payloads = fragmentUnit(slice({ keyFrame: true, byteLength: 400 }), 100);
  send(payloads[0]!, 0, false);
  state.sequenceNumber += 1;
  send(payloads[2]!, 0, false);
  send(payloads[3]!, 0, true);
  send(slice({ keyFrame: false, byteLength: 40 }), 3600, true);
  assert.is(state.lost, 1);
  assert.is(pictures.length, 1);
  assert.is(pictures[0]!.rtpTimestamp, 3600);
});

test('counts a picture once when the gap took its beginning, and once when the gap took all of it', () => {
  const { pictures, state, send } = harness();
  send(slice({ keyFrame: true, byteLength: 40 }), 0, true);
  state.sequenceNumber += 1;
  const payloads = fragmentUnit(slice({ keyFrame: false, byteLength: 300 }), 100);
  send(payloads[1]!, 3600, false);
  send(payloads[2]!, 3600, true);
  assert.is(state.lost, 1);
  state.sequenceNumber += 3;
  send(slice({ keyFrame: false, byteLength: 40 }), 4 * 3600, true);
  assert.is(state.lost, 2);
  assert.is(pictures.length, 2);
});

test('skips packets that were sent twice', () => {
  const { pictures, state, send } = harness();
  send(slice({ keyFrame: true, byteLength: 40 }), 0, true);
  state.sequenceNumber -= 1;
  send(slice({ keyFrame: true, byteLength: 40 }), 0, true);
  send(slice({ keyFrame: false, byteLength: 40 }), 3600, true);
  assert.is(pictures.length, 2);
  assert.is(state.lost, 0);
});

test('counts a picture that the end of the connection cut off', () => {
  const { pictures, state, send, depacketiser } = harness();
  send(slice({ keyFrame: true, byteLength: 40 }), 0, false);
  depacketiser.close();
  assert.is(pictures.length, 0);
  assert.is(state.lost, 1);
});

test('begins at a recovery point when the camera refreshes gradually and sends no IDR picture', () => {
  const { pictures, send } = harness();
  const intra = slice({ keyFrame: false, byteLength: 40 });
  intra[1] = 0xb0;
  send(Uint8Array.of(6, 6, 1, 0xc4, 0x80), 0, false);
  send(intra, 0, true);
  assert.ok(pictures[0]!.keyFrame);
});

test('keeps nothing of the memory that a socket reads into, again and again', () => {
  const plan = fc.record({
    pictures: fc.array(
      fc.record({
        byteLength: fc.integer({ min: 3, max: 3000 }),
        soundAfter: fc.integer({ min: 0, max: 4 }),
      }),
      { minLength: 1, maxLength: 6 },
    ),
    chunkBytes: fc.integer({ min: 50, max: 1400 }),
    reads: fc.array(fc.integer({ min: 1, max: 2000 }), { minLength: 1, maxLength: 20 }),
  });
  fc.assert(
    fc.property(plan, ({ pictures: plans, chunkBytes, reads }) => {
      const units = plans.map((one, index) =>
        slice({ keyFrame: index === 0, byteLength: one.byteLength, seed: index }),
      );
      const stream = interleave(
        units,
        chunkBytes,
        plans.map(one => one.soundAfter),
      );
      const { pictures, sounds } = readIntoOneBuffer(stream.bytes, reads);
      assert.equal(
        pictures.map(picture => unitsOf(picture.parts)),
        units.map(unit => [unit]),
      );
      assert.equal(
        sounds.map(sound => [...sound]),
        stream.sounds.map(sound => [...sound]),
      );
    }),
    { numRuns: 150 },
  );
});

/** Pictures on channel 0, and sound on channel 2 after the n-th packet of each picture. */
function interleave(units: readonly Uint8Array[], chunkBytes: number, soundAfter: readonly number[]) {
  const bytes: number[] = [];
  const sounds: Uint8Array[] = [];
  const write = (channel: number, packet: Uint8Array) => {
    bytes.push(0x24, channel, packet.length >> 8, packet.length & 0xff, ...packet);
  };
  let sequenceNumber = 0;
  units.forEach((unit, index) => {
    const payloads = unit.length > chunkBytes ? fragmentUnit(unit, chunkBytes) : [unit];
    payloads.forEach((payload, part) => {
      const marker = part === payloads.length - 1;
      write(0, rtpBytes({ payload, sequenceNumber, timestamp: index * 3600, marker }));
      sequenceNumber += 1;
      if (part !== soundAfter[index]) return;
      const sound = Uint8Array.from({ length: 200 }, (_, at) => (at * 3 + index) & 0xff);
      sounds.push(sound);
      write(2, sound);
    });
  });
  return { bytes: Uint8Array.from(bytes), sounds };
}

function readIntoOneBuffer(stream: Uint8Array, reads: readonly number[]) {
  const { pictures, depacketiser } = harness();
  const sounds: Uint8Array[] = [];
  const packet = new RtpPacket();
  const parser = new RtspStreamParser({
    frame: (channel, bytes, start, end) => {
      if (channel === 2) sounds.push(bytes.slice(start, end));
      else if (packet.read(bytes, start, end)) depacketiser.packet(packet, 0);
    },
    message: () => {},
    garbage: () => {},
  });
  const buffer = new Uint8Array(2000);
  for (let offset = 0, index = 0; offset < stream.length; index += 1) {
    const length = Math.min(reads[index % reads.length]!, stream.length - offset);
    buffer.set(stream.subarray(offset, offset + length));
    parser.push(buffer.subarray(0, length));
    offset += length;
  }
  return { pictures, sounds };
}

test('survives any bytes as payload', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 60 }), { maxLength: 20 }), payloads => {
      const { send, depacketiser } = harness();
      payloads.forEach((payload, index) => {
        send(payload, index * 1000, index % 3 === 0);
      });
      depacketiser.close();
    }),
    { numRuns: 200 },
  );
});

test.run();
