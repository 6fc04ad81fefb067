import type { DatabaseSync } from 'node:sqlite';
import {
  CheckpointError,
  type LogPlace,
  openCosignature,
  type StoredReceipt,
  witnessName,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { verifyNote } from './ed25519-notes.js';
import { sha256 } from './sha256.js';
import { readReceipts } from './site-log-receipts.js';
import { KEYS_OF_STREAM } from './stream-index.js';
import { pinnedKeyIn } from './trusted-keys.js';

export type ReceiptDamage =
  /** A receipt was not cosigned by its witness, whose key the log has pinned. */
  | 'RECEIPT_SIGNATURE'
  /** The log has pinned no key of the witness: it does so before it keeps what that one has cosigned. */
  | 'RECEIPT_KEY_UNKNOWN';

/**
 * Checks each cosignature by the key of the witness, as the log itself has pinned it, also before a cut. That a receipt is a
 * checkpoint of this log, signed by its site, is proved with the other checkpoints.
 */
export function checkCosignatures(
  db: DatabaseSync,
  damages: { add(code: ReceiptDamage, at: LogPlace, detail: string): void },
): void {
  const keys = new Map<SiteId, readonly Uint8Array[]>();
  for (const receipt of readReceipts(db)) {
    const { witness, epoch, size } = receipt;
    if (!keys.has(witness)) keys.set(witness, pinnedKeys(db, witness));
    const fault = cosignatureFault(receipt, keys.get(witness)!);
    if (fault !== null) damages.add(fault.code, { epoch, position: size }, fault.detail);
  }
}

export interface CosignatureFault {
  readonly code: ReceiptDamage;
  readonly detail: string;
}

/** A key may have been pinned anew: one of them must have cosigned. Null: so it is. */
export function cosignatureFault(
  { note, witness }: StoredReceipt,
  keys: readonly Uint8Array[],
): CosignatureFault | null {
  const name = witnessName(witness);
  let fault: CosignatureFault = {
    code: 'RECEIPT_KEY_UNKNOWN',
    detail: `no key of ${name} is pinned in the log`,
  };
  for (const publicKey of keys) {
    try {
      openCosignature(note, { name, publicKey, verify: verifyNote }, sha256);
      return null;
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      fault = { code: 'RECEIPT_SIGNATURE', detail: error.message };
    }
  }
  return fault;
}

/** What the log says of the key of another site, or said before its beginning was removed. */
function pinnedKeys(db: DatabaseSync, witness: SiteId): readonly Uint8Array[] {
  const rows = db
    .prepare(
      `SELECT data FROM event WHERE key IN (${KEYS_OF_STREAM})
       UNION ALL SELECT data FROM carried_event WHERE stream = ?1`,
    )
    .all(`log-key-${witness}`);
  return rows.map(row => pinnedKeyIn(row.data as Uint8Array)).filter(key => key !== null);
}
