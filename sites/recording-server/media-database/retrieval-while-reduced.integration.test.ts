import { createHash } from 'node:crypto';
import { rename } from 'node:fs/promises';
import path from 'node:path';
import {
  createMemorySiteLog,
  type DeviceSegmentFacts,
  decodeEventData,
  LOG_START,
  type MediaItem,
  MediaRefusedError,
  type MediaSource,
} from '@holdfast/core';
import {
  DEFAULT_RETRIEVAL_BUDGET,
  type RetrievalFacts,
  RetrievalService,
  type SourceSegment,
} from '@holdfast/interconnect';
import {
  EventDecodeError,
  type RecordingServerId,
  type RetrievedSegment,
  type SegmentId,
  SiteId,
} from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MediaDatabase } from './media-database.js';
import {
  camera1,
  collect,
  epochMs,
  fragmentsOf,
  never,
  type Observed,
  openTestDatabase,
  pictureGroup,
  picturesIn,
  temporaryFolder,
  testInit,
} from './media-fixture.js';
import { OWN_STAGE } from './stage-directories.js';
import { verifyMedia } from './verify-media.js';

const test = suite('retrieval of what is being reduced');

const siteServer = '0198c0de-0000-7000-8000-00000000aa01' as RecordingServerId;
const centralServer = '0198c0de-0000-7000-8000-00000000aa09' as RecordingServerId;
const siteId = SiteId.parse(v7());
const always = { deviceId: camera1, fromMs: 0, toMs: Number.MAX_SAFE_INTEGER };
const sha256 = (...parts: readonly Uint8Array[]) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** Three segments of three groups of pictures, of which the log knows. */
async function record(database: MediaDatabase): Promise<readonly SegmentId[]> {
  for (let segment = 0; segment < 3; segment += 1) {
    database.beginRun({ deviceId: camera1, init: testInit(), cause: 'CAMERA_CONNECTED' });
    for (let group = 0; group < 3; group += 1) database.append(camera1, pictureGroup(segment * 3 + group));
    await database.endRun({ deviceId: camera1, cause: 'CAMERA_DISCONNECTED' });
  }
  database.reportSealed(() => []);
  return database.segments({ ...always, after: null, limit: 9 }).map(({ segment }) => segment.segmentId);
}

/** What the read models of the central say: of the site as its log has told by now, of the central as it is. */
class Facts implements RetrievalFacts {
  told: readonly SourceSegment[] = [];
  readonly #central: MediaDatabase;

  constructor(central: MediaDatabase) {
    this.#central = central;
  }

  tell(site: MediaDatabase): void {
    this.told = site.segments({ ...always, after: null, limit: 9 }).map(({ segment, stage }) => ({
      ...segment,
      recordingServerId: siteServer,
      keyFramesOnly: stage !== OWN_STAGE,
    }));
  }

  async recordings() {
    const timeline: DeviceSegmentFacts = {
      ...{ sealed: this.told, gaps: [], losses: [], unsealed: [], lastStop: null, retentionMs: null },
      held: this.told.filter(({ segmentId }) => this.#central.segment(segmentId) !== null),
      running: { sinceMs: epochMs },
      known: { fromMs: epochMs, toMs: this.told.at(-1)!.toMs },
      link: { state: 'UP', sinceMs: 0 },
    };
    return { timeline, segments: this.told };
  }

  async devicesToHeal() {
    return [camera1];
  }

  async openRetrievals() {
    return { retrievalIds: [], asOf: LOG_START };
  }
}

interface Retrieved {
  readonly last: string;
  readonly segments: readonly RetrievedSegment[];
}

/** Fetches everything; `during` is called with each item before it is given out. */
async function retrieve(
  {
    site,
    central,
    facts,
  }: { readonly site: MediaDatabase; readonly central: MediaDatabase; readonly facts: Facts },
  during: (index: number, item: MediaItem) => Promise<void>,
  now: () => number = Date.now,
): Promise<Retrieved> {
  const log = createMemorySiteLog({ site: siteId, now: Date.now, sha256 });
  let index = -1;
  const source: MediaSource = {
    open: async function* (request, { signal }) {
      if (request.kind !== 'RETRIEVE') throw new Error(request.kind);
      for await (const item of site.readSegments({ ...request, signal })) {
        index += 1;
        await during(index, item);
        yield item;
      }
    },
  };
  const service = new RetrievalService({
    ...{ log, facts, intake: central, sourceOf: () => source },
    attached: () => [{ siteId, recordingServerId: siteServer }],
    linkState: () => ({ state: 'UP', sinceMs: 0 }),
    budgetOf: () => DEFAULT_RETRIEVAL_BUDGET,
    ...{ now, random: () => 0, newId: v7, actor: 'site:test', logger: pino({ level: 'silent' }) },
  });
  const stop = new AbortController();
  const running = service.run(stop.signal);
  const span = { fromMs: epochMs, toMs: facts.told.at(-1)!.toMs };
  const asked = await service.request({
    siteId,
    deviceId: camera1,
    ...span,
    trigger: 'REQUEST',
    actor: 'user:anna',
  });
  if (!asked.requested) throw new Error(asked.refusal.code);
  const eventsOf = () =>
    log.readStream({ stream: `retrieval-${asked.retrievalId}`, afterRevision: null, limit: 1000 });
  try {
    for (;;) {
      const events = await eventsOf();
      const { type } = events.at(-1)!;
      if (type === 'RetrievalCompleted' || type === 'RetrievalFailed') {
        const segments = events.map(decodeEventData).flatMap(event => {
          const isProgress = !(event instanceof EventDecodeError) && event.type === 'RetrievalProgressed';
          return isProgress ? event.data.segments : [];
        });
        return { last: type, segments };
      }
      const before = index;
      await new Promise(resolve => setTimeout(resolve, 20));
      // Nothing is sent any more: only now does the log of the site tell what it has reduced.
      if (index !== before || index < 0) continue;
      facts.tell(site);
      service.replanSoon();
    }
  } finally {
    stop.abort();
    await running;
    await log[Symbol.asyncDispose]();
  }
}

async function requireProved(dir: string, { segments }: Retrieved): Promise<void> {
  const sealedFacts = segments.map(segment => ({ deviceId: camera1, segment }));
  assert.is(new Set(segments.map(({ segmentId }) => segmentId)).size, 3);
  const { damages } = await verifyMedia({ dir, sealedFacts, deleted: new Set(), signal: never });
  assert.equal(damages, []);
}

interface Place extends AsyncDisposable {
  readonly dir: string;
  readonly archive: string;
  readonly site: MediaDatabase & { readonly observed: Observed };
  readonly central: MediaDatabase & { readonly observed: Observed };
  readonly facts: Facts;
  readonly ids: readonly SegmentId[];
  readonly reduce: (segmentId: SegmentId) => Promise<boolean>;
}

async function open(): Promise<Place> {
  const folder = await temporaryFolder();
  const [dir, archive] = [path.join(folder.path, 'central'), path.join(folder.path, 'archive')];
  const site = await openTestDatabase(path.join(folder.path, 'site'), { stages: [archive] });
  const central = await openTestDatabase(dir, { recordingServerId: centralServer });
  const ids = await record(site);
  const facts = new Facts(central);
  facts.tell(site);
  return {
    ...{ dir, archive, site, central, facts, ids },
    reduce: async segmentId => {
      const move = { segmentId, toStage: archive, signal: never, mayReduce: () => true };
      return (await site.moveSegment(move)).moved;
    },
    [Symbol.asyncDispose]: async () => {
      for (const owned of [site, central, folder]) await owned[Symbol.asyncDispose]();
    },
  };
}

const picturesHeld = async (database: MediaDatabase) =>
  fragmentsOf(await collect(database.read({ ...always, signal: never }))).map(picturesIn);

/** In the probe; at the manifest, in the middle and at the end of the first; in the last. Each segment has five items. */
const ITEMS = [0, 1, 2, 4, 6, 14];

for (const isCut of [false, true]) {
  const title = isCut ? 'reduced, and the link cut in the same moment' : 'reduced';
  test(`${title}, at any item: each segment comes whole, of the old bytes or of the new, and is proved`, async () => {
    const outcomes = new Set<string>();
    for (const at of ITEMS) {
      await using place = await open();
      const { site, central, ids } = place;
      const reducedId = ids[Math.max(0, Math.floor((at - 2) / 5))]!;
      const retrieved = await retrieve(place, async index => {
        if (index !== at) return;
        assert.is(await place.reduce(reducedId), true);
        if (isCut) throw new MediaRefusedError('NOT_CONNECTED', 'cut');
      });
      assert.is(retrieved.last, 'RetrievalCompleted', `reduced at item ${at}`);
      await requireProved(place.dir, retrieved);
      assert.equal([site.observed.damages, central.observed.damages], [[], []]);
      const pictures = await picturesHeld(central);
      const position = ids.indexOf(reducedId);
      const ofReduced = pictures.slice(position * 3, position * 3 + 3);
      outcomes.add(ofReduced.join());
      assert.equal(
        pictures.toSpliced(position * 3, 3),
        Array.from({ length: 6 }, () => 20),
      );
    }
    // Who had begun a segment over a link that held has it as it was; who had to ask again has what there is now.
    assert.equal([...outcomes].sort(), isCut ? ['1,1,1'] : ['1,1,1', '20,20,20']);
  });
}

test('what is in an archive that is away is fetched when it is back, and the rest at once', async () => {
  await using place = await open();
  const { site, central, ids, archive } = place;
  assert.is((await site.moveSegment({ segmentId: ids[0]!, toStage: archive, signal: never })).moved, true);
  await rename(archive, `${archive} away`);
  let isBack = false;
  const during = async (_: number, item: MediaItem) => {
    if (item.kind === 'missing') assert.match(item.cause, /^STORE_UNREACHABLE/);
    if (isBack || central.segments({ ...always, after: null, limit: 9 }).length === 0) return;
    await rename(`${archive} away`, archive);
    isBack = true;
  };
  const retrieved = await retrieve(place, during, () => Date.now() + (isBack ? 60_000 : 0));
  assert.is(retrieved.last, 'RetrievalCompleted');
  await requireProved(place.dir, retrieved);
  assert.equal(
    [site.observed.damages, await picturesHeld(central)],
    [[], Array.from({ length: 9 }, () => 20)],
  );
});

test.run();
