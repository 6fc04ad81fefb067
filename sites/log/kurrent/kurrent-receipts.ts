import { existsSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { LogPlace, StoredReceipt } from '@holdfast/core';
import { makeFolder } from '@holdfast/interconnect';
import { readReceipts, receiptTable, storeReceipt } from '../site-log-receipts.js';

/** `HFKR`: says to `file` and to us what the file is (SQLite file format §1.3.7). */
const APPLICATION_ID = 0x4846_4b52;

/**
 * The receipts of a log on a server, in a file beside the index: a server only adds, and of receipts most are replaced. Unlike the
 * index it cannot be made again.
 */
export class KurrentReceipts implements Disposable {
  readonly #db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Null keeps them in memory. */
  static open(file: string | null): KurrentReceipts {
    if (file !== null) makeFolder(path.dirname(file));
    const db = new DatabaseSync(file ?? ':memory:');
    db.exec('PRAGMA journal_mode = WAL');
    db.exec('PRAGMA synchronous = FULL');
    db.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
    db.exec(receiptTable);
    return new KurrentReceipts(db);
  }

  store(receipt: StoredReceipt): void {
    storeReceipt(this.#db, receipt);
  }

  all(): readonly StoredReceipt[] {
    return readReceipts(this.#db);
  }

  /** What lies behind this place is another history now. */
  cut({ epoch, position }: LogPlace): void {
    this.#db
      .prepare('DELETE FROM receipt WHERE epoch > ? OR (epoch = ? AND size > ?)')
      .run(epoch, epoch, position);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}

/** Also beside the site that writes them. None where there is no file. */
export function readKurrentReceipts(file: string): readonly StoredReceipt[] {
  if (!existsSync(file)) return [];
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return readReceipts(db);
  } finally {
    db.close();
  }
}
