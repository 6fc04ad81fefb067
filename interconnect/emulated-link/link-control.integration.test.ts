import { performance } from 'node:perf_hooks';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EmulatedLink } from './emulated-link.js';
import { LinkControlError } from './link-control.js';
import { type LinkControlClient, linkControlClient } from './link-control-client.js';
import { LinkControlServer } from './link-control-server.js';

const test = suite('link control');
const siteId = '01890a5d-ac96-774b-bcce-b302099a8057';

interface Bench extends AsyncDisposable {
  readonly client: LinkControlClient;
  readonly link: EmulatedLink;
  readonly url: string;
}

async function openBench(): Promise<Bench> {
  const target = { host: '127.0.0.1', port: 9 };
  const link = await EmulatedLink.open({
    listenPort: 0,
    target,
    now: () => performance.now(),
    name: 'Bus 1',
  });
  const server = await LinkControlServer.open({
    links: new Map([[siteId, link]]),
    token: 'letmein',
    port: 0,
  });
  return {
    client: linkControlClient({ url: server.url, token: 'letmein' }),
    link,
    url: server.url,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await link[Symbol.asyncDispose]();
    },
  };
}

async function refusal(attempt: Promise<unknown>): Promise<LinkControlError> {
  const error = await attempt.catch((caught: unknown) => caught);
  assert.instance(error, LinkControlError);
  return error as LinkControlError;
}

test('a link is cut, restored and shaped, by the id of its site and by its name', async () => {
  await using bench = await openBench();
  const { client, link } = bench;
  assert.is((await client.cut(siteId, 'FREEZE')).state, 'DOWN');
  assert.is(link.state.cut, 'FREEZE');
  assert.equal((await client.restore('bus 1')).cut, null);
  await client.shape('Bus 1', { bandwidthBitsPerSecond: 2e6, delayMs: 40 });
  await client.cut('Bus 1');
  assert.equal(await client.links(), [
    {
      siteId,
      name: 'Bus 1',
      state: 'DOWN',
      cut: 'RESET',
      shape: { kind: 'CONSTANT', bandwidthBitsPerSecond: 2e6, delayMs: 40 },
      connectionCount: 0,
      bytesToParent: 0,
      bytesToSite: 0,
    },
  ]);
  const traceCsv = 'seconds,megabits_per_second\n0,1\n1,2\n2,1\n';
  assert.equal((await client.shape(siteId, { traceCsv })).shape, {
    kind: 'TRACE',
    durationMs: 2000,
    delayMs: 0,
  });
  assert.equal((await client.shape(siteId, null)).shape, { kind: 'UNLIMITED' });
});

test('what cannot be done is answered by name, with what would be right', async () => {
  await using bench = await openBench();
  const { client, url } = bench;
  const unknown = await refusal(client.cut('Bus 2'));
  assert.is(unknown.code, 'UNKNOWN_LINK');
  assert.match(unknown.message, /no link of site bus 2; there are: .* \(Bus 1\)/);
  const slow = await refusal(client.shape(siteId, { bandwidthBitsPerSecond: 5 }));
  assert.is(slow.code, 'INVALID_REQUEST');
  assert.match((await refusal(client.shape(siteId, { traceCsv: 'x' }))).message, /^traceCsv: line 1/);
  assert.match((await refusal(client.cut(siteId, 'SOFTLY' as 'RESET'))).message, /RESET, FREEZE, HALF_OPEN/);
  const stranger = await refusal(linkControlClient({ url, token: 'guess' }).links());
  assert.is(stranger.code, 'UNAUTHORIZED');
  assert.is(bench.link.state.cut, null);
  const statusOf = async (path: string, init: RequestInit = {}): Promise<number> => {
    const response = await fetch(`${url}${path}`, { headers: { Authorization: 'Bearer letmein' }, ...init });
    await response.arrayBuffer();
    return response.status;
  };
  assert.is(await statusOf('/nowhere'), 404);
  assert.is(await statusOf(`/links/${siteId}/paint`, { method: 'POST' }), 404);
  assert.is(await statusOf(`/links/${siteId}/cut`, { method: 'POST', body: '{' }), 400);
  assert.is(await statusOf(`/links/${siteId}/cut`, { method: 'POST', headers: {} }), 401);
});

test('a control that is not there is said to be so', async () => {
  const { url } = await openBench().then(async bench => {
    await bench[Symbol.asyncDispose]();
    return bench;
  });
  const gone = await refusal(linkControlClient({ url, token: 'letmein' }).links());
  assert.is(gone.code, 'CONTROL_UNREACHABLE');
});

test.run();
