import { type MediaItem, MediaRefusedError, type MediaSource, type Transfer } from '@holdfast/core';
import {
  DeviceId,
  RecordingServerId,
  RetrievalId,
  type RetrievedSegment,
  SegmentId,
  SiteId,
} from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { MediaProtocolError } from '../media-channel/media-frame.js';
import { MediaChannelFaultError } from '../media-channel/receiving-channel.js';
import {
  type RecordedSegment,
  recordSegments,
  sourceOfSegments,
} from '../media-channel/recorded-media.fixture.js';
import { createMemorySegmentIntake, type MemorySegmentIntake } from './memory-segment-intake.fixture.js';
import { executeTransfer, type TransferEnd } from './retrieval-executor.js';
import type { SourceSegment } from './retrieval-facts.js';

const test = suite('retrieval executor');

const deviceId = DeviceId.parse(v7());
const recordingServerId = RecordingServerId.parse(v7());
const segmentIds = Array.from({ length: 3 }, () => SegmentId.parse(v7()));
const segments = recordSegments({
  deviceId,
  segmentIds,
  fromMs: 7_000_000,
  fragmentCount: 5,
  fragmentBytes: 1000,
  seed: 'executor',
});
const transfer: Transfer = {
  retrievalId: RetrievalId.parse(v7()),
  siteId: SiteId.parse(v7()),
  recordingServerId,
  deviceId,
  trigger: 'REQUEST',
  segmentIds,
};
const factsOf = (recorded: readonly RecordedSegment[]): ReadonlyMap<SegmentId, SourceSegment> =>
  new Map(
    recorded.map(segment => {
      const { segmentId, fragments } = segment.manifest;
      const fact = {
        segmentId,
        recordingServerId,
        fromMs: fragments[0]!.fromMs,
        toMs: fragments.at(-1)!.toMs,
        fragmentCount: fragments.length,
        byteLength: segment.byteLength,
        digest: segment.digest,
        keyFramesOnly: false,
      };
      return [segmentId, fact];
    }),
  );
const known = factsOf(segments);
/** The second segment as it is after it was reduced: of the same time, with other bytes. */
const reduced = segments.with(
  1,
  recordSegments({
    ...{ deviceId, segmentIds: [segmentIds[1]!], fromMs: 7_005_000 },
    ...{ fragmentCount: 5, fragmentBytes: 100, seed: 'reduced' },
  })[0]!,
);

interface ExecuteOptions {
  readonly signal?: AbortSignal;
  readonly facts?: ReadonlyMap<SegmentId, SourceSegment>;
  readonly postpones?: boolean;
}

async function execute(
  source: MediaSource,
  intake: MemorySegmentIntake,
  { signal, facts = known, postpones = false }: ExecuteOptions = {},
) {
  const retrieved: RetrievedSegment[] = [];
  const missing: string[] = [];
  const postponed: string[] = [];
  let bytes = 0;
  const end = await executeTransfer({
    transfer,
    segments: facts,
    source,
    intake,
    signal: signal ?? new AbortController().signal,
    onBytes: byteCount => {
      bytes += byteCount;
    },
    onSegment: segment => retrieved.push(segment),
    onMissing: (segmentId, cause) => missing.push(`${segmentId} ${cause}`),
    onPostponed: (segmentId, because) => {
      if (postpones) postponed.push(`${segmentId} ${because}`);
      return postpones;
    },
    pace: async () => undefined,
  });
  return { end, retrieved, missing, postponed, bytes };
}

/** The source, with its items passing through `change` on their way. Counts items over all requests. */
function changed(
  source: MediaSource,
  change: (item: MediaItem, index: number) => MediaItem | Error,
): MediaSource {
  let index = -1;
  return {
    open: async function* (request, options) {
      for await (const item of source.open(request, options)) {
        index += 1;
        const result = change(item, index);
        if (result instanceof Error) throw result;
        yield result;
      }
    },
  };
}

function assertIdentical(intake: MemorySegmentIntake, expected: readonly RecordedSegment[]): void {
  assert.is(intake.complete.size, expected.length);
  for (const segment of expected) {
    const stored = Buffer.concat(intake.complete.get(segment.manifest.segmentId)!);
    assert.ok(stored.equals(Buffer.concat(segment.fragments.map(fragment => fragment.bytes))));
  }
}

const isFailed = (end: TransferEnd, cause: string, detail: RegExp) => {
  assert.is(end.end, 'FAILED');
  if (end.end !== 'FAILED') return;
  assert.is(end.cause, cause);
  assert.match(end.detail, detail);
};

test('all segments are fetched, byte for byte, and reported as the log names them', async () => {
  const intake = createMemorySegmentIntake();
  const { end, retrieved, bytes } = await execute(sourceOfSegments(segments), intake);
  assert.equal(end, { end: 'DONE' });
  assertIdentical(intake, segments);
  assert.is(bytes, 15_000);
  assert.equal(
    retrieved.map(({ segmentId, digest }) => [segmentId, digest]),
    segments.map(segment => [segment.manifest.segmentId, segment.digest]),
  );
});

test('wherever the link is lost, the next run goes on at the last verified fragment', async () => {
  const itemCount = 2 + 3 * 7;
  for (let lossAt = 0; lossAt < itemCount; lossAt += 1) {
    const intake = createMemorySegmentIntake();
    const source = sourceOfSegments(segments);
    const lossy = changed(source, (item, index) =>
      index === lossAt ? new MediaRefusedError('NOT_CONNECTED', 'cut') : item,
    );
    const first = await execute(lossy, intake);
    assert.is(first.end.end, 'INTERRUPTED', `loss at item ${lossAt}`);
    if (first.end.end === 'INTERRUPTED') assert.is(first.end.cause, 'LINK_LOST');
    const second = await execute(source, intake);
    assert.equal(second.end, { end: 'DONE' });
    assertIdentical(intake, segments);
    assert.is(first.bytes + second.bytes, 15_000, `nothing came twice after a loss at item ${lossAt}`);
  }
});

test('a segment that is held already is reported, and none of its fragments is fetched', async () => {
  const intake = createMemorySegmentIntake();
  await execute(sourceOfSegments(segments), intake);
  const source = sourceOfSegments(segments);
  const { end, retrieved, bytes } = await execute(source, intake);
  assert.equal(end, { end: 'DONE' });
  assert.is(retrieved.length, 3);
  assert.is(bytes, 0);
});

test('a tampered fragment is refused by name, and nothing of it is stored', async () => {
  const intake = createMemorySegmentIntake();
  let fragmentIndex = -1;
  const tampered = changed(sourceOfSegments(segments), item => {
    if (item.kind !== 'fragment') return item;
    fragmentIndex += 1;
    if (fragmentIndex !== 7) return item;
    const bytes = Buffer.from(item.fragment.bytes);
    bytes[500]! ^= 1;
    return { ...item, fragment: { ...item.fragment, bytes } };
  });
  const { end } = await execute(tampered, intake);
  isFailed(end, 'DIGEST_MISMATCH', /"fragmentIndex":2/);
  assertIdentical(intake, segments.slice(0, 1));
  assert.is(intake.partial.get(segmentIds[1]!)!.length, 2);
});

test('a tampered manifest is refused, even when its fragments agree with it', async () => {
  const intake = createMemorySegmentIntake();
  const forged = recordSegments({
    deviceId,
    segmentIds,
    fromMs: 7_000_000,
    fragmentCount: 5,
    fragmentBytes: 1000,
    seed: 'forged',
  });
  const { end } = await execute(sourceOfSegments(forged), intake);
  isFailed(end, 'DIGEST_MISMATCH', /MANIFEST_MISMATCH/);
  assert.is(intake.complete.size + intake.partial.size, 0);
});

test('a tampered init is refused', async () => {
  const intake = createMemorySegmentIntake();
  const tampered = changed(sourceOfSegments(segments), item =>
    item.kind === 'init' ? { ...item, init: { ...item.init, bytes: new Uint8Array(700) } } : item,
  );
  isFailed((await execute(tampered, intake)).end, 'DIGEST_MISMATCH', /INIT_MISMATCH/);
  // Nothing about it was reduced: it is not left for later.
  const { end, postponed } = await execute(tampered, intake, { postpones: true });
  isFailed(end, 'DIGEST_MISMATCH', /INIT_MISMATCH/);
  assert.equal(postponed, []);
  assert.is(intake.complete.size + intake.partial.size, 0);
});

test('a segment that the source no longer has is named, and the others are fetched', async () => {
  const intake = createMemorySegmentIntake();
  for (const gone of [0, 1, 2]) {
    const rest = segments.filter((_, index) => index !== gone);
    const { end, missing } = await execute(sourceOfSegments(rest), intake);
    assert.equal(end, { end: 'DONE' });
    assert.equal(missing, [`${segmentIds[gone]} DELETED`]);
    const later = await execute(sourceOfSegments(rest), intake, { postpones: true });
    assert.equal([later.missing, later.postponed], [missing, []]);
  }
});

test('a source that calls another segment missing than the one that comes next is not believed', async () => {
  const intake = createMemorySegmentIntake();
  const astray = changed(sourceOfSegments(segments.slice(1)), item =>
    item.kind === 'missing' ? { ...item, segmentId: segmentIds[2]! } : item,
  );
  const { end, missing } = await execute(astray, intake);
  isFailed(end, 'DIGEST_MISMATCH', /is said to be missing where .* was asked for/);
  assert.equal(missing, []);
});

test('what was reduced is left until the log tells of it, the others are fetched, and then it is fetched anew', async () => {
  const intake = createMemorySegmentIntake();
  const early = await execute(sourceOfSegments(reduced), intake, { postpones: true });
  assert.equal(early.end, { end: 'DONE' });
  assert.equal(early.postponed, [`${segmentIds[1]} OTHER_BYTES`]);
  assert.equal(
    early.retrieved.map(({ segmentId }) => segmentId),
    [segmentIds[0], segmentIds[2]],
  );
  const facts = factsOf(reduced);
  const late = await execute(sourceOfSegments(reduced), intake, { postpones: true, facts });
  assert.equal([late.end, late.postponed], [{ end: 'DONE' }, []]);
  assertIdentical(intake, reduced);
});

test('reduced between any two items, half a segment is never finished with the other half of another', async () => {
  const itemCount = 2 + 3 * 7;
  for (let at = 0; at < itemCount; at += 1) {
    const intake = createMemorySegmentIntake();
    let now = sourceOfSegments(segments);
    // The link breaks, and when it is back the source has other bytes; also when the log still tells of the old.
    const breaking = changed({ open: (...asked) => now.open(...asked) }, (item, index) =>
      index === at ? new MediaRefusedError('NOT_CONNECTED', 'cut') : item,
    );
    assert.is((await execute(breaking, intake, { postpones: true })).end.end, 'INTERRUPTED');
    now = sourceOfSegments(reduced);
    const stale = await execute(now, intake, { postpones: true });
    assert.equal(stale.end, { end: 'DONE' }, `reduced at item ${at}`);
    const isWhole = intake.complete.has(segmentIds[1]!);
    const { end } = await execute(now, intake, { facts: factsOf(reduced) });
    if (isWhole) continue;
    assert.equal(end, { end: 'DONE' });
    assertIdentical(intake, reduced);
  }
});

test('reduced between the request for its manifest and that for its fragments, it is left for later', async () => {
  const intake = createMemorySegmentIntake();
  const facts = factsOf(segments.slice(1, 2));
  const [before, after] = [sourceOfSegments(segments), sourceOfSegments(reduced)];
  let asked = 0;
  const source: MediaSource = {
    open: (request, options) =>
      (asked++ === 0 ? before : after).open({ ...request, segmentIds: [segmentIds[1]!] } as never, options),
  };
  const end = await executeTransfer({
    ...{ transfer: { ...transfer, segmentIds: [segmentIds[1]!] }, segments: facts, source, intake },
    ...{
      signal: new AbortController().signal,
      onBytes: () => undefined,
      onSegment: () => assert.unreachable(),
    },
    ...{ onMissing: () => assert.unreachable(), onPostponed: () => true, pace: async () => undefined },
  });
  assert.equal([end, asked], [{ end: 'DONE' }, 2]);
  assert.is(intake.complete.size, 0);
});

test('what is in a store that cannot be reached is not missing: it is left for later', async () => {
  const intake = createMemorySegmentIntake();
  const cause = 'STORE_UNREACHABLE: not mounted';
  const source: MediaSource = {
    open: async function* (request, options) {
      for await (const item of sourceOfSegments(segments.slice(1)).open(request, options))
        yield item.kind === 'missing' ? { ...item, cause } : item;
    },
  };
  const { end, missing, postponed } = await execute(source, intake, { postpones: true });
  assert.equal([end, missing], [{ end: 'DONE' }, []]);
  assert.equal(postponed, [`${segmentIds[0]} STORE_UNREACHABLE`]);
  assertIdentical(intake, segments.slice(1));
});

test('a source that is busy is tried again later, one that refuses is not', async () => {
  const refusing = (error: Error) => changed(sourceOfSegments(segments), () => error);
  const intake = createMemorySegmentIntake();
  const busy = await execute(refusing(new MediaRefusedError('SOURCE_BUSY', 'later')), intake);
  assert.equal(busy.end, { end: 'INTERRUPTED', cause: 'SOURCE_BUSY', detail: 'later' });
  const refused = await execute(refusing(new MediaRefusedError('NOT_ALLOWED', 'never')), intake);
  isFailed(refused.end, 'SOURCE_REFUSED', /NOT_ALLOWED: never/);
  const faulty = await execute(refusing(new MediaChannelFaultError('its disk')), intake);
  assert.equal(faulty.end, { end: 'INTERRUPTED', cause: 'SOURCE_BUSY', detail: 'its disk' });
  const violating = await execute(refusing(new MediaProtocolError('no frame')), intake);
  isFailed(violating.end, 'DIGEST_MISMATCH', /no frame/);
  const own = new Error('of this side');
  assert.is(await execute(refusing(own), intake).catch((error: unknown) => error), own);
});

test('a source that says nothing is not asked for ever', async () => {
  const silent: MediaSource = { open: async function* () {} };
  const { end } = await execute(silent, createMemorySegmentIntake());
  assert.is(end.end, 'INTERRUPTED');
});

test('a source that sends something else than was asked for is not believed', async () => {
  const intake = createMemorySegmentIntake();
  const { open } = sourceOfSegments(segments);
  const other: MediaSource = {
    open: (request, options) =>
      open(request.kind === 'RETRIEVE' ? { ...request, segmentIds: [segmentIds[1]!] } : request, options),
  };
  isFailed((await execute(other, intake)).end, 'DIGEST_MISMATCH', /where .* was asked for/);
});

test('a full disk fails the transfer, and what was fetched stays', async () => {
  const intake = createMemorySegmentIntake();
  let count = 0;
  const filling = changed(sourceOfSegments(segments), item => {
    count += item.kind === 'fragment' ? 1 : 0;
    if (count === 8) intake.fillDisk();
    return item;
  });
  isFailed((await execute(filling, intake)).end, 'DISK_FULL', /no space left/);
  assertIdentical(intake, segments.slice(0, 1));
});

test('aborting ends it at once, and what is verified stays', async () => {
  const intake = createMemorySegmentIntake();
  const stop = new AbortController();
  let count = 0;
  const stopping = changed(sourceOfSegments(segments), item => {
    count += item.kind === 'fragment' ? 1 : 0;
    if (count === 7) stop.abort();
    return item;
  });
  const { end } = await execute(stopping, intake, { signal: stop.signal });
  assert.equal(end, { end: 'ABORTED' });
  assert.is(intake.complete.size, 1);
  const again = await execute(sourceOfSegments(segments), intake);
  assert.equal(again.end, { end: 'DONE' });
  assertIdentical(intake, segments);
});

test.run();
