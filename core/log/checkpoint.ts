import { SiteId } from '@holdfast/schema';
import type { Sha256 } from '../hash.js';
import { decodeBase64, encodeBase64 } from './base64.js';
import { CheckpointError } from './checkpoint-error.js';
import { HASH_BYTES } from './merkle-tree.js';
import {
  formatSignatureLine,
  type NoteKey,
  type NoteSigner,
  type NoteVerifier,
  SIGNATURE_BYTES,
  signaturesBy,
  splitNote,
} from './signed-note.js';
import type { LogHead } from './site-log.js';

const utf8 = new TextEncoder();

/** The origin line, which is also the name of the key: `holdfast/site/<id>/<epoch>`. */
export function checkpointOrigin(log: Pick<LogHead, 'site' | 'epoch'>): string {
  return `holdfast/site/${log.site}/${log.epoch}`;
}

/** The key that a site signs the checkpoints of an epoch with, as a signature line names it. */
export function checkpointKey(log: Pick<LogHead, 'site' | 'epoch'>, publicKey: Uint8Array): NoteKey {
  return { keyName: checkpointOrigin(log), algorithm: 'ED25519', publicKey };
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
  const signature = signer.sign(utf8.encode(text));
  if (signature.length !== SIGNATURE_BYTES) throw new RangeError(`a signature of ${signature.length} bytes`);
  return `${text}\n${formatSignatureLine(checkpointKey(head, signer.publicKey), signature, sha256)}`;
}

/** One is enough. Each costs as much to check as a hundred events, and a note has room for a hundred of them. */
const SIGNATURES_BY_KEY_MAX = 4;

/** What a signed note says, and the signatures by one key that have to be right for it to be believed. */
export interface ClaimedCheckpoint {
  readonly head: LogHead;
  /** What is signed. */
  readonly bytes: Uint8Array;
  /** At least one. */
  readonly signatures: readonly Uint8Array[];
}

/** Reads a signed note; signatures by other keys are ignored. Nothing is verified. Throws `CheckpointError`. */
export function readClaimedCheckpoint(
  note: string,
  publicKey: Uint8Array,
  sha256: Sha256,
): ClaimedCheckpoint {
  const signed = splitNote(note);
  const head = parseCheckpoint(signed.text);
  const signatures = signaturesBy(signed, checkpointKey(head, publicKey), sha256);
  if (signatures.length > SIGNATURES_BY_KEY_MAX) {
    throw new CheckpointError('MALFORMED_NOTE', `${signatures.length} signatures by one key`);
  }
  if (signatures.some(({ signature }) => signature.length !== SIGNATURE_BYTES)) throw falseCheckpoint(head);
  const bytes = utf8.encode(signed.text);
  return { head, bytes, signatures: signatures.map(({ signature }) => signature) };
}

/** Reads a signed note and checks the signature by this key; others are ignored. Throws `CheckpointError`. */
export function openCheckpoint(
  note: string,
  { publicKey, verify }: { readonly publicKey: Uint8Array; readonly verify: NoteVerifier },
  sha256: Sha256,
): LogHead {
  const { head, bytes, signatures } = readClaimedCheckpoint(note, publicKey, sha256);
  if (signatures.every(signature => verify(bytes, signature, publicKey))) return head;
  throw falseCheckpoint(head);
}

export function falseCheckpoint(head: LogHead): CheckpointError {
  const keyName = checkpointOrigin(head);
  return new CheckpointError('BAD_SIGNATURE', `the signature of ${keyName} over size ${head.size} is wrong`);
}

/** The head that a signed note speaks of, whoever signed it. Throws `CheckpointError`. */
export function checkpointHead(note: string): LogHead {
  return parseCheckpoint(splitNote(note).text);
}
