import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

const ANSWER_MS_MAX = 180_000;
const END_MS_MAX = 5_000;

/** The next message of a process. */
export async function messageOf<Message>(child: ChildProcess): Promise<Message> {
  const given = new AbortController();
  const ended = once(child, 'exit', { signal: given.signal }).then(([code, signal]) => {
    throw new Error(`a process of the benchmark ended by itself: ${signal ?? code}`);
  });
  try {
    const signal = AbortSignal.any([given.signal, AbortSignal.timeout(ANSWER_MS_MAX)]);
    const [message] = await Promise.race([once(child, 'message', { signal }), ended]);
    return message as Message;
  } finally {
    ended.catch(() => undefined);
    given.abort();
  }
}

/** Those of the benchmarks end when they are left alone; by force when they do not. */
export async function endOfProcess(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  if (child.connected) child.disconnect();
  const timer = setTimeout(() => child.kill('SIGKILL'), END_MS_MAX);
  await ended;
  clearTimeout(timer);
}

/** Microseconds that all threads of a process have run, from the scheduler itself: ticks count too little. Linux. */
export function cpuUsOf(processId: number): number {
  const tasks = `/proc/${processId}/task`;
  let sumNs = 0;
  for (const task of readdirSync(tasks)) {
    sumNs += Number(readFileSync(`${tasks}/${task}/schedstat`, 'utf8').split(' ')[0]);
  }
  return sumNs / 1000;
}

export function residentBytesOf(processId: number): number {
  const found = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${processId}/status`, 'utf8'));
  return Number(found?.[1] ?? 0) * 1024;
}
