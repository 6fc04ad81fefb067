import type { DeviceId, SegmentId } from '@holdfast/schema';
import type { Sha256 } from '../hash.js';
import { readUuid, writeUuid } from '../log/uuid-bytes.js';
import type { FragmentEntry, SegmentManifest } from '../media/fragment.js';

/*
 * The canonical encoding of a segment's manifest, version 1. It is hashed into the site's log and therefore final: a
 * change is a new version beside this one. All integers are big-endian and unsigned.
 *
 *   "HFSM"  u16 version  16 segmentId  16 deviceId  u8 codecsLength  codecs (ASCII)  u32 initByteLength  32 initDigest
 *   u32 fragmentCount, then for each fragment:
 *   u64 fromMs  u64 toMs  u64 arrivalMs  u32 byteLength  u8 flags  32 digest
 *
 * flags: bit 0 = time by arrival (else by sender report), bit 1 = begins with a key frame; the others are zero.
 */
const magic = 0x4846534d;
const version = 1;
const headByteLength = 4 + 2 + 16 + 16 + 1;
const initByteLength = 4 + 32 + 4;
/** One fragment's part of the manifest; the media database also writes it before each fragment of a file. */
export const FRAGMENT_ENTRY_BYTE_LENGTH = 8 + 8 + 8 + 4 + 1 + 32;
const arrivalFlag = 1;
const keyFrameFlag = 2;

const digestByteLength = 32;
/** RFC 6381 strings of two tracks have about 30 characters. */
export const CODECS_LENGTH_MAX = 200;
/** A segment has at most about 64 s: 4,000 fragments even when each picture is a key frame at 60 pictures a second. */
export const MANIFEST_FRAGMENTS_MAX = 16_384;

export class ManifestMalformedError extends Error {
  override readonly name = 'ManifestMalformedError';
  readonly code = 'MANIFEST_MALFORMED';
}

/** Throws `ManifestMalformedError` when the manifest is not one that `decodeManifest` would give back. */
export function encodeManifest(manifest: SegmentManifest): Uint8Array {
  requireValid(manifest);
  const { codecs, fragments } = manifest;
  const bytes = new Uint8Array(
    headByteLength + codecs.length + initByteLength + fragments.length * FRAGMENT_ENTRY_BYTE_LENGTH,
  );
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic);
  view.setUint16(4, version);
  setUuid('segmentId', manifest.segmentId, bytes, 6);
  setUuid('deviceId', manifest.deviceId, bytes, 22);
  view.setUint8(38, codecs.length);
  bytes.set(new TextEncoder().encode(codecs), headByteLength);
  let at = headByteLength + codecs.length;
  view.setUint32(at, manifest.initByteLength);
  bytes.set(manifest.initDigest, at + 4);
  view.setUint32(at + 36, fragments.length);
  at += initByteLength;
  for (const fragment of fragments) {
    writeEntry(fragment, bytes, view, at);
    at += FRAGMENT_ENTRY_BYTE_LENGTH;
  }
  return bytes;
}

/** Accepts exactly what `encodeManifest` writes: every byte sequence but one per manifest is refused. */
export function decodeManifest(bytes: Uint8Array): SegmentManifest {
  if (bytes.length < headByteLength + initByteLength) throw malformed(`${bytes.length} bytes are too few`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint32(0) !== magic) throw malformed('it does not begin with HFSM');
  if (view.getUint16(4) !== version) throw malformed(`version ${view.getUint16(4)}, expected ${version}`);
  const codecsLength = view.getUint8(38);
  const initAt = headByteLength + codecsLength;
  if (bytes.length < initAt + initByteLength) throw malformed(`${bytes.length} bytes are too few`);
  const fragmentCount = view.getUint32(initAt + 36);
  const expected = initAt + initByteLength + fragmentCount * FRAGMENT_ENTRY_BYTE_LENGTH;
  if (bytes.length !== expected) {
    throw malformed(`${bytes.length} bytes, expected ${expected} for ${fragmentCount} fragments`);
  }
  const manifest: SegmentManifest = {
    segmentId: getUuid('segmentId', bytes, 6) as SegmentId,
    deviceId: getUuid('deviceId', bytes, 22) as DeviceId,
    codecs: asciiText(bytes.subarray(headByteLength, initAt)),
    initByteLength: view.getUint32(initAt),
    initDigest: bytes.slice(initAt + 4, initAt + 36),
    fragments: Array.from({ length: fragmentCount }, (_, index) =>
      readEntry(bytes, view, initAt + initByteLength + index * FRAGMENT_ENTRY_BYTE_LENGTH),
    ),
  };
  requireValid(manifest);
  return manifest;
}

/** SHA-256 of the canonical encoding: what `RecordingSealed.segments[].digest` holds in hexadecimal. */
export function manifestDigest(manifest: SegmentManifest, sha256: Sha256): Uint8Array {
  return sha256(encodeManifest(manifest));
}

/** Throws `ManifestMalformedError` when a field is out of its range. */
export function encodeFragmentEntry(entry: FragmentEntry): Uint8Array {
  requireValidEntry('fragment', entry, 0);
  const bytes = new Uint8Array(FRAGMENT_ENTRY_BYTE_LENGTH);
  writeEntry(entry, bytes, new DataView(bytes.buffer), 0);
  return bytes;
}

/** Throws `ManifestMalformedError` for anything that `encodeFragmentEntry` does not write. */
export function decodeFragmentEntry(bytes: Uint8Array): FragmentEntry {
  if (bytes.length !== FRAGMENT_ENTRY_BYTE_LENGTH) {
    throw malformed(`an entry of ${bytes.length} bytes, expected ${FRAGMENT_ENTRY_BYTE_LENGTH}`);
  }
  const entry = readEntry(bytes, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0);
  requireValidEntry('fragment', entry, 0);
  return entry;
}

function writeEntry(entry: FragmentEntry, bytes: Uint8Array, view: DataView, at: number): void {
  view.setBigUint64(at, BigInt(entry.fromMs));
  view.setBigUint64(at + 8, BigInt(entry.toMs));
  view.setBigUint64(at + 16, BigInt(entry.arrivalMs));
  view.setUint32(at + 24, entry.byteLength);
  const flags =
    (entry.timeSource === 'ARRIVAL' ? arrivalFlag : 0) | (entry.beginsWithKeyFrame ? keyFrameFlag : 0);
  view.setUint8(at + 28, flags);
  bytes.set(entry.digest, at + 29);
}

function readEntry(bytes: Uint8Array, view: DataView, at: number): FragmentEntry {
  const flags = view.getUint8(at + 28);
  if (flags > (arrivalFlag | keyFrameFlag)) throw malformed(`unknown flags ${flags}`);
  return {
    fromMs: Number(view.getBigUint64(at)),
    toMs: Number(view.getBigUint64(at + 8)),
    arrivalMs: Number(view.getBigUint64(at + 16)),
    byteLength: view.getUint32(at + 24),
    timeSource: flags & arrivalFlag ? 'ARRIVAL' : 'SENDER_REPORT',
    beginsWithKeyFrame: (flags & keyFrameFlag) !== 0,
    digest: bytes.slice(at + 29, at + 29 + digestByteLength),
  };
}

function requireValid(manifest: SegmentManifest): void {
  const { codecs, fragments } = manifest;
  if (codecs.length < 1 || codecs.length > CODECS_LENGTH_MAX || !/^[\x20-\x7e]+$/.test(codecs)) {
    throw malformed(`codecs: expected 1 to ${CODECS_LENGTH_MAX} printable ASCII characters`);
  }
  requireInteger('initByteLength', manifest.initByteLength, 1, 0xffff_ffff);
  requireDigest('initDigest', manifest.initDigest);
  requireInteger('fragments', fragments.length, 1, MANIFEST_FRAGMENTS_MAX);
  let fromMsBefore = 0;
  for (const [index, entry] of fragments.entries()) {
    requireValidEntry(`fragment ${index}`, entry, fromMsBefore);
    fromMsBefore = entry.fromMs;
  }
}

function requireValidEntry(name: string, entry: FragmentEntry, fromMsMin: number): void {
  requireInteger(`${name} fromMs`, entry.fromMs, fromMsMin, Number.MAX_SAFE_INTEGER);
  requireInteger(`${name} toMs`, entry.toMs, entry.fromMs, Number.MAX_SAFE_INTEGER);
  requireInteger(`${name} arrivalMs`, entry.arrivalMs, 0, Number.MAX_SAFE_INTEGER);
  requireInteger(`${name} byteLength`, entry.byteLength, 1, 0xffff_ffff);
  requireDigest(`${name} digest`, entry.digest);
}

function requireInteger(name: string, value: number, min: number, max: number): void {
  if (!Number.isSafeInteger(value) || value < min || value > max) {
    throw malformed(`${name} is ${value}, expected an integer from ${min} to ${max}`);
  }
}

function requireDigest(name: string, digest: Uint8Array): void {
  if (digest.length !== digestByteLength) throw malformed(`${name} has ${digest.length} bytes, expected 32`);
}

function setUuid(name: string, text: string, bytes: Uint8Array, at: number): void {
  if (!writeUuid(text, bytes, at)) throw malformed(`${name} ${text} is not a UUID in lower case`);
}

function getUuid(name: string, bytes: Uint8Array, at: number): string {
  const text = readUuid(bytes, at);
  if (text === null) throw malformed(`${name} is not a UUID`);
  return text;
}

function asciiText(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function malformed(detail: string): ManifestMalformedError {
  return new ManifestMalformedError(`segment manifest: ${detail}`);
}
