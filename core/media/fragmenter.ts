import type { RecordingCause } from '@holdfast/schema';
import { type AccessUnit, type StreamFormat, VIDEO_TIMESCALE } from './access-unit.js';
import { AUDIO_TRACK_ID, METADATA_TRACK_ID, VIDEO_TRACK_ID, writeInitSegment } from './fmp4-init.js';
import {
  type FragmentFacts,
  type TrackRun,
  writeFragment,
  writeFragmentPieces,
  writtenByteLength,
} from './fmp4-writer.js';
import type { Fragment, InitSegment } from './fragment.js';
import { LazyFragment, PiecewiseFragment } from './leased-fragment.js';
import type { MediaLease } from './media-memory.js';

/** A camera with key frames further apart would lose more than this at a crash, and make seeking a wait. */
export const GROUP_DURATION_MS_MAX = 10_000;
/** Of a codec without differences each picture is a key frame: a group is then as long as others usually are. */
const INTRA_GROUP_MS = 1000;
/** What one camera may hold in memory before it is written. */
export const GROUP_BYTES_MAX = 16 * 1024 * 1024;
/** Audio further from the picture than this has lost its clock; played with the picture it would mislead. */
const AUDIO_DISTANCE_MS_MAX = 10_000;
const VIDEO_TICKS_PER_MS = VIDEO_TIMESCALE / 1000;
/** Until the second picture tells how long the first one lasts: 25 a second. */
const FIRST_PICTURE_TICKS = VIDEO_TIMESCALE / 25;
const FIRST_AUDIO_TICKS = 1024;

/** See `CameraSink` of the recording server for the order of these calls. */
export interface FragmentReceiver {
  format(init: InitSegment): void;
  liveFragment(fragment: Fragment): void;
  recordedFragment(fragment: Fragment): void;
  runEnded(cause: RecordingCause, atMs: number): void;
}

/**
 * Turns the access units of one camera into fragments: each picture at once for live, each group of pictures as a whole
 * for the media database. Video leads; audio rides in the fragment of the picture that it arrived with.
 */
export class Fragmenter {
  readonly #receiver: FragmentReceiver;
  #format: StreamFormat | null = null;
  #sequenceNumber = 1;
  #pictures: AccessUnit[] = [];
  #audio: AccessUnit[] = [];
  #liveAudio: AccessUnit[] = [];
  /** Only what is recorded has it: live viewers see pictures. */
  #metadata: AccessUnit[] = [];
  #byteLength = 0;
  #pictureTicks = FIRST_PICTURE_TICKS;
  #audioTicks = FIRST_AUDIO_TICKS;
  #lastAudioTicks = Number.NEGATIVE_INFINITY;
  #lastMetadataTicks = Number.NEGATIVE_INFINITY;

  constructor(receiver: FragmentReceiver) {
    this.#receiver = receiver;
  }

  /** The format of the open run, `null` between two runs. */
  get format(): StreamFormat | null {
    return this.#format;
  }

  /** Opens a run. The next picture pushed has to be a key frame. */
  begin(format: StreamFormat): void {
    this.#format = format;
    this.#lastAudioTicks = Number.NEGATIVE_INFINITY;
    this.#lastMetadataTicks = Number.NEGATIVE_INFINITY;
    this.#receiver.format(writeInitSegment(format));
  }

  push(unit: AccessUnit): void {
    if (this.#format === null) return;
    if (unit.track === 'AUDIO') this.#pushAudio(unit);
    else if (unit.track === 'METADATA') this.#pushMetadata(unit);
    else this.#pushPicture(unit);
  }

  /** Hands over what there is, and closes the run. */
  end(cause: RecordingCause): void {
    if (this.#format === null) return;
    const last = this.#pictures.at(-1);
    if (last !== undefined) {
      const endTicks = last.ticks + this.#pictureTicks;
      this.#closeGroup(endTicks);
      this.#receiver.runEnded(cause, ticksToMs(endTicks));
    }
    this.#format = null;
    this.#audio = [];
    this.#liveAudio = [];
    this.#metadata = [];
  }

  #pushPicture(unit: AccessUnit): void {
    const first = this.#pictures[0];
    const last = this.#pictures.at(-1);
    if (first === undefined && !unit.keyFrame) return;
    if (first !== undefined && last !== undefined) {
      this.#pictureTicks = unit.ticks - last.ticks;
      if (this.#beginsGroup(first, unit) || this.#isFull(first, unit)) this.#closeGroup(unit.ticks);
    }
    this.#pictures.push(unit);
    this.#byteLength += unit.byteLength;
    this.#emitLive(unit);
  }

  #beginsGroup(first: AccessUnit, next: AccessUnit): boolean {
    if (this.#format?.video?.codec !== 'MJPEG') return next.keyFrame;
    return next.ticks - first.ticks >= INTRA_GROUP_MS * VIDEO_TICKS_PER_MS;
  }

  #isFull(first: AccessUnit, next: AccessUnit): boolean {
    return (
      this.#byteLength + next.byteLength > GROUP_BYTES_MAX ||
      next.ticks - first.ticks >= GROUP_DURATION_MS_MAX * VIDEO_TICKS_PER_MS
    );
  }

  #pushAudio(unit: AccessUnit): void {
    const picture = this.#pictures.at(-1);
    const timescale = this.#format?.audio?.sampleRate;
    if (picture === undefined || timescale === undefined || unit.ticks <= this.#lastAudioTicks) return;
    const distanceMs = (unit.ticks * 1000) / timescale - picture.ticks / VIDEO_TICKS_PER_MS;
    if (Math.abs(distanceMs) > AUDIO_DISTANCE_MS_MAX) return;
    const elapsedTicks = unit.ticks - this.#lastAudioTicks;
    if (elapsedTicks < this.#audioTicks * 2) this.#audioTicks = elapsedTicks;
    this.#lastAudioTicks = unit.ticks;
    this.#audio.push(unit);
    // For the live fragment: the recorded one may be released before there is one.
    unit.lease?.hold();
    this.#liveAudio.push(unit);
    this.#byteLength += unit.byteLength;
  }

  #pushMetadata(unit: AccessUnit): void {
    const picture = this.#pictures.at(-1);
    if (picture === undefined || !this.#format?.metadata || unit.ticks <= this.#lastMetadataTicks) return;
    const distanceMs = Math.abs(unit.ticks - picture.ticks) / VIDEO_TICKS_PER_MS;
    if (distanceMs > AUDIO_DISTANCE_MS_MAX) return;
    this.#lastMetadataTicks = unit.ticks;
    this.#metadata.push(unit);
    this.#byteLength += unit.byteLength;
  }

  #emitLive(picture: AccessUnit): void {
    const endTicks = picture.ticks + this.#pictureTicks;
    const audio = this.#liveAudio;
    this.#liveAudio = [];
    const sequenceNumber = this.#sequenceNumber;
    this.#sequenceNumber += 1;
    const facts = factsOf(picture, endTicks);
    const runs = this.#runs([picture], endTicks, audio);
    picture.lease?.hold();
    const built = {
      byteLength: writtenByteLength(runs),
      write: () => writeFragment(sequenceNumber, facts, runs),
    };
    this.#receiver.liveFragment(new LazyFragment(facts, built, leasesOf(runs)));
  }

  #closeGroup(endTicks: number): void {
    const pictures = this.#pictures;
    const timescale = this.#format?.audio?.sampleRate ?? 1;
    const endMs = endTicks / VIDEO_TICKS_PER_MS;
    const within = this.#audio.filter(unit => (unit.ticks * 1000) / timescale < endMs);
    const later = this.#audio.slice(within.length);
    const documents = this.#metadata.filter(unit => unit.ticks < endTicks);
    this.#metadata = this.#metadata.slice(documents.length);
    this.#pictures = [];
    this.#audio = later;
    this.#byteLength = [...later, ...this.#metadata].reduce((sum, unit) => sum + unit.byteLength, 0);
    const sequenceNumber = this.#sequenceNumber;
    this.#sequenceNumber += 1;
    const facts = factsOf(pictures[0]!, endTicks);
    const runs = [...this.#runs(pictures, endTicks, within), ...metadataRun(documents, endTicks)];
    const pieces = writeFragmentPieces(sequenceNumber, facts, runs);
    this.#receiver.recordedFragment(new PiecewiseFragment(facts, pieces, leasesOf(runs)));
  }

  #runs(
    pictures: readonly AccessUnit[],
    endTicks: number,
    audio: readonly AccessUnit[],
  ): readonly TrackRun[] {
    const video: TrackRun = { trackId: VIDEO_TRACK_ID, units: pictures, endTicks };
    const lastAudio = audio.at(-1);
    if (lastAudio === undefined) return [video];
    return [video, { trackId: AUDIO_TRACK_ID, units: audio, endTicks: lastAudio.ticks + this.#audioTicks }];
  }
}

/** A document counts until the next one. */
function metadataRun(units: readonly AccessUnit[], endTicks: number): readonly TrackRun[] {
  return units.length === 0 ? [] : [{ trackId: METADATA_TRACK_ID, units, endTicks }];
}

function factsOf(first: AccessUnit, endTicks: number): FragmentFacts {
  return {
    fromMs: ticksToMs(first.ticks),
    toMs: ticksToMs(endTicks),
    arrivalMs: Math.floor(first.arrivalMs),
    timeSource: first.timeSource,
    beginsWithKeyFrame: first.keyFrame,
  };
}

function leasesOf(runs: readonly TrackRun[]): readonly MediaLease[] {
  const leases: MediaLease[] = [];
  for (const { units } of runs) for (const { lease } of units) if (lease) leases.push(lease);
  return leases;
}

function ticksToMs(ticks: number): number {
  return Math.floor(ticks / VIDEO_TICKS_PER_MS);
}
