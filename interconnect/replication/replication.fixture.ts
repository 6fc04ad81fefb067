import { createPublicKey, generateKeyPairSync, hash, sign, verify } from 'node:crypto';
import net from 'node:net';
import {
  createMemorySiteLog,
  type NoteSigner,
  type NoteVerifier,
  type RecordedEvent,
  type Sha256,
  type SignedCheckpoint,
  type SiteLog,
  type WishPlace,
} from '@holdfast/core';
import { EventId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import {
  type CertificateAuthority,
  createCertificateAuthority,
  issuePeerCredentials,
  type PeerCredentials,
  serverNameOfRole,
} from '../certificates/certificate-authority.js';
import { createGrpcServer, type GrpcServer } from '../transport/grpc-server.js';
import { processTimers } from '../transport/timers.js';
import { Acknowledgements } from './acknowledgements.js';
import { dialParent } from './grpc-replication-duplex.js';
import type { LinkMeasurement, LinkObserver, LinkTrouble } from './link-observer.js';
import { createMemoryReplicaIntake, type MemoryReplicaIntake } from './memory-replica-intake.js';
import type { ReplicaIntake } from './replica-intake.js';
import type { ChildLink, ParentKey, RelayedLogs, WishSink } from './replication-options.js';
import { createReplicationService, type ReplicationService } from './replication-service.js';
import { runReplication } from './run-replication.js';

/** For tests: the product's own is in `sites`, which this package does not know. */
export const sha256: Sha256 = (...parts) => new Uint8Array(hash('sha256', Buffer.concat(parts), 'buffer'));

const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

export function newSigner(): NoteSigner {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const spki = publicKey.export({ format: 'der', type: 'spki' });
  return {
    publicKey: new Uint8Array(spki.subarray(SPKI_PREFIX.length)),
    sign: bytes => new Uint8Array(sign(null, bytes, privateKey)),
  };
}

export const verifyNote: NoteVerifier = (bytes, signature, publicKey) =>
  verify(
    null,
    bytes,
    createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' }),
    signature,
  );

const signers = new Map<SiteId, NoteSigner>();

/** The key of a site: the same one whenever it is asked for. */
export function signerOf(site: SiteId): NoteSigner {
  const signer = signers.get(site) ?? newSigner();
  signers.set(site, signer);
  return signer;
}

export const newSiteId = (): SiteId => SiteId.parse(v7());

/** One authority for all tests of a file: making one takes some ms. */
export const authority: CertificateAuthority = await createCertificateAuthority({
  name: 'Test',
  nowMs: Date.now(),
});

export const credentialsOf = (site: SiteId, role: string): Promise<PeerCredentials> =>
  issuePeerCredentials(authority, { site, role, nowMs: Date.now() });

export function newMemoryLog(site: SiteId): SiteLog {
  return createMemorySiteLog({ site, now: Date.now, sha256 });
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
/** Of each event, all that is hashed and travels on. */
export const bytesOf = (events: readonly RecordedEvent[]): readonly string[] =>
  events.map(({ header, data, leafHash }) => [header, data, leafHash].map(hex).join(' '));

/** Appends events of about `byteLength` bytes each to a stream. */
export async function fill(
  log: SiteLog,
  count: number,
  options: { readonly stream?: string; readonly byteLength?: number; readonly text?: () => string } = {},
): Promise<void> {
  const { stream = 'things', byteLength = 300, text = () => 'x'.repeat(byteLength) } = options;
  for (let left = count; left > 0; left -= 200) {
    const events = Array.from({ length: Math.min(left, 200) }, (_, index) => ({
      id: EventId.parse(v7()),
      type: 'SomethingHappened',
      version: 1,
      data: Buffer.from(JSON.stringify({ left: left - index, text: text() })),
      actor: 'server:test',
      occurredAtMs: Date.now(),
      clockQuality: 'NTP' as const,
      causationId: null,
      correlationId: null,
    }));
    const outcome = await log.append([{ stream, expected: 'any', events }]);
    if (!outcome.appended) throw new Error(JSON.stringify(outcome.refusal));
  }
}

export async function until(condition: () => boolean, what: string, limitMs = 10_000): Promise<void> {
  const deadline = Date.now() + limitMs;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 3));
  }
}

export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly code?: string;
  readonly reason?: string;
}

function collectingLogger(lines: LogLine[]) {
  return pino({ level: 'debug' }, { write: (line: string) => void lines.push(JSON.parse(line)) });
}

/** Records what a parent says of its links. */
export class RecordingObserver implements LinkObserver {
  readonly calls: string[] = [];
  readonly measurements: LinkMeasurement[] = [];

  established(_site: SiteId, session: number): void {
    this.calls.push(`established ${session}`);
  }

  lost(_site: SiteId, cause: string, lastEpoch: number, lastPosition: number): void {
    this.calls.push(`lost ${cause} ${lastEpoch}/${lastPosition}`);
  }

  measured(_site: SiteId, measurement: LinkMeasurement): void {
    this.measurements.push(measurement);
  }
}

/** A parent on a real port. Its log and its replicas outlive it, as a disk does: see `restart`. */
export class TestParent implements AsyncDisposable {
  readonly site = newSiteId();
  readonly log = newMemoryLog(this.site);
  readonly replicas: MemoryReplicaIntake = createMemoryReplicaIntake();
  readonly links = new RecordingObserver();
  /** What was refused, of which log. */
  readonly refusals: (readonly [SiteId, LinkTrouble['code']])[] = [];
  /** What was said of each. */
  readonly refusalDetails: string[] = [];
  /** Of which logs below its children it has taken something in. */
  readonly relayed = new Set<SiteId>();
  readonly lines: LogLine[] = [];
  readonly serverName = serverNameOfRole('central');
  intake: ReplicaIntake = this.replicas;
  enrolled: (site: SiteId) => boolean = () => true;
  /** Of children and of the sites below them. */
  readonly keys = new Map<SiteId, Uint8Array>();
  above: Acknowledgements | null = null;
  heartbeatMs = 5_000;
  port = 0;
  #server: GrpcServer | null = null;
  #service: ReplicationService | null = null;

  static async start(adjust: (parent: TestParent) => void = () => undefined): Promise<TestParent> {
    const parent = new TestParent();
    adjust(parent);
    await parent.restart();
    return parent;
  }

  /** Cuts every connection and comes back on the same port. */
  async restart(): Promise<void> {
    await this.stop();
    const logger = collectingLogger(this.lines);
    this.#service = createReplicationService({
      intake: this.intake,
      replicas: this.replicas,
      log: this.log,
      keys: {
        keyOf: async origin => this.keys.get(origin) ?? null,
        pin: async (child, publicKey) => void this.keys.set(child, publicKey),
      },
      verify: verifyNote,
      signer: signerOf(this.site),
      ...(this.above === null ? {} : { above: this.above }),
      enrolled: site => this.enrolled(site),
      links: {
        established: (site, session) => this.links.established(site, session),
        lost: (site, ...how) => this.links.lost(site, ...how),
        measured: (site, measurement) => this.links.measured(site, measurement),
        relayed: site => void this.relayed.add(site),
        refused: (site, { code, detail }) => {
          this.refusals.push([site, code]);
          this.refusalDetails.push(detail);
        },
      },
      logger,
      sha256,
      now: Date.now,
      timers: processTimers,
      software: 'test/parent',
      heartbeatMs: this.heartbeatMs,
    });
    this.#server = createGrpcServer({ credentials: await credentialsOf(this.site, 'central'), logger });
    this.#service.register(this.#server);
    ({ port: this.port } = await this.#server.listen({ host: '127.0.0.1', port: this.port }));
  }

  async stop(): Promise<void> {
    await this.#service?.[Symbol.asyncDispose]();
    await this.#server?.[Symbol.asyncDispose]();
    this.#service = null;
    this.#server = null;
  }

  held(site: SiteId): readonly RecordedEvent[] {
    return this.replicas.events(site);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** A sink that answers each wish once, at once, and remembers. */
export class MemoryWishSink implements WishSink {
  readonly accepted: RecordedEvent[] = [];

  async cursor(): Promise<WishPlace | null> {
    const last = this.accepted.at(-1);
    return last === undefined ? null : { revision: last.revision, wishId: last.id };
  }

  async accept(wishes: readonly RecordedEvent[]): Promise<void> {
    const answered = new Set(this.accepted.map(wish => wish.id));
    this.accepted.push(...wishes.filter(wish => !answered.has(wish.id)));
  }
}

/** A child that replicates until it is disposed of. */
export class TestChild implements AsyncDisposable {
  readonly states: ChildLink[] = [];
  readonly lines: LogLine[] = [];
  readonly receipts: SignedCheckpoint[] = [];
  readonly acknowledgements: Acknowledgements;
  readonly wishes: WishSink;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: {
    readonly log: SiteLog;
    readonly credentials: PeerCredentials;
    readonly port: number;
    readonly wishes?: WishSink;
    readonly parentSite?: SiteId;
    readonly dialTimeoutMs?: number;
    readonly signer?: NoteSigner;
    readonly parentKey?: ParentKey;
    readonly acknowledgements?: Acknowledgements;
    readonly relayed?: RelayedLogs;
  }) {
    this.acknowledgements = options.acknowledgements ?? new Acknowledgements();
    const { site } = options.log.head();
    this.wishes = options.wishes ?? new MemoryWishSink();
    const parent = { host: '127.0.0.1', port: options.port, serverName: serverNameOfRole('central') };
    this.#running = runReplication(
      {
        log: options.log,
        site,
        signer: options.signer ?? signerOf(site),
        verify: verifyNote,
        parentKey: options.parentKey ?? { known: () => null, pin: async () => undefined },
        acknowledgements: this.acknowledgements,
        storeReceipt: async receipt => void this.receipts.push(receipt),
        ...(options.relayed === undefined ? {} : { relayed: options.relayed }),
        dial: () => dialParent({ parent, credentials: options.credentials }),
        wishes: this.wishes,
        ...(options.parentSite === undefined ? {} : { parentSite: options.parentSite }),
        logger: collectingLogger(this.lines),
        sha256,
        now: Date.now,
        timers: processTimers,
        random: Math.random,
        software: 'test/child',
        backoffMsMax: 100,
        dialTimeoutMs: options.dialTimeoutMs ?? 5_000,
        onLink: link => this.states.push(link),
      },
      this.#stopping.signal,
    );
  }

  get isUp(): boolean {
    return this.states.at(-1)?.state === 'UP';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }
}

/** A TCP hop that delays every byte, and can be cut (connections are reset, new ones too) or made silent. */
export class TestHop implements AsyncDisposable {
  readonly #server: net.Server;
  readonly #sockets = new Set<net.Socket>();
  readonly #options: { readonly to: () => number; readonly delayMs: number };
  isCut = false;
  isSilent = false;

  private constructor(options: { readonly to: () => number; readonly delayMs: number }) {
    this.#options = options;
    this.#server = net.createServer(socket => this.#join(socket));
  }

  static async open(options: { readonly to: () => number; readonly delayMs?: number }): Promise<TestHop> {
    const hop = new TestHop({ delayMs: 0, ...options });
    await new Promise<void>(resolve => hop.#server.listen(0, '127.0.0.1', resolve));
    return hop;
  }

  get port(): number {
    return (this.#server.address() as net.AddressInfo).port;
  }

  cut(): void {
    this.isCut = true;
    this.abortAll();
  }

  abortAll(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.abortAll();
    await new Promise(resolve => this.#server.close(resolve));
  }

  #join(near: net.Socket): void {
    if (this.isCut) {
      near.resetAndDestroy();
      return;
    }
    const far = net.connect(this.#options.to(), '127.0.0.1');
    this.#carry(near, far);
    this.#carry(far, near);
  }

  #carry(from: net.Socket, to: net.Socket): void {
    this.#sockets.add(from);
    from.setNoDelay();
    from.on('error', () => to.destroy());
    from.on('close', () => {
      this.#sockets.delete(from);
      to.destroy();
    });
    from.on('data', chunk => {
      if (this.isSilent) return;
      if (this.#options.delayMs === 0) to.write(chunk);
      else setTimeout(() => to.destroyed || to.write(chunk), this.#options.delayMs);
    });
  }
}
