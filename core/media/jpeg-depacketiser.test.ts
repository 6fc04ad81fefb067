import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rtpPacket } from './camera-bytes.fixture.js';
import type { CodedPicture } from './coded-picture.js';
import { JpegDepacketiser } from './jpeg-depacketiser.js';
import { jpegSize } from './jpeg-header.js';
import { concatenated } from './media-memory.js';

const test = suite('MJPEG over RTP');

function harness(sizeInSdp: { width: number; height: number } | null = null) {
  const pictures: CodedPicture[] = [];
  const state = { lost: 0, sequenceNumber: 0 };
  const depacketiser = new JpegDepacketiser(sizeInSdp, {
    picture: picture => pictures.push(picture),
    lost: count => {
      state.lost += count;
    },
  });
  const send = (payload: Uint8Array, timestamp: number, marker: boolean) => {
    const sequenceNumber = state.sequenceNumber++;
    depacketiser.packet(rtpPacket({ payload, timestamp, marker, sequenceNumber }), 5);
  };
  return { pictures, state, send };
}

interface Header {
  readonly offset: number;
  readonly type?: number;
  readonly quality?: number;
  readonly blocks?: number;
}

function payload({ offset, type = 1, quality = 50, blocks = 40 }: Header, ...content: number[]): Uint8Array {
  return Uint8Array.of(
    0,
    offset >> 16,
    (offset >> 8) & 0xff,
    offset & 0xff,
    type,
    quality,
    blocks,
    22,
    ...content,
  );
}

const fileOf = (picture: CodedPicture) => concatenated(picture.parts);

test('puts a picture of several packets together behind its header, and ends it as an image', () => {
  const { pictures, send, state } = harness();
  send(payload({ offset: 0 }, 1, 2, 3), 0, false);
  send(payload({ offset: 3 }, 4, 5), 0, true);
  send(payload({ offset: 0 }, 6, 0xff, 0xd9), 3600, true);
  const [first, second] = pictures.map(fileOf);
  assert.equal(jpegSize(first!), { width: 320, height: 176 });
  assert.equal([...first!.subarray(-7)], [1, 2, 3, 4, 5, 0xff, 0xd9]);
  assert.equal([...second!.subarray(-3)], [6, 0xff, 0xd9]);
  assert.ok(pictures.every(picture => picture.keyFrame && picture.byteLength === fileOf(picture).length));
  assert.is(state.lost, 0);
});

test('keeps tables that are sent once for the pictures that name them again', () => {
  const { pictures, send, state } = harness();
  const tables = Array.from({ length: 128 }, (_, index) => index + 1);
  send(payload({ offset: 0, quality: 200 }, 0, 0, 0, 128, ...tables, 9), 0, true);
  send(payload({ offset: 0, quality: 200 }, 0, 0, 0, 0, 9), 3600, true);
  send(payload({ offset: 0, quality: 201 }, 0, 0, 0, 0, 9), 7200, true);
  assert.is(pictures.length, 2);
  assert.equal(fileOf(pictures[0]!), fileOf(pictures[1]!));
  assert.is(state.lost, 1);
});

test('writes the restart interval', () => {
  const { pictures, send } = harness();
  send(payload({ offset: 0, type: 65 }, 0, 12, 0xff, 0xff, 9), 0, true);
  const file = fileOf(pictures[0]!);
  const at = file.findIndex((byte, index) => byte === 0xff && file[index + 1] === 0xdd);
  assert.equal([...file.subarray(at, at + 6)], [0xff, 0xdd, 0, 4, 0, 12]);
});

test('takes the size out of the SDP when it has no room in the packet', () => {
  const large = harness({ width: 2560, height: 1440 });
  large.send(payload({ offset: 0, blocks: 0 }, 1), 0, true);
  assert.is(jpegSize(fileOf(large.pictures[0]!))?.width, 2560);
  const odd = harness({ width: 318, height: 172 });
  odd.send(payload({ offset: 0 }, 1), 0, true);
  assert.equal(jpegSize(fileOf(odd.pictures[0]!)), { width: 318, height: 172 });
  const unknown = harness();
  unknown.send(payload({ offset: 0, blocks: 0 }, 1), 0, true);
  assert.equal([unknown.pictures.length, unknown.state.lost], [0, 1]);
});

test('drops a picture with a lost packet, without its end, or of a kind that it does not know', () => {
  const { pictures, send, state } = harness();
  send(payload({ offset: 0 }, 1, 2, 3), 0, false);
  state.sequenceNumber += 1;
  send(payload({ offset: 6 }, 7), 0, true);
  send(payload({ offset: 0 }, 1), 3600, false);
  send(payload({ offset: 0 }, 1), 7200, true);
  send(payload({ offset: 0, type: 5 }, 1), 10_800, true);
  send(Uint8Array.of(0, 0, 0), 14_400, true);
  assert.equal(
    pictures.map(({ rtpTimestamp }) => rtpTimestamp),
    [7200],
  );
  assert.is(state.lost, 4);
});

test.run();
