import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { driverConformance } from '../driver-conformance.fixture.js';
import { RecordedSession } from '../rtsp/recorded-session.fixture.js';
import { mjpegDriver } from './mjpeg-driver.js';
import { makePictures, PictureCamera } from './picture-camera.fixture.js';

const { run } = mjpegDriver;

async function runTests(): Promise<void> {
  const pictures = await makePictures();
  driverConformance({
    driver: mjpegDriver,
    openCamera: options => PictureCamera.open({ pictures, ...options }),
  }).run();

  const test = suite('pictures over HTTP');

  test('records pictures whose lengths are not sent, and those that are asked for one by one', async () => {
    for (const how of [{ withoutLengths: true }, { single: true }]) {
      await using camera = await PictureCamera.open({ pictures, ...how });
      await using session = new RecordedSession({ run, address: camera.address });
      await session.until('recorded', () => session.recorded.length >= 2);
      await session.stop();
      assert.is(session.lostAccessUnits, 0);
      assert.is(session.runs[0]!.init.codecs, 'mp4v.6C');
      const { fromMs, toMs } = session.recorded[0]!;
      assert.ok(toMs - fromMs >= 1000 && toMs - fromMs < 3000, `${toMs - fromMs} ms`);
    }
  });

  test('begins a new run when the size of the pictures changes', async () => {
    const larger = await makePictures('640x360');
    const many = (some: readonly Buffer[]) =>
      Array.from({ length: 30 }, (_, index) => some[index % some.length]!);
    await using camera = await PictureCamera.open({ pictures: [...many(pictures), ...many(larger)] });
    await using session = new RecordedSession({ run, address: camera.address });
    await session.until('second run', () => session.runs.length >= 2 && session.runs[1]!.live.length > 0);
    assert.is(session.runs[0]!.ended, 'CAMERA_FORMAT_SWITCHED');
  });

  test('names what is no picture', async () => {
    const server = net.createServer(socket =>
      // The driver hangs up on it.
      socket
        .on('error', () => undefined)
        .end('HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi'),
    );
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
    const address = `http://127.0.0.1:${(server.address() as net.AddressInfo).port}/`;
    await using session = new RecordedSession({ run, address });
    await session.until('lost', () => session.losses.length > 0);
    assert.equal(session.losses[0], {
      cause: 'UNSUPPORTED_MEDIA',
      detail: 'the camera sends "text/html"; expected multipart/x-mixed-replace or image/jpeg',
    });
    server.close();
  });

  test('records what ffmpeg serves', async () => {
    const probe = net.createServer().listen(0, '127.0.0.1');
    await once(probe, 'listening');
    const { port } = probe.address() as net.AddressInfo;
    await new Promise(resolve => probe.close(resolve));
    const address = `http://127.0.0.1:${port}/live.mjpg`;
    const source = ['-re', '-f', 'lavfi', '-i', 'testsrc2=s=320x180:r=10'];
    const output = [
      '-c:v',
      'mjpeg',
      '-pix_fmt',
      'yuvj420p',
      '-f',
      'mpjpeg',
      '-content_type',
      'multipart/x-mixed-replace;boundary=ffmpeg',
    ];
    const server = spawn('ffmpeg', ['-v', 'error', ...source, ...output, '-listen', '1', address]);
    try {
      await using session = new RecordedSession({ run, address });
      await session.until('recorded', () => session.recorded.length >= 2);
      assert.is(session.lostAccessUnits, 0);
    } finally {
      server.kill('SIGKILL');
    }
  });

  test.run();
}

if (spawnSync('ffmpeg', ['-version']).status === 0) await runTests();
else {
  const skipped = globalThis as { HOLDFAST_SKIPPED?: string[] };
  skipped.HOLDFAST_SKIPPED = [
    ...(skipped.HOLDFAST_SKIPPED ?? []),
    'mjpeg-driver.integration: ffmpeg is not installed',
  ];
}
