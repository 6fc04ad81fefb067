import type { SiteId } from '@holdfast/schema';
import type { Sha256 } from '../hash.js';
import { CheckpointError } from './checkpoint-error.js';
import {
  formatSignatureLine,
  type NoteKey,
  type NoteSigner,
  type NoteVerifier,
  SIGNATURE_BYTES,
  signaturesBy,
  splitNote,
} from './signed-note.js';

/** C2SP tlog-cosignature: a big-endian u64 of POSIX seconds stands before the signature. */
const TIME_BYTES = 8;
const utf8 = new TextEncoder();

/** The name under which a site cosigns the checkpoints of others: `holdfast/witness/<id>`. */
export function witnessName(site: SiteId): string {
  return `holdfast/witness/${site}`;
}

/**
 * The signature line, with its newline, by which a witness says: this is the largest tree of this log that I have seen,
 * and it continues every one that I saw before (C2SP tlog-cosignature, Ed25519). It is appended to the note. That the
 * statement is true, and that the site signed the note, is the caller's to check first. Throws `CheckpointError`.
 */
export function cosignCheckpoint(
  note: string,
  witness: { readonly name: string; readonly signer: NoteSigner; readonly timeSeconds: number },
  sha256: Sha256,
): string {
  const { name, signer, timeSeconds } = witness;
  if (!Number.isSafeInteger(timeSeconds) || timeSeconds < 0) {
    throw new RangeError(`${timeSeconds} is not a time in whole seconds since the Unix epoch`);
  }
  const signature = signer.sign(cosignedBytes(splitNote(note).text, timeSeconds));
  if (signature.length !== SIGNATURE_BYTES) throw new RangeError(`a signature of ${signature.length} bytes`);
  const timed = new Uint8Array(TIME_BYTES + SIGNATURE_BYTES);
  new DataView(timed.buffer).setBigUint64(0, BigInt(timeSeconds));
  timed.set(signature, TIME_BYTES);
  return formatSignatureLine(witnessKey(name, signer.publicKey), timed, sha256);
}

export interface Cosignature {
  readonly witness: string;
  /** By the witness' clock, POSIX seconds. Of several by one witness, the first. */
  readonly timeSeconds: number;
}

/**
 * Checks what a witness says of the text of a note. Signatures by others, also the site's own, are not looked at: see
 * `openCheckpoint`. Throws `CheckpointError`.
 */
export function openCosignature(
  note: string,
  witness: { readonly name: string; readonly publicKey: Uint8Array; readonly verify: NoteVerifier },
  sha256: Sha256,
): Cosignature {
  const signed = splitNote(note);
  const { name, publicKey } = witness;
  let first = Number.POSITIVE_INFINITY;
  for (const { signature } of signaturesBy(signed, witnessKey(name, publicKey), sha256)) {
    const timeSeconds = readTime(signature);
    if (
      timeSeconds === null ||
      !witness.verify(cosignedBytes(signed.text, timeSeconds), signature.subarray(TIME_BYTES), publicKey)
    ) {
      throw new CheckpointError('BAD_SIGNATURE', `the cosignature of ${name} is wrong`);
    }
    first = Math.min(first, timeSeconds);
  }
  return { witness: name, timeSeconds: first };
}

/** The key of a witness as a signature line names it. */
export function witnessKey(name: string, publicKey: Uint8Array): NoteKey {
  return { keyName: name, algorithm: 'COSIGNATURE', publicKey };
}

/** What is signed. No text of a checkpoint begins with this line, so a key can do both. */
function cosignedBytes(text: string, timeSeconds: number): Uint8Array {
  return utf8.encode(`cosignature/v1\ntime ${timeSeconds}\n${text}`);
}

function readTime(signature: Uint8Array): number | null {
  if (signature.length !== TIME_BYTES + SIGNATURE_BYTES) return null;
  const view = new DataView(signature.buffer, signature.byteOffset, signature.byteLength);
  const time = Number(view.getBigUint64(0));
  return Number.isSafeInteger(time) ? time : null;
}
