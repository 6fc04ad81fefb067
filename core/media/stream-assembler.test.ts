import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { pps, rtpBytes, senderReportBytes, slice, sps360, sps720, unitsOf } from './camera-bytes.fixture.js';
import { VIDEO_TRACK_ID } from './fmp4-init.js';
import { readFragment, readInitSegment, readSamples } from './fmp4-reader.js';
import type { Fragment, InitSegment } from './fragment.js';
import { concatenated } from './media-memory.js';
import { StreamAssembler } from './stream-assembler.js';

const test = suite('stream assembler');

const startMs = 1_767_225_600_000;

function harness(parameterSets: readonly Uint8Array[]) {
  const calls: string[] = [];
  const live: Fragment[] = [];
  const inits: InitSegment[] = [];
  const recorded: Fragment[] = [];
  const state = { sequenceNumber: 0, lost: 0 };
  const assembler = new StreamAssembler({
    video: { codec: 'H264', payloadType: 96, parameterSets, size: null },
    audio: null,
    output: {
      format: init => {
        calls.push('format');
        inits.push(init);
      },
      liveFragment: fragment => live.push(fragment),
      recordedFragment: fragment => {
        calls.push('recorded');
        recorded.push(fragment);
      },
      runEnded: cause => calls.push(cause),
      accessUnitsLost: count => {
        state.lost += count;
      },
    },
  });
  const send = (index: number, units: readonly Uint8Array[], payloadType = 96) =>
    units.map((unit, part) => {
      const bytes = rtpBytes({
        payload: unit,
        sequenceNumber: state.sequenceNumber++,
        timestamp: index * 3600,
        marker: part === units.length - 1,
        payloadType,
      });
      return assembler.rtp('VIDEO', bytes, 0, bytes.length, startMs + index * 40);
    });
  const report = (index: number, wallMs: number) => {
    const bytes = senderReportBytes({ wallMs, rtpTimestamp: index * 3600 });
    assembler.rtcp('VIDEO', bytes, 0, bytes.length, startMs + index * 40);
  };
  return { calls, inits, live, recorded, state, assembler, send, report };
}

const key = () => slice({ keyFrame: true, byteLength: 60 });
const delta = () => slice({ keyFrame: false, byteLength: 30 });

test('waits for parameter sets in the stream when the SDP has none', () => {
  const { calls, inits, send, report, state, assembler } = harness([]);
  send(0, [key()]);
  report(0, startMs);
  send(1, [delta()]);
  send(2, [Uint8Array.from(sps360), Uint8Array.from(pps), key()]);
  send(3, [delta()]);
  assembler.end('CAMERA_DISCONNECTED');
  assert.equal(calls, ['format', 'recorded', 'CAMERA_DISCONNECTED']);
  assert.is(readInitSegment(inits[0]!.bytes)!.width, 640);
  assert.is(state.lost, 0);
});

test('begins a new run when the parameter sets change in mid-stream, and not when they are repeated', () => {
  const { calls, inits, recorded, send, report, assembler } = harness([sps360, pps]);
  send(0, [Uint8Array.from(sps360), Uint8Array.from(pps), key()]);
  report(0, startMs);
  send(1, [delta()]);
  send(2, [Uint8Array.from(sps360), Uint8Array.from(pps), key()]);
  send(3, [Uint8Array.from(sps720), Uint8Array.from(pps), key()]);
  send(4, [delta()]);
  assembler.end('SERVER_STOPPED');
  assert.equal(calls, [
    'format',
    'recorded',
    'recorded',
    'CAMERA_FORMAT_SWITCHED',
    'format',
    'recorded',
    'SERVER_STOPPED',
  ]);
  assert.is(readInitSegment(inits[1]!.bytes)!.width, 1280);
  assert.is(recorded[2]!.fromMs, startMs + 120);
});

test('keeps a second picture parameter set in the stream', () => {
  const { calls, recorded, send, report, assembler } = harness([sps360, pps]);
  const second = Uint8Array.of(0x68, 0b0101_1011, 0xe3);
  send(0, [Uint8Array.from(second), key()]);
  report(0, startMs);
  assembler.end('SERVER_STOPPED');
  assert.equal(calls, ['format', 'recorded', 'SERVER_STOPPED']);
  const { bytes } = recorded[0]!;
  const [sample] = readSamples(bytes, readFragment(bytes, 0)!, VIDEO_TRACK_ID);
  assert.equal(unitsOf([bytes.slice(sample!.start, sample!.end)]), [second, key()]);
});

test('closes the run when the camera clock steps, at the next key frame', () => {
  const { calls, recorded, send, report, assembler, state } = harness([sps360, pps]);
  send(0, [key()]);
  report(0, startMs);
  send(1, [delta()]);
  report(1, startMs + 40 + 1500);
  send(2, [delta()]);
  send(3, [key()]);
  assembler.end('SERVER_STOPPED');
  assert.equal(calls, ['format', 'recorded', 'CLOCK_STEPPED', 'format', 'recorded', 'SERVER_STOPPED']);
  assert.equal(
    recorded.map(fragment => [fragment.fromMs - startMs, fragment.toMs - startMs]),
    [
      [0, 120],
      [1620, 1660],
    ],
  );
  assert.is(state.lost, 0);
});

test('ignores packets of another payload type and bytes that are no RTP', () => {
  const { send, assembler } = harness([sps360, pps]);
  assert.equal(send(0, [key()], 97), [false]);
  assert.is(assembler.rtp('VIDEO', new Uint8Array(5), 0, 5, startMs), false);
  assert.is(
    assembler.rtp(
      'AUDIO',
      rtpBytes({ payload: key(), sequenceNumber: 0, timestamp: 0, marker: true }),
      0,
      72,
      startMs,
    ),
    false,
  );
  assembler.rtcp('VIDEO', new Uint8Array(3), 0, 3, startMs);
});

test('a fragment stays what it is until it is released, however much the camera has sent since', () => {
  const { live, recorded, send, report } = harness([sps360, pps]);
  const pictureOf = (index: number) =>
    slice({ keyFrame: index % 5 === 0, byteLength: 20_000 + index, seed: index });
  report(0, startMs);
  for (let index = 0; index < 200; index += 1) {
    send(index, [pictureOf(index)]);
    // Written late, as by a disk that is behind, and seen late by a viewer: three groups.
    const writtenGroup = Math.floor(index / 5) - 3;
    const seenIndex = index - 15;
    if (seenIndex < 0) continue;
    assert.ok(holdsPictures(live[seenIndex]!, [pictureOf(seenIndex)]));
    live[seenIndex]!.release!();
    if (index % 5 !== 0) continue;
    const { bytes } = recorded[writtenGroup]!;
    const sent = [0, 1, 2, 3, 4].map(part => pictureOf(writtenGroup * 5 + part));
    assert.ok(holdsPictures({ bytes }, sent));
    assert.ok(equal(concatenated(recorded[writtenGroup]!.pieces!), bytes));
    recorded[writtenGroup]!.release!();
  }
});

test('a fragment that was released is not read any more, unless its bytes were built before', () => {
  const { live, recorded, send, report, assembler } = harness([sps360, pps]);
  send(0, [key()]);
  report(0, startMs);
  send(1, [delta()]);
  assembler.end('SERVER_STOPPED');
  const seen = live[0]!.bytes;
  for (const fragment of [...live, ...recorded]) fragment.release!();
  assert.is(live[0]!.bytes, seen);
  assert.throws(() => live[1]!.bytes, /after it was released/);
  assert.throws(() => recorded[0]!.bytes, /after it was released/);
  assert.throws(() => recorded[0]!.pieces, /after it was released/);
});

function holdsPictures({ bytes }: Pick<Fragment, 'bytes'>, pictures: readonly Uint8Array[]): boolean {
  const samples = readSamples(bytes, readFragment(bytes, 0)!, VIDEO_TRACK_ID);
  const holds = ({ start, end }: { readonly start: number; readonly end: number }, index: number) =>
    equal(bytes.subarray(start + 4, end), pictures[index]!);
  return samples.length === pictures.length && samples.every(holds);
}

function equal(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && left.every((byte, index) => byte === right[index]);
}

test.run();
