import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';

/** The command line, as it is built. */
export const program = path.resolve(import.meta.dirname, '../../../central/bin/holdfast.mjs');

export async function holdfast(...args: readonly string[]): Promise<{ code: number; output: string }> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', chunk => {
    output += chunk;
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, output };
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  await new Promise(resolve => server.close(resolve));
  return port;
}

/** The token of the administrator, with the password that the central made; null while it does not answer so. */
export async function signIn(central: string, httpPort: number): Promise<string | null> {
  const password = await readFile(path.join(central, 'data', 'administrator.password'), 'utf8');
  const response = await fetch(`http://127.0.0.1:${httpPort}/API/IDP/connect/token`, {
    method: 'POST',
    body: new URLSearchParams({
      ...{ grant_type: 'password', client_id: 'GrantValidatorClient' },
      ...{ username: 'admin', password: password.trim() },
    }),
  });
  const { access_token: token } = (await response.json()) as { access_token?: string };
  return token ?? null;
}
