// For tests: a recording server on a real log and disk, whose camera sends what the test wants.
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  decodeEventData,
  type Fragment,
  LOG_START,
  newEvent,
  RETENTION_LIMITS,
  type RetentionLimits,
} from '@holdfast/core';
import type {
  DeviceId,
  DriverName,
  EventId,
  HardwareId,
  HoldfastEvent,
  RecordingServerId,
  SiteId,
} from '@holdfast/schema';
import pino from 'pino';
import { v7 } from 'uuid';
import * as assert from 'uvu/assert';
import { FoldFiles } from '../log/fold-files.js';
import { openSqliteSiteLog, type SqliteSiteLog } from '../log/sqlite-site-log.js';
import type { CameraSink, RunCameraSession } from './drivers/driver.js';
import { MEDIA_DATABASE_LIMITS } from './media-database/media-database.js';
import { testInit } from './media-database/media-fixture.js';
import { RecordingServer } from './recording-server.js';
import type { RecordingServerOptions } from './recording-server-options.js';

export const site = v7() as SiteId;
export const serverA = v7() as RecordingServerId;
export const serverB = v7() as RecordingServerId;
export const hardwareId = v7() as HardwareId;
export const cameraId = v7() as DeviceId;
export const microphoneId = v7() as DeviceId;
/** Only what goes wrong takes so long. */
const UNTIL_MS_MAX = 60_000;
const signingKey = generateKeyPairSync('ed25519').privateKey;

export function openLog(dir: string): Promise<SqliteSiteLog> {
  return openSqliteSiteLog({ file: path.join(dir, 'log', 'site.sqlite'), site, now: Date.now, signingKey });
}

export async function say(
  log: SqliteSiteLog,
  stream: string,
  event: HoldfastEvent,
  occurredAtMs = Date.now(),
): Promise<void> {
  const facts = {
    id: v7() as EventId,
    actor: 'user:test',
    occurredAtMs,
    clockQuality: 'NTP',
  } as const;
  const outcome = await log.append([{ stream, expected: 'any', events: [newEvent(event, facts)] }]);
  assert.ok(outcome.appended);
}

export const addHardware = (log: SqliteSiteLog, address: string, driver: DriverName = 'rtsp') =>
  say(log, `hardware-${hardwareId}`, {
    type: 'HardwareAdded',
    data: {
      hardwareId,
      name: 'Entrance',
      driver,
      transport: 'AUTO',
      address,
      sealedCredentials: null,
      recordingServerId: serverA,
      devices: [
        { deviceId: cameraId, type: 'CAMERA', name: 'Entrance' },
        { deviceId: microphoneId, type: 'MICROPHONE', name: 'Entrance microphone' },
      ],
    },
  });

type DataOf<Type extends HoldfastEvent['type']> = Extract<HoldfastEvent, { readonly type: Type }>['data'];

export async function eventsOf<Type extends HoldfastEvent['type']>(
  log: SqliteSiteLog,
  type: Type,
): Promise<DataOf<Type>[]> {
  const events = await log.read({ after: LOG_START, limit: 5000 });
  return events
    .filter(event => event.type === type)
    .map(event => decodeEventData(event).data as DataOf<Type>);
}

export async function until(condition: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const endMs = Date.now() + UNTIL_MS_MAX;
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error(`waited a minute in vain until ${what}`);
    await delay(20);
  }
}

export interface Running extends AsyncDisposable {
  readonly server: RecordingServer;
  readonly alarms: string[];
  stop(): Promise<void>;
}

export async function start(
  log: SqliteSiteLog,
  dir: string,
  options: Partial<RecordingServerOptions> & { readonly retention?: Partial<RetentionLimits> } = {},
): Promise<Running> {
  const alarms: string[] = [];
  const { retention, ...rest } = options;
  const recordingServerId = options.recordingServerId ?? serverA;
  const server = await RecordingServer.open({
    recordingServerId,
    site,
    log,
    folds: new FoldFiles({ directory: path.join(dir, 'folds'), logger: pino({ level: 'silent' }) }),
    dir: path.join(dir, 'media', recordingServerId),
    now: Date.now,
    monotonicMs: () => performance.now(),
    random: Math.random,
    newId: v7,
    openCredentials: () => ({ userName: 'user', password: 'password' }),
    raiseAlarm: async ({ message }) => void alarms.push(message),
    pins: () => [],
    logger: pino({ level: 'silent' }),
    limits: {
      ...RETENTION_LIMITS,
      retentionMs: 1e12,
      freeBytesLow: 0,
      freeBytesStop: 0,
      freeBytesResume: 0,
      ...retention,
    },
    softwareVersion: 'test',
    ffmpegBin: null,
    mediaLimits: MEDIA_DATABASE_LIMITS,
    sealReportIntervalMs: 100,
    ...rest,
  });
  const controller = new AbortController();
  const running = server.run(controller.signal);
  let stopped: Promise<void> | null = null;
  const stop = () => {
    controller.abort();
    stopped ??= running.then(() => server[Symbol.asyncDispose]());
    return stopped;
  };
  return { server, alarms, stop, [Symbol.asyncDispose]: stop };
}

/** A camera whose pictures the test sends itself. */
export class ScriptedCamera {
  readonly sinks: CameraSink[] = [];
  #endMs = 0;

  readonly run: RunCameraSession = async ({ sink }, signal) => {
    this.sinks.push(sink);
    if (!signal.aborted) await once(signal, 'abort');
    sink.runEnded(signal.reason, this.#endMs);
  };

  begin(...fragments: Fragment[]): void {
    const sink = this.sinks.at(-1)!;
    sink.connected(fragments[0]!.fromMs);
    sink.format(testInit());
    for (const fragment of fragments) this.send(fragment);
  }

  send(fragment: Fragment): void {
    this.#endMs = fragment.toMs;
    this.sinks.at(-1)!.recordedFragment(fragment);
  }

  end(): void {
    this.sinks.at(-1)!.runEnded('CAMERA_DISCONNECTED', this.#endMs);
  }
}
