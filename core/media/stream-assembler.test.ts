import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { pps, rtpBytes, senderReportBytes, slice, sps360, sps720, unitsOf } from './camera-bytes.fixture.js';
import { VIDEO_TRACK_ID } from './fmp4-init.js';
import { readFragment, readInitSegment, readSamples } from './fmp4-reader.js';
import type { Fragment, InitSegment } from './fragment.js';
import { StreamAssembler } from './stream-assembler.js';

const test = suite('stream assembler');

const startMs = 1_767_225_600_000;

function harness(parameterSets: readonly Uint8Array[]) {
  const calls: string[] = [];
  const inits: InitSegment[] = [];
  const recorded: Fragment[] = [];
  const state = { sequenceNumber: 0, lost: 0 };
  const assembler = new StreamAssembler({
    video: { payloadType: 96, parameterSets },
    audio: null,
    output: {
      format: init => {
        calls.push('format');
        inits.push(init);
      },
      liveFragment: () => {},
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
  return { calls, inits, recorded, state, assembler, send, report };
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

test.run();
