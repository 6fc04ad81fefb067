import type { TimeSource } from '@holdfast/schema';
import type { AccessUnit } from './access-unit.js';

/** ISO/IEC 14496-12 §8.8.3: depends on nothing; depends on others and is not a sync sample. */
const SYNC_SAMPLE = 0x02000000;
const DEPENDENT_SAMPLE = 0x01010000;
const DEFAULT_BASE_IS_MOOF = 0x020000;
/** data-offset, sample duration, size and flags present. */
const RUN_FLAGS = 0x000701;
const RUN_FLAGS_WITH_COMPOSITION = RUN_FLAGS | 0x000800;

/**
 * A `uuid` box before the `moof`, which players skip. It holds what the file must know for the index to be rebuilt from
 * files alone: version 1 (u8), time source (u8: 0 arrival, 1 sender report), key frame (u8), reserved (u8), arrival in
 * milliseconds since the Unix epoch (u64), first and end time of the fragment likewise (2 × u64).
 */
export const FACTS_BOX_ID = Uint8Array.of(
  0x48,
  0x6f,
  0x6c,
  0x64,
  0x66,
  0x61,
  0x73,
  0x74,
  0x9f,
  0x1c,
  0x4d,
  0x6e,
  0xa2,
  0x57,
  0x0b,
  0x01,
);
export const FACTS_BOX_BYTE_LENGTH = 8 + 16 + 4 + 24;

export interface FragmentFacts {
  readonly fromMs: number;
  readonly toMs: number;
  readonly arrivalMs: number;
  readonly timeSource: TimeSource;
  readonly beginsWithKeyFrame: boolean;
}

export interface TrackRun {
  readonly trackId: number;
  /** At least one; `ticks` strictly increasing. */
  readonly units: readonly AccessUnit[];
  /** Where the last unit ends, in the track's ticks. */
  readonly endTicks: number;
}

/**
 * A piece below this is copied: that costs less than to hash and write it by itself. It also bounds the pieces of the
 * largest group to some thousands, whatever a camera cuts its pictures into.
 */
const PIECE_BYTES_MIN = 4096;

/** `uuid` + `moof` + `mdat`. Every sample lasts until the next one begins; the last until `endTicks`. */
export function writeFragment(
  sequenceNumber: number,
  facts: FragmentFacts,
  runs: readonly TrackRun[],
): Uint8Array {
  return writePieces(sequenceNumber, facts, runs, Number.POSITIVE_INFINITY)[0]!;
}

/** Of what `writeFragment` makes of them, without making it. */
export function writtenByteLength(runs: readonly TrackRun[]): number {
  return FACTS_BOX_BYTE_LENGTH + moofByteLengthOf(runs) + 8 + dataByteLengthOf(runs);
}

/** As `writeFragment`, in pieces that follow one another: the large ones are the access units' own memory. */
export function writeFragmentPieces(
  sequenceNumber: number,
  facts: FragmentFacts,
  runs: readonly TrackRun[],
): readonly Uint8Array[] {
  return writePieces(sequenceNumber, facts, runs, PIECE_BYTES_MIN);
}

function writePieces(
  sequenceNumber: number,
  facts: FragmentFacts,
  runs: readonly TrackRun[],
  pieceBytesMin: number,
): readonly Uint8Array[] {
  const moofByteLength = moofByteLengthOf(runs);
  const parts = adjoined(runs.flatMap(run => run.units.flatMap(unit => unit.parts)));
  const copiedByteLength = parts.reduce(
    (sum, part) => sum + (part.length < pieceBytesMin ? part.length : 0),
    0,
  );
  const writer = new BoxWriter(FACTS_BOX_BYTE_LENGTH + moofByteLength + 8 + copiedByteLength);
  writeFacts(writer, facts);
  writer.header(moofByteLength, 'moof');
  writer.header(16, 'mfhd');
  writer.uint32(0);
  writer.uint32(sequenceNumber);
  let dataOffset = moofByteLength + 8;
  for (const run of runs) {
    writeTraf(writer, run, dataOffset);
    dataOffset += runDataByteLength(run);
  }
  writer.header(8 + dataByteLengthOf(runs), 'mdat');
  for (const part of parts) {
    if (part.length < pieceBytesMin) writer.copy(part);
    else writer.leave(part);
  }
  return writer.finish();
}

function writeFacts(writer: BoxWriter, facts: FragmentFacts): void {
  writer.header(FACTS_BOX_BYTE_LENGTH, 'uuid');
  writer.copy(FACTS_BOX_ID);
  writer.uint32(
    0x01000000 |
      (facts.timeSource === 'SENDER_REPORT' ? 0x010000 : 0) |
      (facts.beginsWithKeyFrame ? 0x0100 : 0),
  );
  writer.uint64(facts.arrivalMs);
  writer.uint64(facts.fromMs);
  writer.uint64(facts.toMs);
}

function isReordered(run: TrackRun): boolean {
  return run.units.some(unit => (unit.compositionOffsetTicks ?? 0) !== 0);
}

function trunByteLength(run: TrackRun): number {
  return 20 + run.units.length * (isReordered(run) ? 16 : 12);
}

function trafByteLength(run: TrackRun): number {
  return 8 + 16 + 20 + trunByteLength(run);
}

function moofByteLengthOf(runs: readonly TrackRun[]): number {
  return runs.reduce((sum, run) => sum + trafByteLength(run), 8 + 16);
}

function dataByteLengthOf(runs: readonly TrackRun[]): number {
  return runs.reduce((sum, run) => sum + runDataByteLength(run), 0);
}

function runDataByteLength(run: TrackRun): number {
  let byteLength = 0;
  for (const unit of run.units) byteLength += unit.byteLength;
  return byteLength;
}

/** Parts that lie behind one another in memory become one: most pictures of a group do. */
function adjoined(parts: readonly Uint8Array[]): readonly Uint8Array[] {
  const result: Uint8Array[] = [];
  for (let index = 0; index < parts.length; ) {
    const first = parts[index]!;
    const { buffer, byteOffset } = first;
    let end = byteOffset + first.length;
    for (index += 1; parts[index]?.byteOffset === end && parts[index]?.buffer === buffer; index += 1)
      end += parts[index]!.length;
    const alone = end === byteOffset + first.length;
    result.push(alone ? first : new Uint8Array(buffer, byteOffset, end - byteOffset));
  }
  return result;
}

function writeTraf(writer: BoxWriter, run: TrackRun, dataOffset: number): void {
  writer.header(trafByteLength(run), 'traf');
  writer.header(16, 'tfhd');
  writer.uint32(DEFAULT_BASE_IS_MOOF);
  writer.uint32(run.trackId);
  writer.header(20, 'tfdt');
  writer.uint32(0x01000000);
  writer.uint64(run.units[0]!.ticks);
  const reordered = isReordered(run);
  writer.header(trunByteLength(run), 'trun');
  // Version 1: composition offsets are signed.
  writer.uint32(0x01000000 | (reordered ? RUN_FLAGS_WITH_COMPOSITION : RUN_FLAGS));
  writer.uint32(run.units.length);
  writer.uint32(dataOffset);
  run.units.forEach((unit, index) => {
    writer.uint32((run.units[index + 1]?.ticks ?? run.endTicks) - unit.ticks);
    writer.uint32(unit.byteLength);
    writer.uint32(unit.keyFrame ? SYNC_SAMPLE : DEPENDENT_SAMPLE);
    if (reordered) writer.uint32(unit.compositionOffsetTicks ?? 0);
  });
}

class BoxWriter {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #pieces: Uint8Array[] = [];
  #pieceStart = 0;
  #offset = 0;

  /** `byteLength`: of all that is written and copied. */
  constructor(byteLength: number) {
    const bytes = new Uint8Array(byteLength);
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer);
  }

  header(byteLength: number, type: string): void {
    this.uint32(byteLength);
    for (let index = 0; index < 4; index += 1) this.#bytes[this.#offset + index] = type.charCodeAt(index);
    this.#offset += 4;
  }

  uint32(value: number): void {
    this.#view.setUint32(this.#offset, value);
    this.#offset += 4;
  }

  /** `value` an integer in [0, 2^53). */
  uint64(value: number): void {
    this.uint32(Math.floor(value / 2 ** 32));
    this.uint32(value % 2 ** 32);
  }

  copy(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#offset);
    this.#offset += bytes.length;
  }

  /** What follows is there already: a piece of its own. */
  leave(bytes: Uint8Array): void {
    this.#endPiece();
    this.#pieces.push(bytes);
  }

  finish(): readonly Uint8Array[] {
    this.#endPiece();
    return this.#pieces;
  }

  #endPiece(): void {
    if (this.#offset > this.#pieceStart)
      this.#pieces.push(this.#bytes.subarray(this.#pieceStart, this.#offset));
    this.#pieceStart = this.#offset;
  }
}
