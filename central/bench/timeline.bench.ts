import type {
  DeviceId,
  HoldfastEvent,
  RecordingGap,
  RecordingServerId,
  SealedSegment,
  SegmentId,
} from '@holdfast/schema';
import { newUuid } from '@holdfast/sites';
import {
  type CentralFixture,
  newDeviceId,
  openCentralFixture,
  siteFacts,
} from '../http/central-http.fixture.js';
import { GRAPHQL_PATH } from '../http/graphql-http.js';

const SEGMENTS = 1_000_000;
const CAMERAS = 64;
const SEGMENT_MS = 64_000;
const DAY_MS = 24 * 3600_000;
/** One camera has so many days; the others share what is left of the million. */
const LONG_DAYS = 30;
/** A fact may tell of so many. */
const SEGMENTS_PER_EVENT = 200;
/** Six hours. */
const SEGMENTS_BETWEEN_CUTS = 337;
const SEGMENT = {
  ...{
    fragmentCount: 32,
    byteLength: 32_000_000,
    digest: 'ab'.repeat(32),
    timeSource: 'SENDER_REPORT' as const,
  },
  ...{ beganBecause: 'RECORDING_CONTINUED' as const, endedBecause: 'RECORDING_CONTINUED' as const },
};
const WARM_UP = 20;
const DAYS_ASKED = 200;
const MONTHS_ASKED = 100;

export interface TimelineBenchmark {
  readonly segments: number;
  /** One day of 64 cameras. */
  readonly dayP50Ms: number;
  readonly dayP99Ms: number;
  readonly dayTargetMs: number;
  /** Thirty days of one camera. */
  readonly monthP50Ms: number;
  readonly monthP99Ms: number;
  readonly monthTargetMs: number;
}

const QUERY = `query ($devices: [ID!]!, $from: DateTime!, $to: DateTime!) {
  timeline(deviceIds: $devices, from: $from, to: $to) { deviceId spans { from to state cause retrievableUntil } }
}`;

/** The query `timeline` of the API as an operator asks it, over HTTP, at a central with a million segments. */
export async function benchTimeline(): Promise<TimelineBenchmark> {
  await using central = await openCentralFixture();
  const { deviceIds, toMs } = await fill(central);
  const ask = async (devices: readonly DeviceId[], days: number, endMs: number) => {
    const beganMs = performance.now();
    const response = await fetch(`http://${central.origin}${GRAPHQL_PATH}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${central.token}` },
      body: JSON.stringify({
        query: QUERY,
        variables: { devices, from: new Date(endMs - days * DAY_MS), to: new Date(endMs) },
      }),
    });
    const { data } = (await response.json()) as { data?: { timeline: readonly DeviceTimeline[] } };
    const tookMs = performance.now() - beganMs;
    const isShown = data?.timeline.every(({ spans }) => spans.some(({ state }) => state !== 'GAP'));
    if (isShown !== true || data?.timeline.length !== devices.length) {
      throw new Error('a camera shows nothing');
    }
    return tookMs;
  };
  const days: number[] = [];
  const months: number[] = [];
  for (let turn = 0; turn < WARM_UP; turn += 1) await ask(deviceIds, 1, toMs);
  for (let turn = 0; turn < DAYS_ASKED; turn += 1) {
    days.push(await ask(deviceIds, 1, toMs - (turn % 10) * DAY_MS));
  }
  for (let turn = 0; turn < MONTHS_ASKED; turn += 1) {
    months.push(await ask(deviceIds.slice(0, 1), LONG_DAYS, toMs));
  }
  if (central.faults.length > 0) throw central.faults[0];
  return {
    segments: SEGMENTS,
    ...{ dayP50Ms: quantile(days, 0.5), dayP99Ms: quantile(days, 0.99), dayTargetMs: 20 },
    ...{ monthP50Ms: quantile(months, 0.5), monthP99Ms: quantile(months, 0.99), monthTargetMs: 100 },
  };
}

interface DeviceTimeline {
  readonly spans: readonly { readonly state: string }[];
}

function quantile(times: readonly number[], share: number): number {
  const sorted = times.toSorted((one, other) => one - other);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]! * 10) / 10;
}

/** Taken in and folded as what a site tells: cameras that are interrupted every six hours, the oldest day deleted. */
async function fill(
  central: CentralFixture,
): Promise<{ readonly deviceIds: readonly DeviceId[]; readonly toMs: number }> {
  const { own, child, takeIn, projections } = central;
  const deviceIds = Array.from({ length: CAMERAS }, newDeviceId);
  const toMs = Date.UTC(2026, 5, 1);
  const long = (LONG_DAYS * DAY_MS) / SEGMENT_MS;
  const short = Math.floor((SEGMENTS - long) / (CAMERAS - 1));
  const cameras = deviceIds.map((id, index) => ({ id, name: `Camera ${index}` }));
  const { events, recordingServerId } = siteFacts(child, 'Branch', cameras);
  await takeIn(
    own.event(`child-site-${child.site}`, {
      type: 'ChildSiteEnrolled',
      data: { siteId: child.site, name: 'Branch', certificateSha256: 'cd'.repeat(32) },
    }),
    own.event(`link-${child.site}`, {
      type: 'LinkEstablished',
      data: { siteId: child.site, atMs: toMs - LONG_DAYS * DAY_MS, session: 1 },
    }),
  );
  await takeIn(...events);
  for (const [index, deviceId] of deviceIds.entries()) {
    const count = index === 0 ? SEGMENTS - short * (CAMERAS - 1) : short;
    const stream = `recording-${deviceId}`;
    const facts = recordingsOf({ deviceId, recordingServerId }, { count, toMs });
    await takeIn(...facts.map(fact => child.event(stream, fact)));
  }
  await projections.projector.catchUp();
  await central.database.sql`vacuum analyze`;
  return { deviceIds, toMs };
}

function recordingsOf(
  ofDevice: { readonly deviceId: DeviceId; readonly recordingServerId: RecordingServerId },
  { count, toMs }: { readonly count: number; readonly toMs: number },
): readonly HoldfastEvent[] {
  const events: HoldfastEvent[] = [];
  const old: SealedSegment[] = [];
  const oldestMs = toMs - count * SEGMENT_MS;
  for (let first = 0; first < count; first += SEGMENTS_PER_EVENT) {
    const segments: SealedSegment[] = [];
    const gaps: RecordingGap[] = [];
    for (let n = first; n < Math.min(first + SEGMENTS_PER_EVENT, count); n += 1) {
      const fromMs = oldestMs + n * SEGMENT_MS;
      const isCut = n % SEGMENTS_BETWEEN_CUTS === SEGMENTS_BETWEEN_CUTS - 1;
      const endMs = fromMs + (isCut ? SEGMENT_MS / 2 : SEGMENT_MS);
      segments.push({ ...SEGMENT, segmentId: newUuid<SegmentId>(), fromMs, toMs: endMs });
      if (isCut) gaps.push({ fromMs: endMs, toMs: fromMs + SEGMENT_MS, cause: 'CAMERA_DISCONNECTED' });
    }
    old.push(...segments.filter(({ fromMs }) => fromMs < oldestMs + DAY_MS));
    events.push({ type: 'RecordingSealed', data: { ...ofDevice, segments, gaps } });
  }
  for (let first = 0; first < old.length; first += SEGMENTS_PER_EVENT) {
    const part = old.slice(first, first + SEGMENTS_PER_EVENT);
    events.push({
      type: 'RecordingDeleted',
      data: {
        ...{ ...ofDevice, segmentIds: part.map(({ segmentId }) => segmentId), policy: 'RETENTION_AGE' },
        ...{ fromMs: part[0]!.fromMs, toMs: part.at(-1)!.toMs },
      },
    });
  }
  return events;
}
