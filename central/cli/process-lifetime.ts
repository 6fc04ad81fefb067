import type { SiteId } from '@holdfast/schema';
import { type Logger, pino } from 'pino';

/** Logs are JSON lines on standard error, written synchronously: the last line before a crash is the one that matters. */
export function createLogger(name: string): Logger {
  return pino(
    { name, level: process.env.HOLDFAST_LOG_LEVEL ?? 'info' },
    pino.destination({ fd: 2, sync: true }),
  );
}

/**
 * One Ctrl-C may arrive twice: from the terminal, which tells every process of the group, and from the process that
 * started this one and passes it on.
 */
const SAME_INTERRUPT_MS = 500;

/**
 * Aborted when this process shall end: Ctrl-C, SIGTERM, or the death of the process that started it (its IPC channel
 * closes). A second Ctrl-C ends it at once.
 */
export function processLifetime(): AbortSignal {
  const controller = new AbortController();
  let firstInterruptAt: number | null = null;
  const interrupt = () => {
    firstInterruptAt ??= performance.now();
    if (performance.now() - firstInterruptAt > SAME_INTERRUPT_MS) process.exit(1);
    controller.abort();
  };
  process.on('SIGINT', interrupt);
  process.on('SIGTERM', () => controller.abort());
  process.on('disconnect', () => controller.abort());
  // Before anybody listened.
  if (process.connected === false) controller.abort();
  // Being listened to must not keep a process alive that has nothing left to do.
  process.channel?.unref();
  return controller.signal;
}

/** What a `holdfast` process tells the one that started it. */
export type ProcessReport =
  | { readonly kind: 'ready' }
  /** A central has all facts of a child that is connected. */
  | { readonly kind: 'child-known'; readonly site: SiteId };

/** Tells the process that started this one that it serves now. */
export function reportReady(): void {
  report({ kind: 'ready' });
}

export function reportChildKnown(site: SiteId): void {
  report({ kind: 'child-known', site });
}

function report(message: ProcessReport): void {
  process.send?.(message);
}

/** Exit codes of `holdfast`: 0 done, 1 the answer is no, 2 wrong use, 3 no answer: something could not be reached. */
export const EXIT_NO = 1;
export const EXIT_WRONG_USE = 2;
export const EXIT_UNREACHABLE = 3;
