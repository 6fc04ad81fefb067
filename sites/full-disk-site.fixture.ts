// Run in a mount namespace of its own, on a small file system that is really full: `node full-disk-site.fixture.js DIR PHASE`.
// A site's log, its management server and one recording server, all on that disk. Prints what happened as JSON.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { appendFileSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { decodeEventData, freeSpaceLimits, LOG_START, placeOf } from '@holdfast/core';
import type {
  DeviceId,
  EventId,
  EvidenceLockId,
  HardwareId,
  RecordingServerId,
  SiteId,
} from '@holdfast/schema';
import pino from 'pino';
import { v7 } from 'uuid';
import { FoldFiles } from './log/fold-files.js';
import { openSqliteSiteLog } from './log/sqlite-site-log.js';
import { ManagementServer } from './management-server/management-server.js';
import type { RunCameraSession } from './recording-server/drivers/driver.js';
import { MEDIA_DATABASE_LIMITS } from './recording-server/media-database/media-database.js';
import { testFragment, testInit } from './recording-server/media-database/media-fixture.js';
import { RecordingServer } from './recording-server/recording-server.js';

const [dir, phase] = process.argv.slice(2) as [string, 'FIRST' | 'AFTER_THE_KILL'];
const site = '0198c0de-0000-7000-8000-000000000001' as SiteId;
const recordingServerId = '0198c0de-0000-7000-8000-00000000aa01' as RecordingServerId;
const hardwareId = '0198c0de-0000-7000-8000-00000000dd01' as HardwareId;
const deviceId = '0198c0de-0000-7000-8000-00000000c001' as DeviceId;
const filler = path.join(dir, 'filler');
const context = { actor: 'user:test' };
const logger = pino({ level: 'info' }, pino.destination(2));

/** What somebody else has on the disk from the start: when it goes there is more than the 4 MB from which on it is recorded again. */
if (phase === 'FIRST') writeFileSync(filler, Buffer.alloc(12_000_000, 1));

const log = await openSqliteSiteLog({
  file: path.join(dir, 'log', 'site.sqlite'),
  site,
  now: Date.now,
  signingKey: generateKeyPairSync('ed25519').privateKey,
});
const folds = new FoldFiles({ directory: path.join(dir, 'folds'), logger });
const management = await ManagementServer.open({
  log,
  siteId: site,
  now: Date.now,
  newId: () => v7() as EventId,
  logger,
  folds,
  subjectKeys: { keyIdsOf: () => [], destroy: () => undefined },
});
if (phase === 'FIRST') {
  await management.administer(
    { kind: 'RegisterRecordingServer', recordingServerId, name: 'Recorder' },
    context,
  );
  await management.execute(
    {
      kind: 'AddHardware',
      hardwareId,
      name: 'Entrance',
      address: 'rtsp://127.0.0.1:1/none',
      recordingServerId,
      sealedCredentials: null,
      devices: [{ deviceId, type: 'CAMERA', name: 'Entrance' }],
    },
    context,
  );
}

let sent = phase === 'FIRST' ? 0 : 1_000_000;
/** Behind the kill little is sent: what is locked stays, and the disk shall not be full once more before the test ends. */
const byteLength = phase === 'FIRST' ? 400_000 : 1_000;
/** A camera that never rests: as fast as the disk takes it. */
const camera: RunCameraSession = async ({ sink }, signal) => {
  sink.connected(testFragment(sent).fromMs);
  sink.format(testInit());
  while (!signal.aborted) {
    sink.recordedFragment(testFragment(sent++, { byteLength }));
    await delay(16);
  }
  sink.runEnded(signal.reason, testFragment(sent).fromMs);
};

const server = await RecordingServer.open({
  recordingServerId,
  site,
  log,
  folds,
  dir: path.join(dir, 'media'),
  now: Date.now,
  monotonicMs: () => performance.now(),
  random: Math.random,
  newId: v7,
  openCredentials: () => ({ userName: 'user', password: 'password' }),
  raiseAlarm: ({ name, message }) =>
    management.raiseAlarm({ alarmId: v7() as never, name, message, actor: `server:${recordingServerId}` }),
  pins: () => [],
  logger,
  limits: { retentionMs: 1e12, usageBytesMax: null, ...freeSpaceLimits(8e6) },
  softwareVersion: 'test',
  ffmpegBin: null,
  mediaLimits: { ...MEDIA_DATABASE_LIMITS, segmentBytesMax: 1_000_000 },
  sealReportIntervalMs: 100,
  retentionIntervalMs: 200,
  runCameraSession: camera,
});
const controller = new AbortController();
const running = server.run(controller.signal);
running.catch(error => {
  console.error('the recording server fell over', error);
  process.exit(1);
});

const alarmsOfHalts = () => countOf('AlarmRaised', event => event.name === 'Recording halted');
const countOf = async (type: string, of: (data: { readonly name?: string }) => boolean = () => true) => {
  let count = 0;
  for (let after = LOG_START; ; ) {
    const page = await log.read({ after, limit: 5000 });
    if (page.length === 0) return count;
    const found = page.filter(event => event.type === type);
    count += found.filter(event => of(decodeEventData(event).data as object)).length;
    after = placeOf(page.at(-1)!);
  }
};
async function until(condition: () => Promise<boolean> | boolean, what: string): Promise<void> {
  for (const endMs = Date.now() + 120_000; !(await condition()); await delay(50)) {
    if (Date.now() > endMs) throw new Error(`waited two minutes in vain until ${what}`);
  }
}
/** Somebody else takes what is left, down to the last page. */
function fillTheRest(): void {
  for (const size of [65_536, 4096]) {
    try {
      for (;;) appendFileSync(filler, Buffer.alloc(size, 1));
    } catch {}
  }
}

if (phase === 'FIRST') {
  await until(async () => (await countOf('RecordingDeleted')) >= 3, 'the oldest has gone three times');
  const haltedWhileThereWasSomethingToDelete = await countOf('RecordingHalted');
  await management.execute(
    {
      kind: 'CreateEvidenceLock',
      evidenceLockId: v7() as EvidenceLockId,
      headline: 'Everything',
      description: '',
      deviceIds: [deviceId],
      fromMs: 1,
      toMs: Date.now() + 1e10,
      expiresAtMs: null,
    },
    context,
  );
  const keepFull = setInterval(fillTheRest, 5);
  await until(() => server.isHalted, 'recording is halted');
  await delay(1500);
  clearInterval(keepFull);
  fillTheRest();
  console.log(JSON.stringify({ haltedWhileThereWasSomethingToDelete, halted: server.isHalted }));
  process.kill(process.pid, 'SIGKILL');
  await once(process, 'exit');
}
// What is opened again may need less room than before.
const keepFull = setInterval(fillTheRest, 5);
await until(() => server.isHalted, 'recording is halted behind the kill, too');
clearInterval(keepFull);
if (existsSync(filler)) rmSync(filler);
await until(async () => (await alarmsOfHalts()) > 0, 'the alarm is in the log');
await until(() => !server.isHalted, 'it records again');
const before = server.database.usageBytes();
await until(() => server.database.usageBytes() > before, 'more is on the disk');
controller.abort();
await running;
await server[Symbol.asyncDispose]();
console.log(
  JSON.stringify({
    halted: await countOf('RecordingHalted'),
    unhalted: await countOf('RecordingUnhalted'),
    alarms: await alarmsOfHalts(),
  }),
);
await log[Symbol.asyncDispose]();
