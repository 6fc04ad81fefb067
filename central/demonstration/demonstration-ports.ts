import { createServer } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** The processes of a demonstration that was killed notice it and end within moments; their ports are waited for. */
const FREED_WAIT_MS = 5000;
const FREED_POLL_MS = 100;

export class PortTakenError extends Error {
  override readonly name = 'PortTakenError';
  readonly code = 'PORT_TAKEN';
}

/** A port of the loopback that nobody listens on now. */
export function freePort(): Promise<number> {
  return tryPort(0);
}

/** Throws `PortTakenError`, with the advice in its message, when another program keeps listening on the port. */
export async function assertPortFree(port: number, advice: string): Promise<void> {
  const deadline = performance.now() + FREED_WAIT_MS;
  for (;;) {
    try {
      await tryPort(port);
      return;
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === 'EADDRINUSE' && performance.now() < deadline) {
        await delay(FREED_POLL_MS);
        continue;
      }
      const reason = code === 'EADDRINUSE' ? 'another program listens there' : message;
      throw new PortTakenError(`port ${port}: ${reason}; ${advice}`, { cause });
    }
  }
}

function tryPort(wanted: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(wanted, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}
