import { setTimeout as delay } from 'node:timers/promises';
import type { MediaItem } from '@holdfast/core';
import { DeviceId, SegmentId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createMediaNetwork } from './media-network.fixture.js';
import { recordSegments, sourceOfSegments } from './recorded-media.fixture.js';

const test = suite('live beside a retrieval');

const deviceId = DeviceId.parse(v7());
const segmentIds = [SegmentId.parse(v7())];
const FRAME_MS = 40;
const FRAME_BYTES = 5_000;
const LINK_BITS_PER_SECOND = 10_000_000;
const MEASURED_MS = 4_000;

/** 1 Mbit/s: a frame every 40 ms that carries the time at which it was made. */
async function* camera(signal: AbortSignal): AsyncIterable<MediaItem> {
  let nextMs = performance.now();
  while (!signal.aborted) {
    const bytes = Buffer.alloc(FRAME_BYTES);
    bytes.writeDoubleBE(performance.now());
    const fragment = { fromMs: 1, toMs: 2, beginsWithKeyFrame: false, bytes, arrivalMs: 1 };
    yield { kind: 'fragment', fragment: { ...fragment, timeSource: 'ARRIVAL' } };
    nextMs += FRAME_MS;
    await delay(Math.max(nextMs - performance.now(), 0), undefined, { signal }).catch(() => undefined);
  }
}

test('a retrieval fills a 10 Mbit/s link to 90 %, and live pictures are still on time', async () => {
  const segments = recordSegments({
    deviceId,
    segmentIds,
    fromMs: 0,
    fragmentCount: 40,
    fragmentBytes: 500_000,
    seed: 'wide',
  });
  await using network = await createMediaNetwork(sourceOfSegments(segments, { live: camera }));
  network.link.shape({ bandwidthBitsPerSecond: LINK_BITS_PER_SECOND, delayMs: 25 });
  const source = network.service.mediaSourceOf(network.server);
  const stop = new AbortController();
  const { signal } = stop;
  const request = { kind: 'RETRIEVE' as const, deviceId, segmentIds, resumeAtFragment: 0 };
  let mediaBytes = 0;
  const retrieving = (async () => {
    for await (const item of source.open(request, { signal, priority: 'LINK_RESTORE' })) {
      if (item.kind === 'fragment') mediaBytes += item.fragment.bytes.byteLength;
    }
  })();
  const latenciesMs: number[] = [];
  const watching = (async () => {
    for await (const item of source.open({ kind: 'LIVE', deviceId }, { signal, priority: 'LIVE' })) {
      if (item.kind !== 'fragment') continue;
      mediaBytes += item.fragment.bytes.byteLength;
      latenciesMs.push(performance.now() - Buffer.from(item.fragment.bytes).readDoubleBE());
    }
  })();
  // The first second belongs to finding out what the link carries.
  await delay(1_500);
  const [fromMs, fromBytes, fromCount] = [
    performance.now(),
    network.link.state.bytesToParent,
    latenciesMs.length,
  ];
  await delay(MEASURED_MS);
  const carried = network.link.state.bytesToParent - fromBytes;
  const capacity = (LINK_BITS_PER_SECOND / 8) * ((performance.now() - fromMs) / 1000);
  const measured = latenciesMs.slice(fromCount).sort((left, right) => left - right);
  stop.abort();
  await Promise.all([retrieving, watching]);

  const share = carried / capacity;
  assert.ok(share >= 0.9, `${Math.round(share * 100)} % of the link used`);
  assert.ok(mediaBytes > 0);
  assert.ok(measured.length >= (0.9 * MEASURED_MS) / FRAME_MS, `${measured.length} frames`);
  const [p50, p95] = [0.5, 0.95].map(part => measured[Math.floor(part * measured.length)]!);
  // Behind the retrieval's credit alone they would be 3 s late; the rest is room for a busy machine.
  assert.ok(p50! < 500, `median ${p50} ms`);
  assert.ok(p95! < 1000, `95 of 100 within ${p95} ms`);
});

test.run();
