import { readFile } from 'node:fs/promises';
import path from 'node:path';
import {
  execute,
  GraphQLError,
  type GraphQLField,
  type GraphQLInputType,
  isNonNullType,
  parse,
  subscribe,
} from 'graphql';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { ApiError, presentError } from './api-error.js';
import { createApiSchema, printSdl } from './api-schema.js';
import { errorCodes } from './error-codes.js';

const test = suite('API schema');
const root = path.resolve(import.meta.dirname, '../../..');
// Nothing is resolved here but refusals, so nothing behind the resolvers is needed.
const schema = createApiSchema({ ports: {} } as never);

test('the committed SDL is the one that the code prints', async () => {
  const committed = await readFile(path.join(root, 'schema/graphql/holdfast.graphql'), 'utf8');
  assert.is(committed, printSdl(schema), 'run `node central/dist/api/write-sdl.js`');
});

test('every field of Query, Mutation and Subscription refuses who is not signed in', async () => {
  let fieldCount = 0;
  for (const [operation, type] of [
    ['query', schema.getQueryType()],
    ['mutation', schema.getMutationType()],
    ['subscription', schema.getSubscriptionType()],
  ] as const) {
    for (const field of Object.values(type!.getFields())) {
      fieldCount += 1;
      const document = parse(`${operation} { ${field.name}${requiredArguments(field)} { __typename } }`);
      const run = operation === 'subscription' ? subscribe : execute;
      const result = await run({ schema, document, contextValue: { user: null } });
      assert.ok('errors' in result && result.errors?.length, `${field.name} answered a stranger`);
      const [error] = result.errors!;
      const { extensions } = presentError(error, () => assert.unreachable());
      assert.is(extensions?.code, 'UNAUTHENTICATED', field.name);
    }
  }
  assert.ok(fieldCount >= 29, String(fieldCount));
});

const presented = (originalError: Error, onFault: (error: unknown) => void = () => assert.unreachable()) =>
  presentError(new GraphQLError(originalError.message, { originalError }), onFault);

test('a site that has too much to do says so, and what newer software of a site says is handed on', () => {
  assert.is(
    presented(Object.assign(new Error('wait'), { code: 'TOO_MANY_COMMANDS' })).extensions?.code,
    'TOO_MANY_COMMANDS',
  );
  const said = presented(ApiError.ofSite({ code: 'OF_TOMORROW', message: 'not on Sundays' }));
  assert.equal([said.extensions?.code, said.message], ['OF_TOMORROW', 'not on Sundays']);
});

test('a fault tells the caller nothing of itself, and the log everything', () => {
  const faults: unknown[] = [];
  const fault = Object.assign(new Error('password of the database'), { code: 'ECONNREFUSED' });
  const said = presented(fault, error => faults.push(error));
  assert.is(said.extensions?.code, 'INTERNAL_SERVER_ERROR');
  assert.not.match(said.message, /password/);
  assert.equal(faults, [fault]);
});

test('docs/ERRORS.md names every error code, and no other', async () => {
  const [page] = (await readFile(path.join(root, 'docs/ERRORS.md'), 'utf8')).split('\n# ');
  const documented = [...page!.matchAll(/^\| `([A-Z_]+)` +\| (.+?) +\|$/gm)].map(match => [
    match[1]!,
    match[2]!,
  ]);
  assert.equal(Object.fromEntries(documented), errorCodes);
});

function requiredArguments(field: GraphQLField<unknown, unknown>): string {
  const given = field.args
    .filter(({ type, defaultValue }) => isNonNullType(type) && defaultValue === undefined)
    .map(({ name, type }) => `${name}: ${literalOf(type)}`);
  return given.length === 0 ? '' : `(${given.join(', ')})`;
}

function literalOf(type: GraphQLInputType): string {
  const text = String(type).replaceAll('!', '');
  if (text.startsWith('[')) return '[]';
  if (text === 'Boolean') return 'true';
  if (text === 'DateTime') return '"2026-11-20T12:00:00Z"';
  if (text === 'CameraInput') return '{ name: "x", address: "rtsp://x/" }';
  return '"x"';
}

test.run();
