/** Waits for something that may never come, no longer than until the signal is aborted. */
export function untilAborted(promise: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const { promise: aborted, resolve } = Promise.withResolvers<void>();
  const onAbort = () => resolve();
  if (signal.aborted) onAbort();
  signal.addEventListener('abort', onAbort, { once: true });
  return Promise.race([promise.then(onAbort), aborted]).finally(() =>
    signal.removeEventListener('abort', onAbort),
  );
}
