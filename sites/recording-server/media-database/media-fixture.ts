import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  AUDIO_TRACK_ID,
  type Fragment,
  type InitSegment,
  type MediaItem,
  readFragment,
  readSamples,
  VIDEO_TIMESCALE,
  VIDEO_TRACK_ID,
  writeFragment,
} from '@holdfast/core';
import type { DeviceId, RecordingServerId, SegmentId } from '@holdfast/schema';
import {
  MEDIA_DATABASE_LIMITS,
  type MediaDamage,
  type MediaDatabase,
  type MediaDatabaseLimits,
} from './media-database.js';
import type { MediaDatabaseOptions } from './media-database-options.js';
import { openMediaDatabase } from './open-media-database.js';

/** Media for tests of what keeps media: boxes of the right shape, and bytes that differ everywhere. */
export const camera1 = '0198c0de-0000-7000-8000-00000000c001' as DeviceId;
export const camera2 = '0198c0de-0000-7000-8000-00000000c002' as DeviceId;
export const server1 = '0198c0de-0000-7000-8000-00000000aa01' as RecordingServerId;
/** 2026-01-01T00:00:00Z */
export const epochMs = 1_767_225_600_000;

const mp4Box = (type: string, payload: Uint8Array) => {
  const head = Buffer.alloc(8);
  head.writeUInt32BE(8 + payload.length, 0);
  head.write(type, 4, 'latin1');
  return Buffer.concat([head, payload]);
};

/** The same bytes for the same seed, and for no other. */
export function noise(seed: string, byteLength: number): Buffer {
  const blocks: Buffer[] = [];
  for (let at = 0; at < byteLength; at += 32) {
    blocks.push(createHash('sha256').update(`${seed}:${at}`).digest());
  }
  return Buffer.concat(blocks).subarray(0, byteLength);
}

export function testInit(name = 'format 1'): InitSegment {
  return {
    bytes: Buffer.concat([mp4Box('ftyp', Buffer.from('isomiso6mp41')), mp4Box('moov', noise(name, 600))]),
    codecs: 'avc1.640028',
  };
}

/** The `index`th group of pictures of two seconds. */
export function testFragment(
  index: number,
  options: Partial<Fragment> & { byteLength?: number } = {},
): Fragment {
  const { byteLength = 1000, ...rest } = options;
  const fromMs = epochMs + index * 2000;
  return {
    fromMs,
    toMs: fromMs + 2000,
    arrivalMs: fromMs + 40,
    timeSource: 'SENDER_REPORT',
    beginsWithKeyFrame: true,
    bytes: Buffer.concat([
      mp4Box('moof', noise(`moof ${index}`, 100)),
      mp4Box('mdat', noise(`mdat ${index}`, byteLength)),
    ]),
    ...rest,
  };
}

/** A folder that is removed at the end of the block. */
export async function temporaryFolder(): Promise<AsyncDisposable & { readonly path: string }> {
  const folder = await mkdtemp(path.join(tmpdir(), 'holdfast-media-'));
  return {
    path: folder,
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true, maxRetries: 3 }),
  };
}

/** Deterministic ids: `first` keeps those of different runs apart. */
export function segmentIds(first = 1): () => SegmentId {
  let next = first;
  return () => `0198c0de-5e60-7000-8000-${(next++).toString(16).padStart(12, '0')}` as SegmentId;
}

export interface Observed {
  readonly dropped: { readonly fragmentCount: number; readonly cause: string }[];
  readonly failures: { readonly code: string }[];
  readonly damages: MediaDamage[];
  /** Groups of pictures that are durable. */
  writtenCount: number;
}

export async function openTestDatabase(
  dir: string,
  options: Partial<MediaDatabaseOptions> & { readonly testLimits?: Partial<MediaDatabaseLimits> } = {},
): Promise<MediaDatabase & { readonly observed: Observed }> {
  const observed: Observed = { dropped: [], failures: [], damages: [], writtenCount: 0 };
  const { testLimits, ...rest } = options;
  const database = await openMediaDatabase({
    dir,
    recordingServerId: server1,
    now: () => epochMs,
    newSegmentId: segmentIds(),
    limits: { ...MEDIA_DATABASE_LIMITS, queueFragmentsMax: 1000, ...testLimits },
    observer: {
      fragmentsDropped: drop => observed.dropped.push(drop),
      writeFailed: failure => observed.failures.push(failure),
      damageFound: damage => observed.damages.push(damage),
      wrote: () => {
        observed.writtenCount += 1;
      },
    },
    ...rest,
  });
  return Object.assign(database, { observed });
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

/** Records the first so many test fragments of a camera, in one run. */
export async function record(database: MediaDatabase, fragmentCount: number): Promise<void> {
  database.beginRun({ deviceId: camera1, init: testInit(), cause: 'SERVER_STARTED' });
  for (let index = 0; index < fragmentCount; index += 1) database.append(camera1, testFragment(index));
  await database.endRun({ deviceId: camera1, cause: 'SERVER_STOPPED' });
}

/** What that camera has in a stage, the oldest first; at most 100. */
export function idsIn(database: MediaDatabase, stage: string): readonly SegmentId[] {
  return database
    .oldestIn({ stage, deviceId: camera1, after: null, limit: 100 })
    .map(({ segment }) => segment.segmentId);
}

export function fragmentsOf(items: readonly MediaItem[]): Fragment[] {
  return items.flatMap(item => (item.kind === 'fragment' ? [item.fragment] : []));
}

export const never: AbortSignal = new AbortController().signal;

const pictureMs = 100;

/** The `index`th group of pictures of two seconds, of twenty pictures and some sound, as an MP4 fragment that can be read. */
export function pictureGroup(index: number): Fragment {
  const { fromMs, toMs, arrivalMs, timeSource } = testFragment(index);
  const unitOf = (track: 'VIDEO' | 'AUDIO', ticks: number, at: number) => {
    const byteLength = at === 0 ? 900 : 300;
    const parts = [noise(`${track} ${index} ${at}`, byteLength)];
    return { track, ticks, keyFrame: at === 0, byteLength, arrivalMs, timeSource, parts };
  };
  const videoTicks = (ms: number) => Math.round(ms * (VIDEO_TIMESCALE / 1000));
  const units = Array.from({ length: 20 }, (_, at) =>
    unitOf('VIDEO', videoTicks(fromMs + at * pictureMs), at),
  );
  const facts = { fromMs, toMs, arrivalMs, timeSource, beginsWithKeyFrame: true };
  const bytes = writeFragment(index + 1, facts, [
    { trackId: VIDEO_TRACK_ID, units, endTicks: videoTicks(toMs) },
    { trackId: AUDIO_TRACK_ID, units: [unitOf('AUDIO', fromMs * 8, 0)], endTicks: fromMs * 8 + 1024 },
  ]);
  return { ...facts, bytes };
}

/** How many pictures are in a fragment. */
export function picturesIn({ bytes }: Pick<Fragment, 'bytes'>): number {
  const read = readFragment(bytes, 0);
  return read === null ? 0 : readSamples(bytes, read, VIDEO_TRACK_ID).length;
}
