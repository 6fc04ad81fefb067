import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import {
  createMemorySiteLog,
  decodeEventData,
  endOf,
  LOG_START,
  newEvent,
  placeOf,
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
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { SiteConfiguration } from './configuration/site-configuration.js';
import { noteSigner, rawPublicKey, verifyNote } from './log/ed25519-notes.js';
import { sha256 } from './log/sha256.js';
import { openSqliteSiteLog } from './log/sqlite-site-log.js';
import { verifySiteLog } from './log/verify-site-log.js';
import { runSite } from './site.js';
import { siteLogFileOf } from './site-directory.js';
import { loadSiteKeys } from './site-keys.js';

const test = suite('a site whose log was restored from an old copy');
const logger = pino({ level: 'silent' });
const authority = await createCertificateAuthority({ name: 'Test', nowMs: Date.now() });
const DAMAGED_PAGE = Buffer.alloc(4096, 0xa5);
const newSiteId = () => SiteId.parse(v7());

/** Two seconds where the machine is free; one that does much else has needed more than twenty. */
const UNTIL_MS = 60_000;

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + UNTIL_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`not within ${UNTIL_MS} ms: ${what}`);
    await new Promise(resolve => setTimeout(resolve, 10));
  }
}

/** A parent on a real port that remembers. */
async function openParent(child: SiteId, childKey: Uint8Array) {
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

class Site implements AsyncDisposable {
  readonly id = newSiteId();
  readonly directory: string;
  readonly copy: string;

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
    condition: () => boolean,
  ): Promise<void> {
    const stopping = new AbortController();
    const serverName = serverNameOfRole('central');
    const configuration = SiteConfiguration.parse({
      ...{ role: 'site', site: { id: this.id, name }, data: '.', credentials: './credentials' },
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

const hex = (events: readonly RecordedEvent[]) =>
  events.map(({ header, data, leafHash }) =>
    [header, data, leafHash].map(bytes => Buffer.from(bytes).toString('hex')).join(' '),
  );
const namesIn = (events: readonly RecordedEvent[]) =>
  events
    .filter(({ type }) => type === 'SiteRenamed')
    .map(event => {
      const renamed = decodeEventData(event);
      return `${event.epoch} ${renamed.type === 'SiteRenamed' ? renamed.data.name : ''}`;
    });
const holdsName = (held: () => readonly RecordedEvent[], name: string) => () =>
  namesIn(held()).some(each => each.endsWith(` ${name}`));

test('takes its history back, says what was lost in a new epoch, and the parent holds it all', async () => {
  await using site = await Site.create();
  await using parent = await openParent(site.id, rawPublicKey(site.logKey));
  await site.run('one', parent, () => parent.held().length > 0);
  await site.keepCopy();
  await site.run('two', parent, holdsName(parent.held, 'two'));
  await site.run('three', parent, holdsName(parent.held, 'three'));
  const before = [...parent.held()];
  await site.restoreCopy();
  await site.run('four', parent, holdsName(parent.held, 'four'));

  const events = await site.events();
  assert.equal(hex(events), hex(parent.held()), 'the same at both ends');
  assert.equal(hex(events.slice(0, before.length)), hex(before), 'what was lost is back, byte for byte');
  assert.equal(namesIn(events), ['1 two', '1 three', '2 four']);
  const types = events.slice(before.length).map(({ type }) => type);
  assert.equal(types.slice(0, 1), ['LogEpochOpened']);
  assert.ok(types.includes('LogHistoryRecovered'));
  const { damages } = await verifySiteLog({ file: site.logFile, key: site.logKey });
  assert.equal(damages, []);

  // The same old copy once more: now even the epoch is older than the one that the parent holds.
  const held = [...parent.held()];
  await site.restoreCopy();
  await site.run('five', parent, holdsName(parent.held, 'five'));
  const again = await site.events();
  assert.equal(hex(again), hex(parent.held()));
  assert.equal(hex(again.slice(0, held.length)), hex(held));
  assert.equal(namesIn(again), ['1 two', '1 three', '2 four', '3 five']);
});

test('what it recorded meanwhile is recorded again, also when it is more than the parent held', async () => {
  await using site = await Site.create();
  await using parent = await openParent(site.id, rawPublicKey(site.logKey));
  await site.run('one', parent, () => parent.held().length > 0);
  await site.keepCopy();
  await site.run('two', parent, holdsName(parent.held, 'two'));
  const before = [...parent.held()];
  await site.restoreCopy();
  for (const name of ['alone 1', 'alone 2', 'alone 3']) await site.run(name, null, () => true);
  await site.run('alone 3', parent, holdsName(parent.held, 'alone 3'));
  assert.equal(parent.reports, [], 'what the site heals by itself it does not refuse');
  const events = await site.events();
  assert.equal(hex(events), hex(parent.held()));
  assert.equal(hex(events.slice(0, before.length)), hex(before));
  assert.equal(namesIn(events), ['1 two', '2 alone 1', '2 alone 2', '2 alone 3']);
});

test('a log that had lost its beginning to truncation goes on to its parent after an old copy was restored', async () => {
  await using site = await Site.create();
  await using parent = await openParent(site.id, rawPublicKey(site.logKey));
  await site.run('one', parent, () => parent.held().length > 0);
  await site.truncateLog();
  await site.keepCopy();
  await site.run('two', parent, holdsName(parent.held, 'two'));
  const before = hex(parent.held());
  await site.restoreCopy();
  await site.run('three', parent, holdsName(parent.held, 'three'));
  assert.equal(hex(parent.held().slice(0, before.length)), before);
  assert.equal(namesIn(parent.held()), ['1 two', '2 three']);
  assert.not(parent.reports.includes('TRUNCATED'));
  const { damages, head } = await verifySiteLog({ file: site.logFile, key: site.logKey });
  assert.equal(damages, []);
  assert.equal(endOf(head!), placeOf(parent.held().at(-1)!), 'the same end at both');
});

test('a log whose file was damaged goes on with what can be read, takes the rest back, and keeps the file', async () => {
  await using site = await Site.create();
  await using parent = await openParent(site.id, rawPublicKey(site.logKey));
  await site.run('one', parent, () => parent.held().length > 0);
  await site.grow(100);
  await site.run('two', parent, holdsName(parent.held, 'two'));
  await site.grow(100);
  await site.run('three', parent, holdsName(parent.held, 'three'));
  const before = [...parent.held()];
  // What the parent has not heard of.
  await site.grow(1);
  site.damagePageWith('"two"');
  await site.run('four', null, () => true);
  const alone = await site.events();
  assert.equal(namesIn(alone).at(-1), '2 four', 'it goes on without its parent');
  const alarms = alone.filter(({ type }) => type === 'AlarmRaised');
  assert.match(Buffer.from(alarms.at(-1)!.data).toString(), 'damaged');
  await site.run('five', parent, holdsName(parent.held, 'five'));
  const events = await site.events();
  assert.equal(hex(events), hex(parent.held()), 'the same at both ends');
  assert.equal(hex(events.slice(0, before.length)), hex(before), 'what was lost is back, byte for byte');
  assert.equal(namesIn(events), ['1 two', '1 three', '2 four', '2 five']);
  assert.is(
    events.filter(({ type }) => type === 'DiskRecovered').length,
    201,
    'nothing that could be read is lost',
  );
  assert.equal((await verifySiteLog({ file: site.logFile, key: site.logKey })).damages, []);
  const [aside] = readdirSync(site.directory).filter(name => name.startsWith('log.damaged-'));
  assert.ok(readFileSync(path.join(site.directory, aside!, 'site-log.sqlite')).includes(DAMAGED_PAGE));
});

test('a log that its parent holds under another key than its own stays as it is, refused by name', async () => {
  await using site = await Site.create();
  const other = rawPublicKey(generateKeyPairSync('ed25519').privateKey);
  await using parent = await openParent(site.id, other);
  await site.run('one', parent, () => parent.reports.length > 0);
  assert.equal(parent.reports[0], 'BAD_SIGNATURE');
  assert.equal(
    (await site.events()).map(({ epoch }) => epoch).filter(epoch => epoch !== 1),
    [],
  );
});

test.run();
