import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { FOLD_EVENTS_MAX, type NewEvent, newEvent, type SiteLog } from '@holdfast/core';
import type {
  AlarmId,
  DeviceId,
  EventId,
  HardwareId,
  HoldfastEvent,
  RecordingServerId,
  SealedSegment,
  SegmentId,
  SiteId,
} from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { SiteConfiguration } from '../configuration/site-configuration.js';
import { openSqliteSiteLog } from '../log/sqlite-site-log.js';
import { siteLogFileOf } from '../site-directory.js';
import { loadSiteKeys } from '../site-keys.js';
import { openSiteServers } from '../site-servers.js';

const EVENTS = 1_000_000;
const CAMERAS = 50;
/** One alarm in so many facts; the rest are sealed recordings, as in a site that records all day. */
const ALARM_EVERY = 100;
/** Facts per append, and appends under way: as fast as the log takes them. */
const APPEND_EVENTS = 500;
const APPENDS_UNDER_WAY = 4;
const ROUNDS = 5;

export interface RestartBenchmark {
  readonly events: number;
  /**
   * Until the site is ready, after a kill: the snapshots of its folds stand as far behind the log as they ever do. In a process
   * of its own, once its code is loaded; median.
   */
  readonly restartMs: number;
  /** The same after an orderly end. */
  readonly cleanRestartMs: number;
  /** Once, without snapshots: everything is folded, as on the first start after an upgrade. */
  readonly upgradeRestartMs: number;
  /** In a process of its own too: the bare file opened by SQLite and its last row read. Median. */
  readonly floorMs: number;
  readonly ratio: number;
}

const siteId = v7() as SiteId;
const recordingServerId = v7() as RecordingServerId;

/** How long a site takes to be ready over a log of a million events. Most of its minute is writing that log. */
export async function benchRestart(): Promise<RestartBenchmark> {
  const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-bench-restart-'));
  try {
    await writeConfiguration(directory);
    await writeFacts(directory, EVENTS);
    const upgradeMs = await foldEverything(directory);
    const cleanMs = await median(directory, 'SITE');
    // A start saves nothing before so many have passed, so that each round finds them behind.
    await writeFacts(directory, FOLD_EVENTS_MAX - 1);
    const killedMs = await median(directory, 'SITE');
    const floorMs = await median(directory, 'FLOOR');
    return {
      events: EVENTS + FOLD_EVENTS_MAX - 1,
      restartMs: Math.round(killedMs),
      cleanRestartMs: Math.round(cleanMs),
      upgradeRestartMs: Math.round(upgradeMs),
      floorMs: Math.round(floorMs * 10) / 10,
      ratio: Math.round((killedMs / floorMs) * 10) / 10,
    };
  } finally {
    await rm(directory, { recursive: true });
  }
}

function configurationOf(directory: string, cameraCount: number): SiteConfiguration {
  return SiteConfiguration.parse({
    role: 'site',
    site: { id: siteId, name: 'Restarted' },
    data: directory,
    recordingServers: [{ id: recordingServerId, name: 'Recorder' }],
    cameras: Array.from({ length: cameraCount }, (_, index) => ({
      hardwareId: v7() as HardwareId,
      name: `Camera ${index + 1}`,
      address: `rtsp://127.0.0.1:1/${index + 1}`,
      recordingServer: recordingServerId,
    })),
  });
}

const logger = pino({ level: 'silent' });

async function writeConfiguration(directory: string): Promise<void> {
  const configuration = configurationOf(directory, CAMERAS);
  await using _ = await openSiteServers({ configuration, baseDirectory: directory, pins: () => [], logger });
}

/** Returns how long the start took. The orderly end leaves the snapshots. */
async function foldEverything(directory: string): Promise<number> {
  const configuration = configurationOf(directory, 0);
  const beganMs = performance.now();
  await using servers = await openSiteServers({
    ...{ configuration, baseDirectory: directory, pins: () => [], logger },
  });
  const readyMs = performance.now() - beganMs;
  await servers.run(AbortSignal.abort());
  return readyMs;
}

async function writeFacts(directory: string, count: number): Promise<void> {
  const { logKey: signingKey } = loadSiteKeys(directory);
  await using log = await openSqliteSiteLog({
    ...{ file: siteLogFileOf(directory), site: siteId, now: Date.now, signingKey },
  });
  let left = count;
  const write = async () => {
    while (left > 0) {
      const length = Math.min(APPEND_EVENTS, left);
      left -= length;
      await append(
        log,
        Array.from({ length }, (_, index) => factOf(left + index)),
      );
    }
  };
  await Promise.all(Array.from({ length: APPENDS_UNDER_WAY }, write));
}

async function append(log: SiteLog, facts: readonly Fact[]): Promise<void> {
  const outcome = await log.append(
    facts.map(({ stream, event }) => ({ stream, expected: 'any', events: [event] })),
  );
  if (!outcome.appended) throw new Error(`the log refused: ${outcome.refusal.code}`);
}

interface Fact {
  readonly stream: string;
  readonly event: NewEvent;
}

const deviceIds = Array.from({ length: CAMERAS }, () => v7() as DeviceId);

function factOf(index: number): Fact {
  if (index % ALARM_EVERY === 0) {
    const alarmId = v7() as AlarmId;
    const data = {
      ...{
        alarmId,
        localNumber: index + 1,
        name: 'Door forced',
        message: 'The door was opened without a card.',
      },
      ...{ priority: 2, sourceDeviceId: null, sourceName: '', raisedAtMs: Date.now() },
    };
    return { stream: `alarm-${alarmId}`, event: eventOf({ type: 'AlarmRaised', data }) };
  }
  const deviceId = deviceIds[index % CAMERAS]!;
  return { stream: `recording-${deviceId}`, event: sealedOf(deviceId) };
}

/** Checked against its schema once; a million checks more would measure nothing. */
const sealedTemplates = new Map<DeviceId, NewEvent>();

function sealedOf(deviceId: DeviceId): NewEvent {
  let template = sealedTemplates.get(deviceId);
  if (template === undefined) {
    const nowMs = Date.now();
    const segment: SealedSegment = {
      ...{ segmentId: v7() as SegmentId, fromMs: nowMs - 64_000, toMs: nowMs },
      ...{ fragmentCount: 64, byteLength: 16_000_000, digest: 'ab'.repeat(32) },
      timeSource: 'SENDER_REPORT',
      beganBecause: 'RECORDING_CONTINUED',
      endedBecause: 'RECORDING_CONTINUED',
    };
    template = eventOf({
      type: 'RecordingSealed',
      data: { deviceId, recordingServerId, segments: [segment], gaps: [] },
    });
    sealedTemplates.set(deviceId, template);
  }
  return { ...template, id: v7() as EventId };
}

function eventOf(event: HoldfastEvent): NewEvent {
  return newEvent(event, {
    ...{ id: v7() as EventId, actor: `server:${recordingServerId}`, occurredAtMs: Date.now() },
    clockQuality: 'NTP',
  });
}

async function median(directory: string, kind: 'SITE' | 'FLOOR'): Promise<number> {
  const program = path.join(import.meta.dirname, 'restart.process.js');
  const configuration = JSON.stringify(configurationOf(directory, 0));
  const timesMs: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const { stdout } = await promisify(execFile)(process.execPath, [program, directory, kind, configuration]);
    timesMs.push(Number(stdout));
  }
  return timesMs.sort((left, right) => left - right)[Math.floor(ROUNDS / 2)]!;
}
