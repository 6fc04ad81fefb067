import { execFile } from 'node:child_process';
import dgram from 'node:dgram';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { promisify } from 'node:util';
import { firstHeader } from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  GStreamerCamera,
  type GStreamerCameraOptions,
  makeClip,
  whatIsMissing,
} from './gstreamer-camera.fixture.js';
import { FRAME_MS, MisbehavingCamera } from './misbehaving-camera.fixture.js';
import { RecordedSession } from './recorded-session.fixture.js';

const run = promisify(execFile);
const test = suite('transports of cameras');
const gstreamer = suite('transports of GStreamer’s RTSP server');

/** Sends pictures of several packets over UDP; `order` says which of its datagrams go out, and when. */
async function datagramCamera(order: (datagrams: readonly Buffer[]) => readonly Buffer[]) {
  const rtp = dgram.createSocket('udp4');
  const rtcp = dgram.createSocket('udp4');
  await Promise.all(
    [rtp, rtcp].map(socket => new Promise<void>(resolve => socket.bind(0, '127.0.0.1', resolve))),
  );
  const reports: Buffer[] = [];
  let punched = false;
  rtp.on('message', () => {
    punched = true;
  });
  rtcp.on('message', bytes => reports.push(bytes));
  let clientPort = 0;
  const camera = await MisbehavingCamera.open({
    answer: request => {
      if (request.method !== 'SETUP') return null;
      const transport = firstHeader(request.headers, 'transport') ?? '';
      const ports = /client_port=(\d+)-\d+/.exec(transport);
      if (ports === null) return { status: 461, reason: 'Unsupported Transport' };
      clientPort = Number(ports[1]);
      const agreed = `${transport};server_port=${rtp.address().port}-${rtcp.address().port};ssrc=1`;
      return {
        status: 200,
        headers: [
          ['Transport', agreed],
          ['Session', '1'],
        ],
      };
    },
    stream: async sender => {
      let datagrams: Buffer[] = [];
      sender.transmit = (channel, bytes) => {
        if (channel === 0) datagrams.push(bytes);
        else rtcp.send(bytes, clientPort + 1, '127.0.0.1');
      };
      sender.report();
      for (let index = 0; !sender.closed; index += 1) {
        sender.picture({ keyFrame: index % 20 === 0, byteLength: 5000 });
        if (index % 4 === 3) {
          for (const bytes of order(datagrams)) rtp.send(bytes, clientPort, '127.0.0.1');
          datagrams = [];
        }
        await wait(FRAME_MS);
      }
    },
  });
  return {
    address: camera.address,
    reports,
    isPunched: () => punched,
    [Symbol.asyncDispose]: async () => {
      await camera[Symbol.asyncDispose]();
      rtp.close();
      rtcp.close();
    },
  };
}

test('goes to UDP by itself when the camera refuses TCP, and puts overtaken packets back into order', async () => {
  let turn = 0;
  await using camera = await datagramCamera(datagrams => {
    turn += 1;
    // The stream begins with the packet that comes first.
    if (turn === 1) return datagrams;
    return datagrams.map((_, index) => datagrams[index ^ 1] ?? datagrams[index]!);
  });
  await using session = new RecordedSession({ address: camera.address });
  await session.until('recorded', () => session.recorded.length >= 4);
  assert.is(session.lostAccessUnits, 0);
  assert.is(session.losses.length, 0);
  assert.ok(camera.isPunched());
  assert.equal([camera.reports[0]![1], camera.reports[0]!.length % 4], [201, 0]);
});

test('loses exactly the pictures of which a packet was lost, and says how many', async () => {
  let turn = 0;
  let dropped = 0;
  await using camera = await datagramCamera(datagrams => {
    turn += 1;
    if (turn % 3 !== 0) return datagrams;
    dropped += 1;
    return datagrams.filter((_, index) => index !== 7);
  });
  await using session = new RecordedSession({ address: camera.address, transport: 'UDP' });
  await session.until('recorded', () => session.recorded.length >= 5);
  await session.stop();
  // What was sent last may not have come.
  assert.ok(
    session.lostAccessUnits >= 5 && dropped - session.lostAccessUnits <= 2,
    `${session.lostAccessUnits}`,
  );
});

test('does not go to UDP when TCP was asked for', async () => {
  await using camera = await datagramCamera(datagrams => datagrams);
  await using session = new RecordedSession({ address: camera.address, transport: 'TCP' });
  await session.until('refused', () => session.losses.length > 0);
  assert.is(session.losses[0]!.cause, 'UNSUPPORTED_MEDIA');
  assert.match(session.losses[0]!.detail, /461/);
});

test('names a camera that knows no tunnel', async () => {
  await using camera = await MisbehavingCamera.open({ stream: async () => {} });
  await using session = new RecordedSession({
    ...{ address: camera.address, transport: 'HTTP', limits: { noMediaMs: 500 } },
  });
  await session.until('lost', () => session.losses.length > 0);
  assert.is(session.connectedCount, 0);
});

async function recordsWithoutLoss(
  camera: Omit<GStreamerCameraOptions, 'clip'>,
  session: Omit<ConstructorParameters<typeof RecordedSession>[0], 'address'>,
): Promise<void> {
  await using clip = await makeClip();
  await using opened = await GStreamerCamera.open({ clip: clip.directory, ...camera });
  await using recorded = new RecordedSession({ address: opened.address, ...session });
  await recorded.until('recorded', () => recorded.recorded.length >= 3);
  await recorded.stop();
  assert.is(recorded.lostAccessUnits, 0);
  assert.equal(recorded.calls, ['connected', 'format', 'SERVER_STOPPED']);
  assert.match(recorded.runs[0]!.init.codecs, /^avc1\.6400[0-9a-f]{2},mp4a\.40\.2$/);
  assert.is(recorded.recorded.at(-1)!.timeSource, 'SENDER_REPORT');
}

gstreamer('records picture and sound over UDP', () => recordsWithoutLoss({}, { transport: 'UDP' }));

gstreamer('records over UDP what is offered in no other way', () =>
  recordsWithoutLoss({ protocols: 'udp' }, {}),
);

gstreamer('records through HTTP', () => recordsWithoutLoss({}, { transport: 'HTTP' }));

gstreamer('signs in through HTTP', () =>
  recordsWithoutLoss(
    { user: 'admin', password: 's3cret' },
    { transport: 'HTTP', credentials: { userName: 'admin', password: 's3cret' } },
  ),
);

gstreamer(
  'records over TLS from a certificate that it knows, and not from one that it does not',
  async () => {
    await using clip = await makeClip();
    const made = await Promise.all(['own', 'other'].map(name => makeCertificate(clip.directory, name)));
    await using camera = await GStreamerCamera.open({ clip: clip.directory, tls: made[0]! });
    const [own, other] = await Promise.all(
      made.map(({ certificateFile }) => readFile(certificateFile, 'utf8')),
    );
    await using known = new RecordedSession({ address: camera.address, tlsAuthorities: [own!] });
    await using any = new RecordedSession({ address: camera.address });
    await using unknown = new RecordedSession({ address: camera.address, tlsAuthorities: [other!] });
    await known.until('recorded', () => known.recorded.length >= 2 && any.recorded.length >= 2);
    await unknown.until('refused', () => unknown.losses.length > 0);
    assert.is(unknown.connectedCount, 0);
  },
);

async function makeCertificate(directory: string, name: string) {
  const [certificateFile, keyFile] = ['certificate', 'key'].map(what =>
    path.join(directory, `${name}-${what}.pem`),
  );
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', `/CN=${name}`, '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-keyout', keyFile!, '-out', certificateFile!],
  ]);
  return { certificateFile: certificateFile!, keyFile: keyFile! };
}

test.run();
const missing = whatIsMissing();
if (missing === null) gstreamer.run();
else {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED = [
    ...(skipped.HOLDFAST_SKIPPED ?? []),
    `camera-transports.integration: ${missing}`,
  ];
}
