import type { NewEvent, StreamAppend } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { encodeAppendFrame, frameBytesBound } from './append-frame.js';
import {
  AppendRingReceiver,
  AppendRingSender,
  IN_FLIGHT_BYTES_MAX,
  IN_FLIGHT_FRAMES_MAX,
  newAppendRingMemory,
} from './append-ring.js';

const test = suite('append ring');
const log = { site: '0198f3a2-7c1d-7e2a-9b3c-000000000001' as SiteId, epoch: 1, nowMs: 1_756_000_000_000 };

function appendOf(stream: string, byteLength: number): readonly StreamAppend[] {
  const event: NewEvent = {
    id: '0198f3a2-7c1d-7e2a-9b3c-000000000002' as EventId,
    type: 'AlarmRaised',
    version: 1,
    data: new Uint8Array(byteLength).fill(stream.length),
    actor: 'user:zoë',
    occurredAtMs: 1_756_000_000_000,
    clockQuality: 'NTP',
    causationId: null,
    correlationId: null,
  };
  return [{ stream, expected: 'any', events: [event] }];
}

function newRing() {
  const memory = newAppendRingMemory();
  const sender = new AppendRingSender(memory);
  const receiver = new AppendRingReceiver(memory);
  const send = (stream: string, byteLength: number): boolean => {
    const appends = appendOf(stream, byteLength);
    const offset = sender.reserve(frameBytesBound(appends));
    if (offset === null) return false;
    sender.publish(offset, encodeAppendFrame(appends, log, sender.bytes, offset));
    return true;
  };
  return { sender, receiver, send };
}

test('the bound of a frame is never below its length', () => {
  for (const stream of ['a', 'größe', '録画サーバー', '🎥🎥']) {
    for (const appends of [appendOf(stream, 0), [...appendOf(stream, 300), ...appendOf(stream, 7)]]) {
      const bound = frameBytesBound(appends);
      assert.ok(encodeAppendFrame(appends, log, Buffer.alloc(bound + 100)) <= bound);
    }
  }
});

test('frames arrive whole and in order while the ring goes round many times', () => {
  const { sender, receiver, send } = newRing();
  const unanswered: { readonly name: string; readonly byteLength: number }[] = [];
  let refusedCount = 0;
  for (let index = 0; index < 2000; index += 1) {
    const sent = { name: `s${'x'.repeat(index % 7)}`, byteLength: (index * 7919) % 60_000 };
    if (!send(sent.name, sent.byteLength)) {
      refusedCount += 1;
      // The writer answers some of what it was given, which must still be there byte for byte.
      for (const expected of unanswered.splice(0, 1 + (index % 20))) {
        const [stream] = receiver.take()!.streams;
        const [event] = stream!.events;
        assert.is(stream!.stream, expected.name);
        assert.is(Buffer.compare(event!.data, Buffer.alloc(expected.byteLength, expected.name.length)), 0);
        sender.free(1);
      }
      if (!send(sent.name, sent.byteLength)) continue;
    }
    unanswered.push(sent);
  }
  assert.ok(refusedCount > 10, 'the ring was never full');
});

test('it refuses what it has no room for, in frames and in bytes, until some are answered', () => {
  const { sender, receiver, send } = newRing();
  assert.is(send('a', IN_FLIGHT_BYTES_MAX), false);
  for (let count = 0; count < IN_FLIGHT_FRAMES_MAX; count += 1) assert.ok(send('a', 1));
  assert.is(send('a', 1), false);
  assert.is(receiver.waitingCount, IN_FLIGHT_FRAMES_MAX);
  receiver.take();
  sender.free(1);
  assert.ok(send('a', 1));
});

test('the turn is over when its end was said and everything of it was taken', () => {
  const { sender, receiver, send } = newRing();
  send('a', 1);
  sender.endTurn();
  assert.is(receiver.isTurnOver, false);
  receiver.take();
  assert.is(receiver.isTurnOver, true);
  send('a', 1);
  receiver.take();
  assert.is(receiver.isTurnOver, false);
});

test.run();
