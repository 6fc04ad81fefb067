import { setTimeout as delay } from 'node:timers/promises';
import type { Fragment, MediaItem } from '@holdfast/core';
import { DeviceId, RecordingServerId, SiteId } from '@holdfast/schema';
import { LiveFanOut } from '@holdfast/sites';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { LiveHub } from './live-hub.js';
import { openMediaNetwork } from './media-network.fixture.js';

const test = suite('live over a slow link');

const PICTURE_MS = 20;
const PICTURE_BYTES = 5_000;
const GROUP = 10;

test('a link that carries half of a camera brings key frames, and all viewers learn why', async () => {
  const deviceId = DeviceId.parse(v7());
  const [siteId, recordingServerId] = [SiteId.parse(v7()), RecordingServerId.parse(v7())];
  await using network = await openMediaNetwork(siteId);
  using fanOut = new LiveFanOut();
  await network.attach(recordingServerId, { open: (_request, { signal }) => fanOut.open(signal) });
  const watched = network.channels.mediaSourceOf({ siteId, recordingServerId });
  await using hub = new LiveHub();
  const stop = new AbortController();
  network.link.shape({ bandwidthBitsPerSecond: 1_000_000, delayMs: 10 });
  fanOut.format({ bytes: Buffer.from('init'), codecs: 'avc1.640028' });
  // A camera of 2 Mbit/s with a key frame each 200 ms.
  let sent = 0;
  const camera = setInterval(() => {
    const fragment: Fragment = {
      ...{ fromMs: sent * PICTURE_MS, toMs: (sent + 1) * PICTURE_MS, arrivalMs: 0, timeSource: 'ARRIVAL' },
      ...{ beginsWithKeyFrame: sent % GROUP === 0, bytes: Buffer.alloc(PICTURE_BYTES) },
    };
    fanOut.push(fragment);
    sent += 1;
  }, PICTURE_MS);
  const seen: MediaItem[][] = [[], []];
  const viewers = seen.map(async items => {
    for await (const item of hub.watch({ deviceId }, watched, stop.signal)) items.push(item);
  });
  const reduced = (items: readonly MediaItem[]) =>
    items.filter(item => item.kind === 'fragment' && item.reducedBecause === 'SLOW_LINK');
  while (!seen.every(items => reduced(items).length >= GROUP)) await delay(20);
  const newest = seen[0]!.at(-1)!;
  const behind = sent - (newest.kind === 'fragment' ? newest.fragment.fromMs / PICTURE_MS : 0);
  clearInterval(camera);
  stop.abort();
  await Promise.all(viewers);
  assert.ok(reduced(seen[0]!).every(item => item.kind === 'fragment' && item.fragment.beginsWithKeyFrame));
  // A link's queue and one group; unreduced it would be half of all the time, and growing.
  assert.ok(behind * PICTURE_MS < 3_000, `${behind * PICTURE_MS} ms behind`);
  while (fanOut.consumerCount > 0) await delay(20);
});

test.run();
