import { readdir, stat, unlink } from 'node:fs/promises';
import path from 'node:path';
import {
  type FragmentAppendOutcome,
  type ImportFinish,
  type ImportOpening,
  type ImportRefusal,
  ManifestMalformedError,
  type SegmentImport,
  type SegmentManifest,
} from '@holdfast/core';
import type { SegmentId } from '@holdfast/schema';
import type { MediaKey } from './fragment-cipher.js';
import type { MediaDirectory } from './media-directory.js';
import type { MediaKeys } from './media-keyring.js';
import { walkSegmentFile } from './sealed-file.js';
import { digestHex, SegmentWriter, sha256, type WalkedFile } from './segment-file.js';

export interface SegmentImporterContext {
  readonly directory: MediaDirectory;
  readonly keys: MediaKeys;
  /** Null: what is taken in now is not encrypted. */
  readonly encryption: () => MediaKey | null;
  readonly isHeld: (segmentId: SegmentId) => boolean;
  readonly isHalted: () => boolean;
  /** Seals, indexes and moves the file, and closes the writer. Answers the segment's bytes. */
  readonly seal: (writer: SegmentWriter) => Promise<number>;
}

interface ImportOptions {
  readonly manifest: SegmentManifest;
  readonly initBytes: Uint8Array;
  readonly digest: string;
}

/** Takes in copies of other sites' segments, fragment by fragment, each checked before it is written. */
export class SegmentImporter {
  readonly #context: SegmentImporterContext;
  readonly #open = new Set<SegmentId>();

  constructor(context: SegmentImporterContext) {
    this.#context = context;
  }

  async importSegment(options: ImportOptions): Promise<ImportOpening> {
    const refusal = refusalOf(options);
    if (refusal) return { opened: false, refusal };
    const { segmentId } = options.manifest;
    if (this.#open.has(segmentId)) return { opened: false, refusal: { code: 'IN_PROGRESS' } };
    const release = () => void this.#open.delete(segmentId);
    if (this.#context.isHeld(segmentId)) return { opened: true, segment: heldAlready(options) };
    this.#open.add(segmentId);
    try {
      const writer = await this.#writer(options);
      return { opened: true, segment: new OpenImport(this.#context, options.manifest, writer, release) };
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Removes what nobody has gone on with since. */
  async removeAbandoned(beforeMs: number): Promise<void> {
    const { importFolder } = this.#context.directory;
    for (const name of await readdir(importFolder)) {
      const file = path.join(importFolder, name);
      // It may be finished, and so moved, at this very moment.
      const found = await stat(file).catch(absentAsNull);
      const isOpen = this.#open.has(path.basename(name, '.mp4') as SegmentId);
      if (found !== null && found.mtimeMs < beforeMs && !isOpen) await unlink(file).catch(absentAsNull);
    }
  }

  /** The file of an earlier try as far as it belongs to this manifest, or a new one. */
  async #writer({ manifest, initBytes }: ImportOptions): Promise<SegmentWriter> {
    const { segmentId, deviceId, codecs } = manifest;
    const file = this.#context.directory.importFile(segmentId);
    const earlier = await walkSegmentFile(file).catch(absentAsNull);
    const held = earlier && heldPart(earlier, manifest);
    if (held && this.#canGoOn(held)) return SegmentWriter.resume(file, held, this.#context.keys);
    return SegmentWriter.create(file, {
      head: {
        ...{ segmentId, deviceId, codecs, initByteLength: initBytes.length, origin: 'IMPORTED' },
        // The causes are facts of the other site's log; here the segment stands by itself.
        ...{ beganBecause: 'RECORDING_CONTINUED', gapBefore: null },
      },
      ...{ initBytes, encryption: this.#context.encryption() },
    });
  }

  /** With a key that is lost nothing can be added. */
  #canGoOn({ head }: WalkedFile): boolean {
    return head.encryption === undefined || this.#context.keys.get(head.encryption.keyId) !== null;
  }
}

class OpenImport implements SegmentImport {
  readonly complete = false;
  readonly #context: SegmentImporterContext;
  readonly #manifest: SegmentManifest;
  readonly #release: () => void;
  #writer: SegmentWriter | null;
  #heldFragments: number;

  constructor(
    context: SegmentImporterContext,
    manifest: SegmentManifest,
    writer: SegmentWriter,
    release: () => void,
  ) {
    this.#context = context;
    this.#manifest = manifest;
    this.#writer = writer;
    this.#release = release;
    this.#heldFragments = writer.entries.length;
  }

  get heldFragments(): number {
    return this.#heldFragments;
  }

  async append(fragmentBytes: Uint8Array): Promise<FragmentAppendOutcome> {
    const { fragments } = this.#manifest;
    const entry = fragments[this.#heldFragments];
    if (!entry) {
      return {
        accepted: false,
        refusal: { code: 'TOO_MANY_FRAGMENTS', fragmentCount: fragments.length },
      };
    }
    const digest = sha256(fragmentBytes);
    if (fragmentBytes.length !== entry.byteLength || Buffer.compare(digest, entry.digest) !== 0) {
      return {
        accepted: false,
        refusal: {
          code: 'DIGEST_MISMATCH',
          fragmentIndex: this.#heldFragments,
          expected: hex(entry.digest),
          actual: hex(digest),
        },
      };
    }
    const full = await this.#unlessFull(() => this.#requireOpen().append(entry, [fragmentBytes]));
    if (full !== null) return { accepted: false, refusal: full };
    this.#heldFragments += 1;
    return { accepted: true, heldFragments: this.#heldFragments };
  }

  async finish(): Promise<ImportFinish> {
    const fragmentCount = this.#manifest.fragments.length;
    if (this.#heldFragments < fragmentCount) {
      return {
        finished: false,
        refusal: { code: 'INCOMPLETE', heldFragments: this.#heldFragments, fragmentCount },
      };
    }
    let byteLength = 0;
    const full = await this.#unlessFull(async () => {
      byteLength = await this.#context.seal(this.#requireOpen());
      this.#writer = null;
      this.#release();
    });
    return full === null ? { finished: true, byteLength } : { finished: false, refusal: full };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const writer = this.#writer;
    this.#writer = null;
    if (!writer) return;
    await writer.close();
    this.#release();
  }

  /** What is left of a disk that runs full belongs to the cameras of this site. */
  async #unlessFull(write: () => Promise<void>): Promise<{ code: 'DISK_FULL'; detail: string } | null> {
    if (this.#context.isHalted())
      return { code: 'DISK_FULL', detail: 'recording is halted: the disk is full' };
    try {
      await write();
      return null;
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException;
      if (code !== 'ENOSPC' && code !== 'EDQUOT') throw error;
      return { code: 'DISK_FULL', detail: message };
    }
  }

  #requireOpen(): SegmentWriter {
    if (!this.#writer) throw new Error('this import is finished or disposed');
    return this.#writer;
  }
}

function heldAlready({ manifest, initBytes }: ImportOptions): SegmentImport {
  const fragmentCount = manifest.fragments.length;
  const byteLength = manifest.fragments.reduce((sum, entry) => sum + entry.byteLength, initBytes.length);
  return {
    heldFragments: fragmentCount,
    complete: true,
    append: async () => ({ accepted: false, refusal: { code: 'TOO_MANY_FRAGMENTS', fragmentCount } }),
    finish: async () => ({ finished: true, byteLength }),
    [Symbol.asyncDispose]: async () => undefined,
  };
}

function refusalOf({ manifest, initBytes, digest }: ImportOptions): ImportRefusal | null {
  let actual: string;
  try {
    actual = digestHex(manifest);
  } catch (error) {
    if (!(error instanceof ManifestMalformedError)) throw error;
    return { code: 'MANIFEST_MALFORMED', detail: error.message };
  }
  if (actual !== digest) return { code: 'MANIFEST_MISMATCH', expected: digest, actual };
  const initDigest = hex(sha256(initBytes));
  const expected = hex(manifest.initDigest);
  if (initDigest !== expected || initBytes.length !== manifest.initByteLength) {
    return { code: 'INIT_MISMATCH', expected, actual: initDigest };
  }
  return null;
}

/** The leading fragments of the file that are those of the manifest; null when it is a file of something else. */
function heldPart(walked: WalkedFile, manifest: SegmentManifest): WalkedFile | null {
  const initHolds = Buffer.compare(sha256(walked.initBytes), manifest.initDigest) === 0;
  if (!initHolds || walked.head.segmentId !== manifest.segmentId) return null;
  const isHeld = walked.entries.every((entry, index) => {
    const expected = manifest.fragments[index];
    return expected !== undefined && Buffer.compare(entry.digest, expected.digest) === 0;
  });
  return isHeld ? walked : null;
}

export function absentAsNull(error: unknown): null {
  if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
  throw error;
}

function hex(digest: Uint8Array): string {
  return Buffer.from(digest).toString('hex');
}
