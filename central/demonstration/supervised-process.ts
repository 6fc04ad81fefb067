import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { backOffMs } from '@holdfast/core';
import type { Logger } from 'pino';
import type { ProcessReport } from '../cli/process-lifetime.js';

const RESTART = { firstMs: 500, mostMs: 10_000 };
/** A process that ran so long is taken for healthy: the next crash begins at the shortest pauses again. */
const HEALTHY_AFTER_MS = 30_000;
/** How long a process may take to close its files before it is killed. */
const STOP_MS_MAX = 15_000;

const program = fileURLToPath(new URL('../../bin/holdfast.mjs', import.meta.url));

export interface SupervisedProcessOptions {
  readonly name: string;
  readonly args: readonly string[];
  readonly logger: Logger;
  readonly onReport: (report: ProcessReport) => void;
}

/**
 * One `holdfast` process, started again when it dies. It ends with this process: its IPC channel closes.
 */
export async function runSupervisedProcess(
  options: SupervisedProcessOptions,
  signal: AbortSignal,
): Promise<void> {
  const { name, args, logger } = options;
  let failures = 0;
  while (!signal.aborted) {
    const startedAt = performance.now();
    // Standard output belongs to the ready line of `npm start --json`.
    const child = fork(program, args, { stdio: ['ignore', 2, 2, 'ipc'] });
    child.on('message', message => options.onReport(message as ProcessReport));
    const stop = () => void stopProcess(child);
    signal.addEventListener('abort', stop, { once: true });
    const [code, killedBy] = (await once(child, 'exit')) as [number | null, NodeJS.Signals | null];
    signal.removeEventListener('abort', stop);
    if (signal.aborted) return;
    if (performance.now() - startedAt > HEALTHY_AFTER_MS) failures = 0;
    if (code === 2) throw new ProcessConfigurationError(name);
    const pauseMs = Math.round(backOffMs(RESTART, failures++, Math.random()));
    logger.warn({ name, code, killedBy, pauseMs }, 'process ended; starting it again');
    await pause(pauseMs, signal);
  }
}

export class ProcessConfigurationError extends Error {
  override readonly name = 'ProcessConfigurationError';
  readonly code = 'PROCESS_CONFIGURATION_WRONG';
  constructor(processName: string) {
    super(`${processName} refuses its configuration; its message is above`);
  }
}

async function stopProcess(child: ChildProcess): Promise<void> {
  child.kill('SIGTERM');
  const killer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  await once(child, 'exit');
  clearTimeout(killer);
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
