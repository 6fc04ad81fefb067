import { createHash } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { type FragmentEntry, manifestDigest, type SegmentManifest, type Sha256 } from '@holdfast/core';
import type { RecordingCause } from '@holdfast/schema';
import {
  BOX_HEAD_BYTE_LENGTH,
  boxByteLength,
  ENTRY_BOX_BYTE_LENGTH,
  entryBox,
  HEAD_BOX_BYTE_LENGTH_MAX,
  headBox,
  readEntryBox,
  readHeadBox,
  readSealBox,
  SEAL_TAIL_BYTE_LENGTH,
  type Seal,
  SegmentFileDamagedError,
  type SegmentHead,
  sealBox,
  sealByteLength,
} from './segment-boxes.js';

export const sha256: Sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

/** `ftyp` + `moov` of any camera is about a kilobyte. More is damage. */
const INIT_BYTE_LENGTH_MAX = 1024 * 1024;

/** An unsealed segment file, held open for appending. A failed write leaves what stood before it untouched. */
export class SegmentWriter {
  readonly path: string;
  readonly head: SegmentHead;
  readonly initBytes: Uint8Array;
  readonly fragmentsAt: number;
  readonly #handle: FileHandle;
  readonly #entries: FragmentEntry[];
  #byteLength: number;

  private constructor(
    path: string,
    handle: FileHandle,
    content: Pick<WalkedFile, 'head' | 'initBytes' | 'fragmentsAt' | 'entries' | 'byteLength'>,
  ) {
    this.path = path;
    this.head = content.head;
    this.initBytes = content.initBytes;
    this.fragmentsAt = content.fragmentsAt;
    this.#handle = handle;
    this.#entries = [...content.entries];
    this.#byteLength = content.byteLength;
  }

  /** Durable after the first `sync` of a fragment and the sync of the folder, which is the caller's. */
  static async create(path: string, head: SegmentHead, initBytes: Uint8Array): Promise<SegmentWriter> {
    const handle = await open(path, 'w+');
    try {
      const start = Buffer.concat([initBytes, headBox(head)]);
      await writeAll(handle, [start], 0);
      return new SegmentWriter(path, handle, {
        head,
        initBytes,
        fragmentsAt: start.length,
        entries: [],
        byteLength: start.length,
      });
    } catch (error) {
      await handle.close();
      await unlink(path).catch(() => undefined);
      throw error;
    }
  }

  /** Goes on with a file that was walked, behind its last complete fragment. */
  static async resume(path: string, walked: WalkedFile): Promise<SegmentWriter> {
    const handle = await open(path, 'r+');
    try {
      await handle.truncate(walked.byteLength);
      return new SegmentWriter(path, handle, walked);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  get entries(): readonly FragmentEntry[] {
    return this.#entries;
  }

  get byteLength(): number {
    return this.#byteLength;
  }

  /** `pieces`: the fragment's bytes, one behind the other. */
  async append(entry: FragmentEntry, pieces: readonly Uint8Array[]): Promise<void> {
    const box = entryBox(entry);
    await this.#write([box, ...pieces]);
    this.#byteLength += box.length + entry.byteLength;
    this.#entries.push(entry);
  }

  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  manifest(): SegmentManifest {
    return manifestOf(this.head, this.initBytes, this.#entries);
  }

  /** Writes the seal, durably. May be repeated after a failure; nothing can be appended afterwards. */
  async seal(
    endedBecause: RecordingCause,
  ): Promise<{ readonly seal: Seal; readonly fileByteLength: number }> {
    const seal: Seal = { manifest: this.manifest(), endedBecause };
    const box = sealBox(seal);
    await this.#write([box]);
    await this.#handle.datasync();
    return { seal, fileByteLength: this.#byteLength + box.length };
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #write(parts: readonly Uint8Array[]): Promise<void> {
    try {
      await writeAll(this.#handle, parts, this.#byteLength);
    } catch (error) {
      // A torn tail would be cut at the next start as well; cutting it now gives its room back.
      await this.#handle.truncate(this.#byteLength).catch(() => undefined);
      throw error;
    }
  }
}

export function manifestOf(
  head: SegmentHead,
  initBytes: Uint8Array,
  entries: readonly FragmentEntry[],
): SegmentManifest {
  return {
    segmentId: head.segmentId,
    deviceId: head.deviceId,
    codecs: head.codecs,
    initByteLength: initBytes.length,
    initDigest: sha256(initBytes),
    fragments: [...entries],
  };
}

export function digestHex(manifest: SegmentManifest): string {
  return Buffer.from(manifestDigest(manifest, sha256)).toString('hex');
}

/** What an unsealed (or just sealed) file holds up to its last complete fragment. */
export interface WalkedFile {
  readonly head: SegmentHead;
  readonly initBytes: Uint8Array;
  readonly fragmentsAt: number;
  readonly entries: readonly FragmentEntry[];
  /** Up to the end of the last complete fragment: what follows is torn, or the seal. */
  readonly byteLength: number;
  readonly fileByteLength: number;
  readonly seal: Seal | null;
}

/**
 * Reads the file from its beginning and checks every fragment against the digest before it, up to the first that is not
 * complete. Null when not even its head is. `SegmentFileDamagedError` is never thrown.
 */
export async function walkSegmentFile(path: string): Promise<WalkedFile | null> {
  const handle = await open(path, 'r');
  try {
    const fileByteLength = (await handle.stat()).size;
    const start = await readStart(handle);
    if (start === null) return null;
    const entries: FragmentEntry[] = [];
    let at = start.fragmentsAt;
    for (;;) {
      const entry = await readEntryAt(handle, at);
      if (entry === null || at + ENTRY_BOX_BYTE_LENGTH + entry.byteLength > fileByteLength) break;
      const bytes = await readExactly(handle, at + ENTRY_BOX_BYTE_LENGTH, entry.byteLength);
      if (bytes === null || !sha256(bytes).every((byte, index) => byte === entry.digest[index])) break;
      entries.push(entry);
      at += ENTRY_BOX_BYTE_LENGTH + entry.byteLength;
    }
    const seal = await readSealAtEnd(handle, fileByteLength);
    const sealed = seal !== null && seal.at === at ? seal.seal : null;
    return { ...start, entries, byteLength: at, fileByteLength, seal: sealed };
  } finally {
    await handle.close();
  }
}

/** A sealed file, open for reading. */
export class SealedFile {
  readonly head: SegmentHead;
  readonly initBytes: Uint8Array;
  readonly manifest: SegmentManifest;
  readonly endedBecause: RecordingCause;
  readonly fileByteLength: number;
  readonly #handle: FileHandle;
  readonly #offsets: readonly number[];

  private constructor(handle: FileHandle, start: FileStart, seal: Seal, fileByteLength: number) {
    this.#handle = handle;
    this.head = start.head;
    this.initBytes = start.initBytes;
    this.manifest = seal.manifest;
    this.endedBecause = seal.endedBecause;
    this.fileByteLength = fileByteLength;
    this.#offsets = fragmentOffsets(start.fragmentsAt, seal.manifest.fragments);
  }

  /** Throws `SegmentFileDamagedError` when the file's frame (head, seal, lengths, init digest) does not hold together. */
  static async open(path: string): Promise<SealedFile> {
    const handle = await open(path, 'r');
    try {
      const fileByteLength = (await handle.stat()).size;
      const start = await readStart(handle);
      if (start === null) throw new SegmentFileDamagedError(`${path}: its beginning cannot be read`);
      const end = await readSealAtEnd(handle, fileByteLength);
      if (end === null) throw new SegmentFileDamagedError(`${path}: its seal cannot be read`);
      const file = new SealedFile(handle, start, end.seal, fileByteLength);
      file.#requireConsistent(path, end.at);
      return file;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Throws `SegmentFileDamagedError` when the bytes do not have the digest in the manifest. */
  async fragmentBytes(index: number): Promise<Buffer> {
    return readFragment(this.#handle, this.#offsets[index]!, this.manifest.fragments[index]!);
  }

  /** Reads all of it. Throws `SegmentFileDamagedError` at the first fragment that does not have its digest. */
  async checkFragments(signal: AbortSignal): Promise<void> {
    for (const index of this.manifest.fragments.keys()) {
      signal.throwIfAborted();
      await this.fragmentBytes(index);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close();
  }

  #requireConsistent(path: string, sealAt: number): void {
    const { fragments, initDigest } = this.manifest;
    const last = fragments.length - 1;
    if (this.#offsets[last]! + fragments[last]!.byteLength !== sealAt) {
      throw new SegmentFileDamagedError(`${path}: its length is not what its manifest says`);
    }
    if (Buffer.compare(sha256(this.initBytes), initDigest) !== 0) {
      throw new SegmentFileDamagedError(`${path}: ftyp and moov do not have the digest in the manifest`);
    }
  }
}

/** Where each fragment's own bytes begin. */
export function fragmentOffsets(fragmentsAt: number, entries: readonly FragmentEntry[]): number[] {
  let at = fragmentsAt;
  return entries.map(entry => {
    const offset = at + ENTRY_BOX_BYTE_LENGTH;
    at = offset + entry.byteLength;
    return offset;
  });
}

/** Throws `SegmentFileDamagedError` when the bytes do not have the entry's digest. */
export async function readFragment(
  handle: FileHandle,
  offset: number,
  entry: FragmentEntry,
): Promise<Buffer> {
  const bytes = await readExactly(handle, offset, entry.byteLength);
  if (bytes === null) throw new SegmentFileDamagedError(`the file ends within the fragment at ${offset}`);
  if (Buffer.compare(sha256(bytes), entry.digest) !== 0) {
    throw new SegmentFileDamagedError(`the fragment at ${offset} does not have the digest in the manifest`);
  }
  return bytes;
}

interface FileStart {
  readonly head: SegmentHead;
  readonly initBytes: Uint8Array;
  readonly fragmentsAt: number;
}

/** The head box stands behind `ftyp` and `moov`, whose lengths are walked (ISO/IEC 14496-12 §4.2). */
async function readStart(handle: FileHandle): Promise<FileStart | null> {
  for (let at = 0; at < INIT_BYTE_LENGTH_MAX; ) {
    const boxHead = await readExactly(handle, at, BOX_HEAD_BYTE_LENGTH);
    if (boxHead === null) return null;
    const headByteLength = boxByteLength('head', boxHead);
    if (headByteLength !== null) {
      if (headByteLength > HEAD_BOX_BYTE_LENGTH_MAX) return null;
      const bytes = await readExactly(handle, at, headByteLength);
      if (bytes === null) return null;
      const head = unlessDamaged(() => readHeadBox(bytes));
      if (head === null || head.initByteLength !== at) return null;
      const initBytes = await readExactly(handle, 0, at);
      return initBytes && { head, initBytes, fragmentsAt: at + headByteLength };
    }
    const byteLength = boxHead.readUInt32BE(0);
    if (byteLength < 8) return null;
    at += byteLength;
  }
  return null;
}

async function readEntryAt(handle: FileHandle, at: number): Promise<FragmentEntry | null> {
  const bytes = await readExactly(handle, at, ENTRY_BOX_BYTE_LENGTH);
  return bytes && unlessDamaged(() => readEntryBox(bytes));
}

async function readSealAtEnd(
  handle: FileHandle,
  fileByteLength: number,
): Promise<{ readonly seal: Seal; readonly at: number } | null> {
  if (fileByteLength < SEAL_TAIL_BYTE_LENGTH) return null;
  const tail = await readExactly(handle, fileByteLength - SEAL_TAIL_BYTE_LENGTH, SEAL_TAIL_BYTE_LENGTH);
  const byteLength = tail && sealByteLength(tail);
  if (byteLength === null || byteLength > fileByteLength) return null;
  const at = fileByteLength - byteLength;
  const bytes = await readExactly(handle, at, byteLength);
  const seal = bytes && unlessDamaged(() => readSealBox(bytes));
  return seal && { seal, at };
}

function unlessDamaged<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    if (error instanceof SegmentFileDamagedError) return null;
    throw error;
  }
}

async function readExactly(handle: FileHandle, position: number, length: number): Promise<Buffer | null> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await handle.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) return null;
    filled += bytesRead;
  }
  return bytes;
}

async function writeAll(handle: FileHandle, parts: readonly Uint8Array[], position: number): Promise<void> {
  const byteLength = parts.reduce((sum, part) => sum + part.length, 0);
  const { bytesWritten } = await handle.writev([...parts], position);
  if (bytesWritten === byteLength) return;
  // A disk that is almost full takes a part; the next write then says why.
  const rest = Buffer.concat(parts).subarray(bytesWritten);
  for (let written = 0; written < rest.length; ) {
    const step = await handle.write(rest, written, rest.length - written, position + bytesWritten + written);
    written += step.bytesWritten;
  }
}
