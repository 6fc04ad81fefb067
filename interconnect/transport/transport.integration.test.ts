import http2 from 'node:http2';
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
const serverCredentials = await issuePeerCredentials(authority, { site: central, role: 'central', nowMs });
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

async function startEcho(): Promise<Echo> {
  const warnings: Echo['warnings'] = [];
  const peers: Echo['peers'] = [];
  const logger = pino({ level: 'warn' }, { write: (line: string) => void warnings.push(JSON.parse(line)) });
  const server = createGrpcServer({ credentials: serverCredentials, logger });
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

test.run();
