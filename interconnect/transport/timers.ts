/** Where waiting comes from: the clock of this process, or a simulated one. Each call returns how to stop it. */
export interface Timers {
  /** Runs the task once, so many milliseconds from now. */
  after(delayMs: number, task: () => void): () => void;
  /** Runs the task again and again, for the first time after one interval. */
  every(intervalMs: number, task: () => void): () => void;
}

export const processTimers: Timers = {
  after(delayMs, task) {
    const timer = setTimeout(task, delayMs);
    return () => clearTimeout(timer);
  },
  every(intervalMs, task) {
    const timer = setInterval(task, intervalMs);
    return () => clearInterval(timer);
  },
};

/** Resolves after so many milliseconds, or as soon as the signal is aborted. */
export function pause(timers: Timers, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve();
    const done = () => {
      stop();
      signal.removeEventListener('abort', done);
      resolve();
    };
    const stop = timers.after(delayMs, done);
    signal.addEventListener('abort', done, { once: true });
  });
}
