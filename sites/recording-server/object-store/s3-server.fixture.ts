// For tests: an S3 server that is not ours (moto, which checks signatures with botocore), behind a line that can be cut.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { ObjectStoreAccess } from './object-store.js';

const script = path.resolve(import.meta.dirname, '../../../../test/object-store/s3-server.py');
const python = process.env.HOLDFAST_MOTO_PYTHON ?? 'python3';
const START_TIMEOUT_MS = 60_000;

/** Null: it is there. */
export function whyNoS3Server(): string | null {
  const { status } = spawnSync(python, ['-c', 'import boto3, moto.server, flask']);
  return status === 0
    ? null
    : 'PyPI’s moto[server] is not installed (HOLDFAST_MOTO_PYTHON names a Python that has it)';
}

export interface S3Server extends AsyncDisposable {
  readonly access: ObjectStoreAccess;
  /** Nobody reaches it, and who was connected is cut off. */
  cut(): Promise<void>;
  join(): Promise<void>;
}

export async function openS3Server(): Promise<S3Server> {
  const bucket = 'vault';
  const child = spawn(python, [script, bucket], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [port, accessKeyId, secretAccessKey] = await new Promise<[string, string, string]>(
    (resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the S3 server did not start')), START_TIMEOUT_MS);
      child.once('exit', code => reject(new Error(`the S3 server ended with ${code}`)));
      createInterface({ input: child.stdout }).on('line', line => {
        const found = /^listening on (\d+) (\S+) (\S+)$/.exec(line);
        if (!found) return;
        clearTimeout(timer);
        resolve([found[1]!, found[2]!, found[3]!]);
      });
    },
  );
  const line = new CuttableLine(Number(port));
  await line.listen();
  return {
    access: {
      ...{ bucketUrl: `http://127.0.0.1:${line.port}/${bucket}`, prefix: 'server-1', region: 'us-east-1' },
      ...{ accessKeyId, secretAccessKey },
    },
    cut: () => line.cut(),
    join: () => line.listen(),
    [Symbol.asyncDispose]: async () => {
      await line.cut();
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

class CuttableLine {
  readonly #toPort: number;
  readonly #sockets = new Set<net.Socket>();
  #server: net.Server | null = null;
  port = 0;

  constructor(toPort: number) {
    this.#toPort = toPort;
  }

  async listen(): Promise<void> {
    const server = net.createServer(near => {
      const far = net.connect(this.#toPort, '127.0.0.1');
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(one);
        one.pipe(other);
        one.on('error', () => undefined);
        one.once('close', () => {
          this.#sockets.delete(one);
          other.destroy();
        });
      }
    });
    this.#server = server;
    server.listen(this.port, '127.0.0.1');
    await once(server, 'listening');
    this.port = (server.address() as net.AddressInfo).port;
  }

  async cut(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = once(server, 'close');
    server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }
}
