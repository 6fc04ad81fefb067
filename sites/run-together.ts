/**
 * Runs tasks until the signal is aborted. When one fails, the others are told to end and are waited for: only then may what
 * they use be closed. Rejects with the first failure. `onEnding` is called once, when they are told,
 * with that failure if there is one.
 */
export async function runTogether(
  tasks: readonly ((signal: AbortSignal) => Promise<void>)[],
  signal: AbortSignal,
  onEnding?: (failure: unknown) => void,
): Promise<void> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  let failure: unknown = null;
  if (onEnding) either.addEventListener('abort', () => onEnding(failure), { once: true });
  const running = tasks.map(async task => task(either));
  try {
    await Promise.all(running);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    failed.abort();
    await Promise.allSettled(running);
  }
}
