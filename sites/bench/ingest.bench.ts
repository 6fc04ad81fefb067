import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { RecorderProgress } from './ingest-recorder.process.js';
import { residentBytes } from './process-memory.js';

const CAMERAS = 16;
/** ffmpeg costs the same for each camera: more than these would only take the processor from the recorder. */
const FLOOR_CAMERAS_MAX = 16;
/** What is said of a large site, at the rate that is measured here. */
const LARGE_SITE_CAMERAS = 250;
const BITS_PER_SECOND = 4_000_000;
/** Both sides are measured in turns, so that a busy moment of the machine does not decide. */
const ROUNDS = 5;
const ROUND_MS = 4_000;
const FIRST_CAMERA_MS = 4_000;
/** A recorder runs for months; until so long after its start it still compiles the code that it runs hottest. */
const WARM_UP_MS = 16_000;
const START_TIMEOUT_MS = 60_000;

export interface IngestBenchmark {
  readonly cameras: number;
  /** Of one core, while recording all cameras into the media database, live fan-out included: median of the rounds. */
  readonly cpuPercentPerCamera: number;
  /** One `ffmpeg -rtsp_transport tcp -i URL -c copy` to a file per camera. `null`: there is no ffmpeg here. */
  readonly floorCpuPercentPerCamera: number | null;
  readonly ratio: number | null;
  /** Resident memory of each further camera: (all cameras − the first) / (cameras − 1). */
  readonly rssMbPerCamera: number;
  readonly lostAccessUnits: number;
  /** From when a group of pictures was handed over until it was durable on the disk: the 99th of a hundred. */
  readonly writeDelayMsP99: number;
  /** What so many cameras of the same kind would need: processor cores that are full, memory, and what the disk must take. */
  readonly for250Cameras: {
    readonly cores: number;
    readonly memoryMb: number;
    readonly diskMegabytesPerSecond: number;
  };
}

/** What recording a camera costs over real RTSP, beside ffmpeg on the same cameras. Takes about a minute; Linux only. */
export async function benchIngest(cameras = CAMERAS): Promise<IngestBenchmark> {
  if (!existsSync('/proc/self/task'))
    throw new Error('the ingest benchmark reads CPU time from /proc: it runs on Linux only');
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-bench-ingest-'));
  const children: ChildProcess[] = [];
  try {
    const addresses = await startCameras(children, cameras);
    const recorder = fork(processFile('ingest-recorder'), [path.join(directory, 'media')]);
    children.push(recorder);
    await record(recorder, addresses.slice(0, 1));
    await wait(FIRST_CAMERA_MS);
    const firstRss = residentBytes(recorder.pid!);
    await record(recorder, addresses.slice(1));
    await untilRecording(recorder, cameras);
    await wait(WARM_UP_MS);
    const floored = addresses.slice(0, FLOOR_CAMERAS_MAX);
    const floor = hasFfmpeg() ? await startFloor(children, floored, directory) : [];
    await ask(recorder);
    const { ours, floors } = await measure(recorder, floor);
    const rss = residentBytes(recorder.pid!);
    const { lostCount, writeDelayMsP99 } = await ask(recorder);
    const cpu = median(ours) / cameras;
    const floorCpu = floor.length === 0 ? null : median(floors) / floor.length;
    const rssMbPerCamera = (rss - firstRss) / (cameras - 1) / 2 ** 20;
    return {
      cameras,
      cpuPercentPerCamera: rounded(cpu),
      floorCpuPercentPerCamera: floorCpu === null ? null : rounded(floorCpu),
      ratio: floorCpu === null ? null : rounded(cpu / floorCpu),
      rssMbPerCamera: rounded(rssMbPerCamera),
      lostAccessUnits: lostCount,
      writeDelayMsP99: rounded(writeDelayMsP99),
      for250Cameras: {
        cores: rounded((cpu * LARGE_SITE_CAMERAS) / 100),
        memoryMb: Math.round(firstRss / 2 ** 20 + rssMbPerCamera * (LARGE_SITE_CAMERAS - 1)),
        diskMegabytesPerSecond: rounded((LARGE_SITE_CAMERAS * BITS_PER_SECOND) / 8e6),
      },
    };
  } finally {
    await Promise.all(children.map(end));
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Both record the same cameras at the same time, so whatever else the machine does weighs on both alike. */
async function measure(
  recorder: ChildProcess,
  floor: readonly ChildProcess[],
): Promise<{ readonly ours: readonly number[]; readonly floors: readonly number[] }> {
  const ours: number[] = [];
  const floors: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const beganAt = performance.now();
    const ourNs = cpuNs(recorder);
    const floorNs = floor.map(cpuNs);
    await wait(ROUND_MS);
    const elapsedNs = (performance.now() - beganAt) * 1e6;
    ours.push(((cpuNs(recorder) - ourNs) / elapsedNs) * 100);
    const spentNs = floor.reduce((sum, child, index) => sum + cpuNs(child) - floorNs[index]!, 0);
    floors.push((spentNs / elapsedNs) * 100);
  }
  return { ours, floors };
}

function processFile(name: string): string {
  return path.join(import.meta.dirname, `${name}.process.js`);
}

async function startCameras(children: ChildProcess[], count: number): Promise<readonly string[]> {
  const cameras = fork(processFile('ingest-cameras'), [String(count), String(BITS_PER_SECOND)]);
  children.push(cameras);
  const [{ port }] = (await once(cameras, 'message', {
    signal: AbortSignal.timeout(START_TIMEOUT_MS),
  })) as [{ readonly port: number }];
  return Array.from({ length: count }, (_, index) => `rtsp://127.0.0.1:${port}/cam${index}`);
}

async function record(recorder: ChildProcess, addresses: readonly string[]): Promise<RecorderProgress> {
  const answer = once(recorder, 'message', { signal: AbortSignal.timeout(START_TIMEOUT_MS) });
  recorder.send(addresses);
  const [progress] = (await answer) as [RecorderProgress];
  return progress;
}

function ask(recorder: ChildProcess): Promise<RecorderProgress> {
  return record(recorder, []);
}

async function untilRecording(recorder: ChildProcess, count: number): Promise<void> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    const { recordingCount } = await ask(recorder);
    if (recordingCount >= count) return;
    if (performance.now() > deadline)
      throw new Error(`${recordingCount} of ${count} cameras are recorded after ${START_TIMEOUT_MS} ms`);
    await wait(100);
  }
}

function hasFfmpeg(): boolean {
  const found = spawnSync('ffmpeg', ['-version']).status === 0;
  if (!found) console.error('ffmpeg is not on the PATH: the floor cannot be measured');
  return found;
}

async function startFloor(
  children: ChildProcess[],
  addresses: readonly string[],
  directory: string,
): Promise<readonly ChildProcess[]> {
  const files = addresses.map((_, index) => path.join(directory, `floor-${index}.mp4`));
  const floor = addresses.map((address, index) => {
    const fragmented = ['-movflags', 'frag_keyframe+empty_moov+default_base_moof', '-flush_packets', '1'];
    const output = ['-c', 'copy', '-f', 'mp4', ...fragmented, files[index]!];
    const input = ['-nostdin', '-v', 'error', '-rtsp_transport', 'tcp', '-i', address];
    return spawn('ffmpeg', [...input, ...output], { stdio: 'ignore' });
  });
  children.push(...floor);
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!files.every(file => existsSync(file) && statSync(file).size > 100_000)) {
    if (performance.now() > deadline)
      throw new Error(`ffmpeg has not begun to record every camera after ${START_TIMEOUT_MS} ms`);
    await wait(100);
  }
  return floor;
}

/** Nanoseconds that all threads of a process have run, from the scheduler itself: ticks count too little. */
function cpuNs(child: ChildProcess): number {
  const tasks = `/proc/${child.pid}/task`;
  let sum = 0;
  for (const task of readdirSync(tasks))
    sum += Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]);
  return sum;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
