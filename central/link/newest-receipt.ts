import type { ReceiptStore } from '@holdfast/core';

/** A site keeps thousands: they are not read again for every question. */
const FRESH_MS = 10_000;

/** The newest receipt that a log keeps, of whatever witness. */
export function newestReceipt(
  log: Pick<ReceiptStore, 'receipts'>,
): () => Promise<{ readonly epoch: number; readonly size: number; readonly atMs: number } | null> {
  let known: ReturnType<ReturnType<typeof newestReceipt>> = Promise.resolve(null);
  let readAtMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (performance.now() - readAtMs < FRESH_MS) return known;
    readAtMs = performance.now();
    known = log.receipts().then(receipts => {
      const newest = receipts.reduce<(typeof receipts)[number] | null>(
        (last, receipt) => (last === null || receipt.receivedAtMs >= last.receivedAtMs ? receipt : last),
        null,
      );
      return newest && { epoch: newest.epoch, size: newest.size, atMs: newest.receivedAtMs };
    });
    return known;
  };
}
