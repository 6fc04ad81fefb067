import {
  type Fragment,
  type FragmentEntry,
  fragmentByteLength,
  type InitSegment,
  SEAM_MS_MAX,
} from '@holdfast/core';
import type { DeviceId, RecordingCause, RecordingGap, SegmentId } from '@holdfast/schema';
import { syncFolder } from '../../sync-folder.js';
import type { MediaKey } from './fragment-cipher.js';
import { isIndexFull } from './index-faults.js';
import type {
  MediaDatabaseLimits,
  MediaDatabaseObserver,
  PreviousEnd,
  RecordOutcome,
} from './media-database.js';
import type { MediaDirectory } from './media-directory.js';
import { SegmentWriter, sha256 } from './segment-file.js';
import type { RecordingEnd } from './segment-index.js';

/** A failed write is repeated after this, doubled up to the maximum, or at once when there is room again. */
const retryMsMin = 500;
const retryMsMax = 10_000;
/** Who has more to append than the queue takes keeps no more than this in it: enough that the disk never waits. */
const aheadFragmentsMax = 4;

export interface DeviceWriterContext {
  /** Where the device is recorded now. */
  readonly directory: () => MediaDirectory;
  /** Null: what is recorded now is not encrypted. */
  readonly encryption: () => MediaKey | null;
  readonly limits: MediaDatabaseLimits;
  readonly observer: MediaDatabaseObserver;
  readonly newSegmentId: () => SegmentId;
  readonly lastRecordingEnd: (deviceId: DeviceId) => RecordingEnd | null;
  /** Seals, indexes and moves the file, and closes the writer. */
  readonly seal: (writer: SegmentWriter, endedBecause: RecordingCause) => Promise<void>;
  /** The file could not be written any more: it is left as it is, to be recovered. */
  readonly strand: (writer: SegmentWriter) => Promise<void>;
}

export class FragmentInvalidError extends Error {
  override readonly name = 'FragmentInvalidError';
  readonly code = 'FRAGMENT_INVALID';
}

interface Run {
  readonly init: InitSegment;
  readonly previousEnd: PreviousEnd | null;
}

/**
 * A fragment on its way to the file: in pieces, whose memory is held until they are written or given up, as long as it is
 * the only one; joined when it has to wait.
 */
interface PendingFragment extends Omit<Fragment, 'bytes'> {
  readonly pieces: readonly Uint8Array[];
  readonly byteLength: number;
  readonly release: () => void;
  /** Others before it were dropped because the queue was full. */
  readonly afterOverflow: boolean;
  /** Others before it were refused because recording was halted. */
  readonly afterHalt: RecordingEnd | null;
}

type Step =
  | { readonly kind: 'begin'; readonly run: Run; readonly cause: RecordingCause }
  | { readonly kind: 'fragment'; readonly fragment: PendingFragment; readonly sinceMs: number }
  /** `pause` ends the segment, `end` the run as well. */
  | { readonly kind: 'end' | 'pause'; readonly cause: RecordingCause; readonly done: () => void };

/** Writes one device's recordings, step by step, behind a bounded queue. */
export class DeviceWriter {
  readonly #context: DeviceWriterContext;
  readonly #deviceId: DeviceId;
  readonly #queue: Step[] = [];
  #queuedFragments = 0;
  #queuedBytes = 0;
  #running = false;
  #halted: RecordingCause | null = null;
  /** The pause that is to come, or under way: a disk that answers to nothing must not gather them. */
  #pausing: Promise<void> | null = null;
  /** From when on nothing was recorded because it was halted, in the time of the camera. */
  #refused: RecordingEnd | null = null;
  #overflowed = false;
  #closing = false;
  #draining: Promise<void> | null = null;
  #wake: (() => void) | null = null;
  #roomWanted: (() => void)[] = [];

  #run: Run | null = null;
  #began: RecordingCause = 'SERVER_STARTED';
  #segment: SegmentWriter | null = null;
  /** Behind what is in the segment something was dropped because recording was halted. */
  #droppedBecause: RecordingCause | null = null;
  #lastEnd: RecordingEnd | null = null;

  constructor(context: DeviceWriterContext, deviceId: DeviceId) {
    this.#context = context;
    this.#deviceId = deviceId;
  }

  beginRun(run: Run, cause: RecordingCause): void {
    if (this.#running) void this.endRun(cause);
    this.#running = true;
    this.#push({ kind: 'begin', run, cause });
  }

  /** Releases the fragment when it is written, copied, or not accepted. */
  append(fragment: Fragment): RecordOutcome {
    const outcome = this.#accept(fragment);
    if (!outcome.accepted) fragment.release?.();
    return outcome;
  }

  async whenRoom(byteLength: number): Promise<void> {
    while (!this.#closing && this.#running && (this.#halted !== null || !this.#hasRoom(byteLength))) {
      await new Promise<void>(resolve => this.#roomWanted.push(resolve));
    }
  }

  #hasRoom(byteLength: number): boolean {
    const isFull = this.#queuedBytes + byteLength > this.#context.limits.queueBytesMax;
    return this.#queuedFragments === 0 || (this.#queuedFragments < aheadFragmentsMax && !isFull);
  }

  #tellOfRoom(): void {
    for (const resolve of this.#roomWanted.splice(0)) resolve();
  }

  #accept(fragment: Fragment): RecordOutcome {
    const { limits } = this.#context;
    const byteLength = fragmentByteLength(fragment);
    requireValid(fragment, byteLength);
    if (!this.#running) return { accepted: false, refusal: 'NO_RUN' };
    if (this.#halted !== null) this.#refused ??= { toMs: Math.round(fragment.fromMs), cause: this.#halted };
    if (this.#halted !== null || this.#closing) return this.#refuse('HALTED', byteLength);
    if (
      this.#queuedFragments >= limits.queueFragmentsMax ||
      (this.#queuedFragments > 0 && this.#queuedBytes + byteLength > limits.queueBytesMax)
    ) {
      this.#overflowed = true;
      return this.#refuse('QUEUE_FULL', byteLength);
    }
    const facts = { byteLength, afterOverflow: this.#overflowed, afterHalt: this.#refused };
    this.#overflowed = false;
    this.#refused = null;
    const pending = pendingOf(fragment, facts, this.#queuedFragments > 0);
    this.#queuedFragments += 1;
    this.#queuedBytes += byteLength;
    this.#push({ kind: 'fragment', fragment: pending, sinceMs: performance.now() });
    return { accepted: true };
  }

  endRun(cause: RecordingCause): Promise<void> {
    this.#running = false;
    this.#tellOfRoom();
    return new Promise(done => this.#push({ kind: 'end', cause, done }));
  }

  /** Ends the segment and refuses fragments until `unhalt`; the run itself goes on. */
  halt(cause: RecordingCause): Promise<void> {
    this.#halted = cause;
    this.#wake?.();
    if (this.#pausing !== null) return this.#pausing;
    const pausing = new Promise<void>(done => this.#push({ kind: 'pause', cause, done })).then(() => {
      if (this.#pausing === pausing) this.#pausing = null;
    });
    this.#pausing = pausing;
    return pausing;
  }

  unhalt(): void {
    this.#halted = null;
    this.#pausing = null;
    this.#tellOfRoom();
    this.retry();
  }

  retry(): void {
    this.#wake?.();
  }

  /** What is written of the segment that is being recorded. */
  openSegment(): SegmentWriter | null {
    return this.#segment;
  }

  /** How long the oldest that waits for the disk has waited; 0 when nothing does. */
  get waitingMs(): number {
    const oldest = this.#queue[0];
    return oldest?.kind === 'fragment' ? performance.now() - oldest.sinceMs : 0;
  }

  get openBytes(): number {
    return this.#segment?.byteLength ?? 0;
  }

  /** Ends the run and writes what is queued; what cannot be written is left to recovery. */
  async close(cause: RecordingCause): Promise<void> {
    const ended = this.endRun(cause);
    this.#closing = true;
    this.#tellOfRoom();
    this.#wake?.();
    await ended;
    await this.#draining;
  }

  #refuse(refusal: 'HALTED' | 'QUEUE_FULL', byteLength: number): RecordOutcome {
    this.#drop(byteLength, refusal);
    return { accepted: false, refusal };
  }

  #drop(byteLength: number, cause: 'HALTED' | 'QUEUE_FULL' | 'CLOSED'): void {
    this.#context.observer.fragmentsDropped({
      deviceId: this.#deviceId,
      fragmentCount: 1,
      byteLength,
      cause,
    });
  }

  #push(step: Step): void {
    this.#queue.push(step);
    this.#draining ??= this.#drain().finally(() => {
      this.#draining = null;
    });
  }

  async #drain(): Promise<void> {
    let retryMs = retryMsMin;
    for (let step = this.#queue[0]; step !== undefined; step = this.#queue[0]) {
      try {
        await this.#perform(step);
        retryMs = retryMsMin;
      } catch (error) {
        await this.#writeFailed(error);
        if (!this.#gaveUp(step)) {
          await this.#pause(retryMs);
          retryMs = Math.min(retryMs * 2, retryMsMax);
          if (!this.#gaveUp(step)) continue;
        }
        await this.#abandon(step);
      }
      this.#shift(step);
    }
  }

  /** While halted, a fragment is let go of after one try; when closing, everything is. */
  #gaveUp(step: Step): boolean {
    return this.#closing || (this.#halted !== null && step.kind === 'fragment');
  }

  async #abandon(step: Step): Promise<void> {
    if (step.kind === 'fragment') {
      this.#droppedBecause = this.#halted;
      this.#drop(step.fragment.byteLength, this.#halted !== null ? 'HALTED' : 'CLOSED');
    } else if (step.kind !== 'begin') await this.#strand();
  }

  #shift(step: Step): void {
    this.#queue.shift();
    if (step.kind === 'fragment') {
      this.#queuedFragments -= 1;
      this.#queuedBytes -= step.fragment.byteLength;
      step.fragment.release();
      this.#tellOfRoom();
    } else if (step.kind !== 'begin') step.done();
  }

  async #perform(step: Step): Promise<void> {
    switch (step.kind) {
      case 'begin':
        this.#run = step.run;
        this.#began = step.cause;
        this.#lastEnd = this.#endBefore(step.run.previousEnd);
        return;
      case 'fragment':
        return this.#write(step.fragment, step.sinceMs);
      case 'end':
        await this.#sealSegment(step.cause);
        this.#run = null;
        return;
      case 'pause':
        await this.#sealSegment(step.cause);
        this.#began = step.cause;
    }
  }

  /** What is held here says where recording ended; the log says so of other servers, and why it ended over a crash. */
  #endBefore(told: PreviousEnd | null): RecordingEnd | null {
    const held = later(this.#lastEnd, this.#context.lastRecordingEnd(this.#deviceId));
    if (held === null || told === null) return held ?? told;
    if (told.elsewhere) return later(held, told);
    const isUntold = held.cause === 'RECORDING_CONTINUED' && told.toMs >= held.toMs;
    return isUntold ? { toMs: held.toMs, cause: told.cause } : held;
  }

  /** Safe to repeat after a failure at any of its steps. */
  async #write(fragment: PendingFragment, sinceMs: number): Promise<void> {
    const split =
      this.#droppedBecause ?? (this.#segment && splitBefore(fragment, this.#segment, this.#context.limits));
    if (split) {
      await this.#sealSegment(split);
      this.#began = split;
    }
    this.#segment ??= await this.#create(fragment);
    const beganAtMs = performance.now();
    await this.#segment.append(entryOf(fragment), fragment.pieces);
    await this.#segment.sync();
    const endMs = performance.now();
    this.#context.observer.wrote?.(endMs - beganAtMs, endMs - sinceMs);
  }

  async #create(fragment: PendingFragment): Promise<SegmentWriter> {
    const { newSegmentId } = this.#context;
    const directory = this.#context.directory();
    const { init } = this.#run!;
    const segmentId = newSegmentId();
    const writer = await SegmentWriter.create(directory.openFile(segmentId), {
      head: {
        ...{ segmentId, deviceId: this.#deviceId, codecs: init.codecs, origin: 'RECORDED' },
        initByteLength: init.bytes.length,
        beganBecause: this.#began,
        gapBefore: gapBefore(fragment, this.#lastEnd),
      },
      ...{ initBytes: init.bytes, encryption: this.#context.encryption() },
    });
    await syncFolder(directory.openFolder);
    return writer;
  }

  async #sealSegment(cause: RecordingCause): Promise<void> {
    const writer = this.#segment;
    if (!writer || writer.entries.length === 0) {
      // Its head speaks of the group that it was made for, which found no room.
      await writer?.discard();
      this.#segment = null;
      this.#droppedBecause = null;
      // The next one could not be begun: what ended with it is not told by the one before, which was to go on.
      if (this.#lastEnd?.cause === 'RECORDING_CONTINUED') this.#lastEnd = { toMs: this.#lastEnd.toMs, cause };
      return;
    }
    await this.#context.seal(writer, cause);
    this.#lastEnd = { toMs: endOf(writer.entries), cause };
    this.#segment = null;
    this.#droppedBecause = null;
  }

  async #writeFailed(error: unknown): Promise<void> {
    const code = isIndexFull(error) ? 'ENOSPC' : String((error as NodeJS.ErrnoException).code ?? 'UNKNOWN');
    const message = error instanceof Error ? error.message : String(error);
    this.#context.observer.writeFailed({ deviceId: this.#deviceId, code, message });
    // A full disk takes the same write again once there is room. After any other error the file is not trusted with more.
    if (code !== 'ENOSPC' && code !== 'EDQUOT') await this.#strand();
  }

  async #strand(): Promise<void> {
    const writer = this.#segment;
    if (!writer) return;
    this.#segment = null;
    this.#began = 'DISK_UNAVAILABLE';
    if (writer.entries.length > 0) {
      this.#lastEnd = { toMs: endOf(writer.entries), cause: 'DISK_UNAVAILABLE' };
    }
    await this.#context.strand(writer);
  }

  async #pause(timeoutMs: number): Promise<void> {
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, timeoutMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      if (this.#closing) this.#wake();
    });
    this.#wake = null;
  }
}

/** What waits must hold no more memory than its own bytes: pieces may lie in memory that others lie in too. */
function pendingOf(
  fragment: Fragment,
  given: Pick<PendingFragment, 'byteLength' | 'afterOverflow' | 'afterHalt'>,
  waits: boolean,
): PendingFragment {
  const { fromMs, toMs, arrivalMs, timeSource, beginsWithKeyFrame } = fragment;
  const facts = { ...given, fromMs, toMs, arrivalMs, timeSource, beginsWithKeyFrame };
  const release = () => fragment.release?.();
  if (fragment.pieces !== undefined && !waits) return { ...facts, pieces: fragment.pieces, release };
  const pieces = [fragment.bytes];
  release();
  return { ...facts, pieces, release: () => {} };
}

function entryOf(fragment: PendingFragment): FragmentEntry {
  const { timeSource, beginsWithKeyFrame, pieces, byteLength } = fragment;
  return {
    fromMs: Math.round(fragment.fromMs),
    toMs: Math.round(fragment.toMs),
    arrivalMs: Math.round(fragment.arrivalMs),
    timeSource,
    beginsWithKeyFrame,
    byteLength,
    digest: sha256(...pieces),
  };
}

export function requireInit({ bytes, codecs }: InitSegment): void {
  if (bytes.length === 0 || codecs.length === 0 || codecs.length > 200) {
    throw new RangeError(`an init segment of ${bytes.length} bytes with codecs "${codecs}"`);
  }
}

function requireValid({ fromMs, toMs, arrivalMs }: Fragment, byteLength: number): void {
  const timesHold = fromMs >= 0 && toMs >= fromMs && toMs < Number.MAX_SAFE_INTEGER && arrivalMs >= 0;
  if (timesHold && byteLength > 0) return;
  throw new FragmentInvalidError(
    `a fragment from ${fromMs} to ${toMs}, arrived at ${arrivalMs}, of ${byteLength} bytes`,
  );
}

/** Why the segment must end before this fragment, or null. Each segment is without holes and runs forward in time. */
function splitBefore(
  fragment: PendingFragment,
  segment: SegmentWriter,
  limits: MediaDatabaseLimits,
): RecordingCause | null {
  const { entries, byteLength } = segment;
  const first = entries[0];
  const last = entries.at(-1);
  if (!first || !last) return null;
  if (fragment.fromMs < last.fromMs) return 'CLOCK_STEPPED';
  if (fragment.fromMs - last.toMs >= SEAM_MS_MAX) return fragment.afterOverflow ? 'OVERFLOW' : 'MEDIA_LOST';
  const isFull =
    fragment.toMs - first.fromMs > limits.segmentMsMax ||
    byteLength + fragment.byteLength > limits.segmentBytesMax;
  const isFarTooLarge = byteLength + fragment.byteLength > 2 * limits.segmentBytesMax;
  return isFarTooLarge || (isFull && fragment.beginsWithKeyFrame) ? 'RECORDING_CONTINUED' : null;
}

/** The gap that this fragment ends. A segment that went on without a break was lost in between: no other cause is known. */
function gapBefore(fragment: PendingFragment, lastEnd: RecordingEnd | null): RecordingGap | null {
  if (lastEnd === null || fragment.fromMs - lastEnd.toMs < SEAM_MS_MAX) return null;
  const { cause: why } = causeOfMost(lastEnd, fragment);
  const isUntold = why === 'RECORDING_CONTINUED' || why === 'MEDIA_LOST';
  const cause = fragment.afterOverflow && isUntold ? 'OVERFLOW' : isUntold ? 'MEDIA_LOST' : why;
  return { fromMs: lastEnd.toMs, toMs: fragment.fromMs, cause };
}

/** Recording may have ended for one cause, and not begun again for another. The gap has the one that lasted longer. */
function causeOfMost(lastEnd: RecordingEnd, { afterHalt, fromMs }: PendingFragment): RecordingEnd {
  if (afterHalt === null) return lastEnd;
  return fromMs - afterHalt.toMs > afterHalt.toMs - lastEnd.toMs ? afterHalt : lastEnd;
}

export function endOf(entries: readonly FragmentEntry[]): number {
  return entries.reduce((end, entry) => Math.max(end, entry.toMs), 0);
}

function later(one: RecordingEnd | null, other: RecordingEnd | null): RecordingEnd | null {
  if (one === null || other === null) return one ?? other;
  return one.toMs >= other.toMs ? one : other;
}
