import { generateKeyPairSync } from 'node:crypto';
import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { encodeFold, type NewEvent, newEvent, type SiteLog } from '@holdfast/core';
import type {
  AlarmId,
  DeviceId,
  EventId,
  EvidenceLockId,
  HardwareId,
  HoldfastEvent,
  RecordingServerId,
  SegmentId,
  SiteId,
} from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FoldFiles } from './log/fold-files.js';
import { openSqliteSiteLog } from './log/sqlite-site-log.js';
import { ManagementServer } from './management-server/management-server.js';
import { SiteView } from './recording-server/recorder/site-view.js';

const test = suite('what folds a log that was truncated');
const logger = pino({ level: 'silent' });
const context = { actor: 'user:test' };
const [siteId, recordingServerId, hardwareId] = [v7(), v7(), v7()] as [SiteId, RecordingServerId, HardwareId];
const [deviceId, alarmId, evidenceLockId] = [v7(), v7(), v7()] as [DeviceId, AlarmId, EvidenceLockId];
const signingKey = generateKeyPairSync('ed25519').privateKey;

const fact = (event: HoldfastEvent): NewEvent =>
  newEvent(event, { id: v7() as EventId, actor: 'a', occurredAtMs: 1, clockQuality: 'UNKNOWN' });

function sealed(index: number): HoldfastEvent {
  const segment = {
    segmentId: v7() as SegmentId,
    ...{ fromMs: index, toMs: index + 1, fragmentCount: 1, byteLength: 1, digest: 'ab'.repeat(32) },
    timeSource: 'ARRIVAL',
    beganBecause: 'SERVER_STARTED',
    endedBecause: 'RECORDING_CONTINUED',
  } as const;
  return { type: 'RecordingSealed', data: { deviceId, recordingServerId, segments: [segment], gaps: [] } };
}

async function siteView(log: SiteLog): Promise<object> {
  const view = new SiteView(recordingServerId);
  let after = { epoch: 0, position: 0 };
  for (;;) {
    const page = await log.read({ after, limit: 500, carried: true });
    if (page.length === 0) return view.toFold();
    for (const event of page) view.read(event);
    const { epoch, position } = page.at(-1)!;
    after = { epoch, position };
  }
}

test('folds the same state as before, with its snapshots, after a restart, and by other software without them', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-truncated-'));
  const file = path.join(folder.path, 'log', 'site.sqlite');
  const directory = path.join(folder.path, 'folds');
  const openLog = () => openSqliteSiteLog({ file, site: siteId, now: Date.now, signingKey });
  const open = (log: SiteLog, code: string) =>
    ManagementServer.open({
      ...{ log, siteId, now: Date.now, newId: () => v7() as EventId, logger },
      folds: new FoldFiles({ directory, logger, code }),
      subjectKeys: { keyIdsOf: () => [], destroy: () => undefined },
    });
  let expected: { readonly state: string; readonly view: object };
  const renamed = { kind: 'ConfigureDevice', hardwareId, deviceId } as const;
  {
    await using log = await openLog();
    const before = await open(log, 'of today');
    const done = async (outcome: Promise<{ readonly accepted: boolean }>) =>
      assert.ok((await outcome).accepted);
    await done(
      before.administer({ kind: 'RegisterRecordingServer', recordingServerId, name: 'RS' }, context),
    );
    const camera = { deviceId, type: 'CAMERA', name: 'Door' } as const;
    const hardware = { hardwareId, name: 'Door', address: 'rtsp://10.0.0.1/1', sealedCredentials: null };
    await done(
      before.execute({ kind: 'AddHardware', ...hardware, recordingServerId, devices: [camera] }, context),
    );
    const alarm = { name: 'Door', message: '', priority: 1, sourceDeviceId: null } as const;
    await done(before.execute({ kind: 'RaiseAlarm', alarmId, ...alarm }, context));
    const lock = { evidenceLockId, headline: 'Door', deviceIds: [deviceId], fromMs: 1, toMs: 2 };
    await done(
      before.execute({ kind: 'CreateEvidenceLock', ...lock, description: '', expiresAtMs: null }, context),
    );
    const recording = { deviceId, recordingServerId, atMs: 7, cause: 'SERVER_STARTED' } as const;
    await log.append([
      {
        ...{ stream: `recording-${deviceId}`, expected: 'any' },
        events: [fact({ type: 'RecordingStarted', data: recording })],
      },
    ]);
    for (let count = 0; count < 10; count += 1) {
      const events = Array.from({ length: 100 }, (_, index) => fact(sealed(count * 100 + index)));
      await log.append([{ stream: `recording-${deviceId}`, expected: 'any', events }]);
      await done(before.execute({ ...renamed, name: `Door ${count}` }, context));
    }
    // Kept as of the end, and not above the cut.
    await before.run(AbortSignal.abort());
    expected = { state: encodeFold(before.state), view: await siteView(log) };
    const { epoch, size } = log.head();
    const plan = { acknowledgedBy: 'PARENT', recordedBeforeMs: Date.now() } as const;
    await log.truncate({ ...plan, keptAfter: { epoch, position: size - 150 } }, AbortSignal.timeout(20_000));
  }
  await using log = await openLog();
  for (const code of ['of today', 'of tomorrow']) {
    const after = await open(log, code);
    assert.is(encodeFold(after.state), expected.state, code);
    assert.equal(await siteView(log), expected.view);
  }
  const after = await open(log, 'of the day after tomorrow');
  assert.ok((await after.execute({ ...renamed, name: 'Door' }, context)).accepted);
  const closed = await after.execute({ kind: 'HandleAlarm', alarmId, state: 'CLOSED' }, context);
  assert.ok(closed.accepted, JSON.stringify(closed));
  const again = await after.execute({ kind: 'HandleAlarm', alarmId, state: 'CLOSED' }, context);
  assert.not(again.accepted);
  const release = { kind: 'ReleaseEvidenceLock', evidenceLockId, reason: '' } as const;
  assert.ok((await after.execute(release, context)).accepted);
});

test.run();
