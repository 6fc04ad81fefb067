import { newEvent, type SiteLog, type StreamAppend } from '@holdfast/core';
import type {
  AlarmId,
  DeviceId,
  EventId,
  HardwareId,
  HoldfastEvent,
  RecordingServerId,
  SealedSegment,
  SegmentId,
} from '@holdfast/schema';
import { newUuid } from '@holdfast/sites';

export interface BenchCamera {
  readonly deviceId: DeviceId;
  readonly hardwareId: HardwareId;
}

const MINUTE_MS = 60_000;
const OUTAGE_MINUTES = 60;
/** A camera that loses its connection this often in the hour, and an alarm of the site as often. */
const DISTURBANCE_MINUTES = 5;
/** A minute of a camera at 4 Mbit/s. */
const SEGMENT_BYTES = 30_000_000;
const SEGMENT_FRAGMENTS = 30;
/** Streams in one append, far below the 512 events of the log. */
const APPEND_EVENTS = 100;

interface Fact {
  readonly stream: string;
  readonly event: HoldfastEvent;
  readonly atMs: number;
}

/** The cameras are part of the configuration long before the outage. */
export async function addCameras(options: {
  readonly log: SiteLog;
  readonly recordingServerId: RecordingServerId;
  readonly count: number;
}): Promise<readonly BenchCamera[]> {
  const { log, recordingServerId, count } = options;
  const cameras = Array.from({ length: count }, () => ({
    deviceId: newUuid<DeviceId>(),
    hardwareId: newUuid<HardwareId>(),
  }));
  const facts = cameras.map(({ deviceId, hardwareId }, index): Fact => {
    const name = `Camera ${index + 1}`;
    const where = {
      driver: 'rtsp',
      transport: 'AUTO',
      address: `rtsp://192.0.2.${index + 1}/stream1`,
      sealedCredentials: null,
    } as const;
    const devices = [{ deviceId, type: 'CAMERA' as const, name }];
    const data = { hardwareId, name, ...where, recordingServerId, devices };
    return { stream: `hardware-${hardwareId}`, event: { type: 'HardwareAdded', data }, atMs: Date.now() };
  });
  await appendAll(log, recordingServerId, facts);
  return cameras;
}

/**
 * What a site with these cameras writes in an hour without its link: a `RecordingSealed` per minute and camera, cameras
 * that are lost and come back, and alarms. Returns how many events were appended.
 */
export async function appendOutageFacts(options: {
  readonly log: SiteLog;
  readonly recordingServerId: RecordingServerId;
  readonly cameras: readonly BenchCamera[];
  readonly endsAtMs: number;
}): Promise<number> {
  const { log, recordingServerId, cameras, endsAtMs } = options;
  const facts: Fact[] = [];
  for (let minute = 0; minute < OUTAGE_MINUTES; minute += 1) {
    const atMs = endsAtMs - (OUTAGE_MINUTES - minute) * MINUTE_MS;
    for (const [index, { deviceId, hardwareId }] of cameras.entries()) {
      facts.push({ stream: `recording-${deviceId}`, event: sealed(options, deviceId, atMs), atMs });
      if ((minute + index) % DISTURBANCE_MINUTES !== 0) continue;
      const stream = `hardware-connection-${hardwareId}`;
      for (const event of disturbance(options, hardwareId, atMs)) facts.push({ stream, event, atMs });
    }
    if (minute % DISTURBANCE_MINUTES === 0) facts.push({ ...alarm(minute + 1, atMs), atMs });
  }
  await appendAll(log, recordingServerId, facts);
  return facts.length;
}

async function appendAll(
  log: SiteLog,
  recordingServerId: RecordingServerId,
  facts: readonly Fact[],
): Promise<void> {
  const actor = `server:${recordingServerId}`;
  for (let at = 0; at < facts.length; at += APPEND_EVENTS) {
    const appends = facts.slice(at, at + APPEND_EVENTS).map(({ stream, event, atMs }): StreamAppend => {
      const about = { id: newUuid<EventId>(), actor, occurredAtMs: atMs, clockQuality: 'NTP' } as const;
      return { stream, expected: 'any', events: [newEvent(event, about)] };
    });
    const outcome = await log.append(appends);
    if (!outcome.appended) throw new Error(`the log refused facts: ${outcome.refusal.code}`);
  }
}

type Origin = { readonly recordingServerId: RecordingServerId };

function sealed({ recordingServerId }: Origin, deviceId: DeviceId, fromMs: number): HoldfastEvent {
  const segment: SealedSegment = {
    segmentId: newUuid<SegmentId>(),
    fromMs,
    toMs: fromMs + MINUTE_MS,
    fragmentCount: SEGMENT_FRAGMENTS,
    byteLength: SEGMENT_BYTES,
    // As random as a digest: it must not compress better than a real one.
    digest: Array.from({ length: 2 }, () => newUuid().replaceAll('-', '')).join(''),
    timeSource: 'SENDER_REPORT',
    beganBecause: 'RECORDING_CONTINUED',
    endedBecause: 'RECORDING_CONTINUED',
  };
  const data = { deviceId, recordingServerId, segments: [segment], gaps: [] };
  return { type: 'RecordingSealed', data };
}

function disturbance(
  { recordingServerId }: Origin,
  hardwareId: HardwareId,
  atMs: number,
): readonly HoldfastEvent[] {
  const of = { hardwareId, recordingServerId };
  const detail = 'no answer within 10000 ms';
  return [
    { type: 'HardwareConnectionLost', data: { ...of, atMs, cause: 'UNREACHABLE', detail } },
    { type: 'HardwareConnected', data: { ...of, atMs: atMs + 5000 } },
  ];
}

function alarm(
  localNumber: number,
  raisedAtMs: number,
): { readonly stream: string; readonly event: HoldfastEvent } {
  const alarmId = newUuid<AlarmId>();
  const what = { name: 'Door forced', message: 'The door contact opened without a card', priority: 1 };
  const source = { sourceDeviceId: null, sourceName: 'Door 3' };
  const data = { alarmId, localNumber, ...what, ...source, raisedAtMs };
  return { stream: `alarm-${alarmId}`, event: { type: 'AlarmRaised', data } };
}
