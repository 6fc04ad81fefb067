import { setTimeout as wait } from 'node:timers/promises';
import { readInitSegment } from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { CameraLimits } from '../driver.js';
import {
  type CameraSender,
  forEver,
  MisbehavingCamera,
  type MisbehavingCameraOptions,
  pictures,
  pps,
  sps360,
  sps720,
} from './misbehaving-camera.fixture.js';
import { RecordedSession } from './recorded-session.fixture.js';

const test = suite('camera session with cameras that misbehave');

const plainSdp = 'v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=control:track1\r\n';

async function withCamera(
  options: MisbehavingCameraOptions,
  run: (session: RecordedSession, camera: MisbehavingCamera) => Promise<void>,
  limits: Partial<CameraLimits> = {},
): Promise<void> {
  await using camera = await MisbehavingCamera.open(options);
  await using session = new RecordedSession({ address: camera.address, limits });
  await run(session, camera);
}

test('records a camera whose SDP holds no parameter sets, once they come in the stream', async () => {
  const stream = (sender: CameraSender) =>
    pictures(sender, 40, index => (index === 10 ? { parameterSets: [sps360, pps] } : {}));
  await withCamera({ sdp: plainSdp, stream }, async session => {
    await session.until('recorded', () => session.recorded.length >= 3);
    assert.is(readInitSegment(session.runs[0]!.init.bytes)!.width, 640);
    assert.is(session.lostAccessUnits, 0);
  });
});

test('begins a new run when the camera changes its resolution in mid-stream', async () => {
  const stream = (sender: CameraSender) =>
    pictures(sender, 40, index => (index >= 20 && index % 5 === 0 ? { parameterSets: [sps720, pps] } : {}));
  await withCamera({ stream }, async session => {
    await session.until(
      'second run',
      () => session.runs.length === 2 && session.runs[1]!.recorded.length >= 2,
    );
    assert.is(session.runs[0]!.ended, 'CAMERA_FORMAT_SWITCHED');
    assert.is(session.runs[0]!.recorded.length, 4);
    assert.is(readInitSegment(session.runs[1]!.init.bytes)!.width, 1280);
    assert.is(session.runs[1]!.recorded[0]!.fromMs, session.runs[0]!.recorded[3]!.toMs);
    assert.is(session.connectedCount, 1);
  });
});

test('records a camera that never sets the marker bit', async () => {
  await withCamera({ stream: sender => pictures(sender, 40, () => ({ marker: false })) }, async session => {
    await session.until('recorded', () => session.recorded.length >= 4);
    assert.is(session.lostAccessUnits, 0);
    assert.ok(session.recorded.every(fragment => fragment.toMs - fragment.fromMs === 50));
  });
});

test('closes the run when RTP timestamps jump, and goes on in a new one', async () => {
  const stream = (sender: CameraSender) =>
    pictures(sender, 400, index => (index >= 20 ? { timestampOffset: 90_000 * 7200 } : {}));
  await withCamera({ stream }, async session => {
    await session.until(
      'second run',
      () => session.runs.length === 2 && session.runs[1]!.recorded.length >= 1,
    );
    assert.is(session.runs[0]!.ended, 'CLOCK_STEPPED');
    const [first, second] = session.runs;
    assert.ok(Math.abs(second!.recorded[0]!.fromMs - first!.recorded.at(-1)!.toMs) < 1000);
    assert.is(session.connectedCount, 1);
  });
});

test('drops and counts a picture with a missing packet, and keeps the others', async () => {
  const stream = (sender: CameraSender) =>
    pictures(sender, 30, index => (index === 7 ? { dropPacket: 1 } : {}));
  await withCamera({ stream }, async session => {
    await session.until('recorded', () => session.recorded.length >= 4);
    assert.is(session.lostAccessUnits, 1);
    assert.is(session.runs.length, 1);
    assert.is(session.recorded[1]!.toMs - session.recorded[1]!.fromMs, 50);
  });
});

test('finds its way again after garbage in the stream', async () => {
  const garbage = Buffer.alloc(5000, 'not a frame at all ');
  const stream = (sender: CameraSender) =>
    pictures(sender, 30, index => {
      if (index === 8) sender.raw(garbage);
      return {};
    });
  await withCamera({ stream }, async session => {
    await session.until('recorded', () => session.recorded.length >= 4);
    assert.is(session.losses.length, 0);
    assert.is(session.lostAccessUnits, 0);
  });
});

test('gives a camera up that sends nothing but garbage, says so, and tries again', async () => {
  const stream = async (sender: CameraSender) => {
    if (sender.connectionCount > 1) return forEver(sender);
    for (let index = 0; index < 40; index += 1) sender.raw(Buffer.alloc(16_384, 7));
  };
  await withCamera({ stream }, async session => {
    await session.until('recorded', () => session.recorded.length >= 1);
    assert.is(session.losses[0]?.cause, 'PROTOCOL_ERROR');
    assert.match(session.losses[0]!.detail, /neither an RTSP message nor/);
  });
});

test('notices a camera that holds the connection and sends nothing any more', async () => {
  const stream = (sender: CameraSender) => pictures(sender, sender.connectionCount === 1 ? 12 : 1000);
  await withCamera(
    { stream },
    async session => {
      await session.until('second connection', () => session.connectedCount === 2);
      assert.equal(
        session.losses.map(loss => loss.cause),
        ['NO_MEDIA'],
      );
      assert.is(session.runs[0]!.ended, 'CAMERA_DISCONNECTED');
      assert.is(session.runs[0]!.recorded.length, 3);
    },
    { noMediaMs: 300 },
  );
});

test('gives a camera up that sends pictures and never one that can be recorded', async () => {
  await withCamera(
    { sdp: plainSdp, stream: forEver },
    async session => {
      await session.until('loss', () => session.losses.length > 0);
      assert.is(session.losses[0]!.cause, 'NO_MEDIA');
      assert.match(session.losses[0]!.detail, /no picture that can be recorded/);
      assert.is(session.connectedCount, 0);
    },
    { noPictureMs: 300 },
  );
});

test('keeps every whole picture when the camera closes in the middle of one', async () => {
  const stream = async (sender: CameraSender) => {
    await pictures(sender, 8);
    sender.picture({ keyFrame: false, dropPacket: 2 });
    sender.close();
  };
  await withCamera({ stream }, async session => {
    await session.until('loss', () => session.losses.length > 0);
    assert.equal(session.calls.slice(0, 4), ['connected', 'format', 'CAMERA_DISCONNECTED', 'CLOSED']);
    assert.is(session.runs[0]!.live.length, 8);
    assert.ok(session.lostAccessUnits >= 1);
  });
});

test('stops asking after a refused password, names it once, and does not hammer', async () => {
  const challenge = ['WWW-Authenticate', 'Digest realm="camera", nonce="1", stale=true'] as const;
  const answer: MisbehavingCameraOptions['answer'] = () => ({
    status: 401,
    reason: 'Unauthorized',
    headers: [challenge],
  });
  await using camera = await MisbehavingCamera.open({ answer, stream: forEver });
  await using session = new RecordedSession({
    address: camera.address,
    credentials: { userName: 'admin', password: 'wrong' },
    limits: { refusedBackOffMsMin: 60, backOffMsMax: 60 },
  });
  await session.until('third attempt', () => camera.connectionCount >= 3);
  assert.equal(
    session.losses.map(loss => loss.cause),
    ['UNAUTHORIZED'],
  );
  assert.not.match(session.losses[0]!.detail, 'wrong');
  assert.ok(camera.requests.length <= 4 * camera.connectionCount);
});

test('tells apart a path that is not there, a camera without video, one that redirects, and one that is not there', async () => {
  const cases: [Partial<MisbehavingCameraOptions>, string, RegExp][] = [
    [{ answer: request => (request.method === 'DESCRIBE' ? { status: 404 } : null) }, 'NOT_FOUND', /404/],
    [{ sdp: 'v=0\r\nm=audio 0 RTP/AVP 0\r\n' }, 'UNSUPPORTED_MEDIA', /no video/],
    [
      {
        answer: request =>
          request.method === 'DESCRIBE'
            ? { status: 302, reason: 'Moved', headers: [['Location', 'rtsp://127.0.0.1:1/']] }
            : null,
      },
      'PROTOCOL_ERROR',
      /redirects are not followed/,
    ],
    [
      {
        answer: request =>
          request.method === 'SETUP'
            ? { status: 200, headers: [['Transport', 'RTP/AVP;unicast;client_port=5000-5001']] }
            : null,
      },
      'UNSUPPORTED_MEDIA',
      /RTP over UDP/,
    ],
    [{ answer: request => (request.method === 'DESCRIBE' ? { status: 453 } : null) }, 'REFUSED', /453/],
  ];
  for (const [options, cause, words] of cases) {
    await withCamera({ stream: forEver, ...options }, async session => {
      await session.until(cause, () => session.losses.length > 0);
      assert.is(session.losses[0]!.cause, cause);
      assert.match(session.losses[0]!.detail, words);
    });
  }
  const camera = await MisbehavingCamera.open({ stream: forEver });
  const { address } = camera;
  await camera[Symbol.asyncDispose]();
  await using session = new RecordedSession({ address });
  await session.until('refused', () => session.losses.length > 0);
  assert.is(session.losses[0]!.cause, 'REFUSED');
});

test('says good-bye when it is stopped, with the cause that it is given', async () => {
  await withCamera({ stream: forEver }, async (session, camera) => {
    await session.until('recorded', () => session.recorded.length >= 1);
    await session.stop('RECORDING_DISABLED');
    assert.is(session.calls.at(-1), 'RECORDING_DISABLED');
    await session.until('TEARDOWN', () => camera.requests.some(request => request.method === 'TEARDOWN'));
  });
});

test('is not disturbed by a bad camera beside it', async () => {
  await using bad = await MisbehavingCamera.open({
    stream: async sender => {
      for (;;) {
        if (sender.closed) return;
        sender.raw(Buffer.alloc(65_536, 1));
        await wait(1);
      }
    },
  });
  await using good = await MisbehavingCamera.open({ stream: forEver });
  await using badSession = new RecordedSession({ address: bad.address });
  await using goodSession = new RecordedSession({ address: good.address });
  await goodSession.until(
    'recorded',
    () => goodSession.recorded.length >= 20 && badSession.losses.length > 0,
  );
  assert.is(goodSession.losses.length, 0);
  assert.is(goodSession.lostAccessUnits, 0);
});

test.run();
