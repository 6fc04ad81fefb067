import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Database, openDatabase } from '@holdfast/central';
import {
  Acknowledgements,
  type CertificateAuthority,
  dialParent,
  issuePeerCredentials,
  loadCertificateAuthority,
  loadPeerCredentials,
  processTimers,
  runReplication,
  savePeerCredentials,
  serverNameOfRole,
} from '@holdfast/interconnect';
import { EventId, SiteId } from '@holdfast/schema';
import {
  loadSiteKeys,
  noteSigner,
  openSqliteSiteLog,
  rawPublicKey,
  type SqliteSiteLog,
  sha256,
  siteLogKeyFileOf,
  verifyNote,
} from '@holdfast/sites';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { parse, stringify } from 'yaml';
import { eventually } from '../network/demonstration-network.js';
import { freePorts } from './kafka-broker.js';
import { TcpBalancer } from './tcp-balancer.js';

const program = path.resolve(import.meta.dirname, '../../../central/bin/holdfast.mjs');
export const nodeNames = ['api', 'intake-1', 'intake-2', 'projector-1', 'projector-2'] as const;
export type NodeName = (typeof nodeNames)[number];

/** A site with a real log and the real child's side of replication, in this process: it is not what is killed here. */
export interface LoadedSite {
  readonly site: SiteId;
  readonly log: SqliteSiteLog;
  append(count: number): Promise<void>;
}

/** A central of five processes around one PostgreSQL and one Kafka, and the sites that report to it. */
export class BackboneNetwork implements AsyncDisposable {
  readonly directory: string;
  readonly database: Database;
  readonly sites: LoadedSite[] = [];
  /** Of the process with the role api. */
  httpPort = 0;
  /** A site that is a process of its own, without cameras. */
  branch!: { readonly site: string; readonly recordingServer: string };
  #output = '';
  #centralSite!: SiteId;
  readonly #stack: AsyncDisposableStack;
  readonly #processes = new Map<NodeName | 'branch', ChildProcess>();
  readonly #databaseUrl: string;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>[] = [];
  #intakes!: TcpBalancer;

  private constructor(
    directory: string,
    database: Database,
    databaseUrl: string,
    stack: AsyncDisposableStack,
  ) {
    this.directory = directory;
    this.database = database;
    this.#databaseUrl = databaseUrl;
    this.#stack = stack;
  }

  static async create(options: {
    readonly broker: string;
    readonly sites: number;
  }): Promise<BackboneNetwork> {
    const directory = await mkdtemp(path.join(tmpdir(), 'holdfast-nodes-'));
    await using stack = new AsyncDisposableStack();
    stack.defer(() => rm(directory, { recursive: true, force: true }));
    const database = stack.use(
      await openDatabase({ directory: path.join(directory, 'pg'), databaseUrl: null }),
    );
    // An embedded PostgreSQL listens on a socket of the file system; the nodes want an address.
    const [{ socketDirectory }] = (await database.sql`
      select current_setting('unix_socket_directories') as socket_directory`) as unknown as [
      { socketDirectory: string },
    ];
    const relay = stack.use(await TcpBalancer.open([{ path: path.join(socketDirectory, '.s.PGSQL.5432') }]));
    const url = `postgres://holdfast@127.0.0.1:${relay.port}/postgres`;
    const network = new BackboneNetwork(directory, database, url, stack.move());
    try {
      await network.#prepare(options);
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
    return network;
  }

  /** What the nodes have logged lately. */
  get output(): string {
    return this.#output;
  }

  async start(name: NodeName | 'branch'): Promise<void> {
    const args = ['--disable-warning=TimeoutNegativeWarning', program, 'run', this.#fileOf(name)];
    const child = spawn(process.execPath, args, {
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      env: { ...process.env, DATABASE_URL: this.#databaseUrl },
    });
    child.stderr!.on('data', chunk => {
      this.#output = (this.#output + String(chunk)).slice(-200_000);
    });
    this.#processes.set(name, child);
    const outcome = await Promise.race([
      once(child, 'message').then(() => 'READY' as const),
      once(child, 'exit').then(([code]) => `ended with ${code}`),
    ]);
    if (outcome !== 'READY') throw new Error(`${name} ${outcome}:\n${this.#output.slice(-6000)}`);
  }

  /** `kill -9`. */
  async kill(name: NodeName): Promise<void> {
    const child = this.#processes.get(name)!;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  /** Sites begin to report. */
  replicate(): void {
    for (const { site, log } of this.sites) this.#running.push(this.#replicate(site, log));
  }

  async storedCount(): Promise<number> {
    const [row] = await this.database.sql<{ count: number }[]>`
      select count(*)::int as count from replica_event where type = 'SomethingHappened'`;
    return row!.count;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await Promise.allSettled(this.#running);
    const running = [...this.#processes.values()].filter(
      child => child.exitCode === null && child.signalCode === null,
    );
    await Promise.all(
      running.map(async child => {
        const gone = once(child, 'exit');
        child.kill('SIGTERM');
        await gone;
      }),
    );
    for (const { log } of this.sites) await log[Symbol.asyncDispose]();
    await this.#stack.disposeAsync();
  }

  get #central(): string {
    return path.join(this.directory, 'central');
  }

  #fileOf(name: NodeName | 'branch'): string {
    if (name === 'branch') return path.join(this.directory, 'branch', 'site.yaml');
    return path.join(this.#central, `${name}.yaml`);
  }

  async #prepare({ broker, sites }: { readonly broker: string; readonly sites: number }): Promise<void> {
    const branch = path.join(this.directory, 'branch');
    await holdfast('init', this.#central);
    await holdfast('init', branch, '--site', 'Branch', '--central', this.#central);
    const authority = (await loadCertificateAuthority(path.join(this.#central, 'authority')))!;
    const made = parse(await readFile(path.join(this.#central, 'central.yaml'), 'utf8'));
    this.#centralSite = made.site.id;
    const branchMade = parse(await readFile(this.#fileOf('branch'), 'utf8'));
    this.branch = { site: branchMade.site.id, recordingServer: branchMade.recordingServers[0].id };
    const certificate = path.join(branch, 'credentials', 'server.crt.pem');
    const children = [
      { ...branchMade.site, certificate, logPublicKey: logPublicKey(path.join(branch, 'data')) },
    ];
    for (let index = 0; index < sites; index += 1) children.push(await this.#addSite(index, authority));
    const ports = await freePorts(2 * nodeNames.length);
    for (const [index, name] of nodeNames.entries()) {
      const [role] = name.split('-');
      const [httpPort, listenPort] = [ports[2 * index]!, ports[2 * index + 1]!];
      const configuration = {
        ...{
          role: 'central',
          site: made.site,
          credentials: made.credentials,
          data: name === 'api' ? made.data : `./data-${name}`,
          children,
        },
        http: { port: httpPort },
        listen: { port: listenPort, heartbeatSeconds: 1 },
        recordingServers: name === 'api' ? made.recordingServers : [],
        backbone: { kafka: { brokers: [broker], partitions: 4, replicas: 1 }, roles: [role] },
      };
      await writeFile(this.#fileOf(name), stringify(configuration));
      if (name === 'api') this.httpPort = httpPort;
    }
    const intakePorts = nodeNames.flatMap((name, index) =>
      name.startsWith('intake') ? [ports[2 * index + 1]!] : [],
    );
    this.#intakes = this.#stack.use(
      await TcpBalancer.open(intakePorts.map(port => ({ host: '127.0.0.1', port }))),
    );
    const media = { host: '127.0.0.1', port: ports[1]! };
    const parent = { ...branchMade.parent, port: this.#intakes.port, media };
    await writeFile(this.#fileOf('branch'), stringify({ ...branchMade, cameras: [], parent }));
    await this.#copyLogKey();
    // It makes the tables; the others come up beside each other.
    const [first, ...others] = nodeNames;
    await this.start(first);
    await Promise.all(others.map(name => this.start(name)));
  }

  /** Sites believe one key of the central, whichever node they reach. */
  async #copyLogKey(): Promise<void> {
    for (const name of nodeNames.slice(1)) {
      const file = siteLogKeyFileOf(path.join(this.#central, `data-${name}`));
      await mkdir(path.dirname(file), { recursive: true });
      await copyFile(siteLogKeyFileOf(path.join(this.#central, 'data')), file);
    }
  }

  /** Signed in as the administrator. */
  async query<Data>(document: string, variables: object = {}): Promise<Data> {
    const password = await readFile(path.join(this.#central, 'data', 'administrator.password'), 'utf8');
    const address = `http://127.0.0.1:${this.httpPort}`;
    const signedIn = await fetch(`${address}/API/IDP/connect/token`, {
      method: 'POST',
      body: new URLSearchParams({
        ...{ grant_type: 'password', client_id: 'GrantValidatorClient' },
        ...{ username: 'admin', password: password.trim() },
      }),
    });
    const { access_token: token } = (await signedIn.json()) as { access_token: string };
    const response = await fetch(`${address}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: document, variables }),
    });
    const { data, errors } = (await response.json()) as { data: Data; errors?: unknown };
    if (errors) throw new Error(JSON.stringify(errors));
    return data;
  }

  async #addSite(index: number, authority: CertificateAuthority) {
    const site = SiteId.parse(v7());
    const directory = path.join(this.directory, `site-${index}`);
    const credentials = await issuePeerCredentials(authority, { site, role: 'site', nowMs: Date.now() });
    await savePeerCredentials(directory, credentials);
    const log = await openSqliteSiteLog({
      ...{ file: path.join(directory, 'site.log'), site, now: Date.now },
      signingKey: loadSiteKeys(directory).logKey,
    });
    this.sites.push({ site, log, append: count => append(log, count) });
    return {
      id: site,
      name: `Site ${index}`,
      certificate: path.join(directory, 'server.crt.pem'),
      logPublicKey: logPublicKey(directory),
    };
  }

  async #replicate(site: SiteId, log: SqliteSiteLog): Promise<void> {
    const index = this.sites.findIndex(known => known.site === site);

    const credentials = (await loadPeerCredentials(path.join(this.directory, `site-${index}`)))!;
    const parent = {
      host: '127.0.0.1',
      port: this.#intakes.port,
      serverName: serverNameOfRole('central'),
    };
    await runReplication(
      {
        ...{ log, site, sha256, now: Date.now, random: Math.random, timers: processTimers },
        dial: () => dialParent({ parent, credentials }),
        parentSite: this.#centralSite,
        ...{ verify: verifyNote, acknowledgements: new Acknowledgements() },
        signer: noteSigner(loadSiteKeys(path.join(this.directory, `site-${index}`)).logKey),
        parentKey: firstKeyOnly(),
        wishes: { cursor: async () => null, accept: async () => undefined },
        logger: pino({ level: 'silent' }),
        software: 'test',
        backoffMsMax: 1_000,
      },
      this.#stopping.signal,
    );
  }
}

/** Believes the first key that the parent shows, as a site does: from then on it is the only one. */
function firstKeyOnly() {
  let key: Uint8Array | null = null;
  return {
    known: () => key,
    pin: async (_site: SiteId, publicKey: Uint8Array) => {
      key = publicKey;
    },
  };
}

function logPublicKey(dataDirectory: string): string {
  return Buffer.from(rawPublicKey(loadSiteKeys(dataDirectory).logKey)).toString('base64');
}

async function holdfast(...args: readonly string[]): Promise<void> {
  const child = spawn(process.execPath, [program, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`holdfast ${args[0]} ended with ${code}`);
}

async function append(log: SqliteSiteLog, count: number): Promise<void> {
  for (let left = count; left > 0; left -= 200) {
    const events = Array.from({ length: Math.min(left, 200) }, (_, index) => ({
      ...{ id: EventId.parse(v7()), type: 'SomethingHappened', version: 1, actor: 'server:test' },
      ...{ occurredAtMs: Date.now(), clockQuality: 'NTP' as const, causationId: null, correlationId: null },
      data: Buffer.from(
        JSON.stringify({ left, index, text: 'A door was opened, and closed again. '.repeat(5) }),
      ),
    }));
    const outcome = await log.append([{ stream: 'things', expected: 'any', events }]);
    if (!outcome.appended) throw new Error(JSON.stringify(outcome.refusal));
  }
}

/** Waits until every site's log is stored to its end. */
export async function storedToTheEnd(network: BackboneNetwork, timeoutMs = 90_000): Promise<void> {
  await eventually(
    'every log is stored to its end',
    async () => {
      const rows = await network.database.sql<{ site: SiteId; epoch: number; position: number }[]>`
        select site, epoch, position from replica_cursor`;
      return network.sites.every(({ site, log }) => {
        const { epoch, size } = log.head();
        return rows.some(row => row.site === site && row.epoch === epoch && row.position === size);
      });
    },
    timeoutMs,
  );
}
