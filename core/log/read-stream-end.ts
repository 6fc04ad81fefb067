import type { RecordedEvent, SiteLog } from './site-log.js';

/**
 * The last `count` events of a stream, which may have any number before them: its end is found by doubling and halving, in a
 * read of one event for each step. Of a beginning that was truncated, what was carried over the cut counts.
 */
export async function readStreamEnd(
  log: Pick<SiteLog, 'readStream'>,
  { stream, count }: { readonly stream: string; readonly count: number },
): Promise<readonly RecordedEvent[]> {
  const has = async (revision: number) => {
    const afterRevision = revision === 0 ? null : revision - 1;
    return (await log.readStream({ stream, afterRevision, limit: 1, carried: true })).length > 0;
  };
  let missing = 1;
  while (await has(missing)) missing *= 2;
  let last = missing === 1 ? 0 : missing / 2;
  while (missing - last > 1) {
    const middle = Math.floor((last + missing) / 2);
    if (await has(middle)) last = middle;
    else missing = middle;
  }
  const first = Math.max(0, last - count + 1);
  return log.readStream({
    stream,
    afterRevision: first === 0 ? null : first - 1,
    limit: count,
    carried: true,
  });
}
