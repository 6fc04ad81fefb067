import type { SegmentManifest } from '../media/fragment.js';

/**
 * Where copies of another site's segments are taken in: the media database of a recording server. Nothing that the
 * log does not prove is stored: the manifest must have `digest`, each fragment the digest in the manifest.
 */
export interface SegmentIntake {
  importSegment(options: {
    readonly manifest: SegmentManifest;
    /** `ftyp` + `moov`, as sent before the fragments. */
    readonly initBytes: Uint8Array;
    /** `RecordingSealed.segments[].digest` in the log of the site that recorded it: 64 hexadecimal digits. */
    readonly digest: string;
  }): Promise<ImportOpening>;
}

export type ImportOpening =
  | { readonly opened: true; readonly segment: SegmentImport }
  | { readonly opened: false; readonly refusal: ImportRefusal };

export type ImportRefusal =
  /** The manifest is not the one that the log speaks of. */
  | { readonly code: 'MANIFEST_MISMATCH'; readonly expected: string; readonly actual: string }
  | { readonly code: 'MANIFEST_MALFORMED'; readonly detail: string }
  | { readonly code: 'INIT_MISMATCH'; readonly expected: string; readonly actual: string }
  /** Another import of the same segment is open. */
  | { readonly code: 'IN_PROGRESS' };

/** Dispose it in any case. Without `finish` what is held stays on disk, and the next import goes on from there. */
export interface SegmentImport {
  /** How many fragments are verified on disk: the next one to append has this index. */
  readonly heldFragments: number;
  /** The segment was imported before; there is nothing to append. */
  readonly complete: boolean;
  append(fragmentBytes: Uint8Array): Promise<FragmentAppendOutcome>;
  /** Makes the segment playable. Durable when it resolves. */
  finish(): Promise<ImportFinish>;
  [Symbol.asyncDispose](): Promise<void>;
}

export type FragmentAppendOutcome =
  | { readonly accepted: true; readonly heldFragments: number }
  | {
      readonly accepted: false;
      readonly refusal:
        | {
            readonly code: 'DIGEST_MISMATCH';
            readonly fragmentIndex: number;
            readonly expected: string;
            readonly actual: string;
          }
        | { readonly code: 'TOO_MANY_FRAGMENTS'; readonly fragmentCount: number }
        | { readonly code: 'DISK_FULL'; readonly detail: string };
    };

export type ImportFinish =
  | { readonly finished: true; readonly byteLength: number }
  | {
      readonly finished: false;
      readonly refusal:
        | { readonly code: 'INCOMPLETE'; readonly heldFragments: number; readonly fragmentCount: number }
        | { readonly code: 'DISK_FULL'; readonly detail: string };
    };
