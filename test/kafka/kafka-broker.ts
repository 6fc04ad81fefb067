import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { eventually } from '../network/demonstration-network.js';

const pom = path.resolve(import.meta.dirname, '../../kafka/pom.xml');
const remembered = path.resolve(import.meta.dirname, '../../../node_modules/.cache/kafka-class-path.json');
/** Some sixty megabytes, once for each machine. */
const DOWNLOAD_MS_MAX = 150_000;
const READY_MS_MAX = 40_000;
/** A broker for a test starts fast and needs little: no optimising compiler, one garbage collector thread. */
const javaOptions = ['-Xmx384m', '-XX:TieredStopAtLevel=1', '-XX:+UseSerialGC'];
/** RFC 4648 base64url of sixteen bytes: any will do. */
const CLUSTER_ID = 'aG9sZGZhc3QtdGVzdC0wMQ';

export type KafkaClassPath = { readonly classPath: string } | { readonly missing: string };

/** The jars of Apache Kafka, or why they cannot be had here. */
export async function kafkaClassPath(): Promise<KafkaClassPath> {
  if (spawnSync('java', ['-version']).status !== 0) return { missing: 'no Java: install Java 17' };
  if (spawnSync('mvn', ['-v']).status !== 0) return { missing: 'no Maven: install it' };
  const known = await rememberedClassPath();
  if (known !== null) return { classPath: known };
  const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-kafka-jars-'));
  const file = path.join(directory, 'class-path');
  try {
    const goal = ['-q', '-B', '-f', pom, 'dependency:build-classpath', `-Dmdep.outputFile=${file}`];
    // From the cache when it has them all, which also works without a network.
    for (const mode of [['-o'], []]) {
      const { status } = spawnSync('mvn', [...mode, ...goal], { timeout: DOWNLOAD_MS_MAX, stdio: 'ignore' });
      if (status !== 0) continue;
      const classPath = (await readFile(file, 'utf8')).trim();
      await mkdir(path.dirname(remembered), { recursive: true });
      await writeFile(remembered, JSON.stringify({ pom: await readFile(pom, 'utf8'), classPath }));
      return { classPath };
    }
    return { missing: 'Maven cannot bring the jars of Apache Kafka' };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** What Maven said last time, which takes it some seconds: as long as it was asked the same, and every jar is still there. */
async function rememberedClassPath(): Promise<string | null> {
  const text = await readFile(remembered, 'utf8').catch(() => null);
  if (text === null) return null;
  const { pom: asked, classPath } = JSON.parse(text) as { readonly pom: string; readonly classPath: string };
  const isSame = asked === (await readFile(pom, 'utf8'));
  return isSame && classPath.split(path.delimiter).every(jar => existsSync(jar)) ? classPath : null;
}

/** A real Apache Kafka on loopback: one node, broker and controller (KRaft). Its data outlive `kill`, not its disposal. */
export class KafkaBroker implements AsyncDisposable {
  readonly #classPath: string;
  readonly #directory: string;
  readonly port: number;
  #process: ChildProcess | null = null;
  #output = '';

  private constructor(classPath: string, directory: string, port: number) {
    this.#classPath = classPath;
    this.#directory = directory;
    this.port = port;
  }

  static async start(classPath: string): Promise<KafkaBroker> {
    const [port, controllerPort] = await freePorts(2);
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-kafka-'));
    const broker = new KafkaBroker(classPath, directory, port!);
    const properties = {
      'process.roles': 'broker,controller',
      'node.id': 1,
      'controller.quorum.voters': `1@127.0.0.1:${controllerPort}`,
      listeners: `PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
      'advertised.listeners': `PLAINTEXT://127.0.0.1:${port}`,
      'controller.listener.names': 'CONTROLLER',
      'listener.security.protocol.map': 'CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT',
      'log.dirs': path.join(directory, 'data'),
      'offsets.topic.num.partitions': 1,
      'offsets.topic.replication.factor': 1,
      'group.initial.rebalance.delay.ms': 0,
      'auto.create.topics.enable': false,
    };
    const lines = Object.entries(properties).map(([name, value]) => `${name}=${value}\n`);
    await writeFile(broker.#propertiesFile, lines.join(''));
    const format = broker.#java('kafka.tools.StorageTool', [
      ...['format', '-t', CLUSTER_ID, '-c', broker.#propertiesFile],
    ]);
    const [code] = (await once(format, 'exit')) as [number | null];
    if (code !== 0) throw new Error(`the storage of the broker cannot be formatted:\n${broker.#output}`);
    await broker.restart();
    return broker;
  }

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    const running = this.#process;
    if (running === null) return;
    const gone = once(running, 'exit');
    running.kill('SIGKILL');
    await gone;
    this.#process = null;
  }

  /** Connections are accepted, by the system, and nothing is answered. */
  hang(): void {
    this.#process!.kill('SIGSTOP');
  }

  goOn(): void {
    this.#process!.kill('SIGCONT');
  }

  async restart(): Promise<void> {
    const running = this.#java('kafka.Kafka', [this.#propertiesFile]);
    this.#process = running;
    await eventually(
      'the broker listens',
      async () => {
        if (running.exitCode !== null) throw new Error(`the broker ended by itself:\n${this.#output}`);
        return isListening(this.port);
      },
      READY_MS_MAX,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }

  get #propertiesFile(): string {
    return path.join(this.#directory, 'server.properties');
  }

  #java(mainClass: string, args: readonly string[]): ChildProcess {
    const command = [
      // Not even a test that is killed leaves a broker behind.
      ...['setpriv', '--pdeathsig', 'KILL', '--'],
      ...['java', ...javaOptions, '-cp', this.#classPath, mainClass, ...args],
    ];
    const child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on('data', chunk => {
        this.#output = (this.#output + String(chunk)).slice(-20_000);
      });
    }
    return child;
  }
}

/** All of them different. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => net.createServer());
  for (const server of servers) {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  }
  const ports = servers.map(server => (server.address() as net.AddressInfo).port);
  for (const server of servers) server.close();
  return ports;
}

function isListening(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = net.connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
    socket.once('connect', () => socket.end());
  });
}
