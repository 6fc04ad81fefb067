import type { DatabaseSync } from 'node:sqlite';
import { readUuid, type StoredReceipt, UUID_BYTES, writeUuid } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';

/** Of the receipts of a witness that a newer one has replaced, those further apart than this are kept: when was an event seen? */
export const RECEIPT_SPACING_MS = 3_600_000;
/** Rows in all, of some 500 bytes: two witnesses for a year. The oldest go first. */
export const RECEIPTS_MAX = 20_000;

export const receiptTable = `
  CREATE TABLE IF NOT EXISTS receipt (
    epoch INTEGER NOT NULL,
    size INTEGER NOT NULL,
    witness BLOB NOT NULL,
    note TEXT NOT NULL,
    received_at_ms INTEGER NOT NULL,
    PRIMARY KEY (epoch, size, witness)
  ) STRICT, WITHOUT ROWID;
`;

/** Stores a receipt, and removes the one that it makes superfluous. In one transaction. */
export function storeReceipt(db: DatabaseSync, receipt: StoredReceipt): void {
  const { epoch, size, note, receivedAtMs } = receipt;
  const witness = new Uint8Array(UUID_BYTES);
  if (!writeUuid(receipt.witness, witness, 0)) throw new TypeError(`'${receipt.witness}' is not a UUID`);
  db.exec('BEGIN IMMEDIATE');
  try {
    const [newest, before] = db
      .prepare(
        'SELECT size, received_at_ms FROM receipt WHERE witness = ? AND epoch = ? ORDER BY size DESC LIMIT 2',
      )
      .all(witness, epoch) as { size: number; received_at_ms: number }[];
    const isTooClose =
      newest !== undefined &&
      before !== undefined &&
      newest.size < size &&
      newest.received_at_ms - before.received_at_ms < RECEIPT_SPACING_MS;
    if (isTooClose) {
      db.prepare('DELETE FROM receipt WHERE epoch = ? AND size = ? AND witness = ?').run(
        ...[epoch, newest.size, witness],
      );
    }
    db.prepare(
      'INSERT OR REPLACE INTO receipt (epoch, size, witness, note, received_at_ms) VALUES (?, ?, ?, ?, ?)',
    ).run(epoch, size, witness, note, receivedAtMs);
    db.prepare(
      `DELETE FROM receipt WHERE (epoch, size, witness) IN (
         SELECT epoch, size, witness FROM receipt ORDER BY epoch, size
         LIMIT max(0, (SELECT count(*) FROM receipt) - ${RECEIPTS_MAX}))`,
    ).run();
    db.exec('COMMIT');
  } catch (error) {
    if (db.isTransaction) db.exec('ROLLBACK');
    throw error;
  }
}

/** Oldest first. */
export function readReceipts(db: DatabaseSync): readonly StoredReceipt[] {
  const rows = db.prepare(
    'SELECT epoch, size, witness, note, received_at_ms FROM receipt ORDER BY epoch, size, witness',
  );
  return rows.all().map(row => ({
    witness: readUuid(row.witness as Uint8Array, 0) as SiteId,
    ...{ epoch: row.epoch as number, size: row.size as number, note: row.note as string },
    receivedAtMs: row.received_at_ms as number,
  }));
}
