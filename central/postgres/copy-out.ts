import { CopyRowReader } from './copy-row-reader.js';
import type { Sql, TransactionSql } from './sql.js';

/**
 * Hands over the rows of a query (`copy (…) to stdout (format binary)`), each as soon as PostgreSQL has sent it, to be read before
 * `take` returns. Several times cheaper than rows that the client makes objects of. A copy takes no parameters: the text holds
 * literals of this package, numbers and UUIDs only. Returns how many rows there were; throws what `take` threw, after the last row.
 */
export async function copyOut(
  sql: Sql | TransactionSql,
  query: string,
  take: (row: CopyRowReader) => void,
): Promise<number> {
  const stream = await sql.unsafe(`copy (${query}) to stdout (format binary)`).readable();
  const reader = new CopyRowReader();
  let rows = 0;
  let failure: { readonly error: unknown } | null = null;
  await new Promise<void>((resolve, reject) => {
    stream.once('error', reject).once('end', resolve);
    // It comes out of the client's own reading: nothing may be thrown into that. A message is a row.
    stream.on('data', (message: Buffer) => {
      if (failure !== null) return;
      try {
        if (!reader.begin(message)) return;
        rows += 1;
        take(reader);
      } catch (error) {
        failure = { error };
      }
    });
  });
  if (failure !== null) throw (failure as { readonly error: unknown }).error;
  return rows;
}
