import {
  CheckpointError,
  type ClaimedCheckpoint,
  falseCheckpoint,
  type LogHead,
  type NoteVerifier,
  readClaimedCheckpoint,
  type Sha256,
  type SignedCheckpoint,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { ReplicationRefusal } from './replication-frame.js';

/** As `NoteVerifier`; who has many to check lets other threads do it. */
export type EventualNoteVerifier = (...claim: Parameters<NoteVerifier>) => boolean | Promise<boolean>;

/** Whose checkpoints are believed: only those that the site's own key has signed. */
export interface OriginKey {
  readonly origin: SiteId;
  /** Raw Ed25519. */
  readonly publicKey: Uint8Array;
  readonly verify: EventualNoteVerifier;
  readonly sha256: Sha256;
}

export type CheckpointVerdict =
  | { readonly accepted: true; readonly signed: SignedCheckpoint }
  | { readonly accepted: false; readonly refusal: ReplicationRefusal };

/** Whether a note is a checkpoint of this origin's log, signed by its key. */
export async function checkCheckpoint(note: string, key: OriginKey): Promise<CheckpointVerdict> {
  let head: LogHead;
  try {
    head = await openClaimed(readClaimedCheckpoint(note, key.publicKey, key.sha256), key);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    return refused(error.message);
  }
  if (head.site === key.origin) return { accepted: true, signed: { head, note } };
  return refused(`a checkpoint of ${head.site}, not of ${key.origin}`);
}

async function openClaimed(
  { head, bytes, signatures }: ClaimedCheckpoint,
  { publicKey, verify }: OriginKey,
): Promise<LogHead> {
  for (const signature of signatures) {
    if (!(await verify(bytes, signature, publicKey))) throw falseCheckpoint(head);
  }
  return head;
}

function refused(detail: string): CheckpointVerdict {
  return { accepted: false, refusal: { code: 'BAD_SIGNATURE', detail } };
}
