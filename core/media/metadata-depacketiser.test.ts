import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rtpPacket } from './camera-bytes.fixture.js';
import { MetadataDepacketiser } from './metadata-depacketiser.js';

const test = suite('ONVIF metadata in RTP');

function open() {
  const documents: [number, string][] = [];
  let lostCount = 0;
  const depacketiser = new MetadataDepacketiser({
    frame: ({ rtpTimestamp, bytes }) => documents.push([rtpTimestamp, new TextDecoder().decode(bytes)]),
    lost: count => {
      lostCount += count;
    },
  });
  const send = (sequenceNumber: number, text: string, marker: boolean) => {
    const payload = new TextEncoder().encode(text);
    depacketiser.packet(rtpPacket({ payload, sequenceNumber, timestamp: 90, marker }), 1);
  };
  return { documents, send, lost: () => lostCount };
}

test('a document is what comes up to the marker', () => {
  const { documents, send, lost } = open();
  send(1, '<a/>', true);
  send(2, '<b>', false);
  send(3, 'é', false);
  send(4, '</b>', true);
  assert.equal(documents, [
    [90, '<a/>'],
    [90, '<b>é</b>'],
  ]);
  assert.is(lost(), 0);
});

test('a document that a packet of was lost is left out, and the next one is whole again', () => {
  const { documents, send, lost } = open();
  send(1, '<a>', false);
  send(3, '</a>', true);
  send(4, '<b/>', true);
  assert.equal(documents, [[90, '<b/>']]);
  assert.is(lost(), 1);
});

test('a camera that never ends its document does not fill the memory', () => {
  const { documents, send, lost } = open();
  const part = 'x'.repeat(60_000);
  for (let sequence = 1; sequence <= 20; sequence += 1) send(sequence, part, false);
  send(21, '', true);
  send(22, '<b/>', true);
  assert.equal(documents, [[90, '<b/>']]);
  assert.is(lost(), 1);
});

test.run();
