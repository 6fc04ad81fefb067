import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';

/** The server that stands in for EventStoreDB, in a process of its own. Killed like a power cut, it keeps its port. */
export class StreamsProcess implements AsyncDisposable {
  readonly file: string;
  #child: ChildProcess | null = null;
  #port = 0;

  constructor(file: string) {
    this.file = file;
  }

  get connectionString(): string {
    return `esdb://127.0.0.1:${this.#port}?tls=false`;
  }

  async start(): Promise<void> {
    const script = path.join(import.meta.dirname, 'stored-streams.process.js');
    this.#child = fork(script, [this.file, String(this.#port)]);
    [this.#port] = (await once(this.#child, 'message')) as [number];
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null) return;
    child.kill('SIGKILL');
    await once(child, 'close');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
  }
}
