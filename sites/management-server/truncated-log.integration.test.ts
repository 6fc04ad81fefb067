import { generateKeyPairSync } from 'node:crypto';
import { mkdtempDisposable, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { AlarmId, DeviceId, EventId, HardwareId, RecordingServerId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FoldFiles } from '../log/fold-files.js';
import { openSqliteSiteLog } from '../log/sqlite-site-log.js';
import { ManagementServer } from './management-server.js';

const test = suite('management server over a truncated log');
const logger = pino({ level: 'silent' });
const context = { actor: 'user:test' };

test('its fold stands for what was removed; an alarm whose beginning is gone is refused by name', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-truncated-'));
  const [siteId, recordingServerId] = [v7() as SiteId, v7() as RecordingServerId];
  const [alarmId, hardwareId] = [v7() as AlarmId, v7() as HardwareId];
  const signingKey = generateKeyPairSync('ed25519').privateKey;
  const file = path.join(folder.path, 'log', 'site.sqlite');
  await using log = await openSqliteSiteLog({ file, site: siteId, now: Date.now, signingKey });
  const directory = path.join(folder.path, 'folds');
  const open = (code: string) =>
    ManagementServer.open({
      ...{ log, siteId, now: Date.now, newId: () => v7() as EventId, logger },
      folds: new FoldFiles({ directory, logger, code }),
      subjectKeys: { keyIdsOf: () => [], destroy: () => undefined },
    });
  const before = await open('of today');
  await before.administer({ kind: 'RegisterRecordingServer', recordingServerId, name: 'RS' }, context);
  const camera = { deviceId: v7() as DeviceId, type: 'CAMERA', name: 'Door' } as const;
  const hardware = { hardwareId, name: 'Door', address: 'rtsp://10.0.0.1/1', sealedCredentials: null };
  await before.execute({ kind: 'AddHardware', ...hardware, recordingServerId, devices: [camera] }, context);
  const alarm = { name: 'Door', message: '', priority: 1, sourceDeviceId: null } as const;
  await before.execute({ kind: 'RaiseAlarm', alarmId, ...alarm }, context);
  await before.run(AbortSignal.abort());
  const keptAfter = (await new FoldFiles({ directory, logger }).oldestPlace())!;
  assert.is(keptAfter.position, log.head().size);
  const plan = { keptAfter, acknowledgedBy: 'PARENT', recordedBeforeMs: Date.now() } as const;
  await log.truncate(plan, AbortSignal.timeout(10_000));
  for (const code of ['of today', 'of tomorrow']) {
    const after = await open(code);
    assert.is(after.state.hardware.get(hardwareId)?.name, 'Door');
    const outcome = await after.execute({ kind: 'HandleAlarm', alarmId, state: 'CLOSED' }, context);
    assert.is(outcome.accepted ? 'accepted' : outcome.code, 'STREAM_NOT_READABLE');
    const rename = { kind: 'ConfigureDevice', hardwareId, deviceId: camera.deviceId } as const;
    assert.ok((await after.execute({ ...rename, name: `Door ${code}` }, context)).accepted);
  }
  await rm(directory, { recursive: true });
  await open('of today').then(
    () => assert.unreachable('a part of the log was folded as the whole'),
    (error: unknown) => assert.is((error as { readonly code?: string }).code, 'FOLD_BASE_MISSING'),
  );
});

test.run();
