import { createHash } from 'node:crypto';
import { type FileHandle, open, unlink } from 'node:fs/promises';
import { type FragmentEntry, manifestDigest, type SegmentManifest, type Sha256 } from '@holdfast/core';
import type { RecordingCause } from '@holdfast/schema';
import { CIPHER_HEAD_BYTE_LENGTH, FragmentCipher, type MediaKey } from './fragment-cipher.js';
import { MediaKeyMissingError, type MediaKeys, NO_MEDIA_KEYS } from './media-keyring.js';
import {
  BOX_HEAD_BYTE_LENGTH,
  cipherBoxHead,
  ENTRY_BOX_BYTE_LENGTH,
  entryBox,
  headBox,
  type Seal,
  type SegmentHead,
  sealBox,
} from './segment-boxes.js';

export const sha256: Sha256 = (...parts) => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};

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

/** An unsealed segment file, held open for appending. A failed write leaves what stood before it untouched. */
export class SegmentWriter {
  readonly path: string;
  readonly head: SegmentHead;
  readonly initBytes: Uint8Array;
  readonly fragmentsAt: number;
  readonly #handle: FileHandle;
  readonly #cipher: FragmentCipher | null;
  readonly #entries: FragmentEntry[];
  #byteLength: number;

  private constructor(
    path: string,
    handle: FileHandle,
    content: Pick<WalkedFile, 'head' | 'initBytes' | 'fragmentsAt' | 'entries' | 'byteLength'>,
    keys: MediaKeys,
  ) {
    this.path = path;
    this.head = content.head;
    this.initBytes = content.initBytes;
    this.fragmentsAt = content.fragmentsAt;
    this.#handle = handle;
    this.#cipher = cipherOf(content.head, keys);
    this.#entries = [...content.entries];
    this.#byteLength = content.byteLength;
  }

  /** Durable after the first `sync` of a fragment and the sync of the folder, which is the caller's. */
  static async create(
    path: string,
    content: {
      readonly head: Omit<SegmentHead, 'encryption'>;
      readonly initBytes: Uint8Array;
      /** Null: nothing is encrypted. */
      readonly encryption: MediaKey | null;
    },
  ): Promise<SegmentWriter> {
    const { initBytes, encryption } = content;
    const head = encryption ? { ...content.head, encryption: { keyId: encryption.keyId } } : content.head;
    const handle = await open(path, 'w+');
    try {
      const start = Buffer.concat([initBytes, headBox(head)]);
      await writeAll(handle, [start], 0);
      return new SegmentWriter(
        path,
        handle,
        { head, initBytes, fragmentsAt: start.length, entries: [], byteLength: start.length },
        encryption ? { get: () => encryption.key } : NO_MEDIA_KEYS,
      );
    } catch (error) {
      await handle.close();
      await unlink(path).catch(() => undefined);
      throw error;
    }
  }

  /** Goes on with a file that was walked, behind its last complete fragment. Sealing it needs no key. */
  static async resume(path: string, walked: WalkedFile, keys: MediaKeys): Promise<SegmentWriter> {
    const handle = await open(path, 'r+');
    try {
      await handle.truncate(walked.byteLength);
      return new SegmentWriter(path, handle, walked, keys);
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
    const place = { head: this.head, index: this.#entries.length };
    await this.#write([entryBox(entry), ...storedPieces(this.#cipher, place, entry, pieces)]);
    this.#byteLength += storedByteLength(entry, this.head);
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

  /** What was to be durable is so by now: a disk that fails here as well takes nothing with it. */
  async close(): Promise<void> {
    await this.#handle.close().catch(() => undefined);
  }

  /** Of a segment without fragments. Where the disk does not let go of it now, the next start does. */
  async discard(): Promise<void> {
    await this.close();
    await unlink(this.path).catch(() => undefined);
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

/** What stands behind the entry of a fragment. Throws `MediaKeyMissingError`. */
export function storedPieces(
  cipher: FragmentCipher | null,
  { head, index }: { readonly head: SegmentHead; readonly index: number },
  entry: FragmentEntry,
  pieces: readonly Uint8Array[],
): readonly Uint8Array[] {
  if (head.encryption === undefined) return pieces;
  if (cipher === null) {
    throw new MediaKeyMissingError(
      `media key ${head.encryption.keyId} of segment ${head.segmentId} is not here`,
    );
  }
  return [cipherBoxHead(CIPHER_HEAD_BYTE_LENGTH + entry.byteLength), ...cipher.encrypt(index, entry, pieces)];
}

/** Null: it is not encrypted, or its key is not here. */
export function cipherOf({ encryption, segmentId }: SegmentHead, keys: MediaKeys): FragmentCipher | null {
  const key = encryption === undefined ? null : keys.get(encryption.keyId);
  return key && new FragmentCipher(key, segmentId);
}

/** Of a fragment with all that stands before it. */
export function storedByteLength(entry: FragmentEntry, head: SegmentHead): number {
  return ENTRY_BOX_BYTE_LENGTH + wrappingByteLength(head) + entry.byteLength;
}

/** Between the entry and the bytes of a fragment. */
export function wrappingByteLength({ encryption }: SegmentHead): number {
  return encryption === undefined ? 0 : BOX_HEAD_BYTE_LENGTH + CIPHER_HEAD_BYTE_LENGTH;
}

export async function writeAll(
  handle: FileHandle,
  parts: readonly Uint8Array[],
  position: number,
): Promise<void> {
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
