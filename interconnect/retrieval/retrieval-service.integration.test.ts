import {
  createMemorySiteLog,
  type DeviceSegmentFacts,
  decodeEventData,
  LOG_START,
  type MediaItem,
  type MediaSource,
  type SiteLog,
} from '@holdfast/core';
import { DeviceId, type RetrievalEvent, type RetrievalId, SegmentId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createMediaNetwork, type MediaNetwork } from '../media-channel/media-network.fixture.js';
import {
  type RecordedSegment,
  recordSegments,
  sha256,
  sourceOfSegments,
} from '../media-channel/recorded-media.fixture.js';
import { createMemorySegmentIntake, type MemorySegmentIntake } from './memory-segment-intake.fixture.js';
import type { RetrievalFacts, SourceSegment } from './retrieval-facts.js';
import { RetrievalProcess } from './retrieval-process.js';
import {
  DEFAULT_RETRIEVAL_BUDGET,
  OPEN_RETRIEVALS_MAX,
  RetrievalService,
  type RetrievalServiceOptions,
} from './retrieval-service.js';

const test = suite('retrieval service');

const logger = pino({ level: 'silent' });
const FRAGMENT_COUNT = 8;
const FRAGMENT_BYTES = 40_000;
/** All recordings are this old, so that nothing waits for the clock. */
const FROM_MS = Date.now() - 3_600_000;
const SEGMENT_MS = FRAGMENT_COUNT * 1000;

interface Camera {
  readonly deviceId: DeviceId;
  readonly segments: readonly RecordedSegment[];
}

/** Places without any relation to frames, fragments or segments. */
const CUT_AFTER_BYTES = [70_001, 333_333, 250_007, 611_113, 404_049];
/** What a link of 40 Mbit/s and the buffers of two processes on the loopback hold of one transfer. */
const UNDER_WAY_BYTES = 1024 * 1024;

function record(segmentCount: number): Camera {
  const deviceId = DeviceId.parse(v7());
  const segments = recordSegments({
    deviceId,
    segmentIds: Array.from({ length: segmentCount }, () => SegmentId.parse(v7())),
    fromMs: FROM_MS,
    fragmentCount: FRAGMENT_COUNT,
    fragmentBytes: FRAGMENT_BYTES,
    seed: deviceId,
  });
  return { deviceId, segments };
}

const spanOf = (camera: Camera) => ({
  fromMs: FROM_MS,
  toMs: FROM_MS + camera.segments.length * SEGMENT_MS,
});
const bytesOf = (camera: Camera) => camera.segments.length * FRAGMENT_COUNT * FRAGMENT_BYTES;

/** What a read model would say, from what the cameras have sealed and what is in the media database. */
class KnownFacts implements RetrievalFacts {
  readonly sealedCount = new Map<DeviceId, number>();
  readonly #network: MediaNetwork;
  readonly #cameras: readonly Camera[];
  readonly #intake: MemorySegmentIntake;

  constructor(network: MediaNetwork, cameras: readonly Camera[], intake: MemorySegmentIntake) {
    this.#network = network;
    this.#cameras = cameras;
    this.#intake = intake;
  }

  async recordings({ deviceId }: { readonly deviceId: DeviceId }) {
    const camera = this.#cameras.find(one => one.deviceId === deviceId)!;
    const segments = camera.segments
      .slice(0, this.sealedCount.get(deviceId) ?? camera.segments.length)
      .map((segment): SourceSegment => {
        const { segmentId, fragments } = segment.manifest;
        return {
          segmentId,
          recordingServerId: this.#network.server.recordingServerId,
          fromMs: fragments[0]!.fromMs,
          toMs: fragments.at(-1)!.toMs,
          fragmentCount: fragments.length,
          byteLength: segment.byteLength,
          digest: segment.digest,
          keyFramesOnly: false,
        };
      });
    const timeline: DeviceSegmentFacts = {
      sealed: segments,
      gaps: [],
      losses: [],
      held: segments.filter(segment => this.#intake.complete.has(segment.segmentId)),
      running: { sinceMs: FROM_MS },
      unsealed: [],
      lastStop: null,
      known: { fromMs: FROM_MS, toMs: segments.at(-1)?.toMs ?? FROM_MS },
      link: { state: 'UP', sinceMs: Date.now() },
      retentionMs: null,
    };
    return { timeline, segments };
  }

  async devicesToHeal() {
    return this.#cameras.map(camera => camera.deviceId);
  }

  /** As after the read models were dropped: everything has to be read from the log. */
  async openRetrievals() {
    return { retrievalIds: [], asOf: LOG_START };
  }
}

interface World extends AsyncDisposable {
  readonly network: MediaNetwork;
  readonly facts: KnownFacts;
  readonly intake: MemorySegmentIntake;
  readonly log: SiteLog;
  readonly start: (change?: Partial<RetrievalServiceOptions>) => Running;
  readonly events: (retrievalId: RetrievalId) => Promise<readonly RetrievalEvent[]>;
  readonly ended: (service: RetrievalService, retrievalId: RetrievalId) => Promise<string>;
}

interface Running extends AsyncDisposable {
  readonly service: RetrievalService;
}

async function createWorld(cameras: readonly Camera[], source: MediaSource): Promise<World> {
  const network = await createMediaNetwork(source);
  const intake = createMemorySegmentIntake();
  const facts = new KnownFacts(network, cameras, intake);
  const log = createMemorySiteLog({ site: SiteId.parse(v7()), now: Date.now, sha256 });
  const linkSinceMs = Date.now();
  const start = (change: Partial<RetrievalServiceOptions> = {}): Running => {
    const service = new RetrievalService({
      log,
      facts,
      sourceOf: of => network.service.mediaSourceOf(of),
      attached: () => network.service.attached(),
      intake,
      linkState: () => ({ state: 'UP', sinceMs: linkSinceMs }),
      budgetOf: () => DEFAULT_RETRIEVAL_BUDGET,
      now: Date.now,
      random: () => 0,
      newId: v7,
      actor: 'site:test',
      logger,
      ...change,
    });
    const detach = network.service.onAttached(() => service.replanSoon());
    const stop = new AbortController();
    const running = service.run(stop.signal);
    return {
      service,
      [Symbol.asyncDispose]: async () => {
        detach();
        stop.abort();
        await running;
      },
    };
  };
  const events = async (retrievalId: RetrievalId) => {
    const recorded = await log.readStream({
      stream: `retrieval-${retrievalId}`,
      afterRevision: null,
      limit: 1000,
    });
    return recorded.map(event => decodeEventData(event) as RetrievalEvent);
  };
  const ended = async (service: RetrievalService, retrievalId: RetrievalId) => {
    const context = { log, now: Date.now, newEventId: () => v7() as never };
    const load = async () => (await RetrievalProcess.load(context, retrievalId)).state.status;
    const isOver = (status: string) => ['COMPLETED', 'FAILED', 'CANCELLED'].includes(status);
    let status = await load();
    while (!isOver(status)) {
      await changeOf(service, retrievalId);
      status = await load();
    }
    return status;
  };
  const dispose = async () => {
    await network[Symbol.asyncDispose]();
    await log[Symbol.asyncDispose]();
  };
  return { network, facts, intake, log, start, events, ended, [Symbol.asyncDispose]: dispose };
}

/** Resolves with the next news of the retrieval; now and then without, in case it was told before anybody listened. */
function changeOf(service: RetrievalService, retrievalId: RetrievalId): Promise<void> {
  return new Promise(resolve => {
    const settle = () => {
      clearTimeout(timer);
      stop();
      resolve();
    };
    const timer = setTimeout(settle, 50);
    const stop = service.onProgress(progress => {
      if (progress.retrievalId === retrievalId) settle();
    });
  });
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 5));
}

function assertHeld(intake: MemorySegmentIntake, cameras: readonly Camera[]): void {
  const segments = cameras.flatMap(camera => camera.segments);
  for (const { manifest, fragments } of segments) {
    const stored = intake.complete.get(manifest.segmentId);
    assert.ok(stored, `segment ${manifest.segmentId} is held`);
    assert.ok(Buffer.concat(stored).equals(Buffer.concat(fragments.map(fragment => fragment.bytes))));
  }
  assert.is(intake.complete.size, segments.length);
}

const sourceOf = (...cameras: readonly Camera[]) =>
  sourceOfSegments(cameras.flatMap(camera => camera.segments));
const typesOf = (events: readonly RetrievalEvent[]) =>
  events.map(event => event.type.replace('Retrieval', ''));

test('what was missed in an outage is fetched by itself, over a link that is cut again and again', async () => {
  const cameras = [record(6), record(6)];
  const source = sourceOf(...cameras);
  await using world = await createWorld(cameras, source);
  await using running = world.start();
  const { link } = world.network;
  link.shape({ bandwidthBitsPerSecond: 40_000_000, delayMs: 3 });
  const outage = spanOf(cameras[0]!);
  const ids = await running.service.onLinkUp(world.network.server.siteId, outage);
  assert.is(ids.length, 2);
  for (const bytes of CUT_AFTER_BYTES) {
    const cutAt = link.state.bytesToParent + bytes;
    await until(() => link.state.bytesToParent >= cutAt);
    await link.cut('RESET');
    await link.restore();
  }
  for (const id of ids) assert.is(await world.ended(running.service, id), 'COMPLETED');
  assertHeld(world.intake, cameras);
  for (const id of ids) {
    const events = await world.events(id);
    assert.equal(typesOf(events).slice(0, 2), ['Requested', 'Started']);
    assert.ok(typesOf(events).includes('Interrupted'), 'the cuts are recorded');
    const completed = events.at(-1)!;
    assert.equal(completed.type === 'RetrievalCompleted' && completed.data.missing, []);
    const transferred = completed.type === 'RetrievalCompleted' ? completed.data.transferredBytes : 0;
    assert.is(transferred, bytesOf(cameras[0]!), 'no fragment arrived twice');
    const reported = events.flatMap(event =>
      event.type === 'RetrievalProgressed' ? event.data.segments.map(segment => segment.segmentId) : [],
    );
    assert.is(new Set(reported).size, 6);
    assert.is(reported.length, 6, 'each segment is reported once');
  }
  // Beyond the media itself only what was under way at a cut is given again: of each transfer at most the send window.
  const resent = source.givenBytes() - 2 * bytesOf(cameras[0]!);
  const underWayMax = CUT_AFTER_BYTES.length * 2 * UNDER_WAY_BYTES;
  assert.ok(resent <= underWayMax, `${resent} bytes were sent again`);
});

test('the same outage is asked for once, however often the return of the link is reported', async () => {
  const camera = record(2);
  await using world = await createWorld([camera], sourceOf(camera));
  await using running = world.start();
  const { siteId } = world.network.server;
  const [id] = await running.service.onLinkUp(siteId, spanOf(camera));
  assert.equal(await running.service.onLinkUp(siteId, spanOf(camera)), []);
  assert.is(await world.ended(running.service, id!), 'COMPLETED');
  assert.equal(await running.service.onLinkUp(siteId, spanOf(camera)), []);
});

const request = (world: World, camera: Camera) => ({
  siteId: world.network.server.siteId,
  deviceId: camera.deviceId,
  ...spanOf(camera),
  trigger: 'REQUEST' as const,
  actor: 'user:anna',
});

test('a request for what is not sealed yet waits for it, and then completes', async () => {
  const camera = record(4);
  await using world = await createWorld([camera], sourceOf(camera));
  world.facts.sealedCount.set(camera.deviceId, 2);
  await using running = world.start();
  // Ends in this very minute: the recording goes on, and the segments in it are still open.
  const recent = { ...request(world, camera), toMs: spanOf(camera).toMs };
  const outcome = await running.service.request(recent);
  assert.ok(outcome.requested);
  if (!outcome.requested) return;
  await until(() => world.intake.complete.size === 2);
  world.facts.sealedCount.set(camera.deviceId, 4);
  running.service.replanSoon();
  assert.is(await world.ended(running.service, outcome.retrievalId), 'COMPLETED');
  assertHeld(world.intake, [camera]);
});

test('killed in the middle, it goes on after the next start, and nothing is fetched twice', async () => {
  const camera = record(5);
  const source = sourceOf(camera);
  await using world = await createWorld([camera], source);
  world.network.link.shape({ bandwidthBitsPerSecond: 20_000_000, delayMs: 2 });
  // From the kill on nothing of the first service reaches the log or the media database, as when the process is gone.
  let isKilled = false;
  const never = new Promise<never>(() => undefined);
  const mortalLog: SiteLog = {
    append: appends => (isKilled ? never : world.log.append(appends)),
    head: () => world.log.head(),
    epochs: () => world.log.epochs(),
    read: options => world.log.read(options),
    readStream: options => world.log.readStream(options),
    subscribe: options => world.log.subscribe(options),
    [Symbol.asyncDispose]: async () => undefined,
  };
  const kill = new AbortController();
  const first = new RetrievalService({
    log: mortalLog,
    facts: world.facts,
    sourceOf: of => ({
      open: (what, options) =>
        world.network.service.mediaSourceOf(of).open(what, {
          ...options,
          signal: AbortSignal.any([options.signal, kill.signal]),
        }),
    }),
    attached: () => world.network.service.attached(),
    intake: world.intake,
    linkState: () => ({ state: 'UP', sinceMs: 0 }),
    budgetOf: () => DEFAULT_RETRIEVAL_BUDGET,
    now: Date.now,
    random: () => 0,
    newId: v7,
    actor: 'site:test',
    logger,
  });
  const stop = new AbortController();
  void first.run(stop.signal);
  const outcome = await first.request(request(world, camera));
  assert.ok(outcome.requested);
  if (!outcome.requested) return;
  const partialCount = () => [...world.intake.partial.values()].flat().length;
  await until(() => world.intake.complete.size >= 2 && partialCount() >= 3);
  isKilled = true;
  kill.abort();
  stop.abort();

  await using second = world.start();
  assert.is(await world.ended(second.service, outcome.retrievalId), 'COMPLETED');
  assertHeld(world.intake, [camera]);
  const types = typesOf(await world.events(outcome.retrievalId));
  assert.equal(types.slice(0, 4), ['Requested', 'Started', 'Interrupted', 'Resumed']);
  assert.is(types.at(-1), 'Completed');
  const resent = source.givenBytes() - bytesOf(camera);
  assert.ok(resent <= 1024 * 1024, `${resent} bytes were sent again`);
});

test('a tampered fragment fails the retrieval by name, and is not stored', async () => {
  const camera = record(2);
  const honest = sourceOf(camera);
  let index = -1;
  const tampering: MediaSource = {
    open: async function* (what, options): AsyncIterable<MediaItem> {
      for await (const item of honest.open(what, options)) {
        if (item.kind === 'fragment') index += 1;
        if (item.kind !== 'fragment' || index !== 11) {
          yield item;
          continue;
        }
        const bytes = Buffer.from(item.fragment.bytes);
        bytes[12_345]! ^= 4;
        yield { ...item, fragment: { ...item.fragment, bytes } };
      }
    },
  };
  await using world = await createWorld([camera], tampering);
  await using running = world.start();
  const outcome = await running.service.request(request(world, camera));
  assert.ok(outcome.requested);
  if (!outcome.requested) return;
  assert.is(await world.ended(running.service, outcome.retrievalId), 'FAILED');
  const failed = (await world.events(outcome.retrievalId)).at(-1)!;
  assert.ok(failed.type === 'RetrievalFailed');
  if (failed.type === 'RetrievalFailed') {
    assert.is(failed.data.cause, 'DIGEST_MISMATCH');
    assert.match(failed.data.detail, camera.segments[1]!.manifest.segmentId);
  }
  assert.is(world.intake.complete.size, 1);
});

test('cancelling stops the transfer and keeps what was fetched', async () => {
  const camera = record(6);
  const source = sourceOf(camera);
  await using world = await createWorld([camera], source);
  world.network.link.shape({ bandwidthBitsPerSecond: 20_000_000, delayMs: 2 });
  await using running = world.start();
  const outcome = await running.service.request(request(world, camera));
  assert.ok(outcome.requested);
  if (!outcome.requested) return;
  await until(() => world.intake.complete.size >= 2);
  assert.ok(running.service.progressOf(outcome.retrievalId)!.retrievedBytes > 0);
  assert.equal(await running.service.cancel(outcome.retrievalId, 'user:anna'), { cancelled: true });
  assert.is(await world.ended(running.service, outcome.retrievalId), 'CANCELLED');
  const events = await world.events(outcome.retrievalId);
  const reported = events.flatMap(event => (event.type === 'RetrievalProgressed' ? event.data.segments : []));
  assert.is(reported.length, world.intake.complete.size, 'what is held is in the log');
  assert.ok(world.intake.complete.size < 6);
  await until(() => source.openCount() === 0);
  assert.equal(await running.service.cancel(outcome.retrievalId, 'user:anna'), {
    cancelled: false,
    refusal: { code: 'ALREADY_ENDED', status: 'CANCELLED' },
  });
});

test('an alarm takes the place of a routine retrieval, which then goes on', async () => {
  const [routine, urgent] = [record(6), record(2)];
  await using world = await createWorld([routine, urgent], sourceOf(routine, urgent));
  world.network.link.shape({ bandwidthBitsPerSecond: 20_000_000, delayMs: 2 });
  await using running = world.start({ budgetOf: () => ({ ...DEFAULT_RETRIEVAL_BUDGET, devicesMax: 1 }) });
  const first = await running.service.request({ ...request(world, routine), trigger: 'SCHEDULE' });
  await until(() => world.intake.complete.size >= 1);
  const second = await running.service.request({ ...request(world, urgent), trigger: 'ALARM' });
  assert.ok(first.requested && second.requested);
  if (!first.requested || !second.requested) return;
  assert.is(await world.ended(running.service, second.retrievalId), 'COMPLETED');
  assert.ok(world.intake.complete.size < 8, 'the alarm came first');
  assert.is(await world.ended(running.service, first.retrievalId), 'COMPLETED');
  assertHeld(world.intake, [routine, urgent]);
  const interrupted = (await world.events(first.retrievalId)).find(
    event => event.type === 'RetrievalInterrupted',
  );
  assert.ok(interrupted?.type === 'RetrievalInterrupted' && interrupted.data.cause === 'PREEMPTED');
});

test('a budget of bandwidth is kept', async () => {
  const camera = record(2);
  await using world = await createWorld([camera], sourceOf(camera));
  const bytesPerSecondMax = bytesOf(camera);
  await using running = world.start({ budgetOf: () => ({ ...DEFAULT_RETRIEVAL_BUDGET, bytesPerSecondMax }) });
  const startedMs = performance.now();
  const outcome = await running.service.request(request(world, camera));
  assert.ok(outcome.requested);
  if (!outcome.requested) return;
  assert.is(await world.ended(running.service, outcome.retrievalId), 'COMPLETED');
  const tookMs = performance.now() - startedMs;
  assert.ok(tookMs >= 990, `${bytesOf(camera)} bytes came in ${tookMs} ms`);
  assertHeld(world.intake, [camera]);
});

test('stopped, it says so in the log, and a request without sense is refused', async () => {
  const camera = record(6);
  await using world = await createWorld([camera], sourceOf(camera));
  world.network.link.shape({ bandwidthBitsPerSecond: 10_000_000, delayMs: 2 });
  const running = world.start();
  const empty = { ...request(world, camera), toMs: FROM_MS };
  assert.equal(await running.service.request(empty), {
    requested: false,
    refusal: { code: 'EMPTY_SPAN', fromMs: FROM_MS, toMs: FROM_MS },
  });
  const outcome = await running.service.request(request(world, camera));
  assert.ok(outcome.requested);
  if (!outcome.requested) return;
  await until(() => world.intake.complete.size >= 1);
  await running[Symbol.asyncDispose]();
  const last = (await world.events(outcome.retrievalId)).at(-1)!;
  assert.ok(last.type === 'RetrievalInterrupted' && last.data.cause === 'STOPPED');
});

test('no more retrievals are open than anybody can wait for: the next is refused by name, until one is taken back', async () => {
  const camera = record(1);
  await using world = await createWorld([camera], sourceOf(camera));
  await using running = world.start({ linkState: () => ({ state: 'DOWN', sinceMs: Date.now() }) });
  const { service } = running;
  const { siteId } = world.network.server;
  const ask = () =>
    service.request({
      ...{ siteId, deviceId: camera.deviceId, ...spanOf(camera) },
      ...{ trigger: 'REQUEST', actor: 'user:ann' },
    });
  const first = await ask();
  for (let count = 1; count < OPEN_RETRIEVALS_MAX; count += 1) assert.ok((await ask()).requested);
  const refusal = { code: 'TOO_MANY_OPEN', openMax: OPEN_RETRIEVALS_MAX };
  assert.equal(await ask(), { requested: false, refusal });
  assert.ok(first.requested && (await service.cancel(first.retrievalId, 'user:ann')).cancelled);
  assert.ok((await ask()).requested);
});

test.run();
