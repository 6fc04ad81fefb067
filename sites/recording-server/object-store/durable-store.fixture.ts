// For tests: an S3 server that is not ours and that keeps what it has confirmed over a `kill -9` (Versity's gateway over a folder).
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir } from 'node:fs/promises';
import net from 'node:net';
import path from 'node:path';
import { ObjectStore, type ObjectStoreAccess } from './object-store.js';

const program = process.env.HOLDFAST_VERSITYGW ?? 'versitygw';
const START_TIMEOUT_MS = 60_000;
const BUCKET = 'vault';
const credentials = { accessKeyId: 'recorder', secretAccessKey: 'the secret of the recorder' };

/** Null: it is there. */
export function whyNoDurableStore(): string | null {
  return spawnSync(program, ['--version']).status === 0
    ? null
    : 'versitygw is not installed (`go install github.com/versity/versitygw/cmd/versitygw@v1.8.0`; HOLDFAST_VERSITYGW names it)';
}

/** The server, behind a line on which its end comes after so many bytes. */
export class DurableStore implements AsyncDisposable {
  readonly access: ObjectStoreAccess;
  readonly #folder: string;
  readonly #serverPort: number;
  readonly #line: net.Server;
  #child: ChildProcess | null = null;
  #bytesLeft = Number.POSITIVE_INFINITY;

  private constructor(folder: string, serverPort: number, line: net.Server) {
    this.#folder = folder;
    this.#serverPort = serverPort;
    this.#line = line;
    const { port } = line.address() as net.AddressInfo;
    const bucketUrl = `http://127.0.0.1:${port}/${BUCKET}`;
    this.access = { bucketUrl, prefix: 'server-1', region: 'us-east-1', ...credentials };
  }

  static async open(folder: string): Promise<DurableStore> {
    await mkdir(path.join(folder, BUCKET), { recursive: true });
    const [free, line] = [net.createServer(), net.createServer()];
    for (const server of [free, line]) {
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
    }
    const store = new DurableStore(folder, (free.address() as net.AddressInfo).port, line);
    free.close();
    line.on('connection', socket => store.#connect(socket));
    await store.start();
    return store;
  }

  /** It ends, as with `kill -9`, when so many more bytes were sent to it. */
  killAfter(byteCount: number): void {
    this.#bytesLeft = byteCount;
  }

  async start(): Promise<void> {
    this.#bytesLeft = Number.POSITIVE_INFINITY;
    const { accessKeyId, secretAccessKey } = credentials;
    const args = ['--quiet', '--access', accessKeyId, '--secret', secretAccessKey];
    const where = ['--port', `127.0.0.1:${this.#serverPort}`, 'posix', this.#folder];
    const child = spawn(program, [...args, ...where], { stdio: ['ignore', 'ignore', 'inherit'] });
    this.#child = child;
    const store = new ObjectStore(this.access);
    for (const untilMs = performance.now() + START_TIMEOUT_MS; ; ) {
      const code = await store.read('none', { position: 0, length: 1 }, 1000).catch(error => error.code);
      if (code === 'ENOENT') return;
      if (performance.now() > untilMs || child.exitCode !== null) throw new Error(`versitygw: ${code}`);
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  }

  async ended(): Promise<void> {
    const child = this.#child;
    if (child !== null && child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#line.close();
    this.#child?.kill('SIGKILL');
    await this.ended();
  }

  #connect(near: net.Socket): void {
    const far = net.connect(this.#serverPort, '127.0.0.1');
    far.pipe(near);
    near.on('data', bytes => {
      // What comes before its end has arrived.
      const passed = bytes.subarray(0, Math.max(0, Math.min(bytes.length, this.#bytesLeft)));
      this.#bytesLeft -= bytes.length;
      if (!far.write(passed)) {
        near.pause();
        far.once('drain', () => near.resume());
      }
      if (this.#bytesLeft < 0) this.#child?.kill('SIGKILL');
    });
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      one.on('error', () => undefined);
      one.once('close', () => other.destroy());
    }
  }
}
