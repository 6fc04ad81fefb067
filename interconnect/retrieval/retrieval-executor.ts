import {
  encodeManifest,
  ManifestMalformedError,
  type MediaItem,
  MediaRefusedError,
  type MediaSource,
  type RetrievalFailureCause,
  type SegmentImport,
  type SegmentIntake,
  type SegmentManifest,
  type Transfer,
} from '@holdfast/core';
import type { RetrievedSegment, SegmentId } from '@holdfast/schema';
import { MediaProtocolError } from '../media-channel/media-frame.js';
import { MediaChannelFaultError } from '../media-channel/receiving-channel.js';
import type { SourceSegment } from './retrieval-facts.js';

/** `resumeAtFragment` beyond any segment's end: manifest and init come alone. It must fit 32 bits. */
const MANIFEST_ONLY = 2 ** 31;

export type TransferEnd =
  | { readonly end: 'DONE' }
  | { readonly end: 'ABORTED' }
  /** It may be tried again. */
  | { readonly end: 'INTERRUPTED'; readonly cause: 'LINK_LOST' | 'SOURCE_BUSY'; readonly detail: string }
  | { readonly end: 'FAILED'; readonly cause: RetrievalFailureCause; readonly detail: string };

/** `OTHER_BYTES`: it may have been reduced there, and the log tells of it a moment later. */
export type PostponeCause = 'OTHER_BYTES' | 'STORE_UNREACHABLE';

export interface TransferOptions {
  readonly transfer: Transfer;
  /** What the source's log says of each segment of the transfer. */
  readonly segments: ReadonlyMap<SegmentId, SourceSegment>;
  readonly source: MediaSource;
  readonly intake: SegmentIntake;
  readonly signal: AbortSignal;
  /** Media bytes that arrived, whether or not they could be used. */
  readonly onBytes: (byteCount: number) => void;
  /** Complete, verified, and durable here. */
  readonly onSegment: (segment: RetrievedSegment) => void;
  readonly onMissing: (segmentId: SegmentId, cause: string) => void;
  /** The source cannot give out a segment as its log names it now. Answers whether it is worth another try, later. */
  readonly onPostponed: (segmentId: SegmentId, because: PostponeCause) => boolean;
  /** Awaited after each fragment: keeps the transfer below the bandwidth that it may use. */
  readonly pace: (byteCount: number, signal: AbortSignal) => Promise<void>;
}

/**
 * Carries one transfer out. Safe to run again after any end, also after a kill: it goes on behind the last fragment that
 * is verified on disk. It throws only what the media database throws.
 */
export async function executeTransfer(options: TransferOptions): Promise<TransferEnd> {
  await using execution = new TransferExecution(options);
  try {
    return await execution.run();
  } catch (error) {
    if (options.signal.aborted) return { end: 'ABORTED' };
    const end = endOfError(error);
    if (end === null) throw error;
    return end;
  }
}

/** A stream of the source ended, or the rest of it is of no use: `CONTINUE` asks for the next one. */
type StreamEnd = 'CONTINUE' | TransferEnd;

class TransferExecution implements AsyncDisposable {
  readonly #options: TransferOptions;
  readonly #remaining: SegmentId[];
  /** The import of the first of `#remaining`, once its manifest has come. */
  #open: { readonly manifest: SegmentManifest; readonly import: SegmentImport } | null = null;
  /** Its init must follow. */
  #announced: SegmentManifest | null = null;

  constructor(options: TransferOptions) {
    this.#options = options;
    this.#remaining = [...options.transfer.segmentIds];
  }

  async run(): Promise<TransferEnd> {
    while (this.#remaining.length > 0) {
      if (this.#options.signal.aborted) return { end: 'ABORTED' };
      const before = this.#progressMark();
      const end = await this.#pull();
      if (end !== 'CONTINUE') return end;
      // A source that ends without a word about the segment would be asked for ever.
      if (before === this.#progressMark()) {
        const detail = `nothing came of segment ${this.#remaining[0]}`;
        return { end: 'INTERRUPTED', cause: 'SOURCE_BUSY', detail };
      }
    }
    return { end: 'DONE' };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#closeImport();
  }

  /**
   * One request to the source. How much of the first segment is here already is known only when its manifest has come:
   * so the manifest is asked for alone first, once per transfer, and nothing is sent twice.
   */
  async #pull(): Promise<StreamEnd> {
    const { transfer, source, signal } = this.#options;
    const { deviceId, trigger } = transfer;
    const isProbe = this.#open === null;
    const segmentIds = isProbe ? this.#remaining.slice(0, 1) : [...this.#remaining];
    const resumeAtFragment = this.#open?.import.heldFragments ?? MANIFEST_ONLY;
    this.#announced = null;
    const stop = new AbortController();
    const onAbort = () => stop.abort();
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      const request = { kind: 'RETRIEVE' as const, deviceId, segmentIds, resumeAtFragment };
      for await (const item of source.open(request, { signal: stop.signal, priority: trigger })) {
        const end = await this.#take(item, isProbe);
        if (end !== null) return end;
      }
      return signal.aborted ? { end: 'ABORTED' } : 'CONTINUE';
    } finally {
      signal.removeEventListener('abort', onAbort);
      stop.abort();
    }
  }

  /** Null: the stream goes on. */
  async #take(item: MediaItem, isProbe: boolean): Promise<StreamEnd | null> {
    switch (item.kind) {
      case 'manifest':
        return this.#takeManifest(item.manifest);
      case 'init':
        return this.#takeInit(item.init.bytes, isProbe);
      case 'fragment':
        return this.#takeFragment(item.fragment.bytes);
      case 'missing':
        return this.#takeMissing(item.segmentId, item.cause);
    }
  }

  async #takeManifest(manifest: SegmentManifest): Promise<StreamEnd | null> {
    const [expected] = this.#remaining;
    if (manifest.segmentId !== expected || manifest.deviceId !== this.#options.transfer.deviceId) {
      return mismatch(`segment ${manifest.segmentId} came where ${expected} was asked for`);
    }
    // Between two requests it was reduced: what is held of it belongs to other bytes.
    if (this.#open !== null && !isSame(this.#open.manifest, manifest)) await this.#closeImport();
    this.#announced = manifest;
    return null;
  }

  async #takeInit(initBytes: Uint8Array, isProbe: boolean): Promise<StreamEnd | null> {
    const manifest = this.#announced;
    if (manifest === null) return mismatch('an init segment without its manifest');
    // Asked for again, to go on behind what is held: its manifest was checked when it was first opened.
    if (this.#open !== null) return null;
    const known = this.#options.segments.get(manifest.segmentId);
    if (known === undefined) return mismatch(`segment ${manifest.segmentId} was not asked for`);
    const { digest } = known;
    const opening = await this.#options.intake.importSegment({ manifest, initBytes, digest });
    if (!opening.opened) {
      const { refusal } = opening;
      if (refusal.code === 'IN_PROGRESS') {
        const detail = `segment ${manifest.segmentId} is being imported already`;
        return { end: 'INTERRUPTED', cause: 'SOURCE_BUSY', detail };
      }
      if (refusal.code === 'MANIFEST_MISMATCH' && this.#postpone(manifest.segmentId, 'OTHER_BYTES')) {
        return 'CONTINUE';
      }
      return mismatch(`manifest of segment ${manifest.segmentId}: ${JSON.stringify(refusal)}`);
    }
    this.#open = { manifest, import: opening.segment };
    if (opening.segment.heldFragments >= manifest.fragments.length) {
      return (await this.#finishSegment()) ?? 'CONTINUE';
    }
    // Of a later segment in the stream all fragments follow; some are here already when an earlier run got so far.
    return !isProbe && opening.segment.heldFragments > 0 ? 'CONTINUE' : null;
  }

  async #takeFragment(bytes: Uint8Array): Promise<StreamEnd | null> {
    const { onBytes, pace, signal } = this.#options;
    onBytes(bytes.byteLength);
    if (this.#open === null) return mismatch('a fragment without its manifest');
    const { manifest, import: segment } = this.#open;
    const outcome = await segment.append(bytes);
    if (!outcome.accepted) {
      const { refusal } = outcome;
      const detail = `segment ${manifest.segmentId}: ${JSON.stringify(refusal)}`;
      return refusal.code === 'DISK_FULL' ? { end: 'FAILED', cause: 'DISK_FULL', detail } : mismatch(detail);
    }
    await pace(bytes.byteLength, signal);
    return outcome.heldFragments === manifest.fragments.length ? this.#finishSegment() : null;
  }

  async #takeMissing(segmentId: SegmentId, cause: string): Promise<StreamEnd | null> {
    if (segmentId !== this.#remaining[0]) {
      return mismatch(`segment ${segmentId} is said to be missing where ${this.#remaining[0]} was asked for`);
    }
    await this.#closeImport();
    if (cause.startsWith('STORE_UNREACHABLE') && this.#postpone(segmentId, 'STORE_UNREACHABLE')) return null;
    this.#remaining.shift();
    this.#options.onMissing(segmentId, cause);
    return null;
  }

  #postpone(segmentId: SegmentId, because: PostponeCause): boolean {
    const isPostponed = this.#options.onPostponed(segmentId, because);
    if (isPostponed) this.#remaining.shift();
    return isPostponed;
  }

  async #finishSegment(): Promise<StreamEnd | null> {
    const { manifest, import: segment } = this.#open!;
    const finished = await segment.finish();
    if (!finished.finished) {
      const { refusal } = finished;
      const detail = `segment ${manifest.segmentId}: ${JSON.stringify(refusal)}`;
      const cause = refusal.code === 'DISK_FULL' ? 'DISK_FULL' : 'DIGEST_MISMATCH';
      return { end: 'FAILED', cause, detail };
    }
    await this.#closeImport();
    this.#remaining.shift();
    const known = this.#options.segments.get(manifest.segmentId)!;
    const { segmentId, fromMs, toMs, byteLength, digest, keyFramesOnly } = known;
    this.#options.onSegment({ segmentId, fromMs, toMs, byteLength, digest, keyFramesOnly });
    return null;
  }

  async #closeImport(): Promise<void> {
    const open = this.#open;
    this.#open = null;
    await open?.import[Symbol.asyncDispose]();
  }

  #progressMark(): string {
    return `${this.#remaining.length} ${this.#open?.import.heldFragments}`;
  }
}

function isSame(left: SegmentManifest, right: SegmentManifest): boolean {
  return Buffer.compare(encodeManifest(left), encodeManifest(right)) === 0;
}

/** The other side sent something that its own log does not prove, or that was not asked for. */
function mismatch(detail: string): TransferEnd {
  return { end: 'FAILED', cause: 'DIGEST_MISMATCH', detail };
}

/** Null: not an error of the source. */
function endOfError(error: unknown): TransferEnd | null {
  if (error instanceof MediaRefusedError) {
    const detail = error.message;
    if (error.code === 'NOT_CONNECTED') return { end: 'INTERRUPTED', cause: 'LINK_LOST', detail };
    if (error.code === 'SOURCE_BUSY') return { end: 'INTERRUPTED', cause: 'SOURCE_BUSY', detail };
    return { end: 'FAILED', cause: 'SOURCE_REFUSED', detail: `${error.code}: ${detail}` };
  }
  if (error instanceof MediaChannelFaultError) {
    return { end: 'INTERRUPTED', cause: 'SOURCE_BUSY', detail: error.message };
  }
  if (error instanceof MediaProtocolError || error instanceof ManifestMalformedError) {
    return mismatch(error.message);
  }
  return null;
}
