import { type Fragment, type FragmentEntry, keyFrameFragment, soundFragment } from '@holdfast/core';
import type { MediaKeys } from './media-keyring.js';
import { inMemory, type ReadableFile } from './readable-file.js';
import { indexedFrom } from './recovery.js';
import type { SealedFile } from './sealed-file.js';
import { entryBox, headBox, type SegmentHead, sealBox } from './segment-boxes.js';
import { cipherOf, digestHex, manifestOf, sha256, storedPieces } from './segment-file.js';
import type { IndexedSegment } from './segment-row.js';

export interface ReducedSegmentFile {
  readonly file: ReadableFile;
  /** As it will stand in the index; its stage is not told here. */
  readonly indexed: IndexedSegment;
}

/**
 * The same segment with its key frames and its sound alone. Null: it is so already, there is nothing to gain, it does not begin
 * with a key frame, or the key that it is encrypted with is not here. The whole is in memory: a segment is some 32 MB.
 */
export async function reducedCopy(sealed: SealedFile, keys: MediaKeys): Promise<ReducedSegmentFile | null> {
  const { manifest, initBytes, endedBecause } = sealed;
  if (sealed.isClosed || sealed.head.reducedFrom !== undefined) return null;
  if (!manifest.fragments[0]!.beginsWithKeyFrame) return null;
  const head: SegmentHead = { ...sealed.head, reducedFrom: digestHex(manifest) };
  const cipher = cipherOf(head, keys);
  const entries: FragmentEntry[] = [];
  const parts: Uint8Array[] = [initBytes, headBox(head)];
  for (const [index, { digest: _, byteLength: __, ...facts }] of manifest.fragments.entries()) {
    const group = { ...facts, bytes: await sealed.fragmentBytes(index) };
    const toMs = endOfPicture(manifest.fragments, index);
    const reduced = group.beginsWithKeyFrame ? keyFrameFragment({ ...group, toMs }) : soundFragment(group);
    // A key frame that cannot be found is not lost for that.
    if (reduced === null && group.beginsWithKeyFrame) return null;
    if (reduced === null) continue;
    const entry = entryOf(reduced);
    parts.push(
      entryBox(entry),
      ...storedPieces(cipher, { head, index: entries.length }, entry, [reduced.bytes]),
    );
    entries.push(entry);
  }
  const seal = { manifest: manifestOf(head, initBytes, entries), endedBecause };
  const bytes = Buffer.concat([...parts, sealBox(seal)]);
  if (bytes.length >= sealed.fileByteLength) return null;
  const indexed = indexedFrom(head, seal, { fileByteLength: bytes.length, stage: '' });
  return { file: inMemory(`segment ${head.segmentId}, reduced`, bytes), indexed };
}

/** A picture lasts until the next key frame, also over groups that were cut off from it. */
function endOfPicture(fragments: readonly FragmentEntry[], index: number): number {
  let { toMs } = fragments[index]!;
  for (const { beginsWithKeyFrame, toMs: endMs } of fragments.slice(index + 1)) {
    if (beginsWithKeyFrame) break;
    toMs = Math.max(toMs, endMs);
  }
  return toMs;
}

function entryOf({
  fromMs,
  toMs,
  arrivalMs,
  timeSource,
  beginsWithKeyFrame,
  bytes,
}: Fragment): FragmentEntry {
  const facts = { fromMs, toMs, arrivalMs, timeSource, beginsWithKeyFrame };
  return { ...facts, byteLength: bytes.length, digest: sha256(bytes) };
}
