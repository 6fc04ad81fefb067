import type { Sha256 } from '../hash.js';
import { decodeBase64, encodeBase64 } from './base64.js';
import { CheckpointError } from './checkpoint-error.js';
import { equalBytes } from './merkle-tree.js';

/** Bytes of an Ed25519 public key (RFC 8032) and of a signature. */
const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;
const KEY_ID_BYTES = 4;
/** Characters of a note that is looked at: a checkpoint has some 250, one with many cosignatures a few thousand. */
export const NOTE_CHARACTERS_MAX = 16 * 1024;
const utf8 = new TextEncoder();
const EM_DASH = '\u2014';
const KEY_NAME = /^[^\s+]+$/;

/** C2SP signed-note, "Signature types": plain Ed25519, and Ed25519 of a witness with the time (tlog-cosignature). */
export const noteAlgorithms = { ED25519: 0x01, COSIGNATURE: 0x04 } as const;
export type NoteAlgorithm = keyof typeof noteAlgorithms;

/** What a signature line is looked up by: the same key signs checkpoints and cosignatures under two ids. */
export interface NoteKey {
  readonly keyName: string;
  readonly algorithm: NoteAlgorithm;
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
}

/** Signs bytes with Ed25519 and knows its raw public key (32 bytes). */
export interface NoteSigner {
  readonly publicKey: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

/** Whether this is the Ed25519 signature (64 bytes) of these bytes by this raw public key (32 bytes). */
export type NoteVerifier = (bytes: Uint8Array, signature: Uint8Array, publicKey: Uint8Array) => boolean;

/** One signature line. `signature` is everything behind the key id: its layout is the algorithm's. */
export interface NoteSignature {
  readonly keyName: string;
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

export interface SignedNote {
  /** With its final newline: what is signed. */
  readonly text: string;
  readonly signatures: readonly NoteSignature[];
}

/** The first four bytes of SHA-256(name ‖ 0x0A ‖ algorithm ‖ public key): C2SP signed-note, "Signatures". */
export function noteKeyId(key: NoteKey, sha256: Sha256): Uint8Array {
  if (key.publicKey.length !== PUBLIC_KEY_BYTES) {
    throw new RangeError(`a public key of ${key.publicKey.length} bytes`);
  }
  const name = utf8.encode(`${key.keyName}\n`);
  return sha256(name, Uint8Array.of(noteAlgorithms[key.algorithm]), key.publicKey).slice(0, KEY_ID_BYTES);
}

/** Reads a signed note, whoever signed it. Throws `CheckpointError`. */
export function splitNote(note: string): SignedNote {
  if (note.length > NOTE_CHARACTERS_MAX) {
    throw new CheckpointError('MALFORMED_NOTE', `longer than ${NOTE_CHARACTERS_MAX} characters`);
  }
  const end = note.lastIndexOf('\n\n');
  if (end < 0 || !note.endsWith('\n') || end + 2 >= note.length) {
    throw new CheckpointError('MALFORMED_NOTE', 'no signature lines behind an empty line');
  }
  const lines = note.slice(end + 2, -1).split('\n');
  return { text: note.slice(0, end + 1), signatures: lines.map(parseSignatureLine) };
}

/** The signatures in a note that claim to be by this key, by name and id. They are not verified. */
export function signaturesBy(note: SignedNote, key: NoteKey, sha256: Sha256): readonly NoteSignature[] {
  const keyId = noteKeyId(key, sha256);
  const found = note.signatures.filter(
    signature => signature.keyName === key.keyName && equalBytes(signature.keyId, keyId),
  );
  if (found.length > 0) return found;
  throw new CheckpointError(
    'NO_SIGNATURE_BY_KEY',
    `none of ${note.signatures.length} signatures is by ${key.keyName}`,
  );
}

/** The line `— <key name> <base64 of key id ‖ signature>` with its newline. */
export function formatSignatureLine(key: NoteKey, signature: Uint8Array, sha256: Sha256): string {
  if (!KEY_NAME.test(key.keyName)) throw new RangeError(`'${key.keyName}' cannot name a key`);
  return formatLine({ keyName: key.keyName, keyId: noteKeyId(key, sha256), signature });
}

/**
 * A note with the signature lines of other copies of it: of the same text, signed by others. Each line is there once.
 * Throws `CheckpointError` when one of them is of another text, or when the whole would be longer than a note may be.
 */
export function mergeNotes(note: string, others: readonly string[]): string {
  const { text, signatures } = splitNote(note);
  const lines = new Set(signatures.map(formatLine));
  for (const other of others.map(splitNote)) {
    if (other.text !== text) throw new CheckpointError('MALFORMED_BODY', 'signatures are of another text');
    for (const signature of other.signatures) lines.add(formatLine(signature));
  }
  const merged = `${text}\n${[...lines].join('')}`;
  splitNote(merged);
  return merged;
}

/** A key as C2SP signed-note writes verifier keys: `<name>+<id in hexadecimal>+<base64 of algorithm ‖ public key>`. */
export function encodeVerifierKey(key: NoteKey, sha256: Sha256): string {
  const material = Uint8Array.of(noteAlgorithms[key.algorithm], ...key.publicKey);
  return `${key.keyName}+${hex(noteKeyId(key, sha256))}+${encodeBase64(material)}`;
}

/** Null when the text is no verifier key of an algorithm that is known here, or its id is not that of the key. */
export function parseVerifierKey(text: string, sha256: Sha256): NoteKey | null {
  const [, keyName, keyId, encoded] = /^([^\s+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  const material = encoded === undefined ? null : decodeBase64(encoded);
  if (keyName === undefined || material?.length !== 1 + PUBLIC_KEY_BYTES) return null;
  const algorithm = (Object.keys(noteAlgorithms) as NoteAlgorithm[]).find(
    name => noteAlgorithms[name] === material[0],
  );
  if (algorithm === undefined) return null;
  const key = { keyName, algorithm, publicKey: material.slice(1) };
  return hex(noteKeyId(key, sha256)) === keyId ? key : null;
}

function formatLine({ keyName, keyId, signature }: NoteSignature): string {
  const bytes = new Uint8Array(keyId.length + signature.length);
  bytes.set(keyId);
  bytes.set(signature, keyId.length);
  return `${EM_DASH} ${keyName} ${encodeBase64(bytes)}\n`;
}

function parseSignatureLine(line: string): NoteSignature {
  const [, keyName, encoded] = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
  const bytes = encoded === undefined ? null : decodeBase64(encoded);
  if (keyName === undefined || bytes === null || bytes.length <= KEY_ID_BYTES) {
    throw new CheckpointError('MALFORMED_NOTE', `not a signature line: '${line}'`);
  }
  return { keyName, keyId: bytes.subarray(0, KEY_ID_BYTES), signature: bytes.subarray(KEY_ID_BYTES) };
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
}
