import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { NewEvent } from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSqliteSiteLog } from './sqlite-site-log.js';
import { WholeEvents } from './whole-events.js';

const test = suite('whole events of a log file');
const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-whole-events-'));
const file = path.join(directory, 'site-log.sqlite');
const PAGE_BYTES = 4096;
const EVENTS = 300;
const site = v7() as SiteId;
const signingKey = generateKeyPairSync('ed25519').privateKey;
const open = () => openSqliteSiteLog({ file, site, now: Date.now, signingKey });
const newEvents = (count: number) => Array.from({ length: count }, (_, index) => newEvent(index));

test.before(async () => {
  await using log = await open();
  await log.append([{ stream: 'a', expected: 'any', events: newEvents(EVENTS) }]);
  const plan = { keptAfter: { epoch: 1, position: 100 }, acknowledgedBy: 'PARENT' } as const;
  await log.truncate({ ...plan, recordedBeforeMs: Date.now() }, AbortSignal.timeout(20_000));
});
test.after(() => rmSync(directory, { recursive: true }));

function newEvent(index: number): NewEvent {
  return {
    ...{
      id: v7() as EventId,
      type: index === 20 ? 'AlarmRaised' : 'RecordingSealed',
      version: 1,
      actor: 'a',
    },
    data: Buffer.from(`{"mark":"event-${index}-of-the-test"}`),
    ...{ occurredAtMs: 1_756_000_000_000, clockQuality: 'NTP', causationId: null, correlationId: null },
  };
}

async function positionsIn(events: WholeEvents): Promise<readonly number[]> {
  const positions: number[] = [];
  for await (const page of events.readOn()) positions.push(...page.map(({ position }) => position));
  return positions;
}

/** The pages of a table that hold rows, and how many each. */
function pagesOf(name: string): readonly { readonly pageno: number; readonly ncell: number }[] {
  using db = new DatabaseSync(file, { readOnly: true });
  const rows = db.prepare("SELECT pageno, ncell FROM dbstat WHERE name = ? AND pagetype = 'leaf'").all(name);
  return rows as { pageno: number; ncell: number }[];
}

test('are read past each page that cannot be; each other event is named, and whether some are that were carried', async () => {
  const bytes = readFileSync(file);
  const last = EVENTS + 2;
  const leaves = pagesOf('event');
  assert.ok(leaves.length > 4);
  for (const { pageno: page, ncell } of [...leaves, ...pagesOf('carried_event')]) {
    const torn = Buffer.from(bytes).fill(0xa5, (page - 1) * PAGE_BYTES, page * PAGE_BYTES);
    writeFileSync(file, torn);
    using events = new WholeEvents(file);
    const positions = await positionsIn(events);
    const { count, spans, isCarriedAmong } = events.unread;
    assert.is(isCarriedAmong, !leaves.some(({ pageno }) => pageno === page));
    const carried = isCarriedAmong ? [] : [1, 22];
    const unread = spans.flatMap(({ from, to }) =>
      Array.from({ length: to! - from + 1 }, (_, at) => from + at),
    );
    assert.equal([count, unread.length], isCarriedAmong ? [0, 0] : [ncell, ncell], `page ${page}`);
    assert.ok(spans.length <= 1);
    const kept = Array.from({ length: last - 100 }, (_, at) => 101 + at);
    assert.equal(
      [...positions, ...unread].sort((a, b) => a - b),
      [...carried, ...kept],
      `page ${page}`,
    );
  }
  writeFileSync(file, bytes);
});

test('are read on where they ended, beside the site that writes the log and truncates it', async () => {
  await using log = await open();
  using events = new WholeEvents(file);
  assert.is((await positionsIn(events)).length, 2 + EVENTS + 2 - 100);
  await log.append([{ stream: 'a', expected: 'any', events: newEvents(3) }]);
  const plan = { keptAfter: { epoch: 1, position: 200 }, acknowledgedBy: 'PARENT' } as const;
  await log.truncate({ ...plan, recordedBeforeMs: Date.now() }, AbortSignal.timeout(20_000));
  const { size } = log.head();
  assert.equal(await positionsIn(events), [size - 3, size - 2, size - 1, size]);
  assert.equal(events.unread, { count: 0, spans: [], isCarriedAmong: false });
});

test.run();
