// For tests: a site in a process of its own, which can be killed.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import path from 'node:path';

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise(resolve => server.close(resolve));
  return port;
}

const running = new Set<ChildProcess>();

/** Resolves when the site of that configuration file is ready. */
export async function startSite(file: string): Promise<ChildProcess> {
  const child = fork(path.join(import.meta.dirname, 'site.process.js'), [file]);
  running.add(child);
  const ended = once(child, 'exit').then(([code]) => {
    running.delete(child);
    throw new Error(`the site ended with ${code}`);
  });
  await Promise.race([once(child, 'message'), ended]);
  ended.catch(() => undefined);
  return child;
}

/** Its exit code; null: it was killed. */
export async function endSite(child: ChildProcess, signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
  const gone = once(child, 'exit');
  child.kill(signal);
  return (await gone)[0] as number | null;
}

/** Those that run still. */
export async function killSites(): Promise<void> {
  await Promise.all([...running].map(child => endSite(child, 'SIGKILL')));
}
