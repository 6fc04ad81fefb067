import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { DeviceId, HardwareId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { SqliteSiteLog } from '../log/sqlite-site-log.js';
import { CAMERA_LIMITS, type RunCameraSession } from './drivers/driver.js';
import { runCameraSession } from './drivers/rtsp/camera-session.js';
import {
  type CameraSender,
  FRAME_MS,
  forEver,
  MisbehavingCamera,
  type MisbehavingCameraOptions,
  pictures,
  pps,
  sps720,
} from './drivers/rtsp/misbehaving-camera.fixture.js';
import { MEDIA_DATABASE_LIMITS } from './media-database/media-database.js';
import { never, temporaryFolder } from './media-database/media-fixture.js';
import { verifyMedia } from './media-database/verify-media.js';
import { eventsOf, openLog, say, serverA, start, until } from './recording-server.fixture.js';

const test = suite('cameras that fail in every way, on one recording server');

/** From x265: 640×360. */
const h265 = {
  vps: Buffer.from('40010c01ffff0408000003009e0800000300003f959809', 'hex'),
  sps: Buffer.from(
    '4201010408000003009e0800000300003f9000a0402d2cb2b349265780b7020200040000030004000003006420',
    'hex',
  ),
  pps: Buffer.from('4401c172860c4624', 'hex'),
};
const h265Sdp = 'v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H265/90000\r\na=control:track1\r\n';

/** H.265 under the payload type that was H.264's a moment ago. */
async function h265Pictures(sender: CameraSender, fromIndex: number): Promise<void> {
  sender.report();
  for (let index = fromIndex; !sender.closed; index += 1) {
    const timestamp = index * FRAME_MS * 90;
    const keyFrame = index % 5 === 0;
    if (keyFrame) for (const set of Object.values(h265)) sender.packet(set, timestamp, false);
    // IDR_W_RADL or TRAIL_R, the first slice of its picture (ITU-T H.265 §7.3.1.2, §7.3.6.1).
    const head = Buffer.from([keyFrame ? 0x26 : 0x02, 0x01, 0x80]);
    sender.packet(Buffer.concat([head, Buffer.alloc(900, index)]), timestamp, true);
    await wait(FRAME_MS);
  }
}

const firstThen = (first: (sender: CameraSender) => Promise<void>) => (sender: CameraSender) =>
  sender.connectionCount === 1 ? first(sender) : forEver(sender);

const failures = {
  steady: { stream: forEver },
  reboots: {
    stream: firstThen(async sender => {
      await pictures(sender, 20);
      sender.close();
    }),
  },
  'changes its resolution': {
    stream: sender =>
      pictures(sender, Number.POSITIVE_INFINITY, index =>
        index >= 20 && index % 5 === 0 ? { parameterSets: [sps720, pps] } : {},
      ),
  },
  'changes its codec': {
    sdp: count => (count === 1 ? goodSdp() : h265Sdp),
    stream: async sender => {
      if (sender.connectionCount === 1) await pictures(sender, 20);
      await h265Pictures(sender, sender.connectionCount === 1 ? 20 : 0);
    },
  },
  'steps its clock': {
    stream: sender =>
      pictures(sender, Number.POSITIVE_INFINITY, index => {
        const timestampOffset = index < 20 ? 0 : 90_000 * 7200;
        if (index === 25) sender.report(timestampOffset);
        return { timestampOffset };
      }),
  },
  'lets its timestamps wrap': {
    stream: sender =>
      pictures(sender, Number.POSITIVE_INFINITY, () => ({ timestampOffset: 2 ** 32 - 30 * FRAME_MS * 90 })),
  },
  'loses packets': {
    stream: sender =>
      pictures(sender, Number.POSITIVE_INFINITY, index => (index % 7 === 3 ? { dropPacket: 1 } : {})),
  },
  'stops sending key frames': {
    stream: firstThen(sender =>
      pictures(sender, Number.POSITIVE_INFINITY, index => ({ keyFrame: index % 5 === 0 && index < 20 })),
    ),
  },
  freezes: { stream: firstThen(sender => pictures(sender, 20)) },
  floods: {
    stream: sender => pictures(sender, Number.POSITIVE_INFINITY, () => ({ byteLength: 400_000 })),
  },
} satisfies Record<string, MisbehavingCameraOptions>;

function goodSdp(): string {
  return `v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1;sprop-parameter-sets=Z2QAHqzZQKAv+XARAAADAAEAAAMAMg8WLZY=,aOvjyyLA\r\na=control:track1\r\n`;
}

type Failure = keyof typeof failures;
const names = Object.keys(failures) as Failure[];

/** Limits of a minute would make this a test of minutes. */
const impatient: RunCameraSession = (options, signal) =>
  runCameraSession(
    {
      ...options,
      limits: { ...CAMERA_LIMITS, noMediaMs: 2_000, noKeyFrameMs: 2_500, backOffMsFirst: 200 },
    },
    signal,
  );

async function addCamera(log: SqliteSiteLog, name: string, address: string): Promise<DeviceId> {
  const [hardwareId, deviceId] = [v7() as HardwareId, v7() as DeviceId];
  await say(log, `hardware-${hardwareId}`, {
    type: 'HardwareAdded',
    data: {
      ...{ hardwareId, name, driver: 'rtsp', transport: 'AUTO', address, sealedCredentials: null },
      ...{ recordingServerId: serverA, devices: [{ deviceId, type: 'CAMERA', name }] },
    },
  });
  return deviceId;
}

test('each failure ends in a span with its cause, the camera is recorded on, and no other notices', async () => {
  await using folder = await temporaryFolder();
  await using log = await openLog(folder.path);
  await using stack = new AsyncDisposableStack();
  const devices = {} as Record<Failure, DeviceId>;
  for (const name of names) {
    const camera = stack.use(await MisbehavingCamera.open(failures[name]));
    devices[name] = await addCamera(log, name, camera.address);
  }
  await using running = await start(log, folder.path, {
    runCameraSession: impatient,
    // A flood must not need a disk that is slower than the socket.
    mediaLimits: { ...MEDIA_DATABASE_LIMITS, segmentBytesMax: 4e6, queueBytesMax: 1e6 },
  });
  const { database } = running.server;
  const again: Failure[] = ['reboots', 'changes its codec', 'stops sending key frames', 'freezes'];
  await until(async () => {
    const started = (await eventsOf(log, 'RecordingStarted')).map(({ deviceId }) => deviceId);
    const times = (name: Failure) => started.filter(deviceId => deviceId === devices[name]).length;
    return again.every(name => times(name) >= 2) && names.every(name => times(name) >= 1);
  }, 'every camera is recorded, those that were lost twice');
  await until(async () => (await eventsOf(log, 'DeviceOverflowBegan')).length > 0, 'the flood is told');
  const recordedTo = (name: Failure) =>
    database.openSpan(devices[name])?.toMs ?? database.newestEndMs(devices[name]) ?? 0;
  const seen = new Map(names.map(name => [name, recordedTo(name)]));
  for (const name of names) {
    await until(() => recordedTo(name) > seen.get(name)!, `the camera that ${name} is recorded on`);
  }
  const overflows = await eventsOf(log, 'DeviceOverflowBegan');
  assert.equal([...new Set(overflows.map(({ deviceId }) => deviceId))], [devices.floods]);
  // Where the disk is slow just then, it is the disk.
  assert.ok(overflows.every(({ cause }) => cause === 'CAMERA_FLOODS' || cause === 'DISK_SLOW'));
  const alarmOfIt = /^floods sends more than|first of floods/;
  await until(() => running.alarms.some(alarm => alarmOfIt.test(alarm)), 'the alarm is raised');
  await running.stop();

  const sealed = await eventsOf(log, 'RecordingSealed');
  const ends = (name: Failure) => [
    ...new Set(
      sealed.flatMap(({ deviceId, segments }) =>
        deviceId === devices[name] ? segments.map(({ endedBecause }) => endedBecause) : [],
      ),
    ),
  ];
  const gapCauses = (name: Failure) => [
    ...new Set(
      sealed.flatMap(({ deviceId, gaps }) =>
        deviceId === devices[name] ? gaps.map(({ cause }) => cause) : [],
      ),
    ),
  ];
  for (const name of ['steady', 'lets its timestamps wrap', 'loses packets'] as const) {
    assert.equal(ends(name), ['SERVER_STOPPED'], name);
  }
  const firstEnds = {
    reboots: 'CAMERA_DISCONNECTED',
    'changes its resolution': 'CAMERA_FORMAT_SWITCHED',
    'changes its codec': 'CAMERA_DISCONNECTED',
    'steps its clock': 'CLOCK_STEPPED',
    'stops sending key frames': 'CAMERA_DISCONNECTED',
    freezes: 'CAMERA_DISCONNECTED',
  } as const;
  for (const [name, cause] of Object.entries(firstEnds)) assert.is(ends(name as Failure)[0], cause, name);
  assert.equal(gapCauses('freezes'), ['CAMERA_DISCONNECTED']);
  assert.equal(gapCauses('steady'), []);
  const ended = (await eventsOf(log, 'DeviceOverflowEnded'))[0]!;
  assert.ok(ended.droppedFragmentCount > 0 && ended.droppedByteLength > 0);

  const lost = await eventsOf(log, 'HardwareConnectionLost');
  const details = lost.map(({ cause, detail }) => `${cause}: ${detail}`);
  for (const words of [/^NO_MEDIA: .*no key frame/, /^NO_MEDIA: .*sent no video/, /^CLOSED: /]) {
    assert.ok(
      details.some(detail => words.test(detail)),
      `${words}: ${details.join('\n')}`,
    );
  }
  const codecs = sealed.flatMap(({ deviceId, segments }) =>
    deviceId === devices['changes its codec'] ? segments.map(({ segmentId }) => segmentId) : [],
  );
  assert.ok(codecs.length >= 2);
  const verification = await verifyMedia({
    dir: path.join(folder.path, 'media', serverA),
    sealedFacts: sealed.flatMap(({ deviceId, segments }) => segments.map(segment => ({ deviceId, segment }))),
    deleted: new Set(),
    signal: never,
  });
  assert.equal(verification.damages, []);
});

test.run();
