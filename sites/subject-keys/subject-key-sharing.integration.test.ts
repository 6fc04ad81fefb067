import { mkdtempDisposable } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  createCertificateAuthority,
  createGrpcServer,
  issuePeerCredentials,
  registerSubjectKeyService,
  runSubjectKeyOffers,
  serverNameOfRole,
} from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { generateSealingKey } from '../credentials/sealed-credentials.js';
import { ERASED_TEXT, FOREIGN_TEXT, SubjectKeys } from './subject-keys.js';

const test = suite('subject key sharing');
const logger = pino({ level: 'silent' });
const alarm = 'alarm-0198c4a5-90f2-7c8d-b19e-0a1b2c3d4e5f';
const lock = 'evidence-lock-0198c4a5-90f2-7c8d-b19e-0a1b2c3d4e5f';
const authority = createCertificateAuthority({ name: 'Test', nowMs: Date.now() });

const credentialsOf = async (site: SiteId, role: string) =>
  issuePeerCredentials(await authority, { site, role, nowMs: Date.now() });

/** A site with its keys, that takes those of its children over mutual TLS and offers them to a parent. */
async function openSite(children: readonly SiteId[] = []) {
  const folder = await mkdtempDisposable(path.join(tmpdir(), 'holdfast-key-sharing-'));
  const site = v7() as SiteId;
  const { privateKeyPem: sealingKeyPem } = generateSealingKey();
  const openKeys = (file: string) =>
    SubjectKeys.open({ file: path.join(folder.path, file), sealingKeyPem, site });
  const keys = openKeys('keys.sqlite');
  const enrolled = new Set(children);
  const server = createGrpcServer({ credentials: await credentialsOf(site, 'central'), logger });
  registerSubjectKeyService(server, { sink: keys, enrolled: child => enrolled.has(child), logger });
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  const stop = new AbortController();
  const running: Promise<void>[] = [];
  return {
    ...{ site, keys, enrolled, port },
    /** The same site with another file of keys, e.g. an older one. */
    openKeys,
    offerTo: async (parentPort: number, source = keys) => {
      const credentials = await credentialsOf(site, 'central');
      const parent = { host: '127.0.0.1', port: parentPort, serverName: serverNameOfRole('central') };
      running.push(
        runSubjectKeyOffers({ parent, credentials, source, random: () => 0.05, logger }, stop.signal),
      );
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await Promise.all(running);
      await server[Symbol.asyncDispose]();
      keys[Symbol.dispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function until(condition: () => boolean, what: string): Promise<void> {
  const endMs = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`waited in vain until ${what}`);
    await delay(20);
  }
}

test('what a site seals can be read two levels above, until the site says that it is erased', async () => {
  await using bus = await openSite();
  await using region = await openSite([bus.site]);
  await using centre = await openSite([region.site]);
  const before = bus.keys.seal(alarm, 'Jörg');
  assert.is(centre.keys.reveal(before), FOREIGN_TEXT);
  await bus.offerTo(region.port);
  await region.offerTo(centre.port);
  await until(() => centre.keys.reveal(before) === 'Jörg', 'the key has come to the centre');
  const later = bus.keys.seal(lock, 'Ann');
  await until(() => centre.keys.reveal(later) === 'Ann', 'a later key has come too');
  // Only its maker can say so.
  const keyIds = bus.keys.keyIdsOf(alarm);
  for (const maker of [region.site, centre.site]) centre.keys.destroy({ maker, subject: alarm, keyIds });
  assert.is(centre.keys.reveal(before), 'Jörg');
  for (const { keys } of [bus, region, centre]) keys.destroy({ maker: bus.site, subject: alarm, keyIds });
  for (const { keys } of [bus, region, centre]) assert.is(keys.reveal(before), ERASED_TEXT);
  assert.is(centre.keys.reveal(later), 'Ann');
});

test('a key that was erased above before it came is not kept when it comes', async () => {
  await using bus = await openSite();
  await using centre = await openSite([bus.site]);
  const token = bus.keys.seal(alarm, 'Jörg');
  centre.keys.destroy({ maker: bus.site, subject: alarm, keyIds: bus.keys.keyIdsOf(alarm) });
  const other = bus.keys.seal(lock, 'Ann');
  await bus.offerTo(centre.port);
  await until(() => centre.keys.reveal(other) === 'Ann', 'the keys have come');
  assert.is(centre.keys.reveal(token), ERASED_TEXT);
});

test('keys that a site makes after its file was restored from an old copy come to the parent too', async () => {
  await using bus = await openSite();
  await using centre = await openSite([bus.site]);
  const lost = bus.keys.seal(alarm, 'Jörg');
  await bus.offerTo(centre.port);
  await until(() => centre.keys.reveal(lost) === 'Jörg', 'the key has come');
  using restored = bus.openKeys('restored.sqlite');
  // It has the place in the file that the lost one had.
  const again = restored.seal(lock, 'Ann');
  await bus.offerTo(centre.port, restored);
  await until(() => centre.keys.reveal(again) === 'Ann', 'the key of the restored site has come');
  assert.is(centre.keys.reveal(lost), 'Jörg');
});

test('nothing is taken of a site that is not enrolled, until it is', async () => {
  await using stranger = await openSite();
  await using centre = await openSite();
  const token = stranger.keys.seal(alarm, 'Jörg');
  await stranger.offerTo(centre.port);
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
  centre.keys.take([forged]);
  const planted = { ...forged, keyId: 'aaaaaaaa-0000-4000-8000-000000000000', maker: centre.site };
  centre.keys.take([planted]);
  assert.equal(centre.keys.keyIdsOf(alarm), [keyId]);
  assert.is(centre.keys.reveal(own), 'Ann');
});

test.run();
