import { setTimeout as delay } from 'node:timers/promises';

/** What it resolves with, or `late` when it has not by then. It goes on: what it fails with afterwards is nobody's. */
export async function inTime<Answer, Late>(
  answer: Promise<Answer>,
  { ms, late }: { readonly ms: number; readonly late: Late },
): Promise<Answer | Late> {
  const answered = new AbortController();
  const waiting = delay(ms, late, { signal: answered.signal }).catch(() => late);
  try {
    return await Promise.race([answer, waiting]);
  } finally {
    answered.abort();
    answer.catch(() => undefined);
  }
}
