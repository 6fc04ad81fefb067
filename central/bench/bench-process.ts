import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';

const ANSWER_SECONDS_MAX = 180;
const END_MS_MAX = 5_000;

/**
 * Throws when the promise takes longer. Counted are seconds in which this process runs: when it stands still with its whole machine,
 * nobody else is late either.
 */
export async function within<Value>(
  promise: Promise<Value>,
  what: string,
  secondsMax: number,
): Promise<Value> {
  const late = Promise.withResolvers<never>();
  let seconds = 0;
  const timer = setInterval(() => {
    seconds += 1;
    if (seconds >= secondsMax) late.reject(new Error(`not within ${secondsMax} s: ${what}`));
  }, 1_000);
  try {
    return await Promise.race([promise, late.promise]);
  } finally {
    clearInterval(timer);
  }
}

/** The next message of a process. */
export async function messageOf<Message>(child: ChildProcess): Promise<Message> {
  const given = new AbortController();
  const { signal } = given;
  const ended = once(child, 'exit', { signal }).then(([code, killedBy]) => {
    throw new Error(`a process of the benchmark ended by itself: ${killedBy ?? code}`);
  });
  ended.catch(() => undefined);
  const answered = once(child, 'message', { signal });
  answered.catch(() => undefined);
  try {
    const what = 'the answer of a process of the benchmark';
    const [message] = await within(Promise.race([answered, ended]), what, ANSWER_SECONDS_MAX);
    return message as Message;
  } finally {
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
