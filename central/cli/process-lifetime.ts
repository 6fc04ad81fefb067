import { type Logger, pino } from 'pino';

/** Logs are JSON lines on standard error, written synchronously: the last line before a crash is the one that matters. */
export function createLogger(name: string): Logger {
  return pino(
    { name, level: process.env.HOLDFAST_LOG_LEVEL ?? 'info' },
    pino.destination({ fd: 2, sync: true }),
  );
}

/**
 * Aborted when this process shall end: Ctrl-C, SIGTERM, or the death of the process that started it (its IPC channel
 * closes). A second Ctrl-C ends it at once.
 */
export function processLifetime(): AbortSignal {
  const controller = new AbortController();
  const end = () => {
    if (controller.signal.aborted) process.exit(1);
    controller.abort();
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', () => controller.abort());
  process.on('disconnect', () => controller.abort());
  return controller.signal;
}

/** Tells the process that started this one that it serves now. */
export function reportReady(message: object): void {
  process.send?.({ ready: true, ...message });
}

/** Exit codes of `holdfast`: 0 done, 1 the answer is no, 2 wrong use. */
export const EXIT_NO = 1;
export const EXIT_WRONG_USE = 2;
