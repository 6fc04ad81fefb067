import type { FragmentEntry, SegmentManifest } from '@holdfast/core';
import type { RecordingCause } from '@holdfast/schema';
import { CIPHER_HEAD_BYTE_LENGTH, type FragmentCipher, isStoredWhole } from './fragment-cipher.js';
import { MediaKeyMissingError, type MediaKeys } from './media-keyring.js';
import { openReadableFile, type ReadableFile } from './readable-file.js';
import {
  BOX_HEAD_BYTE_LENGTH,
  boxByteLength,
  ENTRY_BOX_BYTE_LENGTH,
  HEAD_BOX_BYTE_LENGTH_MAX,
  readEntryBox,
  readHeadBox,
  readSealBox,
  SEAL_TAIL_BYTE_LENGTH,
  type Seal,
  SegmentFileDamagedError,
  type SegmentHead,
  sealByteLength,
} from './segment-boxes.js';
import { cipherOf, sha256, storedByteLength, type WalkedFile, wrappingByteLength } from './segment-file.js';

/** `ftyp` + `moov` of any camera is about a kilobyte. More is damage. */
const INIT_BYTE_LENGTH_MAX = 1024 * 1024;

/**
 * Reads the file from its beginning and checks every fragment against the digest before it, up to the first that is not
 * complete; no key is needed. Null when not even its head is. `SegmentFileDamagedError` is never thrown.
 */
export async function walkSegmentFile(path: string): Promise<WalkedFile | null> {
  await using file = await openReadableFile(path);
  const start = await readStart(file);
  if (start === null) return null;
  const entries: FragmentEntry[] = [];
  let at = start.fragmentsAt;
  for (;;) {
    const entry = await readEntryAt(file, at);
    if (entry === null || at + storedByteLength(entry, start.head) > file.byteLength) break;
    const isWhole = await unlessDamaged(() =>
      checkStored(file, { head: start.head, entry, at: at + ENTRY_BOX_BYTE_LENGTH }),
    );
    if (isWhole === null) break;
    entries.push(entry);
    at += storedByteLength(entry, start.head);
  }
  const seal = await readSealAtEnd(file);
  const sealed = seal !== null && seal.at === at ? seal.seal : null;
  return { ...start, entries, byteLength: at, fileByteLength: file.byteLength, seal: sealed };
}

/** Reads fragments out of a file, sealed or not, as they were recorded. */
export class FragmentReader {
  readonly #file: ReadableFile;
  readonly #head: SegmentHead;
  readonly #entries: readonly FragmentEntry[];
  readonly #cipher: FragmentCipher | null;
  /** Where what follows each entry begins. */
  readonly #offsets: readonly number[];
  readonly endsAt: number;

  constructor(
    file: ReadableFile,
    content: Pick<WalkedFile, 'head' | 'fragmentsAt' | 'entries'>,
    keys: MediaKeys,
  ) {
    this.#file = file;
    this.#head = content.head;
    this.#entries = content.entries;
    this.#cipher = cipherOf(content.head, keys);
    let at = content.fragmentsAt;
    this.#offsets = content.entries.map(entry => {
      const offset = at + ENTRY_BOX_BYTE_LENGTH;
      at += storedByteLength(entry, content.head);
      return offset;
    });
    this.endsAt = at;
  }

  /** Encrypted, and the key is not here. */
  get isClosed(): boolean {
    return this.#head.encryption !== undefined && this.#cipher === null;
  }

  /** Throws `SegmentFileDamagedError` when the bytes do not have the entry's digest, `MediaKeyMissingError` without the key. */
  async bytes(index: number): Promise<Buffer> {
    const entry = this.#entries[index]!;
    const at = this.#offsets[index]!;
    const { encryption } = this.#head;
    if (encryption === undefined) return readPlain(this.#file, at, entry);
    if (this.#cipher === null) {
      throw new MediaKeyMissingError(
        `${this.#file.name} is encrypted with media key ${encryption.keyId}, which is not here`,
      );
    }
    const stored = await readStored(this.#file, this.#head, { entry, at });
    return requireDigest(this.#cipher.decrypt(index, entry, stored), entry, at);
  }

  /** As `bytes`; without the key, whether it is stored as it was written. */
  async check(index: number): Promise<void> {
    if (!this.isClosed) await this.bytes(index);
    else {
      const [entry, at] = [this.#entries[index]!, this.#offsets[index]!];
      await checkStored(this.#file, { head: this.#head, entry, at });
    }
  }
}

/** A sealed file, open for reading. */
export class SealedFile {
  readonly head: SegmentHead;
  readonly initBytes: Uint8Array;
  readonly manifest: SegmentManifest;
  readonly endedBecause: RecordingCause;
  readonly fileByteLength: number;
  readonly #file: ReadableFile;
  readonly #fragments: FragmentReader;

  private constructor(file: ReadableFile, start: FileStart, seal: Seal, keys: MediaKeys) {
    this.#file = file;
    this.head = start.head;
    this.initBytes = start.initBytes;
    this.manifest = seal.manifest;
    this.endedBecause = seal.endedBecause;
    this.fileByteLength = file.byteLength;
    this.#fragments = new FragmentReader(file, { ...start, entries: seal.manifest.fragments }, keys);
  }

  /**
   * The file is closed with it. Throws `SegmentFileDamagedError` when the file's frame (head, seal, lengths, init digest) does
   * not hold together.
   */
  static async open(file: ReadableFile, keys: MediaKeys): Promise<SealedFile> {
    try {
      const start = await readStart(file);
      if (start === null) throw new SegmentFileDamagedError(`${file.name}: its beginning cannot be read`);
      const end = await readSealAtEnd(file);
      if (end === null) throw new SegmentFileDamagedError(`${file.name}: its seal cannot be read`);
      const sealed = new SealedFile(file, start, end.seal, keys);
      sealed.#requireConsistent(end.at);
      return sealed;
    } catch (error) {
      await file[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Encrypted, and the key is not here: `fragmentBytes` throws, and `checkFragments` compares what is stored. */
  get isClosed(): boolean {
    return this.#fragments.isClosed;
  }

  /** As `FragmentReader.bytes`. */
  async fragmentBytes(index: number): Promise<Buffer> {
    return this.#fragments.bytes(index);
  }

  /** Reads all of it. Throws `SegmentFileDamagedError` at the first fragment that does not have its digest. */
  async checkFragments(signal: AbortSignal): Promise<void> {
    for (const index of this.manifest.fragments.keys()) {
      signal.throwIfAborted();
      await this.#fragments.check(index);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#file[Symbol.asyncDispose]();
  }

  #requireConsistent(sealAt: number): void {
    if (this.#fragments.endsAt !== sealAt) {
      throw new SegmentFileDamagedError(`${this.#file.name}: its length is not what its manifest says`);
    }
    if (Buffer.compare(sha256(this.initBytes), this.manifest.initDigest) !== 0) {
      throw new SegmentFileDamagedError(
        `${this.#file.name}: ftyp and moov do not have the digest in the manifest`,
      );
    }
  }
}

interface FragmentPlace {
  readonly entry: FragmentEntry;
  /** Behind its entry. */
  readonly at: number;
}

async function readPlain(file: ReadableFile, at: number, entry: FragmentEntry): Promise<Buffer> {
  const bytes = await file.read(at, entry.byteLength);
  if (bytes === null) throw new SegmentFileDamagedError(`the file ends within the fragment at ${at}`);
  return requireDigest(bytes, entry, at);
}

function requireDigest(bytes: Buffer, entry: FragmentEntry, at: number): Buffer {
  if (Buffer.compare(sha256(bytes), entry.digest) === 0) return bytes;
  throw new SegmentFileDamagedError(`the fragment at ${at} does not have the digest in the manifest`);
}

/** What is in the box of an encrypted fragment, with its head. */
async function readStored(
  file: ReadableFile,
  head: SegmentHead,
  { entry, at }: FragmentPlace,
): Promise<Buffer> {
  const boxed = await file.read(at, wrappingByteLength(head) + entry.byteLength);
  if (boxed === null) throw new SegmentFileDamagedError(`the file ends within the fragment at ${at}`);
  if (boxByteLength('cipher', boxed) !== boxed.length) {
    throw new SegmentFileDamagedError(`no encrypted fragment stands at ${at}`);
  }
  const stored = boxed.subarray(BOX_HEAD_BYTE_LENGTH);
  if (stored.length >= CIPHER_HEAD_BYTE_LENGTH && isStoredWhole(stored)) return stored;
  throw new SegmentFileDamagedError(`the encrypted fragment at ${at} is not stored as it was written`);
}

/** Throws `SegmentFileDamagedError` when what is stored is not what was written. */
async function checkStored(
  file: ReadableFile,
  { head, ...place }: FragmentPlace & { readonly head: SegmentHead },
): Promise<true> {
  if (head.encryption === undefined) await readPlain(file, place.at, place.entry);
  else await readStored(file, head, place);
  return true;
}

interface FileStart {
  readonly head: SegmentHead;
  readonly initBytes: Uint8Array;
  readonly fragmentsAt: number;
}

/** The head box stands behind `ftyp` and `moov`, whose lengths are walked (ISO/IEC 14496-12 §4.2). */
async function readStart(file: ReadableFile): Promise<FileStart | null> {
  for (let at = 0; at < INIT_BYTE_LENGTH_MAX; ) {
    const boxHead = await file.read(at, BOX_HEAD_BYTE_LENGTH);
    if (boxHead === null) return null;
    const headByteLength = boxByteLength('head', boxHead);
    if (headByteLength !== null) {
      if (headByteLength > HEAD_BOX_BYTE_LENGTH_MAX) return null;
      const bytes = await file.read(at, headByteLength);
      if (bytes === null) return null;
      const head = await unlessDamaged(() => readHeadBox(bytes));
      if (head === null || head.initByteLength !== at) return null;
      const initBytes = await file.read(0, at);
      return initBytes && { head, initBytes, fragmentsAt: at + headByteLength };
    }
    const byteLength = boxHead.readUInt32BE(0);
    if (byteLength < 8) return null;
    at += byteLength;
  }
  return null;
}

async function readEntryAt(file: ReadableFile, at: number): Promise<FragmentEntry | null> {
  const bytes = await file.read(at, ENTRY_BOX_BYTE_LENGTH);
  return bytes && (await unlessDamaged(() => readEntryBox(bytes)));
}

async function readSealAtEnd(
  file: ReadableFile,
): Promise<{ readonly seal: Seal; readonly at: number } | null> {
  if (file.byteLength < SEAL_TAIL_BYTE_LENGTH) return null;
  const tail = await file.read(file.byteLength - SEAL_TAIL_BYTE_LENGTH, SEAL_TAIL_BYTE_LENGTH);
  const byteLength = tail && sealByteLength(tail);
  if (byteLength === null || byteLength > file.byteLength) return null;
  const at = file.byteLength - byteLength;
  const bytes = await file.read(at, byteLength);
  const seal = bytes && (await unlessDamaged(() => readSealBox(bytes)));
  return seal && { seal, at };
}

async function unlessDamaged<T>(read: () => T | Promise<T>): Promise<T | null> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof SegmentFileDamagedError) return null;
    throw error;
  }
}
