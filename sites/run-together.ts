/**
 * Runs tasks until the signal is aborted. When one fails, the others are told to end and are waited for: only then may what
 * they use be closed. Rejects with the first failure. `onEnding` is called once, when they are told.
 */
export async function runTogether(
  tasks: readonly ((signal: AbortSignal) => Promise<void>)[],
  signal: AbortSignal,
  onEnding?: () => void,
): Promise<void> {
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  if (onEnding) either.addEventListener('abort', onEnding, { once: true });
  const running = tasks.map(async task => task(either));
  try {
    await Promise.all(running);
  } finally {
    failed.abort();
    await Promise.allSettled(running);
  }
}
