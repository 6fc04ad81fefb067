import type {
  Fragment,
  InitSegment,
  LogPlace,
  MediaItem,
  SegmentIntake,
  SegmentManifest,
} from '@holdfast/core';
import type {
  DeletionPolicy,
  DeviceId,
  EventId,
  RecordingCause,
  RecordingGap,
  RecordingServerId,
  SealedSegment,
  SegmentId,
} from '@holdfast/schema';

import type { MediaKey } from './fragment-cipher.js';
import type { MediaKeyring, MediaKeys } from './media-keyring.js';

/** Recorded here, or copied from another site. */
export type SegmentOrigin = 'RECORDED' | 'IMPORTED';

/** One sealed segment as the index knows it. */
export interface StoredSegment {
  readonly deviceId: DeviceId;
  readonly segment: SealedSegment;
  readonly origin: SegmentOrigin;
  /** Bytes on the disk: init, fragments, and what describes them. */
  readonly fileByteLength: number;
  /** The folder of the live database or archive that it is in; empty for the media directory itself. */
  readonly stage: string;
}

/** What came of moving a segment to another stage. */
export type MoveOutcome =
  | { readonly moved: true; readonly byteLength: number }
  /** `UNAVAILABLE`: the stage can take nothing now. `DAMAGED`: the segment stays where it is. `GONE`: it was deleted. */
  | { readonly moved: false; readonly cause: 'UNAVAILABLE' | 'DAMAGED' | 'GONE'; readonly detail: string };

/** Something held, without a break longer than `gapMsMin`. */
export interface MediaSpan {
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
}

export type RecordOutcome =
  /** It stands in the queue of its device; it is durable a moment later. */
  | { readonly accepted: true }
  | { readonly accepted: false; readonly refusal: 'NO_RUN' | 'QUEUE_FULL' | 'HALTED' };

/** What a segment's files and the index hold against each other; also found by reading. */
export interface MediaDamage {
  readonly deviceId: DeviceId;
  readonly segmentId: SegmentId;
  readonly fromMs: number;
  readonly toMs: number;
  readonly kind: 'FILE_MISSING' | 'FILE_DAMAGED';
  readonly detail: string;
  /** By its own account it was reduced from what it is held against: the log may not have been told of it yet. */
  readonly saysReduced?: boolean;
}

/** What a repair did about a segment. */
export interface MediaRepair {
  readonly file: string;
  readonly segmentId: SegmentId | null;
  readonly action: /** Torn: cut behind its last whole fragment and sealed again. It no longer has the digest in the log. */
    | 'CUT'
    /** A whole file that the index did not know, or knew otherwise. */
    | 'ADOPTED'
    /** It was not where its device and day belong. */
    | 'MOVED'
    /** Some of its fragments are damaged; the others still play, so it stays. */
    | 'LEFT_DAMAGED'
    /** It holds nothing that plays: moved to `damaged/`. */
    | 'MOVED_ASIDE'
    /** The index knew it, and no file is there. */
    | 'FORGOTTEN';
  readonly detail: string;
}

/** What the log has not been told yet of one device: at most 200 segments, and the gaps that ended with them. */
export interface SealReport {
  readonly deviceId: DeviceId;
  readonly segments: readonly SealedSegment[];
  readonly gaps: readonly RecordingGap[];
  readonly reduced: readonly ReducedSegment[];
  /** Those of `segments` that were told to a log that is lost, or may have been. */
  readonly found: readonly SealedSegment[];
}

/**
 * What there was when the log was lost that had been told of it, or the end of that log: who is told now has not said yet what of
 * it he knows.
 */
export interface DisownedMedia {
  /** Disowns all that is there now. */
  disownAll(): void;
  /** Of each device from its beginning on. */
  spans(): readonly (MediaSpan & { readonly deviceId: DeviceId })[];
  /**
   * Once the log was looked through (`markReported`): hands what it does not know to `compose`, keeps the facts that it answers, and
   * owns all again. Answers how many segments that were, and whether it had to end before, since `isFull`. Safe to repeat.
   */
  tell(
    compose: (report: SealReport) => readonly OutgoingFact[],
    isFull: () => boolean,
  ): Promise<{ readonly count: number; readonly isFinished: boolean }>;
}

/** The last fact that a log took, by which it is known again. */
export interface LastTold extends LogPlace {
  readonly eventId: EventId;
}

/** As it is now; `previousDigest`: as the log had it. */
export type ReducedSegment = SealedSegment & { readonly previousDigest: string };

/** An event for the site's log, kept until it is there. */
export interface OutgoingFact {
  readonly eventId: EventId;
  readonly stream: string;
  readonly type: string;
  readonly occurredAtMs: number;
  /** JSON, as it will stand in the log. */
  readonly data: string;
}

export interface MediaDatabaseLimits {
  /** A segment ends at the first key frame after this time or size. */
  readonly segmentMsMax: number;
  readonly segmentBytesMax: number;
  /** What may wait for the disk, per device; more is refused and counted. */
  readonly queueFragmentsMax: number;
  readonly queueBytesMax: number;
  /** An unfinished import that nobody went on with for this long is removed. */
  readonly importAbandonedMs: number;
}

export const MEDIA_DATABASE_LIMITS: MediaDatabaseLimits = {
  // Small enough to retrieve and to lose, large enough that a day of a camera is about 1,350 files and rows.
  segmentMsMax: 64_000,
  segmentBytesMax: 32 * 1024 * 1024,
  // A disk that stalls for half a minute loses nothing: groups of 2 s at 4 Mbit/s are 15 MB then.
  queueFragmentsMax: 64,
  queueBytesMax: 32 * 1024 * 1024,
  // Longer than a link stays away, shorter than it takes to fill a disk with halves.
  importAbandonedMs: 14 * 24 * 3600_000,
};

/** Where recording of a device ended last, as the log says; `elsewhere`: on another recording server. For the gap. */
export interface PreviousEnd {
  readonly toMs: number;
  readonly cause: RecordingCause;
  readonly elsewhere: boolean;
}

export type HaltCause = 'DISK_FULL' | 'DISK_UNAVAILABLE';

/** What must be heard of at once. Calls are synchronous and must not throw. */
export interface MediaDatabaseObserver {
  fragmentsDropped(drop: {
    readonly deviceId: DeviceId;
    readonly fragmentCount: number;
    readonly byteLength: number;
    readonly cause: 'QUEUE_FULL' | 'HALTED' | 'CLOSED';
  }): void;
  /** `code`: of the system, e.g. `ENOSPC`. The write is repeated. */
  writeFailed(failure: {
    readonly deviceId: DeviceId;
    readonly code: string;
    readonly message: string;
  }): void;
  damageFound(damage: MediaDamage): void;
  /** How long the disk took until a group of pictures was durable, and how long it was from when it was accepted. */
  wrote?(durationMs: number, delayMs: number): void;
}

/** What opening the database had to repair. */
export interface MediaRecovery {
  /**
   * The index was missing or unusable, and was made again from the files; or such an index was not yet confirmed. Also true
   * for a database that is new.
   */
  readonly indexRebuilt: boolean;
  /** What was recorded while the media directory was away is in the index: what of it was deleted, the log says. */
  readonly standInTaken: boolean;
  /** Sealed files that the index knew nothing of: found when it is rebuilt. */
  readonly reindexedCount: number;
  /** Sealed now, with `SERVER_CRASHED`. */
  readonly recovered: readonly StoredSegment[];
  /** Bytes behind the last complete fragment that were cut off. */
  readonly tornBytes: number;
  /** Files without one complete fragment (removed), and files that could not be read (left where they are). */
  readonly problems: readonly string[];
}

/**
 * The recordings of one recording server: files and one index in one directory, owned by one process. Recording never
 * waits for a reader, and `append` never waits for the disk.
 */
export interface MediaDatabase extends SegmentIntake, AsyncDisposable {
  readonly disowned: DisownedMedia;
  readonly recordingServerId: RecordingServerId;
  readonly recovery: MediaRecovery;
  /** Open what is encrypted. */
  readonly keys: MediaKeys;
  /** What is recorded of a device from now on is encrypted with; null: it is not. */
  encryptionOf(deviceId: DeviceId): MediaKey | null;
  /** Its password has come after it was opened. From now on encrypted recordings are read, and made. */
  unlock(keyring: MediaKeyring): Promise<void>;

  /** Begins a run of recording; a run that goes on for this device is ended for the same cause. */
  beginRun(options: {
    readonly deviceId: DeviceId;
    readonly init: InitSegment;
    readonly cause: RecordingCause;
    readonly previousEnd?: PreviousEnd | null;
  }): void;
  append(deviceId: DeviceId, fragment: Fragment): RecordOutcome;
  /**
   * Resolves when so much of a device can be appended, and little of it waits for the disk: for who has more than the queue
   * takes. While recording is halted it waits on; without a run it resolves at once.
   */
  whenRoom(deviceId: DeviceId, byteLength: number): Promise<void>;
  /** Resolves when everything accepted before is durable and sealed. Without a run it does nothing. */
  endRun(options: { readonly deviceId: DeviceId; readonly cause: RecordingCause }): Promise<void>;
  /**
   * Refuses every append to these live stages from now on and ends their segments for the cause; accepts those to all others.
   * `unhalt`: accepts all.
   */
  halt(stages: ReadonlyMap<string, HaltCause>): Promise<void>;
  unhalt(): void;
  /** Tries failed writes again now: there is room. */
  retryWrites(): void;
  /** How long the group of pictures that waits longest for the disk has waited; 0 when none does. */
  waitingMs(): number;
  /** Null when a live stage takes writes, tried by writing; else why not. A full disk takes them as far as this goes. */
  whyUnwritable(stage: string): Promise<string | null>;

  /** Fragments that touch [fromMs, toMs), in order of time, up to what is on the disk now. Damaged ones are left out. */
  read(options: {
    readonly deviceId: DeviceId;
    readonly fromMs: number;
    readonly toMs: number;
    /** Of each its key frame alone, for as long as the fragment lasts, and no sound. */
    readonly keyFramesOnly?: boolean;
    readonly signal: AbortSignal;
  }): AsyncIterable<MediaItem>;
  /**
   * Whole sealed segments: manifest, init, fragments, exactly the stored bytes, checked before the first is given out; or
   * `missing`. `resumeAtFragment` applies to the first segment.
   */
  readSegments(options: {
    readonly deviceId: DeviceId;
    readonly segmentIds: readonly SegmentId[];
    readonly resumeAtFragment: number;
    readonly signal: AbortSignal;
  }): AsyncIterable<MediaItem>;

  spans(options: {
    readonly deviceId: DeviceId;
    readonly fromMs: number;
    readonly toMs: number;
  }): readonly MediaSpan[];
  /** Of the segment that is being recorded: it is in no index yet. */
  openSpan(deviceId: DeviceId): MediaSpan | null;
  /** Sealed segments that touch [fromMs, toMs), in order of time: at most `limit`, behind `after`. */
  segments(options: {
    readonly deviceId: DeviceId;
    readonly fromMs: number;
    readonly toMs: number;
    readonly after: StoredSegment | null;
    readonly limit: number;
  }): readonly StoredSegment[];
  segment(segmentId: SegmentId): StoredSegment | null;
  /** Where the newest sealed recording of a device ends, also when it is deleted; null when there was none. */
  newestEndMs(deviceId: DeviceId): number | null;
  manifest(segmentId: SegmentId): Promise<SegmentManifest | null>;
  devices(): readonly DeviceId[];
  /** Bytes of all files, sealed or not; of one stage when it is named. */
  usageBytes(stage?: string): number;
  /** Bytes of the files that touch [fromMs, toMs), also of the one being recorded as far as it is: what a lock over it keeps. */
  heldBytes(options: { readonly deviceId: DeviceId; readonly fromMs: number; readonly toMs: number }): number;
  /** Of the sealed files in one stage that touch any of these spans, each once. Spans in order of time, and without overlap. */
  bytesIn(options: {
    readonly stage: string;
    readonly deviceId: DeviceId;
    readonly spans: readonly MediaSpan[];
  }): number;
  /** The newest sealed segment of a device in one stage. */
  newestIn(options: { readonly stage: string; readonly deviceId: DeviceId }): StoredSegment | null;
  /** The oldest sealed segments of a device in one stage, behind `after`. */
  oldestIn(options: {
    readonly stage: string;
    readonly deviceId: DeviceId;
    readonly after: StoredSegment | null;
    readonly limit: number;
  }): readonly StoredSegment[];
  /** Every stage that ever was ready. */
  stages(): readonly string[];
  /** The ids of keys that are not here and that recordings are encrypted with. */
  missingKeys(): Promise<readonly string[]>;
  /** Null when a stage can be written to, else why not. A stage that was never used before is made. */
  prepareStage(stage: string): Promise<string | null>;
  /**
   * Copies a segment to another stage, reads the copy back against its manifest, switches over in one transaction and removes
   * what it was copied from. Whatever stops it at any point, the segment is whole in one of both, and what is left over in the
   * other goes with `collectGarbage`.
   */
  moveSegment(options: {
    readonly segmentId: SegmentId;
    readonly toStage: string;
    readonly signal: AbortSignal;
    /** Only key frames are kept where this says yes, before the move and when it is switched over. Left out: nowhere. */
    readonly mayReduce?: (segment: StoredSegment) => boolean;
  }): Promise<MoveOutcome>;

  /**
   * Hands what was sealed since to `compose`, device by device, and keeps the facts that it answers in the same transaction:
   * each segment comes into the log once. Answers how many segments were reported.
   */
  reportSealed(compose: (report: SealReport) => readonly OutgoingFact[]): number;
  /** Segments that the log is known to have reported (as sealed, or as `reduced`): after the index was rebuilt, or its log lost. */
  markReported(segmentIds: readonly SegmentId[], what: { readonly reduced: boolean }): void;
  /** What the log was told last; null: nothing. */
  lastTold(): LastTold | null;
  /** The log's facts about a rebuilt index are in it now. */
  confirmIndex(): void;
  /**
   * Reads every file and puts in order what can be: torn ends are cut, files that the index does not know are taken in, rows
   * without a file go. What holds no media is moved to `damaged/`, never deleted. `compose` answers the facts about a damage.
   */
  repair(options: {
    readonly signal: AbortSignal;
    readonly onProgress: (done: number, total: number) => void;
    readonly compose: (damage: MediaDamage) => OutgoingFact;
  }): Promise<readonly MediaRepair[]>;
  /** Keeps a fact until `removeFacts`. */
  putFact(fact: OutgoingFact): void;
  factCount(): number;
  /** The oldest facts that are kept, in order. */
  facts(limit: number): readonly OutgoingFact[];
  removeFacts(eventIds: readonly EventId[], lastTold: LastTold | null): void;

  /**
   * Hides the segments at once and keeps the facts that `compose` answers, in one transaction; the files go with
   * `collectGarbage`. Unknown ids are left out. `unreported`: what the log is not told of the segments by `reportSealed` any more,
   * and must hear before it hears that they are gone.
   */
  markDeleted(options: {
    readonly segmentIds: readonly SegmentId[];
    readonly policy: DeletionPolicy;
    readonly compose: (
      segments: readonly StoredSegment[],
      unreported: readonly SealReport[],
    ) => readonly OutgoingFact[];
  }): Promise<readonly StoredSegment[]>;
  /** Bytes of the files in one stage that are marked as deleted, and that its disk has not let go of yet. */
  garbageBytes(stage: string): number;
  /** Removes the files of marked segments and abandoned imports, as far as their disks let go of them. Safe to repeat after a crash. */
  collectGarbage(): Promise<{ readonly segmentCount: number; readonly byteLength: number }>;

  /** Reads everything and compares it with its manifest. */
  verify(options: { readonly signal: AbortSignal }): AsyncIterable<MediaDamage>;
}
