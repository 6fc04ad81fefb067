import { decodeEventData } from '@holdfast/core';
import type { EventId, HoldfastEvent } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MediaDatabase, OutgoingFact, SealReport } from '../media-database/media-database.js';
import {
  camera1,
  camera2,
  openTestDatabase,
  temporaryFolder,
  testFragment,
  testInit,
} from '../media-database/media-fixture.js';
import { addHardware, cameraId, openLog, ScriptedCamera, start, until } from '../recording-server.fixture.js';

const test = suite('what is deleted before the log was told of it');

const always = { fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, after: null, limit: 1000 };
const idsIn = (database: MediaDatabase, deviceId = camera1) =>
  database.segments({ ...always, deviceId }).map(({ segment }) => segment.segmentId);
const fact = (type: string, data: object): OutgoingFact => ({
  ...{ eventId: v7() as EventId, stream: `recording-${camera1}`, type },
  ...{ occurredAtMs: 1, data: JSON.stringify(data) },
});

async function record(database: MediaDatabase, deviceId: typeof camera1, at: number): Promise<void> {
  database.beginRun({ deviceId, init: testInit(), cause: 'CAMERA_CONNECTED' });
  database.append(deviceId, testFragment(at));
  await database.endRun({ deviceId, cause: 'CAMERA_DISCONNECTED' });
}

test('is handed out with its gaps in the transaction that deletes it, and never again', async () => {
  await using folder = await temporaryFolder();
  let reports: readonly SealReport[] = [];
  let gone: readonly string[] = [];
  {
    await using database = await openTestDatabase(folder.path);
    await record(database, camera1, 0);
    database.reportSealed(() => []);
    await record(database, camera1, 10);
    await record(database, camera2, 0);
    gone = [...idsIn(database, camera1), ...idsIn(database, camera2)];
    const options = { segmentIds: gone as never, policy: 'DISK_FULL' } as const;
    await database
      .markDeleted({
        ...options,
        compose: () => {
          throw new Error('no ids left');
        },
      })
      .then(
        () => assert.unreachable(),
        () => undefined,
      );
    await database.markDeleted({
      ...options,
      compose: (_segments, unreported) => {
        reports = unreported;
        return [fact('RecordingSealed', {}), fact('RecordingDeleted', {})];
      },
    });
    // The process dies here: nothing was collected.
  }
  assert.equal(
    reports.map(({ deviceId, segments, gaps }) => [
      deviceId,
      segments.map(({ segmentId }) => segmentId),
      gaps,
    ]),
    [
      [
        camera1,
        [gone[1]],
        [{ fromMs: testFragment(0).toMs, toMs: testFragment(10).fromMs, cause: 'CAMERA_DISCONNECTED' }],
      ],
      [camera2, [gone[2]], []],
    ],
  );
  await using database = await openTestDatabase(folder.path);
  assert.equal(
    database.facts(10).map(({ type }) => type),
    ['RecordingSealed', 'RecordingDeleted'],
  );
  assert.is(
    database.reportSealed(() => []),
    0,
  );
});

test('reaches the log before the deletion does, also where what was sealed could not be reported by itself', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await addHardware(log, 'rtsp://127.0.0.1:1/none');
  const camera = new ScriptedCamera();
  let freeBytes = 1000;
  await using running = await start(log, folder.path, {
    retention: { freeBytesLow: 100, freeBytesStop: 100, freeBytesResume: 200 },
    ...{ runCameraSession: camera.run, freeBytes: async () => freeBytes, retentionIntervalMs: 50 },
  });
  const { database } = running.server;
  // Stands in for a disk that is full when all is to be reported, and is not when a little is to be deleted.
  database.reportSealed = () => {
    throw new Error('database or disk is full');
  };
  await until(() => camera.sinks.length === 1, 'the session runs');
  for (let index = 0; index < 3; index += 1) {
    camera.begin(testFragment(index * 10));
    camera.end();
  }
  await until(() => idsIn(database, cameraId).length === 3, 'all is sealed');
  const sealed = idsIn(database, cameraId);
  freeBytes = 0;
  const facts = async () => {
    const stream = await log.readStream({ stream: `recording-${cameraId}`, afterRevision: null, limit: 100 });
    return stream.flatMap((recorded): [string, readonly string[]][] => {
      const event = decodeEventData(recorded) as HoldfastEvent;
      if (event.type === 'RecordingSealed') {
        return [[event.type, event.data.segments.map(({ segmentId }) => segmentId)]];
      }
      return event.type === 'RecordingDeleted' ? [[event.type, event.data.segmentIds]] : [];
    });
  };
  const deleted = async () =>
    (await facts()).flatMap(([type, ids]) => (type === 'RecordingDeleted' ? ids : []));
  await until(async () => (await deleted()).length === 3, 'the log is told');
  const told = new Set<string>();
  for (const [type, ids] of await facts()) {
    for (const id of ids) {
      if (type === 'RecordingSealed') told.add(id);
      else assert.ok(told.has(id), 'what is deleted was told of before');
    }
  }
  assert.equal([...told], sealed);
});

test.run();
