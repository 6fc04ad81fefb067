import { CopyRowReader } from './copy-row-reader.js';
import type { TransactionSql } from './sql.js';

/**
 * Hands over the rows of a query (`copy (…) to stdout (format binary)`), each as soon as PostgreSQL has sent it, to be read before
 * `take` returns. Several times cheaper than rows that the client makes objects of. A copy takes no parameters: the text holds
 * literals of this package, numbers and UUIDs only. In a transaction, whose connection is nobody else's: the client refuses what is asked
 * of one that a copy comes over. Returns how many rows there were; throws what `take` threw, after the last row.
 */
export async function copyOut(
  tx: TransactionSql,
  query: string,
  take: (row: CopyRowReader) => void,
): Promise<number> {
  const stream = await tx.unsafe(`copy (${query}) to stdout (format binary)`).readable();
  // An error at the first row comes with PostgreSQL's consent to the copy.
  if (stream.errored) throw stream.errored;
  const reader = new CopyRowReader();
  let rows = 0;
  let failure: { readonly error: unknown } | null = null;
  // It comes out of the client's own reading: nothing may be thrown into that. A message is a row.
  const onMessage = (message: Buffer) => {
    if (failure !== null) return;
    try {
      if (!reader.begin(message)) return;
      rows += 1;
      take(reader);
    } catch (error) {
      failure = { error };
    }
  };
  await new Promise<void>((resolve, reject) => {
    stream.once('error', reject).once('end', resolve).on('data', onMessage);
  });
  if (failure !== null) throw (failure as { readonly error: unknown }).error;
  return rows;
}
