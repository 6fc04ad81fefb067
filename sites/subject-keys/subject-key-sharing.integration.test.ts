import { copyFile, mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { ServerUnaryCall, ServiceDefinition, sendUnaryData } from '@grpc/grpc-js';
import { createMemorySiteLog, noFoldStore, type SiteLog } from '@holdfast/core';
import {
  createCertificateAuthority,
  createGrpcServer,
  issuePeerCredentials,
  registerSubjectKeyService,
  runSubjectKeyOffers,
  serverNameOfRole,
} from '@holdfast/interconnect';
import { SubjectKeysClient, type WireOfferAnswer, type WireOfferRequest } from '@holdfast/protos';
import type { EventId, SiteId, Subject } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { generateSealingKey } from '../credentials/sealed-credentials.js';
import { sha256 } from '../log/sha256.js';
import { ManagementServer } from '../management-server/management-server.js';
import { subjectKeySource } from './subject-key-source.js';
import { ERASED_TEXT, FOREIGN_TEXT, SubjectKeys } from './subject-keys.js';

const test = suite('subject key sharing');
const logger = pino({ level: 'silent' });
const alarm = 'alarm-0198c4a5-90f2-7c8d-b19e-0a1b2c3d4e5f';
const lock = 'evidence-lock-0198c4a5-90f2-7c8d-b19e-0a1b2c3d4e5f';
const authority = createCertificateAuthority({ name: 'Test', nowMs: Date.now() });

const credentialsOf = async (site: SiteId, role: string) =>
  issuePeerCredentials(await authority, { site, role, nowMs: Date.now() });

/** A site that takes the keys of its children over mutual TLS and exchanges them with a parent, on one file of keys. */
async function startSite(
  site: SiteId,
  {
    log,
    enrolled,
    ...file
  }: { log: SiteLog; enrolled: ReadonlySet<SiteId>; file: string; sealingKeyPem: string },
) {
  const keys = SubjectKeys.open({ ...file, site });
  const management = await ManagementServer.open({
    ...{ log, siteId: site, now: Date.now, newId: () => v7() as EventId, logger },
    ...{ folds: noFoldStore, subjectKeys: keys },
  });
  const credentials = await credentialsOf(site, 'central');
  const server = createGrpcServer({ credentials, logger });
  registerSubjectKeyService(server, { sink: keys, enrolled: child => enrolled.has(child), logger });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const stop = new AbortController();
  const running: Promise<void>[] = [];
  return {
    ...{ keys, management, port },
    offerTo: (parentPort: number) => {
      const parent = { host: '127.0.0.1', port: parentPort, serverName: serverNameOfRole('central') };
      const source = subjectKeySource({ subjectKeys: keys, management, parentSite: v7() as SiteId });
      const offers = { parent, credentials, source, random: () => 0.05, logger };
      const pace = { lookMs: 10, reclaimMs: 20 };
      running.push(runSubjectKeyOffers({ ...offers, pace }, stop.signal));
    },
    erase: (subject: Subject) =>
      management.execute({ kind: 'EraseSubject', subject }, { actor: 'user:somebody' }),
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await Promise.all(running);
      await server[Symbol.asyncDispose]();
      keys[Symbol.dispose]();
    },
  };
}

async function openSite(children: readonly SiteId[] = []) {
  const folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-key-sharing-'));
  const site = v7() as SiteId;
  const { privateKeyPem: sealingKeyPem } = generateSealingKey();
  const log = createMemorySiteLog({ site, now: Date.now, sha256 });
  const enrolled = new Set(children);
  const start = (file: string) =>
    startSite(site, { log, enrolled, sealingKeyPem, file: path.join(folder.path, file) });
  let life = await start('keys.sqlite');
  return {
    ...{ site, enrolled },
    get life() {
      return life;
    },
    get keys() {
      return life.keys;
    },
    /** Begins anew on another file of keys: `copy` keeps the present one as it is now. */
    async restart(file: string) {
      await life[Symbol.asyncDispose]();
      life = await start(file);
    },
    copyKeys: (to: string) => copyFile(path.join(folder.path, 'keys.sqlite'), path.join(folder.path, to)),
    /** The keys that its log calls erased. */
    async erased(subject: Subject): Promise<readonly string[]> {
      const events = await log.readStream({ stream: `subject-${subject}`, afterRevision: null, limit: 10 });
      return events.flatMap(event => JSON.parse(Buffer.from(event.data).toString()).keyIds);
    },
    async [Symbol.asyncDispose]() {
      await life[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function openLevels() {
  await using stack = new AsyncDisposableStack();
  const bus = stack.use(await openSite());
  const region = stack.use(await openSite([bus.site]));
  const centre = stack.use(await openSite([region.site]));
  region.life.offerTo(centre.life.port);
  bus.life.offerTo(region.life.port);
  const held = stack.move();
  return { bus, region, centre, [Symbol.asyncDispose]: () => held.disposeAsync() };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const endMs = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`waited in vain until ${what}`);
    await delay(20);
  }
}

test('what a site seals can be read two levels above, until the site says that it is erased', async () => {
  await using levels = await openLevels();
  const { bus, region, centre } = levels;
  const before = bus.keys.seal(alarm, 'Jörg');
  assert.is(centre.keys.reveal(before), FOREIGN_TEXT);
  await until(() => centre.keys.reveal(before) === 'Jörg', 'the key has come to the centre');
  const later = bus.keys.seal(lock, 'Ann');
  await until(() => centre.keys.reveal(later) === 'Ann', 'a later key has come too');
  // No other than who made or gave it can say so, or who holds it himself.
  const keyIds = bus.keys.keyIdsOf(alarm);
  for (const { keys } of [region, centre]) keys.destroy({ by: v7() as SiteId, subject: alarm, keyIds });
  assert.is(centre.keys.reveal(before), 'Jörg');
  for (const { keys } of [bus, region, centre]) keys.destroy({ by: bus.site, subject: alarm, keyIds });
  for (const { keys } of [bus, region, centre]) assert.is(keys.reveal(before), ERASED_TEXT);
  assert.is(centre.keys.reveal(later), 'Ann');
});

test('a key that was erased above before it came is not kept when it comes', async () => {
  await using bus = await openSite();
  await using centre = await openSite([bus.site]);
  const token = bus.keys.seal(alarm, 'Jörg');
  centre.keys.destroy({ by: bus.site, subject: alarm, keyIds: bus.keys.keyIdsOf(alarm) });
  const other = bus.keys.seal(lock, 'Ann');
  bus.life.offerTo(centre.life.port);
  await until(() => centre.keys.reveal(other) === 'Ann', 'the keys have come');
  assert.is(centre.keys.reveal(token), ERASED_TEXT);
});

test('a site whose file of keys was lost has its keys back from its parent, and gives it those that it made since', async () => {
  await using bus = await openSite();
  await using centre = await openSite([bus.site]);
  const lost = bus.keys.seal(alarm, 'Jörg');
  bus.life.offerTo(centre.life.port);
  await until(() => centre.keys.reveal(lost) === 'Jörg', 'the key has come');
  await bus.restart('restored.sqlite');
  // It has the place in the file that the lost one had.
  const again = bus.keys.seal(lock, 'Ann');
  assert.is(bus.keys.reveal(lost), FOREIGN_TEXT);
  bus.life.offerTo(centre.life.port);
  await until(() => centre.keys.reveal(again) === 'Ann', 'the key of the restored site has come');
  await until(() => bus.keys.reveal(lost) === 'Jörg', 'the lost key is back');
  assert.is(centre.keys.reveal(lost), 'Jörg');
});

for (const asked of ['bus', 'region', 'centre'] as const) {
  test(`a subject whose key its maker had lost is erased at all levels when the ${asked} is asked, by facts of their logs`, async () => {
    await using levels = await openLevels();
    const { bus, region, centre } = levels;
    const lost = bus.keys.seal(alarm, 'Jörg');
    await until(() => centre.keys.reveal(lost) === 'Jörg', 'the key has come to the centre');
    const [keyId] = bus.keys.keyIdsOf(alarm);
    await bus.restart('restored.sqlite');
    // Another of the same subject, so that there is something to erase at once.
    const since = bus.keys.seal(alarm, 'Jörg again');
    // The bus does not know yet what it has lost.
    assert.ok((await levels[asked].life.erase(alarm)).accepted);
    bus.life.offerTo(region.life.port);
    const after = bus.keys.seal(lock, 'Ann');
    for (const { keys } of [bus, region, centre]) {
      await until(() => keys.reveal(after) === 'Ann', 'what is sealed afterwards can be read');
      await until(() => keys.reveal(lost) === ERASED_TEXT, `nobody reads what the ${asked} erased`);
      if (asked === 'bus') await until(() => keys.reveal(since) === ERASED_TEXT, 'nor what was sealed since');
    }
    assert.ok((await levels[asked].erased(alarm)).includes(keyId!));
    await until(() => !bus.keys.isHeld(keyId!), 'the maker has no copy');
  });
}

test('what was erased stays so when the file of keys is restored from a copy that still holds it', async () => {
  await using levels = await openLevels();
  const { bus, centre } = levels;
  const token = bus.keys.seal(alarm, 'Jörg');
  await until(() => centre.keys.reveal(token) === 'Jörg', 'the key has come to the centre');
  await bus.copyKeys('copy.sqlite');
  await bus.life.erase(alarm);
  await until(() => centre.keys.reveal(token) === ERASED_TEXT, 'it is erased at the centre');
  await bus.restart('copy.sqlite');
  assert.is(bus.keys.reveal(token), ERASED_TEXT, 'by what its own log says');
  const anew = bus.keys.seal(alarm, 'somebody else');
  await bus.restart('copy.sqlite');
  assert.is(bus.keys.reveal(anew), 'somebody else');
});

test('a parent with older software, that gives nothing back, is given keys all the same', async () => {
  await using bus = await openSite();
  const credentials = await credentialsOf(v7() as SiteId, 'central');
  await using server = createGrpcServer({ credentials, logger });
  const offered: string[] = [];
  server.addService({ Offer: SubjectKeysClient.service.Offer! } as ServiceDefinition, {
    Offer: (
      { request }: ServerUnaryCall<WireOfferRequest, WireOfferAnswer>,
      answer: sendUnaryData<WireOfferAnswer>,
    ) => {
      offered.push(...request.keys.map(({ keyId }) => keyId));
      answer(null, { heardUpTo: request.upTo });
    },
  });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  bus.keys.seal(alarm, 'Jörg');
  bus.life.offerTo(port);
  await until(() => offered.length === 1, 'the key has come');
  // Behind some questions that were not understood.
  await delay(100);
  bus.keys.seal(lock, 'Ann');
  await until(() => offered.length === 2, 'a later key has come, and the first one not again');
});

test('nothing is taken of a site that is not enrolled, until it is', async () => {
  await using stranger = await openSite();
  await using centre = await openSite();
  const token = stranger.keys.seal(alarm, 'Jörg');
  stranger.life.offerTo(centre.life.port);
  await delay(500);
  assert.is(centre.keys.reveal(token), FOREIGN_TEXT);
  centre.enrolled.add(stranger.site);
  await until(() => centre.keys.reveal(token) === 'Jörg', 'it is taken once it is enrolled');
});

test('no site can slip another a key as if it were its own', async () => {
  await using bus = await openSite();
  await using centre = await openSite([bus.site]);
  const own = centre.keys.seal(alarm, 'Ann');
  const [keyId] = centre.keys.keyIdsOf(alarm);
  const forged = { keyId: keyId!, subject: alarm, key: new Uint8Array(32), maker: bus.site };
  const from = bus.site;
  centre.keys.take({ from, keys: [forged], erased: [] });
  centre.keys.take({ from, keys: [], erased: [forged] });
  const planted = { ...forged, keyId: 'aaaaaaaa-0000-4000-8000-000000000000', maker: centre.site };
  centre.keys.take({ from, keys: [planted], erased: [] });
  assert.equal(centre.keys.keyIdsOf(alarm), [keyId]);
  assert.is(centre.keys.reveal(own), 'Ann');
});

test.run();
