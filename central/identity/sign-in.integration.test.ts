import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import formBody from '@fastify/formbody';
import Fastify from 'fastify';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { AccessTokens, bearerToken } from './access-tokens.js';
import { Administrator, administratorPasswordFile } from './administrator.js';
import { registerTokenEndpoint, TOKEN_PATH } from './token-endpoint.js';

const test = suite('sign-in');

async function openCentral() {
  const dataDirectory = await mkdtemp(path.join(tmpdir(), 'holdfast-identity-'));
  let nowMs = 1_800_000_000_000;
  const now = () => nowMs;
  const administrator = Administrator.load(dataDirectory);
  const password = (await readFile(administratorPasswordFile(dataDirectory), 'utf8')).trim();
  const tokens = AccessTokens.load({ dataDirectory, issuer: 'urn:uuid:central', now });
  const reports: boolean[] = [];
  const server = Fastify();
  await server.register(formBody);
  registerTokenEndpoint(server, {
    administrator,
    tokens,
    now,
    report: ({ granted }) => reports.push(granted),
  });
  const signIn = (form: Record<string, string> | null) => {
    if (form === null) return server.inject({ method: 'POST', url: TOKEN_PATH });
    return server.inject({
      method: 'POST',
      url: TOKEN_PATH,
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'password',
        client_id: 'GrantValidatorClient',
        ...form,
      }).toString(),
    });
  };
  return {
    ...{ dataDirectory, administrator, password, tokens, reports, signIn },
    advance: (ms: number) => {
      nowMs += ms;
    },
    [Symbol.asyncDispose]: async () => {
      await server.close();
      await rm(dataDirectory, { recursive: true });
    },
  };
}

test('the right password gives a token for an hour', async () => {
  await using central = await openCentral();
  const response = await central.signIn({ username: 'admin', password: central.password });
  assert.is(response.statusCode, 200);
  const { access_token: token, expires_in: seconds, token_type: type } = response.json();
  assert.equal([seconds, type], [3600, 'Bearer']);
  assert.is(await central.tokens.userOf(token), 'admin');
  central.advance(3_601_000);
  assert.is(await central.tokens.userOf(token), null);
});

test('wrong name, wrong password, wrong client, wrong grant and no form are told apart as OAuth says', async () => {
  await using central = await openCentral();
  const right = { username: 'admin', password: central.password };
  const errors = await Promise.all(
    [
      { ...right, username: 'root' },
      { ...right, password: 'x' },
      { ...right, client_id: 'other' },
      { ...right, grant_type: 'client_credentials' },
      { username: 'admin' },
    ].map(async form => {
      const response = await central.signIn(form);
      return [response.statusCode, response.json().error];
    }),
  );
  assert.equal(errors, [
    [400, 'invalid_grant'],
    [400, 'invalid_grant'],
    [401, 'invalid_client'],
    [400, 'unsupported_grant_type'],
    [400, 'invalid_request'],
  ]);
  assert.equal(central.reports, [false, false]);
  const empty = await central.signIn(null);
  assert.match(empty.json().error_description, 'grant_type, client_id, username, password');
});

test('guessing is slowed down, and the right password has to wait too', async () => {
  await using central = await openCentral();
  for (let attempt = 0; attempt < 5; attempt += 1)
    await central.signIn({ username: 'admin', password: 'guess' });
  const right = { username: 'admin', password: central.password };
  const refused = await central.signIn(right);
  assert.equal([refused.statusCode, refused.headers['retry-after']], [429, '1']);
  central.advance(1001);
  assert.is((await central.signIn(right)).statusCode, 200);
});

test('a changed token, or one of another central, is nobody', async () => {
  await using central = await openCentral();
  await using other = await openCentral();
  const token = await central.tokens.issue('admin');
  assert.is(await other.tokens.userOf(token), null);
  assert.is(await central.tokens.userOf(`${token.slice(0, -2)}xx`), null);
  assert.is(await central.tokens.userOf(''), null);
});

test('password and key are kept for the next start, and for nobody else to read', async () => {
  await using central = await openCentral();
  const again = Administrator.load(central.dataDirectory);
  assert.is(again.isSignedInBy({ userName: 'admin', password: central.password }), true);
  for (const file of ['administrator.password', 'keys/tokens.key']) {
    assert.is((await stat(path.join(central.dataDirectory, file))).mode & 0o777, 0o600);
  }
});

test('a bearer token is read from its header and from nothing else', () => {
  assert.is(bearerToken('Bearer abc.def'), 'abc.def');
  assert.is(bearerToken('bearer abc'), 'abc');
  for (const header of [undefined, '', 'Basic abc', 'Bearer', 'Bearer a b'])
    assert.is(bearerToken(header), null);
});

test.run();
