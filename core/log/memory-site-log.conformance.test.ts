import type { EventId, SiteId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createMemorySiteLog } from './memory-site-log.js';
import { reopenableLogConformanceCases } from './reopenable-log.conformance.js';
import { referenceSha256 as sha256 } from './sha256.reference.js';
import { siteLogConformanceCases } from './site-log.conformance.js';

const test = suite('memory site log, as every site log');
const site = '0198f3a2-7c1d-7e2a-9b3c-1234567890ab' as SiteId;
let count = 0;
const newEventId = () => {
  count += 1;
  return `0198f3a2-7c1d-7e2a-9b3c-${count.toString(16).padStart(12, '0')}` as EventId;
};

for (const { title, run } of [...siteLogConformanceCases, ...reopenableLogConformanceCases]) {
  test(title, async () => {
    const open = async ({ now }: { now: () => number }) => createMemorySiteLog({ site, now, sha256 });
    await run({ site, open, newEventId, sha256, assert, sign: () => '' });
  });
}

test.run();
