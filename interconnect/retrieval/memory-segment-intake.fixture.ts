import {
  type FragmentAppendOutcome,
  type ImportOpening,
  manifestDigest,
  type SegmentImport,
  type SegmentIntake,
} from '@holdfast/core';
import type { SegmentId } from '@holdfast/schema';
import { sha256 } from '../media-channel/recorded-media.fixture.js';

/** The contract of `SegmentIntake` without a disk; the real one is the recording server's media database. */
export interface MemorySegmentIntake extends SegmentIntake {
  readonly complete: ReadonlyMap<SegmentId, readonly Uint8Array[]>;
  readonly partial: ReadonlyMap<SegmentId, readonly Uint8Array[]>;
  /** The next append is answered with a full disk. */
  fillDisk(): void;
}

export function createMemorySegmentIntake(): MemorySegmentIntake {
  const complete = new Map<SegmentId, Uint8Array[]>();
  const partial = new Map<SegmentId, Uint8Array[]>();
  const open = new Set<SegmentId>();
  let isFull = false;
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

  return {
    complete,
    partial,
    fillDisk: () => {
      isFull = true;
    },
    importSegment: async ({ manifest, initBytes, digest }): Promise<ImportOpening> => {
      const { segmentId, fragments } = manifest;
      const actual = hex(manifestDigest(manifest, sha256));
      if (actual !== digest) {
        return { opened: false, refusal: { code: 'MANIFEST_MISMATCH', expected: digest, actual } };
      }
      if (hex(sha256(initBytes)) !== hex(manifest.initDigest)) {
        const expected = hex(manifest.initDigest);
        return {
          opened: false,
          refusal: { code: 'INIT_MISMATCH', expected, actual: hex(sha256(initBytes)) },
        };
      }
      if (open.has(segmentId)) return { opened: false, refusal: { code: 'IN_PROGRESS' } };
      const done = complete.get(segmentId);
      const earlier = done ?? partial.get(segmentId) ?? [];
      const isOfManifest = earlier.every(
        (bytes, index) => fragments[index] && hex(sha256(bytes)) === hex(fragments[index].digest),
      );
      // Begun anew where it is of other bytes, as the media database does.
      const held = done !== undefined || isOfManifest ? earlier : [];
      if (done === undefined) {
        partial.set(segmentId, held);
        open.add(segmentId);
      }
      const append = async (bytes: Uint8Array): Promise<FragmentAppendOutcome> => {
        if (isFull) return { accepted: false, refusal: { code: 'DISK_FULL', detail: 'no space left' } };
        const entry = fragments[held.length];
        if (entry === undefined) {
          const refusal = { code: 'TOO_MANY_FRAGMENTS' as const, fragmentCount: fragments.length };
          return { accepted: false, refusal };
        }
        const [expected, actual] = [hex(entry.digest), hex(sha256(bytes))];
        if (expected !== actual) {
          const fragmentIndex = held.length;
          return {
            accepted: false,
            refusal: { code: 'DIGEST_MISMATCH', fragmentIndex, expected, actual },
          };
        }
        held.push(bytes);
        return { accepted: true, heldFragments: held.length };
      };
      const segment: SegmentImport = {
        get heldFragments() {
          return held.length;
        },
        complete: done !== undefined,
        append,
        finish: async () => {
          if (held.length < fragments.length) {
            const refusal = {
              code: 'INCOMPLETE' as const,
              heldFragments: held.length,
              fragmentCount: fragments.length,
            };
            return { finished: false, refusal };
          }
          complete.set(segmentId, held);
          partial.delete(segmentId);
          open.delete(segmentId);
          return { finished: true, byteLength: held.reduce((sum, bytes) => sum + bytes.byteLength, 0) };
        },
        [Symbol.asyncDispose]: async () => void open.delete(segmentId),
      };
      return { opened: true, segment };
    },
  };
}
