import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

const program = path.resolve(import.meta.dirname, '../../../central/bin/holdfast.mjs');
const READY_MS_MAX = 90_000;
const POLL_MS = 150;
/** As short as may be: what waits for a recording waits until one is sealed. */
const SEGMENT_SECONDS = 4;

export interface ReadyLine {
  readonly console: string;
  readonly graphql: string;
  readonly user: string;
  readonly password: string;
  readonly sites: readonly { readonly id: string; readonly name: string }[];
}

export interface GraphqlFailure {
  readonly message: string;
  readonly extensions?: { readonly code?: string };
}

/** What `npm start` runs, as a user runs it: real processes, real sockets, a data directory of its own. */
export class DemonstrationNetwork implements AsyncDisposable {
  readonly dataDirectory: string;
  readonly #args: readonly string[];
  readonly #output: string[] = [];
  #process: ChildProcess | null = null;
  #ready: ReadyLine | null = null;
  #token = '';

  private constructor(dataDirectory: string, args: readonly string[]) {
    this.dataDirectory = dataDirectory;
    this.#args = args;
  }

  static async create(options: { readonly sites?: number; readonly cameraUrls?: readonly string[] } = {}) {
    const dataDirectory = await mkdtemp(path.join(tmpdir(), 'holdfast-'));
    const network = new DemonstrationNetwork(dataDirectory, [
      ...['--sites', String(options.sites ?? 2), '--segment-seconds', String(SEGMENT_SECONDS)],
      ...(options.cameraUrls ?? []).flatMap(url => ['--camera', url]),
    ]);
    await network.start();
    return network;
  }

  get ready(): ReadyLine {
    if (!this.#ready) throw new Error('the demonstration is not running');
    return this.#ready;
  }

  get token(): string {
    return this.#token;
  }

  /** What the processes have logged. */
  get output(): string {
    return this.#output.join('');
  }

  async start(): Promise<void> {
    const args = ['demonstration', '--json', '--data', this.dataDirectory, '--port', '0', ...this.#args];
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#process = child;
    child.stderr.on('data', chunk => this.#output.push(String(chunk)));
    const line = await Promise.race([
      once(createInterface({ input: child.stdout }), 'line'),
      once(child, 'exit').then(() => null),
      new Promise<null>(resolve => setTimeout(resolve, READY_MS_MAX, null).unref()),
    ]);
    if (line === null)
      throw new Error(`the demonstration did not become ready:\n${this.output.slice(-8000)}`);
    this.#ready = JSON.parse(line[0] as string) as ReadyLine;
    this.#token = await this.#signIn();
  }

  /** `kill -9` of every process at once: the supervisor, the servers, PostgreSQL. */
  async killEverything(): Promise<void> {
    const child = this.#process!;
    const gone = once(child, 'exit');
    const pids = await descendantsOf(child.pid!);
    for (const pid of [child.pid!, ...pids]) killNow(pid);
    await gone;
    this.#process = null;
    this.#ready = null;
  }

  /** `kill -9` of one process, by a part of its command line. The demonstration starts it again. */
  async killProcess(commandPart: string): Promise<void> {
    let killed = 0;
    for (const pid of await descendantsOf(this.#process!.pid!)) {
      const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      if (!command.replaceAll('\0', ' ').includes(commandPart)) continue;
      killNow(pid);
      killed += 1;
    }
    if (killed === 0)
      throw new Error(`no process of the demonstration has ${commandPart} in its command line`);
  }

  /** As Ctrl-C. */
  async stop(): Promise<void> {
    const child = this.#process;
    if (!child || child.exitCode !== null) return;
    const gone = once(child, 'exit');
    child.kill('SIGINT');
    await gone;
    this.#process = null;
  }

  /** Something is lost while nothing runs. */
  async removeFolder(folder: string): Promise<void> {
    await rm(path.join(this.dataDirectory, folder), { recursive: true });
  }

  async query<Data>(document: string, variables: object = {}): Promise<Data> {
    const { data, errors } = await this.tryQuery<Data>(document, variables);
    if (errors) throw new Error(JSON.stringify(errors));
    return data;
  }

  async tryQuery<Data>(
    document: string,
    variables: object = {},
  ): Promise<{ readonly data: Data; readonly errors?: readonly GraphqlFailure[] }> {
    const response = await fetch(this.ready.graphql, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${this.#token}` },
      body: JSON.stringify({ query: document, variables }),
    });
    return (await response.json()) as { data: Data; errors?: readonly GraphqlFailure[] };
  }

  media(deviceId: string, rest: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return fetch(new URL(`/media/${deviceId}/${rest}`, this.ready.console), {
      headers: { authorization: `Bearer ${this.#token}`, ...headers },
    });
  }

  /** Runs `holdfast …` as a user would. */
  async command(...args: readonly string[]) {
    const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
    const [output, errors] = [collect(child.stdout), collect(child.stderr)];
    const [code] = (await once(child, 'close')) as [number];
    return { code, output: await output, errors: await errors };
  }

  async #signIn(): Promise<string> {
    const response = await fetch(new URL('/API/IDP/connect/token', this.ready.console), {
      method: 'POST',
      body: new URLSearchParams({
        ...{ grant_type: 'password', client_id: 'GrantValidatorClient' },
        ...{ username: this.ready.user, password: this.ready.password },
      }),
    });
    const body = (await response.json()) as { access_token: string };
    return body.access_token;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await rm(this.dataDirectory, { recursive: true, force: true });
  }
}

/** Waits until `probe` gives something; its last error, or `what`, is the message when it never does. */
export async function eventually<Result>(
  what: string,
  probe: () => Promise<Result | null | undefined | false>,
  timeoutMs = 60_000,
): Promise<Result> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let lastError: unknown = null;
    try {
      const result = await probe();
      if (result !== null && result !== undefined && result !== false) return result;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`waited ${timeoutMs} ms: ${what}${lastError ? ` (${lastError})` : ''}`);
    }
    await new Promise(resolve => setTimeout(resolve, POLL_MS));
  }
}

async function collect(stream: NodeJS.ReadableStream): Promise<string> {
  const chunks: string[] = [];
  for await (const chunk of stream) chunks.push(String(chunk));
  return chunks.join('');
}

function killNow(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It was gone before.
  }
}

async function descendantsOf(root: number): Promise<readonly number[]> {
  const children = new Map<number, number[]>();
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
    const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
    children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
  }
  const collected: number[] = [];
  for (let queue = [root]; queue.length > 0; ) {
    queue = queue.flatMap(pid => children.get(pid) ?? []);
    collected.push(...queue);
  }
  return collected;
}
