import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { createCertificateAuthority } from '@holdfast/interconnect';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { prepareCentral, signIn } from '../bench/bench-central.js';
import { newBenchIdentity } from '../bench/bench-identity.js';
import { runCentral } from '../central.js';
import { CentralConfiguration } from '../configuration/central-configuration.js';

const test = suite('a central whose Kafka is away');

/** Accepts every connection, and answers nothing. */
async function openSilentBroker() {
  const sockets = new Set<net.Socket>();
  let hangsUp = false;
  const server = net.createServer(socket => {
    socket.on('error', () => undefined);
    if (hangsUp) socket.destroy();
    else sockets.add(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const hangUp = () => {
    hangsUp = true;
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: `127.0.0.1:${(server.address() as net.AddressInfo).port}`,
    hangUp,
    [Symbol.asyncDispose]: async () => {
      hangUp();
      server.close();
    },
  };
}

test('starts with the roles api and intake, serves, and says what is missing', async () => {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-away-'));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const broker = stack.use(await openSilentBroker());
  const authority = await createCertificateAuthority({ name: 'Test', nowMs: Date.now() });
  const central = await newBenchIdentity(authority, 'central');
  const configuration = CentralConfiguration.parse({
    ...(await prepareCentral({ directory, central, sites: [], heartbeatSeconds: 1 })),
    backbone: { kafka: { brokers: [broker.address] }, roles: ['api', 'intake'] },
  });
  let laterMs = 0;
  const serves = Promise.withResolvers<{ readonly httpPort: number }>();
  const stopping = new AbortController();
  const running = runCentral(
    {
      ...{ configuration, baseDirectory: directory, logger: pino({ level: 'silent' }) },
      ...{ onReady: serves.resolve, onChildKnown: () => undefined, onEnding: () => undefined },
      monotonicMs: () => performance.now() + laterMs,
    },
    stopping.signal,
  );
  stack.defer(async () => {
    stopping.abort();
    await running;
  });
  running.catch(serves.reject);
  const { httpPort } = await serves.promise;
  const at = `http://127.0.0.1:${httpPort}`;
  const token = await signIn(directory, httpPort);
  const ready = await fetch(`${at}/readyz`);
  assert.is(ready.status, 503);
  assert.match(await ready.text(), `BACKBONE_AWAY: Kafka at ${broker.address} has not answered yet`);

  laterMs = 30_000;
  broker.hangUp();
  const alarms = async () => {
    const response = await fetch(`${at}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ query: '{ alarms(first: 10) { edges { node { name message } } } }' }),
    });
    return JSON.stringify(await response.json());
  };
  const until = async (probe: () => Promise<string>, words: string) => {
    const deadline = performance.now() + 20_000;
    while (!(await probe()).includes(words)) {
      if (performance.now() > deadline) assert.unreachable(await probe());
      await new Promise(resolve => setTimeout(resolve, 50));
    }
  };
  await until(alarms, 'BACKBONE_AWAY: ');
  await until(async () => (await fetch(`${at}/readyz`)).text(), 'takes no frames');
});

test.run();
