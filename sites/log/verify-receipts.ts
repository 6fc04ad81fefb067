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

/** A receipt was not cosigned by its witness, whose key the log has pinned. */
export type ReceiptDamage = 'RECEIPT_SIGNATURE';

/**
 * Checks each cosignature by the key of the witness, as the log itself has pinned it; before it did, they are left unchecked.
 * That a receipt is a checkpoint of this log, signed by its site, is proved with the other checkpoints.
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
    if (fault !== null) damages.add('RECEIPT_SIGNATURE', { epoch, position: size }, fault.message);
  }
}

/** A key may have been pinned anew: one of them must have cosigned. Null: so it is, or none is known. */
export function cosignatureFault(
  { note, witness }: StoredReceipt,
  keys: readonly Uint8Array[],
): CheckpointError | null {
  let fault: CheckpointError | null = null;
  for (const publicKey of keys) {
    try {
      openCosignature(note, { name: witnessName(witness), publicKey, verify: verifyNote }, sha256);
      return null;
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      fault = error;
    }
  }
  return fault;
}

/** What the log says of the key of another site. */
function pinnedKeys(db: DatabaseSync, witness: SiteId): readonly Uint8Array[] {
  const rows = db
    .prepare(`SELECT data FROM event WHERE key IN (${KEYS_OF_STREAM})`)
    .all(`log-key-${witness}`);
  return rows.map(row => pinnedKeyIn(row.data as Uint8Array)).filter(key => key !== null);
}
