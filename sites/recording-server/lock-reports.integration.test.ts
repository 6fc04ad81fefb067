import type { DeviceId, EvidenceLockId, HoldfastEvent } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder, testFragment } from './media-database/media-fixture.js';
import {
  addHardware,
  cameraId,
  eventsOf,
  microphoneId,
  openLog,
  ScriptedCamera,
  say,
  serverB,
  start,
  until,
} from './recording-server.fixture.js';

const test = suite('reports of evidence locks');
const { fromMs: recordedMs } = testFragment(0);

test('a server says what it holds for a lock, again when the lock is widened, and for a span to come when that is over', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const camera = new ScriptedCamera();
  let nowMs = recordedMs + 30_000;
  const options = { runCameraSession: camera.run, now: () => nowMs, retentionIntervalMs: 30 };
  const reports = () => eventsOf(log, 'EvidenceLockApplied');
  const evidenceLockId = v7() as EvidenceLockId;
  const elsewhere = v7() as DeviceId;
  const stream = `evidence-lock-${evidenceLockId}`;
  {
    await using running = await start(log, folder.path, options);
    await using other = await start(log, folder.path, { ...options, recordingServerId: serverB });
    await until(() => camera.sinks.length === 1, 'the session runs');
    // Four seconds, a hole of sixteen, four seconds that are still being recorded.
    camera.begin(testFragment(0), testFragment(1));
    camera.end();
    camera.begin(testFragment(10), testFragment(11));
    await until(
      () => running.server.database.openSpan(cameraId)?.toMs === recordedMs + 24_000,
      'all is there',
    );
    const text = { headline: 'Theft', description: '' };
    const deviceIds = [cameraId, microphoneId, elsewhere];
    const created = { evidenceLockId, ...text, deviceIds, expiresAtMs: null };
    await say(log, stream, {
      type: 'EvidenceLockCreated',
      data: { ...created, fromMs: recordedMs + 1000, toMs: recordedMs + 22_000 },
    });
    await until(async () => (await reports()).length === 1, 'the lock is reported');
    const [report] = await reports();
    const { byteLength } = report!.devices[0]!;
    // Also of what is not sealed yet.
    assert.ok(byteLength > 4000);
    const hole = { fromMs: recordedMs + 4000, toMs: recordedMs + 20_000 };
    assert.equal(
      report!.devices,
      [cameraId, microphoneId].map(deviceId => ({
        ...{ deviceId, outcome: 'PARTLY', heldMs: 5000, byteLength, missing: [hole] },
      })),
    );
    await say(log, stream, extended(evidenceLockId, recordedMs, recordedMs + 60_000));
    await until(async () => (await reports()).length === 2, 'the wider lock is reported');
    await other.stop();
    await running.stop();
  }
  await using _running = await start(log, folder.path, options);
  await until(() => camera.sinks.length === 2, 'it runs again');
  nowMs = recordedMs + 120_000;
  await until(async () => (await reports()).length === 3, 'the span is over');
  const judged = (await reports()).map(({ judgedToMs }) => judgedToMs - recordedMs);
  assert.equal(judged, [22_000, 30_000, 60_000]);
});

function extended(evidenceLockId: EvidenceLockId, fromMs: number, toMs: number): HoldfastEvent {
  return { type: 'EvidenceLockExtended', data: { evidenceLockId, fromMs, toMs, expiresAtMs: null } };
}

test.run();
