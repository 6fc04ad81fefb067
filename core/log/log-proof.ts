import type { Sha256 } from '../hash.js';
import { decodeBase64, encodeBase64 } from './base64.js';
import { checkpointHead, checkpointKey, openCheckpoint } from './checkpoint.js';
import { CheckpointError } from './checkpoint-error.js';
import { openCosignature, witnessKey } from './cosignature.js';
import {
  decodeHeader,
  EVENT_DATA_BYTES_MAX,
  type EventHeader,
  HEADER_BYTES_MAX,
  leafHashOf,
} from './envelope.js';
import { EnvelopeError } from './envelope-error.js';
import { verifyConsistency, verifyInclusion } from './merkle-proof.js';
import { equalBytes, HASH_BYTES } from './merkle-tree.js';
import {
  NOTE_CHARACTERS_MAX,
  type NoteKey,
  type NoteSignature,
  type NoteVerifier,
  noteKeyId,
  splitNote,
} from './signed-note.js';
import type { LogHead } from './site-log.js';

/** C2SP tlog-proof. Its `extra` line holds our event: two bytes of header length, header, data. */
const EVENT_PROOF_FIRST_LINE = 'c2sp.org/tlog-proof@v1';
/** Ours: C2SP has no file for the consistency of two checkpoints. */
const CONSISTENCY_PROOF_FIRST_LINE = 'holdfast/consistency-proof@v1';
/** Hashes in a proof: one for each level of a tree of 2^53 leaves, and one more in a consistency proof. */
const PROOF_HASHES_MAX = 54;
/** Characters of a proof file that is looked at. */
export const PROOF_CHARACTERS_MAX =
  Math.ceil((2 + HEADER_BYTES_MAX + EVENT_DATA_BYTES_MAX) / 3) * 4 + 2 * NOTE_CHARACTERS_MAX + 8 * 1024;

/** An event, and that it is in the log whose checkpoint is given. */
export interface EventProof {
  readonly kind: 'EVENT';
  readonly header: Uint8Array;
  readonly data: Uint8Array;
  /** 0-based: the event's position less one. */
  readonly index: number;
  readonly hashes: readonly Uint8Array[];
  /** The signed note, with whatever cosignatures it has. */
  readonly checkpoint: string;
}

/** That the log of the newer checkpoint begins with the whole log of the older one. */
export interface ConsistencyProof {
  readonly kind: 'CONSISTENCY';
  readonly hashes: readonly Uint8Array[];
  readonly oldCheckpoint: string;
  readonly newCheckpoint: string;
}

export type LogProof = EventProof | ConsistencyProof;

export type LogProofFailure =
  /** It is no proof file. */
  | 'MALFORMED'
  /** The event is of another log than the checkpoint, or says another position than the proof. */
  | 'OTHER_PLACE'
  /** The hashes do not lead from the event, or from the old root, to the root of the checkpoint. */
  | 'NOT_PROVEN'
  /** Somebody whose signature was asked for has not signed. */
  | 'NOT_SIGNED';

/** A proof that proves nothing, or that is none. */
export class LogProofError extends Error {
  override readonly name = 'LogProofError';
  readonly code = 'LOG_PROOF_INVALID';
  readonly failure: LogProofFailure;

  constructor(failure: LogProofFailure, detail: string) {
    super(`${failure}: ${detail}`);
    this.failure = failure;
  }
}

export function formatLogProof(proof: LogProof): string {
  const hashes = proof.hashes.map(hash => `${encodeBase64(hash)}\n`).join('');
  if (proof.kind === 'CONSISTENCY') {
    return `${CONSISTENCY_PROOF_FIRST_LINE}\n${hashes}\n${proof.oldCheckpoint}\n${proof.newCheckpoint}`;
  }
  const { header, data } = proof;
  const extra = new Uint8Array(2 + header.length + data.length);
  new DataView(extra.buffer).setUint16(0, header.length);
  extra.set(header, 2);
  extra.set(data, 2 + header.length);
  return `${EVENT_PROOF_FIRST_LINE}\nextra ${encodeBase64(extra)}\nindex ${proof.index}\n${hashes}\n${proof.checkpoint}`;
}

/** Reads a proof, which proves nothing yet. Throws `LogProofError`. */
export function parseLogProof(text: string): LogProof {
  if (text.length > PROOF_CHARACTERS_MAX) {
    throw new LogProofError('MALFORMED', `longer than ${PROOF_CHARACTERS_MAX} characters`);
  }
  const end = text.indexOf('\n\n');
  if (end < 0) throw new LogProofError('MALFORMED', 'no checkpoint behind an empty line');
  const [first, ...lines] = text.slice(0, end).split('\n');
  const rest = text.slice(end + 2);
  if (first === EVENT_PROOF_FIRST_LINE) {
    const [extra, index, ...hashes] = lines;
    return {
      kind: 'EVENT',
      ...readExtra(extra),
      index: readIndex(index),
      hashes: readHashes(hashes),
      checkpoint: rest,
    };
  }
  if (first === CONSISTENCY_PROOF_FIRST_LINE) {
    // The text of a checkpoint has no empty line: the first one ends the old text, the second one its signatures.
    const split = rest.indexOf('\n\n', rest.indexOf('\n\n') + 2) + 1;
    if (split === 0) throw new LogProofError('MALFORMED', 'two checkpoints are needed');
    const [oldCheckpoint, newCheckpoint] = [rest.slice(0, split), rest.slice(split + 1)];
    return { kind: 'CONSISTENCY', hashes: readHashes(lines), oldCheckpoint, newCheckpoint };
  }
  throw new LogProofError(
    'MALFORMED',
    `the first line is neither ${EVENT_PROOF_FIRST_LINE} nor ${CONSISTENCY_PROOF_FIRST_LINE}`,
  );
}

/** A key that is trusted. Of a bare public key it is not known whose it is: its signatures are found by their key ids. */
export type TrustedKey = NoteKey | { readonly publicKey: Uint8Array };

export interface Signing {
  /** `holdfast/site/…` or the name of a witness. */
  readonly keyName: string;
  readonly publicKey: Uint8Array;
  /** When a witness cosigned, by its clock; null for the site's own signature, which has no time. */
  readonly timeSeconds: number | null;
}

export interface ProvenCheckpoint {
  readonly head: LogHead;
  /** Of everybody who was trusted, at least one. */
  readonly signings: readonly Signing[];
}

export type ProvenFact =
  | {
      readonly kind: 'EVENT';
      readonly event: EventHeader;
      readonly data: Uint8Array;
      readonly checkpoint: ProvenCheckpoint;
    }
  | {
      readonly kind: 'CONSISTENCY';
      readonly old: ProvenCheckpoint;
      readonly checkpoint: ProvenCheckpoint;
    };

export interface Trust {
  /** Somebody's keys each, for example of the epochs of a site: of each list, at least one must have signed. */
  readonly signers: readonly (readonly TrustedKey[])[];
  readonly verify: NoteVerifier;
}

/** Checks a proof by itself, with nothing but trusted keys. Throws `LogProofError`. */
export function verifyLogProof(proof: LogProof, trust: Trust, sha256: Sha256): ProvenFact {
  return proof.kind === 'EVENT'
    ? verifyEvent(proof, trust, sha256)
    : verifyContinuation(proof, trust, sha256);
}

function verifyEvent(proof: EventProof, trust: Trust, sha256: Sha256): ProvenFact {
  const { header, data, index } = proof;
  const event = readHeader(header);
  const checkpoint = verifyCheckpoint(proof.checkpoint, trust, sha256);
  const { head } = checkpoint;
  if (event.site !== head.site || event.epoch !== head.epoch || event.position !== index + 1) {
    throw new LogProofError(
      'OTHER_PLACE',
      `the event is at position ${event.position} of ${event.site}, epoch ${event.epoch}; the proof is about position ${index + 1} of ${head.site}, epoch ${head.epoch}`,
    );
  }
  const leafHash = leafHashOf(header, data, sha256);
  const claim = { leafHash, index, size: head.size, root: head.root, proof: proof.hashes };
  if (!verifyInclusion(claim, sha256)) {
    throw new LogProofError(
      'NOT_PROVEN',
      `the event is not at position ${index + 1} of the log that was signed`,
    );
  }
  return { kind: 'EVENT', event, data, checkpoint };
}

function verifyContinuation(proof: ConsistencyProof, trust: Trust, sha256: Sha256): ProvenFact {
  const old = verifyCheckpoint(proof.oldCheckpoint, trust, sha256);
  const checkpoint = verifyCheckpoint(proof.newCheckpoint, trust, sha256);
  const [from, to] = [old.head, checkpoint.head];
  if (from.site !== to.site || from.epoch !== to.epoch) {
    throw new LogProofError('OTHER_PLACE', 'the checkpoints are of two logs, or of two epochs of one');
  }
  const sizes = { oldSize: from.size, newSize: to.size };
  const claim = { ...sizes, oldRoot: from.root, newRoot: to.root, proof: proof.hashes };
  if (!verifyConsistency(claim, sha256)) {
    throw new LogProofError(
      'NOT_PROVEN',
      `the log of ${to.size} events does not begin with that of ${from.size}`,
    );
  }
  return { kind: 'CONSISTENCY', old, checkpoint };
}

/** The head in a note that everybody who is trusted has signed. Throws `LogProofError`. */
export function verifyCheckpoint(note: string, trust: Trust, sha256: Sha256): ProvenCheckpoint {
  if (trust.signers.length === 0) throw new LogProofError('NOT_SIGNED', 'no key was given to check it with');
  try {
    const head = checkpointHead(note);
    return {
      head,
      signings: trust.signers.flatMap(keys => signingsBy(keys, note, head, trust.verify, sha256)),
    };
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    const isMalformed = error.failure === 'MALFORMED_NOTE' || error.failure === 'MALFORMED_BODY';
    throw new LogProofError(isMalformed ? 'MALFORMED' : 'NOT_SIGNED', error.message);
  }
}

function signingsBy(
  keys: readonly TrustedKey[],
  note: string,
  head: LogHead,
  verify: NoteVerifier,
  sha256: Sha256,
): readonly Signing[] {
  const { signatures } = splitNote(note);
  const names = [...new Set(signatures.map(({ keyName }) => keyName))];
  const candidates = keys.flatMap(key =>
    'keyName' in key
      ? [key]
      : [checkpointKey(head, key.publicKey), ...names.map(name => witnessKey(name, key.publicKey))],
  );
  const signings = candidates
    .filter(candidate => isSignedBy(signatures, candidate, sha256))
    .map(({ keyName, algorithm, publicKey }) => {
      if (algorithm === 'COSIGNATURE') {
        const { timeSeconds } = openCosignature(note, { name: keyName, publicKey, verify }, sha256);
        return { keyName, publicKey, timeSeconds };
      }
      openCheckpoint(note, { publicKey, verify }, sha256);
      return { keyName, publicKey, timeSeconds: null };
    });
  if (signings.length > 0) return signings;
  const wanted = keys.map(key => ('keyName' in key ? key.keyName : `the key ${encodeBase64(key.publicKey)}`));
  throw new LogProofError('NOT_SIGNED', `signed by ${names.join(', ')}, not by ${wanted.join(' or ')}`);
}

function isSignedBy(signatures: readonly NoteSignature[], key: NoteKey, sha256: Sha256): boolean {
  const keyId = noteKeyId(key, sha256);
  return signatures.some(({ keyName, keyId: id }) => keyName === key.keyName && equalBytes(id, keyId));
}

function readHeader(header: Uint8Array): EventHeader {
  try {
    return decodeHeader(header);
  } catch (error) {
    if (!(error instanceof EnvelopeError)) throw error;
    throw new LogProofError('MALFORMED', `the header of the event: ${error.message}`);
  }
}

function readExtra(line: string | undefined): { readonly header: Uint8Array; readonly data: Uint8Array } {
  const bytes = line?.startsWith('extra ') ? decodeBase64(line.slice('extra '.length)) : null;
  if (bytes === null || bytes === undefined || bytes.length < 2) {
    throw new LogProofError('MALFORMED', 'the second line does not hold an event behind extra');
  }
  const headerEnd = 2 + new DataView(bytes.buffer, bytes.byteOffset).getUint16(0);
  if (headerEnd > bytes.length || bytes.length - headerEnd > EVENT_DATA_BYTES_MAX) {
    throw new LogProofError('MALFORMED', 'the second line does not hold an event of a possible length');
  }
  return { header: bytes.slice(2, headerEnd), data: bytes.slice(headerEnd) };
}

function readIndex(line: string | undefined): number {
  const index = Number(/^index (0|[1-9][0-9]{0,15})$/.exec(line ?? '')?.[1] ?? Number.NaN);
  if (Number.isSafeInteger(index)) return index;
  throw new LogProofError('MALFORMED', `the third line is not an index: '${line}'`);
}

function readHashes(lines: readonly string[]): readonly Uint8Array[] {
  if (lines.length > PROOF_HASHES_MAX) throw new LogProofError('MALFORMED', `${lines.length} hashes`);
  return lines.map(line => {
    const hash = decodeBase64(line);
    if (hash?.length === HASH_BYTES) return hash;
    throw new LogProofError('MALFORMED', `not a hash in base64: '${line}'`);
  });
}
