import pino from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  camera1,
  epochMs,
  openTestDatabase,
  temporaryFolder,
  testFragment,
  testInit,
} from '../media-database/media-fixture.js';
import { LoudReports } from '../recorder/loud-reports.js';
import { SLOW_WRITE_MS, WRITES_WATCHED } from './disk-watch.js';

const test = suite('disk watch of a recording server');

test('every group of pictures that is written is timed, and a slow disk is told of once', async () => {
  await using folder = await temporaryFolder();
  const told: number[] = [];
  const loud = new LoudReports({ logger: pino({ level: 'silent' }), now: () => epochMs });
  loud.connect({
    damaged: () => undefined,
    writeFailed: () => undefined,
    diskSlow: medianMs => told.push(medianMs),
    diskFast: () => undefined,
    dropped: () => undefined,
  });
  await using database = await openTestDatabase(folder.path, { observer: loud });
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'CAMERA_CONNECTED', previousEnd: null });
  for (let index = 0; index < 5; index += 1) database.append(camera1, testFragment(index));
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
  assert.ok(loud.disk.medianMs > 0);
  assert.equal(told, []);
  for (let write = 0; write < 2 * WRITES_WATCHED; write += 1) loud.wrote(SLOW_WRITE_MS * 3);
  assert.is(told.length, 1);
});

test.run();
