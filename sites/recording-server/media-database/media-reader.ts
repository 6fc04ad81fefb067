import {
  type Fragment,
  type FragmentEntry,
  keyFrameFragment,
  type MediaItem,
  type SegmentManifest,
} from '@holdfast/core';
import type { DeviceId, SegmentId } from '@holdfast/schema';
import type { MediaDamage } from './media-database.js';
import { openReadableFile, type ReadableFile } from './readable-file.js';
import { FragmentReader, type SealedFile } from './sealed-file.js';
import { SegmentFileDamagedError } from './segment-boxes.js';
import type { SegmentWriter } from './segment-file.js';
import type { SegmentIndex } from './segment-index.js';
import type { IndexedSegment } from './segment-row.js';
import { OWN_STAGE, type StageDirectories } from './stage-directories.js';

/** Index rows fetched at a time while reading: about one hour. */
const pageSize = 64;

export interface MediaReaderContext {
  readonly stages: StageDirectories;
  readonly index: SegmentIndex;
  readonly openSegment: (deviceId: DeviceId) => SegmentWriter | null;
  /** No key is here, because the password is not. */
  readonly isLocked: () => boolean;
  readonly damageFound: (damage: MediaDamage) => void;
}

interface Window {
  readonly deviceId: DeviceId;
  readonly fromMs: number;
  readonly toMs: number;
  readonly signal: AbortSignal;
}

/** Reads recordings while they are written and deleted: a file that was opened stays readable. */
export class MediaReader {
  readonly #context: MediaReaderContext;

  constructor(context: MediaReaderContext) {
    this.#context = context;
  }

  async *read(window: Window & { readonly keyFramesOnly?: boolean }): AsyncGenerator<MediaItem> {
    let initDigest: Uint8Array | null = null;
    for await (const piece of this.#pieces(window)) {
      window.signal.throwIfAborted();
      if (initDigest === null || Buffer.compare(initDigest, piece.manifest.initDigest) !== 0) {
        initDigest = piece.manifest.initDigest;
        yield { kind: 'init', init: { bytes: piece.initBytes, codecs: piece.manifest.codecs } };
      }
      for (const [index, entry] of piece.manifest.fragments.entries()) {
        if (entry.toMs <= window.fromMs || entry.fromMs >= window.toMs) continue;
        const bytes = await this.#bytesOrNull(piece, index);
        window.signal.throwIfAborted();
        const whole = bytes && fragmentOf(entry, bytes);
        const fragment = whole && window.keyFramesOnly ? keyFrameFragment(whole, { silent: true }) : whole;
        if (fragment) yield { kind: 'fragment', fragment };
      }
    }
  }

  async *readSegments(options: {
    readonly deviceId: DeviceId;
    readonly segmentIds: readonly SegmentId[];
    readonly resumeAtFragment: number;
    readonly signal: AbortSignal;
  }): AsyncGenerator<MediaItem> {
    const { deviceId, segmentIds, signal } = options;
    for (const [position, segmentId] of segmentIds.entries()) {
      signal.throwIfAborted();
      const indexed = this.#context.index.get(segmentId);
      if (!indexed || indexed.deviceId !== deviceId) {
        // It may be in the media directory, which a stand-in knows nothing of.
        const why = await this.#context.stages.whyUnavailable(OWN_STAGE);
        yield { kind: 'missing', segmentId, cause: why === null ? 'NOT_HERE' : `STORE_UNREACHABLE: ${why}` };
        continue;
      }
      const firstFragment = position === 0 ? options.resumeAtFragment : 0;
      yield* this.#wholeSegment(indexed, firstFragment, signal);
    }
  }

  async manifest(indexed: IndexedSegment): Promise<SegmentManifest | null> {
    await using file = await this.#openOrNull(indexed);
    return file?.manifest ?? null;
  }

  /** The id of the key that a segment is encrypted with, when that key is not here. */
  async closedBy(indexed: IndexedSegment): Promise<string | null> {
    await using file = await this.#openOrNull(indexed);
    return file?.isClosed ? file.head.encryption!.keyId : null;
  }

  /** Reads all of a segment. Null when it is what the index says, else what is wrong with it. */
  async check(indexed: IndexedSegment, signal: AbortSignal): Promise<MediaDamage | null> {
    try {
      await using file = await this.#open(indexed);
      await file.checkFragments(signal);
      return null;
    } catch (error) {
      return damageOf(indexed, error);
    }
  }

  /** A segment is given out whole or named as missing: everything is checked before the first byte leaves. */
  async *#wholeSegment(
    indexed: IndexedSegment,
    firstFragment: number,
    signal: AbortSignal,
  ): AsyncGenerator<MediaItem> {
    const { segmentId } = indexed.segment;
    await using file = await this.#openOrNull(indexed);
    if (file?.isClosed) {
      yield {
        kind: 'missing',
        segmentId,
        cause: this.#context.isLocked()
          ? 'STORE_UNREACHABLE: it is encrypted, and the password of the recording server is not given, or wrong'
          : 'MEDIA_KEY_MISSING: it is encrypted, and its key is not here',
      };
      return;
    }
    const damage = file === null ? null : await this.#firstDamage(indexed, file, firstFragment, signal);
    if (file === null || damage !== null) {
      const why = await this.#whyAway(indexed);
      const cause = `DAMAGED: ${damage?.detail ?? 'the file cannot be read'}`;
      yield { kind: 'missing', segmentId, cause: why === null ? cause : `STORE_UNREACHABLE: ${why}` };
      return;
    }
    yield { kind: 'manifest', manifest: file.manifest };
    yield { kind: 'init', init: { bytes: file.initBytes, codecs: file.manifest.codecs } };
    for (let index = firstFragment; index < file.manifest.fragments.length; index += 1) {
      signal.throwIfAborted();
      const bytes = await file.fragmentBytes(index);
      yield { kind: 'fragment', fragment: fragmentOf(file.manifest.fragments[index]!, bytes) };
    }
  }

  async #firstDamage(
    indexed: IndexedSegment,
    file: SealedFile,
    firstFragment: number,
    signal: AbortSignal,
  ): Promise<MediaDamage | null> {
    for (let index = firstFragment; index < file.manifest.fragments.length; index += 1) {
      signal.throwIfAborted();
      try {
        await file.fragmentBytes(index);
      } catch (error) {
        const damage = damageOf(indexed, error);
        if ((await this.#whyAway(indexed)) === null) this.#report(damage);
        return damage;
      }
    }
    return null;
  }

  /** Sealed segments in order of time, then what is written of the one being recorded. */
  async *#pieces(window: Window): AsyncGenerator<Piece> {
    let after: IndexedSegment | null = null;
    for (;;) {
      // Read in the same turn as the open segment below: what is not in the index by then is still open.
      const page: readonly IndexedSegment[] = this.#context.index.touching({
        ...window,
        after,
        limit: pageSize,
      });
      if (page.length === 0) break;
      for (const indexed of page) {
        await using file = await this.#openOrNull(indexed);
        if (!file) continue;
        const { manifest, initBytes } = file;
        yield { indexed, manifest, initBytes, fragmentBytes: index => file.fragmentBytes(index) };
      }
      after = page.at(-1)!;
    }
    const writer = this.#context.openSegment(window.deviceId);
    if (writer && writer.entries.length > 0 && !this.#context.index.has(writer.head.segmentId)) {
      yield* this.#openPiece(writer);
    }
  }

  async *#openPiece(writer: SegmentWriter): AsyncGenerator<Piece> {
    const manifest = writer.manifest();
    const { head, fragmentsAt, initBytes } = writer;
    await using file = await this.#openFileOf(writer);
    if (!file) return;
    const content = { head, fragmentsAt, entries: manifest.fragments };
    const fragments = new FragmentReader(file, content, this.#context.stages.keys);
    yield { indexed: null, manifest, initBytes, fragmentBytes: index => fragments.bytes(index) };
  }

  /** It may be sealed, and so moved, at this very moment. */
  async #openFileOf(writer: SegmentWriter): Promise<ReadableFile | null> {
    const { segmentId, deviceId } = writer.head;
    const fromMs = writer.entries[0]!.fromMs;
    const { stages } = this.#context;
    const sealed = stages.placeOf({
      deviceId,
      stage: stages.stageOf(writer.path),
      segment: { segmentId, fromMs },
    });
    for (const path of [writer.path, sealed]) {
      try {
        return await openReadableFile(path);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      }
    }
    return null;
  }

  /** It may be moved to another stage at this very moment: then it is looked up once more. */
  async #open(indexed: IndexedSegment): Promise<SealedFile> {
    const { stages, index } = this.#context;
    try {
      return await openSealed(stages, indexed);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      const now = index.get(indexed.segment.segmentId);
      if (now !== null && now.stage !== indexed.stage) return await openSealed(stages, now);
      throw error;
    }
  }

  async #openOrNull(indexed: IndexedSegment): Promise<SealedFile | null> {
    try {
      return await this.#open(indexed);
    } catch (error) {
      // Neither what was deleted between the look-up and the opening nor what is on a stage that is away is damage.
      const isThere = this.#context.index.get(indexed.segment.segmentId) !== null;
      if (isThere && (await this.#whyAway(indexed)) === null) this.#report(damageOf(indexed, error));
      return null;
    }
  }

  /** Why the stage that a segment is in by now cannot be read; null: it can. A disk that goes looks like damage at first. */
  async #whyAway({ segment, stage }: IndexedSegment): Promise<string | null> {
    const { index, stages } = this.#context;
    return await stages.whyUnavailable(index.get(segment.segmentId)?.stage ?? stage);
  }

  async #bytesOrNull(piece: Piece, index: number): Promise<Buffer | null> {
    try {
      return await piece.fragmentBytes(index);
    } catch (error) {
      if (!(error instanceof SegmentFileDamagedError) || !piece.indexed) throw error;
      if ((await this.#whyAway(piece.indexed)) === null) this.#report(damageOf(piece.indexed, error));
      return null;
    }
  }

  #report(damage: MediaDamage): void {
    this.#context.damageFound(damage);
  }
}

interface Piece {
  /** Null: it is being recorded. */
  readonly indexed: IndexedSegment | null;
  readonly manifest: SegmentManifest;
  readonly initBytes: Uint8Array;
  readonly fragmentBytes: (index: number) => Promise<Buffer>;
}

async function openSealed(stages: StageDirectories, indexed: IndexedSegment): Promise<SealedFile> {
  const { segment } = indexed;
  const path = stages.placeOf(indexed);
  const file = await stages.open({ file: path, stage: indexed.stage });
  if (file.manifest.segmentId === segment.segmentId) return file;
  await file[Symbol.asyncDispose]();
  throw new SegmentFileDamagedError(`${path} holds segment ${file.manifest.segmentId}`);
}

/** Throws what is not damage of this one file. */
function damageOf({ deviceId, segment }: IndexedSegment, error: unknown): MediaDamage {
  const { segmentId, fromMs, toMs } = segment;
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') {
    return { deviceId, segmentId, fromMs, toMs, kind: 'FILE_MISSING', detail: message };
  }
  if (error instanceof SegmentFileDamagedError || code === 'EIO') {
    return { deviceId, segmentId, fromMs, toMs, kind: 'FILE_DAMAGED', detail: message };
  }
  throw error;
}

function fragmentOf(entry: FragmentEntry, bytes: Uint8Array): Fragment {
  const { fromMs, toMs, arrivalMs, timeSource, beginsWithKeyFrame } = entry;
  return { fromMs, toMs, arrivalMs, timeSource, beginsWithKeyFrame, bytes };
}
