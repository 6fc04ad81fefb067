import { once } from 'node:events';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import http2 from 'node:http2';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import tls from 'node:tls';
import { type Channel, Client, type ServiceError } from '@grpc/grpc-js';
import { SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import {
  createCertificateAuthority,
  issuePeerCredentials,
  type PeerCredentials,
  serverNameOfRole,
} from '../certificates/certificate-authority.js';
import { peerFiles, savePeerCredentials } from '../certificates/certificate-files.js';
import { openRenewedCredentials } from '../certificates/renewed-credentials.js';
import { siteOfCertificate } from '../certificates/site-of-certificate.js';
import { createGrpcChannel } from './grpc-channel.js';
import { createGrpcServer } from './grpc-server.js';
import { HTTP2_WINDOW_BYTES } from './grpc-window.js';

const test = suite('transport');
const nowMs = Date.now();
const site = SiteId.parse(v7());
const central = SiteId.parse(v7());
const serverName = serverNameOfRole('central');
const authority = await createCertificateAuthority({ name: 'Ours', nowMs });
const foreign = await createCertificateAuthority({ name: 'Theirs', nowMs });
const serverCredentials: PeerCredentials = await issuePeerCredentials(authority, {
  site: central,
  role: 'central',
  nowMs,
});
const siteCredentials = await issuePeerCredentials(authority, { site, role: 'site', nowMs });

const identity = (bytes: Buffer) => bytes;
const method = {
  path: '/test.Echo/Say',
  requestStream: false,
  responseStream: false,
  requestSerialize: identity,
  requestDeserialize: identity,
  responseSerialize: identity,
  responseDeserialize: identity,
};

interface Echo extends AsyncDisposable {
  readonly port: number;
  readonly peers: (SiteId | null)[];
  readonly warnings: { readonly msg: string; readonly reason: string; readonly peer: string }[];
}

async function startEcho(credentials = serverCredentials, renewedLookMs = 60_000): Promise<Echo> {
  const warnings: Echo['warnings'] = [];
  const peers: Echo['peers'] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(JSON.parse(line)) });
  const server = createGrpcServer({ credentials, logger, renewedLookMs });
  server.addService(
    { Say: method },
    {
      Say: (
        call: { getAuthContext(): { sslPeerCertificate?: { subjectaltname?: string } }; request: Buffer },
        callback: (error: null, reply: Buffer) => void,
      ) => {
        peers.push(siteOfCertificate(call.getAuthContext().sslPeerCertificate));
        callback(null, call.request);
      },
    },
  );
  const { port } = await server.listen({ host: '127.0.0.1', port: 0 });
  return { port, peers, warnings, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

function say(channel: Channel, text: string): Promise<string> {
  const client = new Client('unused', undefined as never, { channelOverride: channel });
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      identity,
      identity,
      Buffer.from(text),
      { deadline: Date.now() + 10_000 },
      (error: ServiceError | null, reply?: Buffer) => (error ? reject(error) : resolve(String(reply))),
    );
  }).finally(() => channel.close()) as Promise<string>;
}

const channelTo = (port: number, credentials: PeerCredentials, name = serverName) =>
  createGrpcChannel({ peer: { host: '127.0.0.1', port, serverName: name }, credentials });

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('condition not reached within 5 s');
    await new Promise(resolve => setTimeout(resolve, 5));
  }
}

test('a peer of our authority is served, and the server knows its site', async () => {
  await using echo = await startEcho();
  assert.is(await say(channelTo(echo.port, siteCredentials), 'hello'), 'hello');
  assert.equal(echo.peers, [site]);
  assert.equal(echo.warnings, []);
});

test('the server advertises the large window, for streams and for the connection', async () => {
  await using echo = await startEcho();
  const session = http2.connect(`https://127.0.0.1:${echo.port}`, {
    ca: siteCredentials.authorityPem,
    cert: siteCredentials.certificatePem,
    key: siteCredentials.privateKeyPem,
    servername: serverName,
    checkServerIdentity: () => undefined,
  });
  try {
    const settings = await new Promise<http2.Settings>((resolve, reject) => {
      session.once('remoteSettings', resolve);
      session.once('error', reject);
    });
    assert.is(settings.initialWindowSize, HTTP2_WINDOW_BYTES);
    await until(() => (session.state.remoteWindowSize ?? 0) >= HTTP2_WINDOW_BYTES);
  } finally {
    session.destroy();
  }
});

test('a peer of another authority is refused, and the refusal is logged', async () => {
  await using echo = await startEcho();
  const stranger = await issuePeerCredentials(foreign, { site, role: 'site', nowMs });
  const credentials = { ...stranger, authorityPem: authority.certificatePem };
  await say(channelTo(echo.port, credentials), 'hello').then(
    () => assert.unreachable('a stranger was served'),
    error => assert.is(error.code, 14),
  );
  await until(() => echo.warnings.length > 0);
  assert.is(echo.warnings[0]!.msg, 'peer refused at the TLS handshake');
  assert.is(echo.warnings[0]!.peer, '127.0.0.1');
  assert.equal(echo.peers, []);
});

test('a peer without a certificate is refused, and the refusal is logged', async () => {
  await using echo = await startEcho();
  const session = http2.connect(`https://127.0.0.1:${echo.port}`, {
    ca: authority.certificatePem,
    servername: serverName,
    checkServerIdentity: () => undefined,
  });
  const stream = session.request({ ':path': method.path, ':method': 'POST' });
  await new Promise<void>(resolve => {
    stream.on('error', () => resolve());
    stream.on('response', () => assert.unreachable('served without a certificate'));
    session.on('error', () => resolve());
  });
  session.destroy();
  await until(() => echo.warnings.length > 0);
  assert.match(echo.warnings[0]!.reason, /certificate/);
});

test('a client does not talk to a server of another authority, nor to one of another role', async () => {
  await using echo = await startEcho();
  const stranger = await issuePeerCredentials(foreign, { site, role: 'site', nowMs });
  for (const channel of [
    channelTo(echo.port, stranger),
    channelTo(echo.port, siteCredentials, serverNameOfRole('recorder')),
  ]) {
    await say(channel, 'hello').then(
      () => assert.unreachable('talked to a stranger'),
      error => assert.is(error.code, 14),
    );
  }
  assert.equal(echo.peers, []);
});

test('a port that is taken is an error that names it', async () => {
  await using echo = await startEcho();
  await using second = createGrpcServer({
    credentials: serverCredentials,
    logger: pino({ level: 'silent' }),
  });
  await second.listen({ host: '127.0.0.1', port: echo.port }).then(
    () => assert.unreachable(),
    error => {
      assert.is(error.code, 'GRPC_CANNOT_LISTEN');
      assert.ok(error.message.includes(String(echo.port)));
    },
  );
});

/** By its serial number. */
function servedCertificate(port: number): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const { certificatePem: cert, privateKeyPem: key, authorityPem: ca } = siteCredentials;
  const socket = tls.connect({
    host: '127.0.0.1',
    port,
    servername: serverName,
    cert,
    key,
    ca,
    ALPNProtocols: ['h2'],
  });
  socket.once('secureConnect', () => {
    resolve(socket.getPeerCertificate().serialNumber);
    socket.destroy();
  });
  socket.once('error', reject);
  return promise;
}

test('a certificate that is renewed is served and shown while server and client run, once it is whole', async () => {
  await using folder = await mkdtempDisposable(path.join(os.tmpdir(), 'holdfast-renewed-'));
  const [ofServer, ofSite] = [path.join(folder.path, 'server'), path.join(folder.path, 'site')];
  const issue = (of: SiteId, role: string, issuedBy = authority) =>
    issuePeerCredentials(issuedBy, { site: of, role, nowMs });
  await savePeerCredentials(ofServer, serverCredentials);
  // Of an authority that the server does not believe.
  await savePeerCredentials(ofSite, await issue(site, 'site', foreign));
  await using server = await startEcho((await openRenewedCredentials(ofServer))!, 5);
  const client = (await openRenewedCredentials(ofSite))!;
  const peer = { host: '127.0.0.1', port: server.port, serverName };
  const ask = async () => {
    const channel = createGrpcChannel({ peer, credentials: client });
    try {
      return await say(channel, 'hello');
    } finally {
      channel.close();
    }
  };
  const isRefused = () =>
    ask().then(
      () => false,
      () => true,
    );
  assert.ok(await isRefused());
  await savePeerCredentials(ofSite, siteCredentials);
  assert.is(await ask(), 'hello');

  const first = await servedCertificate(server.port);
  const renewed = await issue(central, 'central');
  const { certificatePem: cert, privateKeyPem: key, authorityPem: ca } = siteCredentials;
  const open = http2.connect(`https://127.0.0.1:${server.port}`, { servername: serverName, cert, key, ca });
  await once(open, 'connect');
  const answers = () =>
    new Promise<void>((resolve, reject) => open.ping(error => (error ? reject(error) : resolve())));
  // What is half written, of another site, or of another authority than the one beside it.
  await writeFile(path.join(ofServer, peerFiles.certificatePem), renewed.certificatePem);
  await delay(50);
  assert.is(await servedCertificate(server.port), first);
  for (const wrong of [
    await issue(site, 'central'),
    { ...(await issue(central, 'central', foreign)), authorityPem: authority.certificatePem },
  ]) {
    await savePeerCredentials(ofServer, wrong);
    await delay(50);
    assert.is(await servedCertificate(server.port), first);
  }
  await savePeerCredentials(ofServer, renewed);
  const deadline = Date.now() + 10_000;
  while ((await servedCertificate(server.port)) === first) assert.ok(Date.now() < deadline, 'it is served');
  await answers();
  open.close();
  assert.is(await ask(), 'hello');
  assert.ok(server.peers.every(known => known === site));
});

test.run();
