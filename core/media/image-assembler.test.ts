import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ImageAssembler } from './image-assembler.js';
import { writeJpegHeader } from './jpeg-header.js';

const test = suite('image assembler');

const startMs = 1_767_225_600_000;
const image = (width: number) =>
  writeJpegHeader({
    width,
    height: 96,
    sampling: '4:2:0',
    quantization: [new Uint8Array(64)],
    restartInterval: 0,
  });

function harness() {
  const calls: string[] = [];
  const spans: (readonly [number, number])[] = [];
  const assembler = new ImageAssembler({
    format: () => calls.push('format'),
    liveFragment: () => {},
    recordedFragment: ({ fromMs, toMs }) => spans.push([fromMs - startMs, toMs - startMs]),
    runEnded: cause => calls.push(cause),
    accessUnitsLost: () => calls.push('lost'),
  });
  return { calls, spans, assembler };
}

test('groups pictures by the second, at the time they came', () => {
  const { calls, spans, assembler } = harness();
  for (let index = 0; index < 6; index += 1) assembler.image(image(128), startMs + index * 400);
  assembler.end('SERVER_STOPPED');
  assert.equal(calls, ['format', 'SERVER_STOPPED']);
  assert.equal(spans, [
    [0, 1200],
    [1200, 2400],
  ]);
});

test('begins a new run with another size, and when the clock steps back', () => {
  const { calls, assembler } = harness();
  assembler.image(image(128), startMs);
  assembler.image(image(256), startMs + 40);
  assembler.image(image(256), startMs - 5000);
  assembler.end('SERVER_STOPPED');
  assert.equal(calls, [
    'format',
    'CAMERA_FORMAT_SWITCHED',
    'format',
    'CLOCK_STEPPED',
    'format',
    'SERVER_STOPPED',
  ]);
});

test('counts what is no picture as lost', () => {
  const { calls, assembler } = harness();
  assembler.image(Uint8Array.of(1, 2, 3), startMs);
  assert.equal(calls, ['lost']);
});

test.run();
