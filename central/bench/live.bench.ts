import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { readFragment } from '@holdfast/core';
import { type CameraSink, rtspDriver } from '@holdfast/sites';
import { WebSocket } from 'ws';
import { MEDIA_PROTOCOL } from '../media-gateway/live-socket.js';

const READY_MS_MAX = 60_000;
const CONNECTED_MS_MAX = 30_000;
const ANSWER_MS_MAX = 10_000;
const WATCH_MS = 20_000;
const OPENINGS = 10;
/** Between two openings: the next one meets the camera at another moment of its group of pictures. */
const OPENING_PAUSE_MS = 730;
const POLL_MS = 200;

export interface LiveBenchmark {
  /**
   * From the moment that the camera stamps on a picture to its last byte at a viewer of the central: camera, recording server of a
   * remote site, media channel over TLS, central, WebSocket. A player's own buffer comes on top.
   */
  readonly addedLatencyP50Ms: number;
  readonly addedLatencyP99Ms: number;
  /** The same to a program that reads the camera itself over RTSP, with our own client: what no server can be quicker than. */
  readonly floorLatencyP50Ms: number;
  /** From opening the WebSocket to the first picture, median: it waits for no key frame. */
  readonly firstFrameMs: number;
  readonly pictures: number;
}

/** How late live pictures are at a viewer, in the demonstration with one remote site, as real processes. */
export async function benchLive(): Promise<LiveBenchmark> {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-bench-live-'));
  const demonstration = startDemonstration(directory);
  try {
    const viewer = await signIn(await readyLine(demonstration));
    const { deviceId, address } = await untilRecorded(viewer);
    const firstFrames: number[] = [];
    for (let opening = 0; opening < OPENINGS; opening += 1) {
      firstFrames.push(await firstFrame(viewer, deviceId));
      await wait(OPENING_PAUSE_MS);
    }
    // Both at once, so that whatever else the machine does meets both alike.
    const [viewed, direct] = await Promise.all([watch(viewer, deviceId), readCamera(address)]);
    return {
      addedLatencyP50Ms: percentile(viewed, 0.5),
      addedLatencyP99Ms: percentile(viewed, 0.99),
      floorLatencyP50Ms: percentile(direct, 0.5),
      firstFrameMs: percentile(firstFrames, 0.5),
      pictures: viewed.length,
    };
  } finally {
    await end(demonstration);
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

interface Ready {
  readonly console: string;
  readonly graphql: string;
  readonly user: string;
  readonly password: string;
}

interface Viewer {
  readonly graphql: string;
  readonly media: string;
  readonly token: string;
}

function startDemonstration(directory: string): ChildProcess {
  const program = path.resolve(import.meta.dirname, '../../bin/holdfast.mjs');
  const options = ['demonstration', '--json', '--data', directory, '--port', '0', '--sites', '1'];
  return spawn(process.execPath, ['--disable-warning=ExperimentalWarning', program, ...options], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
}

async function readyLine(demonstration: ChildProcess): Promise<Ready> {
  const lines = createInterface({ input: demonstration.stdout! });
  const [line] = await once(lines, 'line', { signal: AbortSignal.timeout(READY_MS_MAX) });
  return JSON.parse(line as string) as Ready;
}

async function signIn({ console: address, graphql, user, password }: Ready): Promise<Viewer> {
  const form = { grant_type: 'password', username: user, password, client_id: 'GrantValidatorClient' };
  const response = await fetch(new URL('/API/IDP/connect/token', address), {
    method: 'POST',
    body: new URLSearchParams(form),
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  const { access_token: token } = (await response.json()) as { readonly access_token: string };
  return { graphql, media: address.replace(/^http/, 'ws'), token };
}

async function untilRecorded(
  viewer: Viewer,
): Promise<{ readonly deviceId: string; readonly address: string }> {
  const query =
    '{ devices(type: CAMERA, first: 1) { edges { node { id hardware { address connection } } } } }';
  const deadline = performance.now() + CONNECTED_MS_MAX;
  for (;;) {
    const response = await fetch(viewer.graphql, {
      method: 'POST',
      headers: { authorization: `Bearer ${viewer.token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ query }),
      signal: AbortSignal.timeout(ANSWER_MS_MAX),
    });
    const { data } = (await response.json()) as { readonly data: DevicesAnswer };
    const device = data.devices.edges[0]?.node;
    if (device?.hardware.connection === 'CONNECTED') {
      return { deviceId: device.id, address: device.hardware.address };
    }
    if (performance.now() > deadline) throw new Error('no camera of the demonstration is connected');
    await wait(POLL_MS);
  }
}

interface DevicesAnswer {
  readonly devices: {
    readonly edges: readonly {
      readonly node: {
        readonly id: string;
        readonly hardware: { readonly address: string; readonly connection: string | null };
      };
    }[];
  };
}

function open({ media, token }: Viewer, deviceId: string): WebSocket {
  const address = new URL(`/media/${deviceId}/live`, media);
  return new WebSocket(address, [MEDIA_PROTOCOL], { headers: { authorization: `Bearer ${token}` } });
}

async function firstFrame(viewer: Viewer, deviceId: string): Promise<number> {
  const beganMs = performance.now();
  const socket = open(viewer, deviceId);
  const ended = AbortSignal.timeout(ANSWER_MS_MAX);
  try {
    for (;;) {
      const [message, isBinary] = await once(socket, 'message', { signal: ended });
      if (isBinary && readFragment(message as Buffer, 0) !== null) return performance.now() - beganMs;
    }
  } finally {
    socket.terminate();
  }
}

/** Latencies of all pictures that were made after the viewer was there. */
async function watch(viewer: Viewer, deviceId: string): Promise<readonly number[]> {
  const latenciesMs: number[] = [];
  const beganMs = Date.now();
  const socket = open(viewer, deviceId);
  socket.on('message', (message: Buffer, isBinary: boolean) => {
    const fragment = isBinary ? readFragment(message, 0) : null;
    if (fragment !== null && fragment.facts.fromMs > beganMs)
      latenciesMs.push(Date.now() - fragment.facts.fromMs);
  });
  await once(socket, 'open', { signal: AbortSignal.timeout(ANSWER_MS_MAX) });
  await wait(WATCH_MS);
  socket.terminate();
  return latenciesMs;
}

async function readCamera(address: string): Promise<readonly number[]> {
  const latenciesMs: number[] = [];
  const beganMs = Date.now();
  const sink: CameraSink = {
    connected: () => undefined,
    format: () => undefined,
    liveFragment: fragment => {
      if (fragment.fromMs > beganMs) latenciesMs.push(Date.now() - fragment.fromMs);
      fragment.release?.();
    },
    recordedFragment: fragment => fragment.release?.(),
    runEnded: () => undefined,
    accessUnitsLost: () => undefined,
    connectionLost: () => undefined,
  };
  const options = { address, credentials: null, sink, now: Date.now, random: Math.random };
  await rtspDriver.run(options, AbortSignal.timeout(WATCH_MS));
  return latenciesMs;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGTERM');
  await ended;
}

/** To the tenth of a millisecond. */
function percentile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new Error('no picture came');
  const sorted = [...values].sort((left, right) => left - right);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]! * 10) / 10;
}
