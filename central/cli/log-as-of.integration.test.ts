import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { newEvent } from '@holdfast/core';
import type { AlarmId, EventId, HoldfastEvent, SiteId } from '@holdfast/schema';
import { openSqliteSiteLog, siteLogFileOf } from '@holdfast/sites';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('holdfast log show --as-of');
const program = path.resolve(import.meta.dirname, '../../bin/holdfast.mjs');
const alarmId = v7() as AlarmId;
const stream = `alarm-${alarmId}`;

function show(directory: string, ...args: readonly string[]) {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [program, 'log', 'show', directory, ...args],
    {
      encoding: 'utf8',
    },
  );
  return { status, stderr, line: status === 2 || stdout === '' ? null : JSON.parse(stdout) };
}

test('the state of one thing is shown as of a time or a place', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-as-of-'));
  let nowMs = Date.UTC(2026, 10, 20, 12);
  const events: readonly HoldfastEvent[] = [
    {
      type: 'AlarmRaised',
      data: {
        ...{ alarmId, localNumber: 1, name: 'Door', message: '', priority: 2, sourceDeviceId: null },
        ...{ sourceName: '', raisedAtMs: nowMs },
      },
    },
    { type: 'AlarmAcknowledged', data: { alarmId } },
    { type: 'AlarmClosed', data: { alarmId, reason: 'false alarm' } },
  ];
  {
    await using log = await openSqliteSiteLog({
      ...{ file: siteLogFileOf(folder.path), site: v7() as SiteId, now: () => nowMs },
      signingKey: generateKeyPairSync('ed25519').privateKey,
    });
    for (const event of events) {
      nowMs += 60_000;
      const facts = {
        id: v7() as EventId,
        actor: 'user:a',
        occurredAtMs: nowMs,
        clockQuality: 'NTP',
      } as const;
      await log.append([{ stream, expected: 'any', events: [newEvent(event, facts)] }]);
    }
  }
  const of = (asOf: string, ofStream = stream) => show(folder.path, '--stream', ofStream, '--as-of', asOf);
  const closed = of('2026-11-20T12:03:00Z');
  assert.is(closed.status, 0, closed.stderr);
  assert.equal([closed.line.state.state, closed.line.revision, closed.line.position], ['CLOSED', 2, 4]);
  assert.is(of('2026-11-20T12:02:59.999Z').line.state.state, 'IN_PROGRESS');
  assert.is(of('1/2').line.state.state, 'NEW');
  assert.equal(
    [of('2026-11-20T12:00:00Z').status, of('yesterday').status, of('1/4', 'sign-ins').status],
    [1, 2, 2],
  );
});

test('over a cut the state is shown as before, and of a stream what was removed is counted', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-as-of-cut-'));
  {
    await using log = await openSqliteSiteLog({
      ...{ file: siteLogFileOf(folder.path), site: v7() as SiteId, now: () => 1000 },
      signingKey: generateKeyPairSync('ed25519').privateKey,
    });
    const say = async (inStream: string, event: HoldfastEvent) => {
      const facts = {
        id: v7() as EventId,
        actor: 'user:a',
        occurredAtMs: 1000,
        clockQuality: 'NTP',
      } as const;
      await log.append([{ stream: inStream, expected: 'any', events: [newEvent(event, facts)] }]);
    };
    const signedIn = { type: 'UserSignedIn', data: { userName: 'a', address: '' } } as const;
    await say(stream, { type: 'AlarmAcknowledged', data: { alarmId } });
    await say('sign-ins', signedIn);
    await say('sign-ins', signedIn);
    await say('sign-ins', signedIn);
    const plan = {
      keptAfter: { epoch: 1, position: 4 },
      acknowledgedBy: 'TOP',
      recordedBeforeMs: 1,
    } as const;
    await log.truncate(plan, AbortSignal.timeout(10_000));
  }
  const asOf = show(folder.path, '--stream', stream, '--as-of', '1/3');
  assert.equal([asOf.status, asOf.line?.position], [0, 2], asOf.stderr);
  const signIns = show(folder.path, '--stream', 'sign-ins');
  assert.equal([signIns.status, signIns.line?.revision], [0, 2]);
  assert.match(signIns.stderr, '2 events of sign-ins were removed from this log');
});

test.run();
