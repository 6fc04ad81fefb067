import type { EventId, SiteId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { decodeEventData, newEvent } from './event-data.js';
import { LOG_START } from './log-place.js';
import { createMemorySiteLog } from './memory-site-log.js';
import { referenceSha256 } from './sha256.reference.js';

const test = suite('memory site log');
const site = '0198f3a2-7c1d-7e2a-9b3c-1234567890ab' as SiteId;

test('begins with the event that opens epoch 1', async () => {
  await using log = createMemorySiteLog({ site, now: () => 1000, sha256: referenceSha256 });
  const [opened, ...more] = await log.read({ after: LOG_START, limit: 10 });
  assert.is(more.length, 0);
  assert.is(opened!.stream, 'log');
  const event = decodeEventData(opened!);
  assert.is(event.type, 'LogEpochOpened');
  assert.equal(log.head().size, 1);
});

test('gives an event of the catalogue back as it was', async () => {
  await using log = createMemorySiteLog({ site, now: () => 1000, sha256: referenceSha256 });
  const event = newEvent(
    { type: 'SiteRenamed', data: { name: 'Depot Käfertal' } },
    {
      id: '0198f3a2-7c1d-7e2a-9b3c-00000000000f' as EventId,
      actor: 'user:anna',
      occurredAtMs: 999,
      clockQuality: 'NTP',
    },
  );
  await log.append([{ stream: 'site', expected: 'none', events: [event] }]);
  const [recorded] = await log.readStream({ stream: 'site', afterRevision: null, limit: 1 });
  assert.equal(decodeEventData(recorded!), { type: 'SiteRenamed', data: { name: 'Depot Käfertal' } });
  assert.is(recorded!.revision, 0);
  assert.is(recorded!.position, 2);
});

test.run();
