import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { MOTION_DETECTION, RECORDING_POLICY } from '@holdfast/core';
import type { DeviceId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { HeatMapStore } from '../recording-server/motion/heat-map-store.js';
import { encodeKeyPictures } from '../recording-server/motion/key-pictures.fixture.js';
import { MotionDetector } from '../recording-server/motion/motion-detector.js';

const CAMERAS = 16;
const PICTURES = 8;
/** Of a camera that sends a key picture every two seconds. */
const PICTURE_INTERVAL_MS = 2_000;
const DAY_MS = 86_400_000;
const ROUNDS = 15;

export interface MotionBenchmark {
  readonly cameras: number;
  /** CPU of this process and of ffmpeg for each key picture of 1080p. */
  readonly cpuMsPerPicture: number;
  /** Mean of the key pictures: what they cost goes by their size more than by their width. */
  readonly pictureBytes: number;
  /** Of one core, at a key picture every two seconds. */
  readonly corePercentPerCamera: number;
  /** Pictures that could not be judged. */
  readonly lost: number;
  /** A day of one camera in which something moves all the time; median. */
  readonly searchOfDayMs: number;
  readonly heatMapBytesOfDay: number;
}

/** What motion detection costs for each camera, and how long a search over a day of one takes. */
export async function benchMotion(): Promise<MotionBenchmark> {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-bench-motion-'));
  try {
    return { cameras: CAMERAS, ...(await detect(directory)), ...search(directory) };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function detect(directory: string) {
  const logger = pino({ level: 'silent' });
  const heatMaps = new HeatMapStore({ file: path.join(directory, 'detect.sqlite'), logger });
  await using detector = new MotionDetector({
    ...{ ffmpeg: ['ffmpeg'], heatMaps, now: Date.now, logger },
    trigger: () => undefined,
  });
  const { init, pictures } = await encodeKeyPictures({
    codec: 'H264',
    source: 'testsrc2=size=1920x1080:rate=1,noise=alls=1:allf=t',
    size: { width: 1920, height: 1080 },
    count: 8,
  });
  const watches = Array.from({ length: CAMERAS }, () => detector.watch(v7() as DeviceId));
  for (const watch of watches) watch.configure({ ...RECORDING_POLICY, mode: 'MOTION' }, MOTION_DETECTION);
  watches[0]!.keyFrame(init, pictures[0]!(1000));
  while (!detector.isReady) await delay(10);
  if (detector.missing !== null) throw new Error(detector.missing);
  const before = cpuMs(detector.processIds);
  for (let round = 1; round <= PICTURES; round += 1) {
    for (const watch of watches) {
      watch.keyFrame(init, pictures[round % pictures.length]!(1_000_000 + round * PICTURE_INTERVAL_MS));
    }
    while (watches.some(watch => watch.underWay > 1)) await delay(5);
  }
  const cpuMsPerPicture = (cpuMs(detector.processIds) - before) / (CAMERAS * PICTURES);
  const lost = watches.reduce((sum, watch) => sum + watch.unjudgedTotal, 0);
  heatMaps[Symbol.dispose]();
  return {
    pictureBytes: Math.round(
      pictures.reduce((sum, picture) => sum + picture(0).bytes.length, 0) / pictures.length,
    ),
    cpuMsPerPicture: rounded(cpuMsPerPicture),
    corePercentPerCamera: rounded((cpuMsPerPicture * 100) / PICTURE_INTERVAL_MS),
    lost,
  };
}

/** Of this process and of its decoders, as the kernel counts it (Linux). */
function cpuMs(processIds: readonly number[]): number {
  const ticksPerSecond = Number(spawnSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }).stdout) || 100;
  const own = process.cpuUsage();
  const others = processIds.map(pid => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ');
    return ((Number(fields[11]) + Number(fields[12])) * 1000) / ticksPerSecond;
  });
  return (own.user + own.system) / 1000 + others.reduce((sum, value) => sum + value, 0);
}

function search(directory: string) {
  const deviceId = v7() as DeviceId;
  const logger = pino({ level: 'silent' });
  const file = path.join(directory, 'search.sqlite');
  // Encrypted: what costs more.
  const key = { keyId: v7(), key: Buffer.alloc(32, 7) };
  const keys = { get: () => key.key };
  const fromMs = 1_767_225_600_000;
  {
    using store = new HeatMapStore({ file, logger, keys, encryptionOf: () => key });
    for (let atMs = fromMs; atMs < fromMs + DAY_MS; atMs += PICTURE_INTERVAL_MS) {
      // A tenth of the cells, scattered: what run lengths like least.
      const cells = Uint8Array.from({ length: 256 }, (_, cell) =>
        (cell * 7 + atMs / 1000) % 10 < 1 ? 1 : 0,
      );
      store.add(deviceId, 16, { atMs, cells });
    }
  }
  const mask = `${'0'.repeat(100)}${'1'.repeat(20)}${'0'.repeat(136)}`;
  const times = Array.from({ length: ROUNDS }, () => {
    // Opened anew each time: nothing is known from the search before.
    using store = new HeatMapStore({ file, logger, keys });
    const beganAt = performance.now();
    const found = store.search(deviceId, { mask, fromMs, toMs: fromMs + DAY_MS, thresholdPermille: 100 });
    if (found.length === 0) throw new Error('the search found nothing');
    return performance.now() - beganAt;
  }).sort((one, other) => one - other);
  return {
    searchOfDayMs: rounded(times[Math.floor(ROUNDS / 2)]!),
    heatMapBytesOfDay: readFileSync(file).length,
  };
}

function rounded(value: number): number {
  return Math.round(value * 100) / 100;
}
