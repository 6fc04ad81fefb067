import { SiteId } from '@holdfast/schema';
import type { Sha256 } from '../hash.js';
import { decodeBase64, encodeBase64 } from './base64.js';
import { HASH_BYTES } from './merkle-tree.js';
import type { LogHead } from './site-log.js';

/** Bytes of an Ed25519 public key (RFC 8032) and of a signature. */
const PUBLIC_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;
const KEY_ID_BYTES = 4;
/** Characters of a note that is looked at: a checkpoint has some 250, one with many cosignatures a few thousand. */
export const NOTE_CHARACTERS_MAX = 16 * 1024;
/** C2SP signed-note: the algorithm byte of plain Ed25519. */
const ED25519_ALGORITHM = 0x01;
const EM_DASH = '\u2014';

export type CheckpointFailure = 'MALFORMED_NOTE' | 'MALFORMED_BODY' | 'NO_SIGNATURE_BY_KEY' | 'BAD_SIGNATURE';

/** Text that is not a checkpoint, or one that was not signed by the key it was checked against. */
export class CheckpointError extends Error {
  override readonly name = 'CheckpointError';
  readonly code = 'CHECKPOINT_INVALID';
  readonly failure: CheckpointFailure;

  constructor(failure: CheckpointFailure, detail: string) {
    super(`${failure}: ${detail}`);
    this.failure = failure;
  }
}

/** The origin line, which is also the name of the key: `holdfast/site/<id>/<epoch>`. */
export function checkpointOrigin(log: Pick<LogHead, 'site' | 'epoch'>): string {
  return `holdfast/site/${log.site}/${log.epoch}`;
}

/** The note text of C2SP tlog-checkpoint: origin, tree size, root, each on its line. This is what is signed. */
export function encodeCheckpoint(head: LogHead): string {
  return `${checkpointOrigin(head)}\n${head.size}\n${encodeBase64(head.root)}\n`;
}

/** Reads a note text. Extension lines are not used by us and refused. Throws `CheckpointError`. */
export function parseCheckpoint(text: string): LogHead {
  const [origin, size, root, rest, ...more] = text.split('\n');
  const [, site, epoch] = /^holdfast\/site\/([0-9a-f-]{36})\/([1-9][0-9]{0,9})$/.exec(origin ?? '') ?? [];
  const parsedSite = SiteId.safeParse(site);
  if (!parsedSite.success || epoch === undefined) {
    throw new CheckpointError(
      'MALFORMED_BODY',
      `the first line is not holdfast/site/<id>/<epoch>: '${origin}'`,
    );
  }
  if (size === undefined || !/^(0|[1-9][0-9]{0,15})$/.test(size) || !Number.isSafeInteger(Number(size))) {
    throw new CheckpointError('MALFORMED_BODY', `the second line is not a tree size: '${size}'`);
  }
  const rootBytes = decodeBase64(root ?? '');
  if (rootBytes?.length !== HASH_BYTES) {
    throw new CheckpointError('MALFORMED_BODY', `the third line is not 32 bytes in base64: '${root}'`);
  }
  if (rest !== '' || more.length > 0) {
    throw new CheckpointError('MALFORMED_BODY', 'there is something after the third line');
  }
  return { site: parsedSite.data, epoch: Number(epoch), size: Number(size), root: rootBytes };
}

/** The first four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key): C2SP signed-note, "Key IDs". */
export function noteKeyId(keyName: string, publicKey: Uint8Array, sha256: Sha256): Uint8Array {
  if (publicKey.length !== PUBLIC_KEY_BYTES)
    throw new RangeError(`a public key of ${publicKey.length} bytes`);
  const name = new TextEncoder().encode(`${keyName}\n`);
  return sha256(name, Uint8Array.of(ED25519_ALGORITHM), publicKey).slice(0, KEY_ID_BYTES);
}

/** Signs bytes with Ed25519 and knows its raw public key (32 bytes). */
export interface NoteSigner {
  readonly publicKey: Uint8Array;
  sign(bytes: Uint8Array): Uint8Array;
}

/** Whether this is the Ed25519 signature (64 bytes) of these bytes by this raw public key (32 bytes). */
export type NoteVerifier = (bytes: Uint8Array, signature: Uint8Array, publicKey: Uint8Array) => boolean;

/** A head and the C2SP signed note that says so. */
export interface SignedCheckpoint {
  readonly head: LogHead;
  readonly note: string;
}

/** What can sign where its log stands: a durable site log. Signing again at the same size gives the same note. */
export interface CheckpointSource {
  signedCheckpoint(): Promise<SignedCheckpoint>;
}

/** The checkpoint of a head as a C2SP signed note. */
export function signCheckpoint(head: LogHead, signer: NoteSigner, sha256: Sha256): string {
  const text = encodeCheckpoint(head);
  const keyName = checkpointOrigin(head);
  const keyId = noteKeyId(keyName, signer.publicKey, sha256);
  const signature = signer.sign(new TextEncoder().encode(text));
  if (signature.length !== SIGNATURE_BYTES) throw new RangeError(`a signature of ${signature.length} bytes`);
  const line = new Uint8Array(KEY_ID_BYTES + SIGNATURE_BYTES);
  line.set(keyId);
  line.set(signature, KEY_ID_BYTES);
  return `${text}\n${EM_DASH} ${keyName} ${encodeBase64(line)}\n`;
}

/** Reads a signed note and checks the signature by this key; others are ignored. Throws `CheckpointError`. */
export function openCheckpoint(
  note: string,
  key: { readonly publicKey: Uint8Array; readonly verify: NoteVerifier },
  sha256: Sha256,
): LogHead {
  const { text, signatures } = splitNote(note);
  const head = parseCheckpoint(text);
  const keyName = checkpointOrigin(head);
  const keyId = encodeBase64(noteKeyId(keyName, key.publicKey, sha256));
  const signature = signatures.find(
    candidate => candidate.keyName === keyName && encodeBase64(candidate.keyId) === keyId,
  );
  if (signature === undefined) {
    throw new CheckpointError(
      'NO_SIGNATURE_BY_KEY',
      `none of ${signatures.length} signatures is by ${keyName}`,
    );
  }
  if (!key.verify(new TextEncoder().encode(text), signature.signature, key.publicKey)) {
    throw new CheckpointError('BAD_SIGNATURE', `the signature of ${keyName} over size ${head.size} is wrong`);
  }
  return head;
}

interface NoteSignature {
  readonly keyName: string;
  readonly keyId: Uint8Array;
  readonly signature: Uint8Array;
}

/** The head that a signed note speaks of, whoever signed it. Throws `CheckpointError`. */
export function checkpointHead(note: string): LogHead {
  return parseCheckpoint(splitNote(note).text);
}

function splitNote(note: string): { readonly text: string; readonly signatures: readonly NoteSignature[] } {
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

function parseSignatureLine(line: string): NoteSignature {
  const [, keyName, encoded] = /^\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})$/.exec(line) ?? [];
  const bytes = encoded === undefined ? null : decodeBase64(encoded);
  if (keyName === undefined || bytes === null || bytes.length <= KEY_ID_BYTES) {
    throw new CheckpointError('MALFORMED_NOTE', `not a signature line: '${line}'`);
  }
  return { keyName, keyId: bytes.slice(0, KEY_ID_BYTES), signature: bytes.slice(KEY_ID_BYTES) };
}
