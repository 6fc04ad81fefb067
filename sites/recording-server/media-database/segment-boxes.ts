import {
  decodeFragmentEntry,
  decodeManifest,
  encodeFragmentEntry,
  encodeManifest,
  FRAGMENT_ENTRY_BYTE_LENGTH,
  type FragmentEntry,
  ManifestMalformedError,
  type SegmentManifest,
} from '@holdfast/core';
import { DeviceId, RecordingCause, RecordingGap, SegmentId } from '@holdfast/schema';
import { z } from 'zod';

/*
 * A segment file is a fragmented MP4 that any player opens, with boxes of ours (ISO/IEC 14496-12 §11.1, `uuid`) between:
 *
 *   ftyp moov | head | (entry moof mdat)… | seal
 *
 * It says by itself all that the index knows. Each entry holds the digest of the fragment behind it, so that after a
 * crash the last complete fragment is found without understanding the media. `seal` is there once, and last. Where the storage
 * is encrypted, each fragment stands in a box instead: `ftyp moov | head | (entry cipher)… | seal`. A player then finds nothing.
 */
const boxTypes = {
  head: Buffer.from('484f4c44464153548000000000000001', 'hex'),
  entry: Buffer.from('484f4c44464153548000000000000002', 'hex'),
  seal: Buffer.from('484f4c44464153548000000000000003', 'hex'),
  cipher: Buffer.from('484f4c44464153548000000000000004', 'hex'),
} as const;
export type SegmentBoxKind = keyof typeof boxTypes;

const uuidType = 0x75756964;
export const BOX_HEAD_BYTE_LENGTH = 24;
export const ENTRY_BOX_BYTE_LENGTH = BOX_HEAD_BYTE_LENGTH + FRAGMENT_ENTRY_BYTE_LENGTH;
/** Ends the seal box and the file: the box's length, and this word. */
const sealMark = 0x48465345;
export const SEAL_TAIL_BYTE_LENGTH = 8;
/** A head box is a few hundred bytes, a seal box below 1.1 MB for the largest manifest. More is damage. */
export const HEAD_BOX_BYTE_LENGTH_MAX = 4096;
export const SEAL_BOX_BYTE_LENGTH_MAX = 2 * 1024 * 1024;

export const SegmentHead = z.object({
  segmentId: SegmentId,
  deviceId: DeviceId,
  codecs: z.string().min(1).max(200),
  initByteLength: z.int().min(1),
  origin: z.enum(['RECORDED', 'IMPORTED']),
  beganBecause: RecordingCause,
  /** The gap that ended with this segment's first picture. */
  gapBefore: RecordingGap.nullable(),
  /** Left out: not encrypted. */
  encryption: z.object({ keyId: z.uuid() }).optional(),
  /** Left out: as it was recorded. Else only key frames are left, and this is the digest that it had. */
  reducedFrom: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .optional(),
});
export type SegmentHead = z.infer<typeof SegmentHead>;

const SealFacts = z.object({ endedBecause: RecordingCause });

export interface Seal {
  readonly manifest: SegmentManifest;
  readonly endedBecause: RecordingCause;
}

export class SegmentFileDamagedError extends Error {
  override readonly name = 'SegmentFileDamagedError';
  readonly code = 'SEGMENT_FILE_DAMAGED';
  /** As `MediaDamage.saysReduced`. */
  saysReduced = false;
}

export function headBox(head: SegmentHead): Buffer {
  return box('head', [Buffer.from(JSON.stringify(head))]);
}

export function entryBox(entry: FragmentEntry): Buffer {
  return box('entry', [encodeFragmentEntry(entry)]);
}

export function sealBox({ manifest, endedBecause }: Seal): Buffer {
  const facts = Buffer.from(JSON.stringify({ endedBecause }));
  const manifestBytes = encodeManifest(manifest);
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(facts.length, 0);
  lengths.writeUInt32BE(manifestBytes.length, 4);
  const tail = Buffer.alloc(SEAL_TAIL_BYTE_LENGTH);
  tail.writeUInt32BE(
    BOX_HEAD_BYTE_LENGTH + lengths.length + facts.length + manifestBytes.length + tail.length,
    0,
  );
  tail.writeUInt32BE(sealMark, 4);
  return box('seal', [lengths, facts, manifestBytes, tail]);
}

/** The length of a box of this kind that begins here, or null when none does. */
export function boxByteLength(kind: SegmentBoxKind, bytes: Buffer): number | null {
  if (bytes.length < BOX_HEAD_BYTE_LENGTH || bytes.readUInt32BE(4) !== uuidType) return null;
  if (!bytes.subarray(8, BOX_HEAD_BYTE_LENGTH).equals(boxTypes[kind])) return null;
  return bytes.readUInt32BE(0);
}

/** Length of the seal box that ends with these bytes, or null when they are no such end. */
export function sealByteLength(tail: Buffer): number | null {
  if (tail.length !== SEAL_TAIL_BYTE_LENGTH || tail.readUInt32BE(4) !== sealMark) return null;
  const byteLength = tail.readUInt32BE(0);
  return byteLength <= SEAL_BOX_BYTE_LENGTH_MAX ? byteLength : null;
}

export function readHeadBox(bytes: Buffer): SegmentHead {
  return parsed(() => SegmentHead.parse(JSON.parse(payload('head', bytes).toString('utf8'))), 'head');
}

export function readEntryBox(bytes: Buffer): FragmentEntry {
  return parsed(() => decodeFragmentEntry(payload('entry', bytes)), 'entry');
}

export function readSealBox(bytes: Buffer): Seal {
  return parsed(() => {
    const content = payload('seal', bytes);
    const factsLength = content.readUInt32BE(0);
    const manifestLength = content.readUInt32BE(4);
    if (8 + factsLength + manifestLength + SEAL_TAIL_BYTE_LENGTH !== content.length) {
      throw new SegmentFileDamagedError('the seal box has the wrong length');
    }
    const facts = SealFacts.parse(JSON.parse(content.toString('utf8', 8, 8 + factsLength)));
    const manifest = decodeManifest(content.subarray(8 + factsLength, 8 + factsLength + manifestLength));
    return { manifest, endedBecause: facts.endedBecause };
  }, 'seal');
}

/** What stands before an encrypted fragment; `byteLength`: of what is in the box. */
export function cipherBoxHead(byteLength: number): Buffer {
  return boxHead('cipher', BOX_HEAD_BYTE_LENGTH + byteLength);
}

function box(kind: SegmentBoxKind, parts: readonly Uint8Array[]): Buffer {
  const byteLength = parts.reduce((sum, part) => sum + part.length, BOX_HEAD_BYTE_LENGTH);
  return Buffer.concat([boxHead(kind, byteLength), ...parts], byteLength);
}

function boxHead(kind: SegmentBoxKind, byteLength: number): Buffer {
  const head = Buffer.alloc(BOX_HEAD_BYTE_LENGTH);
  head.writeUInt32BE(byteLength, 0);
  head.writeUInt32BE(uuidType, 4);
  boxTypes[kind].copy(head, 8);
  return head;
}

function payload(kind: SegmentBoxKind, bytes: Buffer): Buffer {
  if (boxByteLength(kind, bytes) !== bytes.length) {
    throw new SegmentFileDamagedError(`no whole ${kind} box where one was expected`);
  }
  return bytes.subarray(BOX_HEAD_BYTE_LENGTH);
}

function parsed<T>(parse: () => T, what: string): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof SegmentFileDamagedError) throw error;
    if (
      error instanceof ManifestMalformedError ||
      error instanceof z.ZodError ||
      error instanceof SyntaxError ||
      error instanceof RangeError
    ) {
      throw new SegmentFileDamagedError(`the ${what} box cannot be read: ${error.message}`, { cause: error });
    }
    throw error;
  }
}
