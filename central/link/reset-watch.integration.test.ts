import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { RecordedEvent } from '@holdfast/core';
import type { CausedAlarm } from '@holdfast/sites';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FeedFixture, takeIn as takeInto } from '../intake/feed-fixture.js';
import { openDatabase } from '../postgres/database.js';
import { Wakeup } from '../read-models/wakeup.js';
import { watchResets } from './reset-watch.js';

const test = suite('alarms about logs that were reset');

test('each reset is an alarm with a cause of its own, whoever was told while it was taken in, and also after a restart', async () => {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-resets-'));
  try {
    await using database = await openDatabase({ directory, databaseUrl: null });
    const { sql } = database;
    const takeIn = (event: RecordedEvent) => takeInto(sql, [event]);
    const site = new FeedFixture();
    const open = (previousSize: number | null) => {
      const previous =
        previousSize === null
          ? { previousEpoch: null, previousSize: null, previousRoot: null }
          : { previousEpoch: site.epoch, previousSize, previousRoot: 'ab'.repeat(32) };
      if (previousSize !== null) Object.assign(site, { epoch: site.epoch + 1, position: 0 });
      const data = { ...previous, epoch: site.epoch, reason: 'a test' };
      return takeIn(site.event('log', { type: 'LogEpochOpened', data }));
    };
    const feedGrown = new Wakeup();
    const life = () => {
      const ended = new AbortController();
      const alarms: CausedAlarm[] = [];
      const running = watchResets(
        {
          ...{ sql, feedGrown, nameOf: async () => 'Bus 7', raiseAlarm: alarm => alarms.push(alarm) },
          onFailure: error => {
            throw error;
          },
        },
        ended.signal,
      );
      const until = async (count: number) => {
        while (alarms.length < count) await new Promise(resolve => setTimeout(resolve, 5));
        ended.abort();
        await running;
        return alarms.map(({ cause, name }) => `${name}: ${cause}`);
      };
      return { until };
    };
    await open(null);
    const first = life();
    await open(1);
    feedGrown.fire();
    const said = `The log of Bus 7 was reset: epoch of ${site.site} behind`;
    assert.equal(await first.until(1), [`${said} 1/1`]);
    await open(1);
    assert.equal(await life().until(2), [`${said} 1/1`, `${said} 2/1`]);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test.run();
