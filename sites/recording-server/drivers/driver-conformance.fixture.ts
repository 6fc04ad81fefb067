import { setTimeout as wait } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Driver } from './driver.js';
import { RecordedSession } from './rtsp/recorded-session.fixture.js';

export interface ConformanceCamera extends AsyncDisposable {
  readonly address: string;
  readonly port: number;
}

export interface ConformanceHarness {
  readonly driver: Driver;
  /** A camera with a key frame at least each second. */
  readonly openCamera: (options: {
    readonly port?: number;
    readonly credentials?: { readonly userName: string; readonly password: string };
  }) => Promise<ConformanceCamera>;
}

const credentials = { userName: 'admin', password: 's3cret' };

/** What every driver promises: see `CameraSink` and `RunCameraSession`. */
export function driverConformance({ driver, openCamera }: ConformanceHarness): ReturnType<typeof suite> {
  const test = suite(`the driver ${driver.name}`);
  const { run } = driver;

  test('connects, gives the format, then fragments whose capture times follow one another', async () => {
    await using camera = await openCamera({});
    await using session = new RecordedSession({ run, address: camera.address });
    await session.until('recorded', () => session.recorded.length >= 3);
    await session.stop('RECORDING_DISABLED');
    assert.equal(session.calls, ['connected', 'format', 'RECORDING_DISABLED']);
    const [only] = session.runs;
    assert.ok(only!.init.codecs.length > 0);
    for (const fragments of [only!.recorded, only!.live]) {
      assert.ok(fragments[0]!.beginsWithKeyFrame);
      for (const [index, { fromMs, toMs }] of fragments.entries()) {
        assert.ok(toMs > fromMs || fragments === only!.live);
        if (index > 0) assert.ok(fromMs >= fragments[index - 1]!.fromMs);
      }
    }
    for (const [index, { fromMs }] of only!.recorded.entries())
      if (index > 0) assert.is(fromMs, only!.recorded[index - 1]!.toMs);
    const last = only!.recorded.at(-1)!;
    assert.ok(Math.abs(last.toMs - Date.now()) < 10_000, `${last.toMs - Date.now()} ms from now`);
  });

  test('ends at once when it is told to, also while nobody is there', async () => {
    const camera = await openCamera({});
    await camera[Symbol.asyncDispose]();
    await using session = new RecordedSession({ run, address: camera.address });
    await session.until('lost', () => session.losses.length > 0);
    const beganAt = performance.now();
    await session.stop();
    assert.ok(performance.now() - beganAt < 2000);
    assert.equal(session.calls, ['REFUSED']);
  });

  test('reports a camera that went away once, and records it again when it is back', async () => {
    const first = await openCamera({});
    await using session = new RecordedSession({ run, address: first.address, limits: { noMediaMs: 3000 } });
    await session.until('first run', () => session.recorded.length >= 1);
    await first[Symbol.asyncDispose]();
    await session.until('loss', () => session.losses.length > 0);
    assert.is(session.runs[0]!.ended, 'CAMERA_DISCONNECTED');
    await using _second = await openCamera({ port: first.port });
    await session.until('second run', () => (session.runs[1]?.recorded.length ?? 0) >= 1);
    await session.stop();
    assert.is(session.connectedCount, 2);
    assert.equal(session.calls.slice(-2), ['format', 'SERVER_STOPPED']);
    assert.ok(session.runs[1]!.recorded[0]!.fromMs >= session.runs[0]!.recorded.at(-1)!.toMs);
  });

  test('signs in, and leaves a camera that refuses it alone for a while', async () => {
    await using camera = await openCamera({ credentials });
    const { address } = camera;
    await using good = new RecordedSession({ run, address, credentials });
    const wrong = { ...credentials, password: 'guess' };
    await using bad = new RecordedSession({
      ...{ run, address, credentials: wrong, limits: { refusedBackOffMsMin: 60_000 } },
    });
    await using none = new RecordedSession({ run, address });
    await good.until('recorded', () => good.recorded.length >= 1);
    await bad.until('refused', () => bad.losses.length > 0);
    await none.until('refused', () => none.losses.length > 0);
    await wait(500);
    assert.equal([good.losses, bad.calls], [[], ['UNAUTHORIZED']]);
    assert.match(bad.losses[0]!.detail, /refuses the user name and password/);
    assert.match(none.losses[0]!.detail, /none are configured/);
  });

  return test;
}
