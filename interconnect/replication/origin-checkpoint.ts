import {
  CheckpointError,
  type LogHead,
  type NoteVerifier,
  openCheckpoint,
  type Sha256,
  type SignedCheckpoint,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { ReplicationRefusal } from './replication-frame.js';

/** Whose checkpoints are believed: only those that the site's own key has signed. */
export interface OriginKey {
  readonly origin: SiteId;
  /** Raw Ed25519. */
  readonly publicKey: Uint8Array;
  readonly verify: NoteVerifier;
  readonly sha256: Sha256;
}

export type CheckpointVerdict =
  | { readonly accepted: true; readonly signed: SignedCheckpoint }
  | { readonly accepted: false; readonly refusal: ReplicationRefusal };

/** Whether a note is a checkpoint of this origin's log, signed by its key. */
export function checkCheckpoint(note: string, key: OriginKey): CheckpointVerdict {
  let head: LogHead;
  try {
    head = openCheckpoint(note, key, key.sha256);
  } catch (error) {
    if (!(error instanceof CheckpointError)) throw error;
    return refused(error.message);
  }
  if (head.site === key.origin) return { accepted: true, signed: { head, note } };
  return refused(`a checkpoint of ${head.site}, not of ${key.origin}`);
}

function refused(detail: string): CheckpointVerdict {
  return { accepted: false, refusal: { code: 'BAD_SIGNATURE', detail } };
}
