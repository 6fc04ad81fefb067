import { CopyRowReader } from './copy-row-reader.js';
import type { TransactionSql } from './sql.js';

/**
 * What is read before others have their turn, some milliseconds of work: PostgreSQL sends faster than rows are read, and what the
 * process writes to it at the same time, as the rows that a projection makes of the events before, would wait for the last row.
 */
const BYTES_PER_TURN = 128 * 1024;

/**
 * Hands over the rows of a query (`copy (…) to stdout (format binary)`), each as soon as PostgreSQL has sent it, to be read before
 * `take` returns. Several times cheaper than rows that the client makes objects of. A copy takes no parameters: the text holds
 * literals of this package, numbers and UUIDs only. In a transaction, whose connection is nobody else's: the client refuses what is asked
 * of one that a copy comes over. Returns how many rows there were; throws what `take` threw, after the last row, and PostgreSQL's error
 * perhaps without the rows before it.
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
  let bytesOfTurn = 0;
  let failure: { readonly error: unknown } | null = null;
  // It comes out of the client's own reading: nothing may be thrown into that. A message is a row.
  const onMessage = (message: Buffer) => {
    bytesOfTurn += message.length;
    if (bytesOfTurn >= BYTES_PER_TURN) {
      bytesOfTurn = 0;
      stream.pause();
      setImmediate(() => stream.resume());
    }
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
