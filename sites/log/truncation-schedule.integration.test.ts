import { generateKeyPairSync } from 'node:crypto';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { endOf, type LogPlace, type NewEvent } from '@holdfast/core';
import { Acknowledgements } from '@holdfast/interconnect';
import type { EventId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openSqliteSiteLog, type SqliteSiteLog } from './sqlite-site-log.js';
import { runTruncation } from './truncation-schedule.js';
import { verifySiteLog } from './verify-site-log.js';

const test = suite('the schedule of truncation');
const DAY_MS = 24 * 3600 * 1000;
const signingKey = generateKeyPairSync('ed25519').privateKey;
const site = v7() as SiteId;

function fact(): NewEvent {
  return {
    ...{ id: v7() as EventId, type: 'RecordingSealed', version: 1, actor: 'a', data: Buffer.from('{}') },
    ...{ occurredAtMs: 1, clockQuality: 'NTP', causationId: null, correlationId: null },
  };
}

async function grow(log: SqliteSiteLog, count: number): Promise<LogPlace> {
  const events = Array.from({ length: count }, fact);
  await log.append([{ stream: 'recording-1', expected: 'any', events }]);
  return endOf(log.head());
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries += 1) {
    assert.ok(tries < 500, 'it takes too long');
    await delay(10);
  }
}

test('waits for the level of the policy, keeps what is young, unread or about recordings, and goes on every day', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-schedule-'));
  const file = path.join(folder.path, 'site.sqlite');
  let nowMs = 1_756_000_000_000;
  const now = () => nowMs;
  const ends: LogPlace[] = [];
  await using log = await openSqliteSiteLog({ file, site, now, signingKey });
  for (let day = 0; day < 20; day += 1) {
    ends.push(await grow(log, 100));
    nowMs += DAY_MS;
  }
  const startMs = nowMs - 20 * DAY_MS;
  assert.is(log.lastRecordedBefore(startMs), null);
  for (const [day, end] of ends.entries()) {
    assert.equal(log.lastRecordedBefore(startMs + day * DAY_MS + 1), end);
  }
  const acknowledgements = new Acknowledgements();
  const needs = { readThrough: [] as LogPlace[], recordingsSinceMs: [] as number[] };
  let looks = 0;
  const stop = new AbortController();
  const running = runTruncation(
    {
      ...{ policy: { acknowledgedBy: 'TOP', keepMs: 5 * DAY_MS }, log, now },
      acknowledged: () => {
        looks += 1;
        return acknowledgements.of(site).top;
      },
      needs: async () => needs,
      ...{ logger: pino({ level: 'silent' }), intervalMs: 20, retryMs: 5 },
    },
    stop.signal,
  );
  const isAt = (place: LogPlace) => until(() => log.keptAfter().position === place.position);
  const staysAt = async (place: LogPlace) => {
    const before = looks;
    await until(() => looks > before + 2);
    assert.equal(log.keptAfter(), place);
  };
  acknowledgements.learn(site, { parent: ends[19]!, top: null });
  await staysAt({ epoch: 0, position: 0 });
  acknowledgements.learn(site, { parent: null, top: ends[3]! });
  await isAt(ends[3]!);
  needs.readThrough = [ends[5]!];
  acknowledgements.learn(site, { parent: null, top: ends[19]! });
  await isAt(ends[5]!);
  // The last day that is over when the oldest recording begins, its camera's clock being a day ahead.
  Object.assign(needs, { readThrough: [], recordingsSinceMs: [startMs + 9.5 * DAY_MS] });
  await isAt(ends[8]!);
  // A parent that was restored wants again what it had acknowledged.
  acknowledgements.lower(site, ends[10]!);
  needs.recordingsSinceMs = [];
  await isAt(ends[10]!);
  await staysAt(ends[10]!);
  acknowledgements.learn(site, { parent: ends[19]!, top: ends[19]! });
  await isAt(ends[14]!);
  await staysAt(ends[14]!);
  nowMs += DAY_MS;
  await isAt(ends[15]!);
  stop.abort();
  await running;
  const { damages, carriedCount } = await verifySiteLog({ file, key: signingKey });
  assert.equal([damages, carriedCount], [[], 1]);
});

test.run();
