// For tests: a site in this process that reports to a parent on a real port.
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {
  createMemorySiteLog,
  decodeEventData,
  endOf,
  LOG_START,
  newEvent,
  type RecordedEvent,
} from '@holdfast/core';
import {
  createCertificateAuthority,
  createGrpcServer,
  createMemoryReplicaIntake,
  createReplicationService,
  issuePeerCredentials,
  processTimers,
  savePeerCredentials,
  serverNameOfRole,
} from '@holdfast/interconnect';
import { EventId, RecordingServerId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import * as assert from 'uvu/assert';
import { SiteConfiguration } from './configuration/site-configuration.js';
import { noteSigner, verifyNote } from './log/ed25519-notes.js';
import { sha256 } from './log/sha256.js';
import { openSqliteSiteLog } from './log/sqlite-site-log.js';
import { runSite } from './site.js';
import { siteLogFileOf } from './site-directory.js';
import { loadSiteKeys } from './site-keys.js';

const logger = pino({ level: 'silent' });
const authority = await createCertificateAuthority({ name: 'Test', nowMs: Date.now() });
export const DAMAGED_PAGE = Buffer.alloc(4096, 0xa5);
const newSiteId = () => SiteId.parse(v7());

/** Two seconds where the machine is free; one that does much else has needed more than twenty. */
const UNTIL_MS = 60_000;

export async function until(condition: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = Date.now() + UNTIL_MS;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`not within ${UNTIL_MS} ms: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

/** A parent on a real port that remembers. */
export async function openParent(child: SiteId, childKey: Uint8Array) {
  const stack = new AsyncDisposableStack();
  const site = newSiteId();
  const replicas = createMemoryReplicaIntake();
  const reports: string[] = [];
  const service = stack.use(
    createReplicationService({
      ...{ intake: replicas, replicas, logger, sha256, now: Date.now, timers: processTimers },
      log: createMemorySiteLog({ site, now: Date.now, sha256 }),
      enrolled: () => true,
      keys: { keyOf: async () => childKey, pin: async () => undefined },
      ...{ verify: verifyNote, signer: noteSigner(generateKeyPairSync('ed25519').privateKey) },
      links: {
        established: () => undefined,
        lost: () => undefined,
        measured: () => undefined,
        refused: (_site, { code }) => void reports.push(code),
      },
      software: 'test/parent',
    }),
  );
  const credentials = await issuePeerCredentials(authority, { site, role: 'central', nowMs: Date.now() });
  const grpc = stack.use(createGrpcServer({ credentials, logger }));
  service.register(grpc);
  const { port } = await grpc.listen({ host: '127.0.0.1', port: 0 });
  const held = () => replicas.events(child);
  return { site, port, held, reports, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

export class Site implements AsyncDisposable {
  readonly id = newSiteId();
  readonly directory: string;
  readonly copy: string;
  /** Of its configuration, beside its name and its parent. */
  recording: object = {};

  private constructor(directory: string) {
    this.directory = directory;
    this.copy = path.join(directory, 'old-copy');
  }

  static async create(): Promise<Site> {
    const site = new Site(await mkdtemp(path.join(os.tmpdir(), 'holdfast-reset-')));
    const credentials = await issuePeerCredentials(authority, {
      site: site.id,
      role: 'site',
      nowMs: Date.now(),
    });
    await savePeerCredentials(path.join(site.directory, 'credentials'), credentials);
    return site;
  }

  get logFile(): string {
    return siteLogFileOf(this.directory);
  }

  get logKey() {
    return loadSiteKeys(this.directory).logKey;
  }

  /** Runs under a name, which becomes a fact when it is a new one, until the condition is met. */
  async run(
    name: string,
    parent: { readonly site: SiteId; readonly port: number } | null,
    condition: () => boolean | Promise<boolean>,
  ): Promise<void> {
    const stopping = new AbortController();
    const serverName = serverNameOfRole('central');
    const configuration = SiteConfiguration.parse({
      ...{ role: 'site', site: { id: this.id, name }, data: '.', credentials: './credentials' },
      ...this.recording,
      ...(parent === null
        ? {}
        : { parent: { siteId: parent.site, host: '127.0.0.1', port: parent.port, serverName } }),
    });
    let isReady = false;
    const onReady = () => {
      isReady = true;
    };
    const running = runSite(
      { configuration, baseDirectory: this.directory, logger, onReady, onEnding: () => undefined },
      stopping.signal,
    );
    try {
      await Promise.race([running, until(() => isReady && condition(), `what ${name} waits for`)]);
    } finally {
      stopping.abort();
      await running;
    }
  }

  /** Facts that a log of some pages is made of. */
  async grow(count: number): Promise<void> {
    await using log = await this.#openLog();
    const events = Array.from({ length: count }, () =>
      newEvent(
        {
          type: 'DiskRecovered',
          data: { recordingServerId: RecordingServerId.parse(v7()), atMs: 1, writeMs: 1 },
        },
        { id: EventId.parse(v7()), actor: 'server:test', occurredAtMs: Date.now(), clockQuality: 'NTP' },
      ),
    );
    await log.append([{ stream: 'disk', expected: 'any', events }]);
  }

  /** Overwrites the page with the last of these bytes. */
  damagePageWith(text: string): void {
    const bytes = readFileSync(this.logFile);
    const at = bytes.lastIndexOf(text);
    assert.ok(at > 0);
    DAMAGED_PAGE.copy(bytes, at - (at % DAMAGED_PAGE.length));
    writeFileSync(this.logFile, bytes);
  }

  async keepCopy(): Promise<void> {
    await cp(path.dirname(this.logFile), this.copy, { recursive: true });
  }

  async restoreCopy(): Promise<void> {
    await rm(path.dirname(this.logFile), { recursive: true });
    await cp(this.copy, path.dirname(this.logFile), { recursive: true });
  }

  async events(): Promise<readonly RecordedEvent[]> {
    await using log = await this.#openLog();
    return log.read({ after: LOG_START, limit: 5_000 });
  }

  /** Removes everything up to now from the log, as `log.keepDays` does in time. */
  async truncateLog(): Promise<void> {
    await using log = await this.#openLog();
    const plan = { acknowledgedBy: 'PARENT', recordedBeforeMs: Date.now() } as const;
    await log.truncate({ ...plan, keptAfter: endOf(log.head()) }, AbortSignal.timeout(20_000));
  }

  #openLog() {
    return openSqliteSiteLog({
      ...{ file: this.logFile, site: this.id, now: Date.now, signingKey: this.logKey },
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.directory, { recursive: true, force: true });
  }
}

export const hex = (events: readonly RecordedEvent[]) =>
  events.map(({ header, data, leafHash }) =>
    [header, data, leafHash].map(bytes => Buffer.from(bytes).toString('hex')).join(' '),
  );
export const namesIn = (events: readonly RecordedEvent[]) =>
  events
    .filter(({ type }) => type === 'SiteRenamed')
    .map(event => {
      const renamed = decodeEventData(event);
      return `${event.epoch} ${renamed.type === 'SiteRenamed' ? renamed.data.name : ''}`;
    });
export const holdsName = (held: () => readonly RecordedEvent[], name: string) => () =>
  namesIn(held()).some(each => each.endsWith(` ${name}`));
