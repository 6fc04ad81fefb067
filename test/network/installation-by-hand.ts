import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import * as assert from 'uvu/assert';

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

/** One `holdfast run`, which can be killed and started again. */
export class Server implements AsyncDisposable {
  readonly #file: string;
  #child: ChildProcess | null = null;

  constructor(file: string) {
    this.#file = file;
    this.start();
  }

  start(): void {
    this.#child = spawn(process.execPath, [program, 'run', this.#file], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, HOLDFAST_LOG_LEVEL: 'error' },
    });
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end('SIGTERM');
  }
}

export async function edit(file: string, change: (text: string) => string): Promise<void> {
  await writeFile(file, change(await readFile(file, 'utf8')));
}

/** A central on ports of its own. */
export async function setPorts(file: string): Promise<number> {
  const [httpPort, listenPort] = [await freePort(), await freePort()];
  await edit(file, text =>
    text
      .replace('port: 8080', `port: ${httpPort}`)
      .replace(/(listen:\n.*\n {2}port:) 9000/, `$1 ${listenPort}`),
  );
  return httpPort;
}

/** What `init` prints for the parent's configuration is put there. */
export async function enrol(parentFile: string, printed: string): Promise<void> {
  const child = printed.match(/( {2}- id: [\s\S]*?\.pem)\n/)?.[1];
  assert.ok(child, printed);
  await edit(parentFile, text => text.replace('children: []', `children:\n${child}`));
}

export async function query<Data>(httpPort: number, token: string, document: string): Promise<Data> {
  const response = await fetch(`http://127.0.0.1:${httpPort}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ query: document }),
  });
  return ((await response.json()) as { data: Data }).data;
}
