import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { type LinkTrace, traceCapacityBytes } from '@holdfast/interconnect';
import type { DeviceId, SegmentId } from '@holdfast/schema';
import { type MediaDatabase, newUuid } from '@holdfast/sites';
import { type HealingNetwork, openHealingNetwork } from './healing-network.js';
import { addCameras, appendOutageFacts } from './outage-facts.js';
import { FRAGMENT_MS, recordCameras } from './recorded-cameras.js';

const BITS_PER_SECOND = 10_000_000;
/** One way, as over a mobile network of today. */
const DELAY_MS = 20;
/** What is asked for fills the link about this long. */
const TRANSFER_MS = 34_000;
const TRANSFER_MS_MAX = 90_000;
/** Without a trace the link is cut so often, evenly over the transfer, each time so long. */
const CUT_COUNT = 3;
const CUT_MS = 1500;
const CAMERAS = 4;
/** Two segments of a camera. */
const FRAGMENTS = 64;
const OUTAGE_CAMERAS = 16;
const POLL_MS = 20;
const SETUP_MS_MAX = 20_000;

export interface RetrieveBenchmark {
  /** Payload bytes over what the link could carry while it was up, from the request to the last durable segment. */
  readonly linkUtilisation: number;
  readonly utilisationTarget: number;
  /** What the site read again for sending, whether or not it had come to cross the link when it was cut. */
  readonly resentBytes: number;
  /** What crossed the link beside the payload, in percent of it: protocol, TLS, and what was sent again. */
  readonly overheadPercent: number;
  /** Every segment read back here has the bytes that were recorded there. */
  readonly identical: boolean;
  readonly payloadBytes: number;
  readonly transferMs: number;
  readonly cutCount: number;
  /** From the return of the link to the moment when all facts of the outage are durable in the central's PostgreSQL. */
  readonly factsMs: number;
  readonly factsTargetMs: number;
  readonly factsCount: number;
}

/** Facts and recordings of an outage over an emulated link: of 10 Mbit/s and with cuts, or as a trace has it. */
export async function benchRetrieve({
  trace,
}: {
  readonly trace: LinkTrace | null;
}): Promise<RetrieveBenchmark> {
  const directory = mkdtempSync(path.join(tmpdir(), 'holdfast-bench-retrieve-'));
  try {
    await using network = await openHealingNetwork(directory);
    const facts = await measureFacts(network);
    const retrieval = await measureRetrieval(network, trace);
    return { ...retrieval, utilisationTarget: 0.9, ...facts, factsTargetMs: 2000 };
  } finally {
    rmSync(directory, { recursive: true, force: true, maxRetries: 3 });
  }
}

async function measureFacts(
  network: HealingNetwork,
): Promise<Pick<RetrieveBenchmark, 'factsMs' | 'factsCount'>> {
  const { link, siteLog, recorded } = network;
  const isCurrent = async () => (await network.intakePosition()) === siteLog.head().size;
  const { recordingServerId } = recorded;
  const cameras = await addCameras({ log: siteLog, recordingServerId, count: OUTAGE_CAMERAS });
  link.shape({ bandwidthBitsPerSecond: BITS_PER_SECOND, delayMs: DELAY_MS });
  await until('the site is connected', isCurrent, SETUP_MS_MAX);
  await link.cut();
  const factsCount = await appendOutageFacts({
    log: siteLog,
    recordingServerId,
    cameras,
    endsAtMs: Date.now(),
  });
  // The site has tried in vain by now, as after a long outage.
  await wait(CUT_MS * 2);
  await link.restore();
  const beganMs = performance.now();
  await until('the facts are at the central', isCurrent, SETUP_MS_MAX);
  return { factsMs: Math.round(performance.now() - beganMs), factsCount };
}

type RetrievalMeasurement = Omit<
  RetrieveBenchmark,
  'factsMs' | 'factsCount' | 'utilisationTarget' | 'factsTargetMs'
>;

async function measureRetrieval(
  network: HealingNetwork,
  trace: LinkTrace | null,
): Promise<RetrievalMeasurement> {
  const { link, recorded, retrieved } = network;
  const shape = trace === null ? { bandwidthBitsPerSecond: BITS_PER_SECOND } : { trace };
  const capacityBytes = (fromMs: number, toMs: number) =>
    trace === null ? ((toMs - fromMs) / 8000) * BITS_PER_SECOND : traceCapacityBytes(trace, fromMs, toMs);
  const span = await recordSpan(network, capacityBytes(0, TRANSFER_MS));
  const segmentIds = span.deviceIds.flatMap(deviceId => segmentsOf(recorded, deviceId));
  link.shape({ ...shape, delayMs: DELAY_MS });
  const before = { toParent: link.state.bytesToParent, given: network.givenBytes() };
  const beganMs = performance.now();
  await request(network, span);
  const cutting = new AbortController();
  const cuts = trace === null ? cutNowAndThen(network, cutting.signal) : null;
  await until(
    'every segment is held at the central',
    async () => segmentIds.every(id => retrieved.segment(id) !== null),
    TRANSFER_MS_MAX,
  );
  const transferMs = performance.now() - beganMs;
  cutting.abort();
  const { cutCount, cutMs } = (await cuts) ?? { cutCount: 0, cutMs: 0 };
  const { payloadBytes } = span;
  const crossedBytes = link.state.bytesToParent - before.toParent;
  return {
    linkUtilisation: rounded(payloadBytes / capacityBytes(0, transferMs - cutMs), 3),
    resentBytes: network.givenBytes() - before.given - payloadBytes,
    overheadPercent: rounded((crossedBytes / payloadBytes - 1) * 100, 2),
    identical: (await digestOf(recorded, span.deviceIds)) === (await digestOf(retrieved, span.deviceIds)),
    ...{ payloadBytes, transferMs: Math.round(transferMs), cutCount },
  };
}

interface RecordedSpan {
  readonly deviceIds: readonly DeviceId[];
  readonly fromMs: number;
  readonly toMs: number;
  readonly payloadBytes: number;
}

/** Recorded an hour ago, known at the central. */
async function recordSpan(network: HealingNetwork, byteLength: number): Promise<RecordedSpan> {
  const { recorded, siteLog } = network;
  const deviceIds = Array.from({ length: CAMERAS }, () => newUuid<DeviceId>());
  const fromMs = Date.now() - 3_600_000;
  const fragmentBytes = Math.round(byteLength / (CAMERAS * FRAGMENTS));
  await recordCameras({
    ...{ database: recorded, log: siteLog, deviceIds, fromMs, fragmentCount: FRAGMENTS, fragmentBytes },
  });
  const head = siteLog.head().size;
  const isKnown = async () => (await network.intakePosition()) === head;
  await until('what is recorded is known at the central', isKnown, SETUP_MS_MAX);
  let payloadBytes = 0;
  for (const id of deviceIds.flatMap(deviceId => segmentsOf(recorded, deviceId))) {
    payloadBytes += recorded.segment(id)!.segment.byteLength;
  }
  return { deviceIds, fromMs, toMs: fromMs + FRAGMENTS * FRAGMENT_MS, payloadBytes };
}

async function request(network: HealingNetwork, { deviceIds, fromMs, toMs }: RecordedSpan): Promise<void> {
  for (const deviceId of deviceIds) {
    const wish = {
      siteId: network.siteId,
      deviceId,
      fromMs,
      toMs,
      trigger: 'REQUEST',
      actor: 'user:bench',
    } as const;
    const outcome = await network.retrievals.request(wish);
    if (!outcome.requested) throw new Error(`the retrieval was refused: ${outcome.refusal.code}`);
  }
}

async function cutNowAndThen(
  { link }: HealingNetwork,
  signal: AbortSignal,
): Promise<{ readonly cutCount: number; readonly cutMs: number }> {
  let [cutCount, cutMs] = [0, 0];
  while (cutCount < CUT_COUNT) {
    await wait(TRANSFER_MS / (CUT_COUNT + 1), undefined, { signal }).catch(() => undefined);
    if (signal.aborted) break;
    await link.cut();
    const beganMs = performance.now();
    await wait(CUT_MS);
    await link.restore();
    cutMs += performance.now() - beganMs;
    cutCount += 1;
  }
  return { cutCount, cutMs };
}

function segmentsOf(database: MediaDatabase, deviceId: DeviceId): readonly SegmentId[] {
  const whole = { deviceId, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER, after: null, limit: 100 };
  return database.segments(whole).map(({ segment }) => segment.segmentId);
}

/** Over everything that a retrieval gets: manifest, init and fragments of every segment. */
async function digestOf(database: MediaDatabase, deviceIds: readonly DeviceId[]): Promise<string> {
  const hash = createHash('sha256');
  const { signal } = new AbortController();
  for (const deviceId of deviceIds) {
    const segmentIds = segmentsOf(database, deviceId);
    for await (const item of database.readSegments({ deviceId, segmentIds, resumeAtFragment: 0, signal })) {
      hash.update(item.kind);
      if (item.kind === 'fragment') hash.update(item.fragment.bytes);
      else if (item.kind === 'init') hash.update(item.init.bytes);
    }
  }
  return hash.digest('hex');
}

async function until(what: string, condition: () => Promise<boolean>, timeoutMs: number): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`);
    await wait(POLL_MS);
  }
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}
