import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { fromHex, rtpBytes, rtpPacket, unitsOf } from './camera-bytes.fixture.js';
import type { CodedPicture } from './coded-picture.js';
import { readInitSegment } from './fmp4-reader.js';
import type { InitSegment } from './fragment.js';
import { H265Depacketiser } from './h265-depacketiser.js';
import { codecOfProfile, generalProfile, parseH265SequenceParameterSet } from './h265-parameter-sets.js';
import { StreamAssembler } from './stream-assembler.js';

const test = suite('H.265');

/** Written by x265: Main profile, 322×182 (cropped from 328×184), and Main 10, 640×360. */
const vps = fromHex('40010c01ffff01600000030090000003000003003c959809');
const sps = fromHex('42010101600000030090000003000003003ca00a480b9c9596566924caf0168080000003008000000504');
const vps10 = fromHex('40010c01ffff02200000030090000003000003003f959809');
const sps10 = fromHex(
  '42010102200000030090000003000003003fa005020169365959a4932bc05a020000030002000003001410',
);
const pps = fromHex('4401c172b46240');

function slice(type: number, byteLength: number, seed = 0): Uint8Array {
  const unit = Uint8Array.from({ length: byteLength }, (_, index) => (index * 31 + seed * 17) & 0xff);
  unit.set([type << 1, 1, 0x80 | (unit[2] ?? 0)]);
  return unit;
}
const key = () => slice(19, 60);
const delta = () => slice(1, 30);

function fragments(unit: Uint8Array, chunkBytes: number): readonly Uint8Array[] {
  const payloads: Uint8Array[] = [];
  for (let offset = 2; offset < unit.length; offset += chunkBytes) {
    const flags = (offset === 2 ? 0x80 : 0) | (offset + chunkBytes >= unit.length ? 0x40 : 0);
    const chunk = unit.subarray(offset, offset + chunkBytes);
    payloads.push(Uint8Array.of((unit[0]! & 0x81) | (49 << 1), unit[1]!, flags | (unit[0]! >> 1), ...chunk));
  }
  return payloads;
}

function aggregate(units: readonly Uint8Array[]): Uint8Array {
  return Uint8Array.of(48 << 1, 1, ...units.flatMap(unit => [unit.length >> 8, unit.length & 0xff, ...unit]));
}

function harness() {
  const pictures: CodedPicture[] = [];
  const state = { lost: 0, sequenceNumber: 65_534 };
  const depacketiser = new H265Depacketiser({
    picture: picture => pictures.push(picture),
    lost: count => {
      state.lost += count;
    },
  });
  const send = (payloads: readonly Uint8Array[], timestamp: number, { drop = -1 } = {}) => {
    payloads.forEach((payload, index) => {
      const sequenceNumber = state.sequenceNumber++;
      const marker = index === payloads.length - 1;
      if (index !== drop) depacketiser.packet(rtpPacket({ payload, timestamp, marker, sequenceNumber }), 5);
    });
  };
  return { pictures, state, send };
}

test('gives back units that came whole, aggregated and in fragments', () => {
  const { pictures, send, state } = harness();
  const large = slice(19, 4000, 7);
  send([aggregate([vps, sps, pps]), ...fragments(large, 1000)], 0);
  send([aggregate([delta(), slice(1, 12)])], 3600);
  assert.equal(
    pictures.map(({ keyFrame, parts }) => [keyFrame, unitsOf(parts)]),
    [
      [true, [large]],
      [false, [delta(), slice(1, 12)]],
    ],
  );
  assert.equal(pictures[0]!.parameterSets, [vps, sps, pps]);
  assert.is(state.lost, 0);
});

test('drops a picture with a lost fragment whole, and only that one', () => {
  const { pictures, send, state } = harness();
  send([key()], 0);
  send(fragments(slice(1, 4000), 1000), 3600, { drop: 1 });
  send([delta()], 7200);
  assert.equal(
    pictures.map(({ rtpTimestamp }) => rtpTimestamp),
    [0, 7200],
  );
  assert.is(state.lost, 1);
});

test('reads size, depth and codec out of the parameter sets', () => {
  const main = parseH265SequenceParameterSet(sps);
  assert.equal([main?.width, main?.height, main?.bitDepthLuma, main?.chromaFormatIdc], [322, 182, 8, 1]);
  const main10 = parseH265SequenceParameterSet(sps10);
  assert.equal([main10?.width, main10?.height, main10?.bitDepthLuma], [640, 360, 10]);
  assert.is(codecOfProfile(generalProfile(sps)), 'hvc1.1.6.L60.90');
  assert.is(codecOfProfile(generalProfile(sps10)), 'hvc1.2.4.L63.90');
  assert.is(parseH265SequenceParameterSet(sps.subarray(0, 20)), null);
});

test('begins a new run when the parameter sets change in mid-stream, and not when they are repeated', () => {
  const calls: string[] = [];
  const inits: InitSegment[] = [];
  const assembler = new StreamAssembler({
    video: { codec: 'H265', payloadType: 96, parameterSets: [], size: null },
    audio: null,
    output: {
      format: init => {
        calls.push('format');
        inits.push(init);
      },
      liveFragment: () => {},
      recordedFragment: () => calls.push('recorded'),
      runEnded: cause => calls.push(cause),
      accessUnitsLost: () => calls.push('lost'),
    },
  });
  let sequenceNumber = 0;
  const send = (index: number, units: readonly Uint8Array[]) => {
    const payload = units.length === 1 ? units[0]! : aggregate(units);
    const bytes = rtpBytes({
      payload,
      sequenceNumber: sequenceNumber++,
      timestamp: index * 3600,
      marker: true,
    });
    assembler.rtp('VIDEO', bytes, 0, bytes.length, index * 40);
  };
  send(0, [vps, sps, pps, key()]);
  send(1, [delta()]);
  send(2, [vps, sps, pps, key()]);
  send(3, [vps10, sps10, pps, key()]);
  assembler.end('SERVER_STOPPED');
  assert.equal(calls, [
    ...['format', 'recorded', 'recorded', 'CAMERA_FORMAT_SWITCHED'],
    ...['format', 'recorded', 'SERVER_STOPPED'],
  ]);
  assert.equal(
    inits.map(({ codecs }) => codecs),
    ['hvc1.1.6.L60.90', 'hvc1.2.4.L63.90'],
  );
  for (const { bytes, codecs } of inits) assert.is(readInitSegment(bytes)?.codecs, codecs);
  assert.equal(
    [readInitSegment(inits[0]!.bytes)!.width, readInitSegment(inits[1]!.bytes)!.width],
    [322, 640],
  );
});

test.run();
