import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { openBackboneRoles } from './backbone/backbone-roles.js';
import { runBackboneNode } from './backbone-node.js';
import { CentralConfiguration } from './configuration/central-configuration.js';

const test = suite('a node of a central');
const directory = mkdtempSync(path.join(os.tmpdir(), 'holdfast-node-'));
const databaseUrl = process.env.DATABASE_URL;
test.after(() => {
  if (databaseUrl === undefined) delete process.env.DATABASE_URL;
  else process.env.DATABASE_URL = databaseUrl;
  rmSync(directory, { recursive: true, force: true });
});

const { backbone, ...rest } = CentralConfiguration.parse({
  role: 'central',
  site: { id: '018f0000-0000-7000-8000-000000000001', name: 'Central' },
  data: './data',
  credentials: './credentials',
  listen: { port: 9000 },
  backbone: {
    kafka: { brokers: ['127.0.0.1:1'], signIn: { userName: 'holdfast', passwordFile: './kafka-password' } },
    roles: ['intake', 'projector'],
  },
});
const configuration = { ...rest, backbone: backbone! };
const logger = pino({ level: 'silent' });

interface StartError {
  readonly code?: string;
  readonly message: string;
}

/** What it says when it does not start. */
async function errorOf(starting: Promise<unknown>): Promise<StartError> {
  try {
    await starting;
  } catch (error) {
    return error as StartError;
  }
  throw new Error('it started');
}

const run = () =>
  runBackboneNode(
    {
      ...{ configuration, baseDirectory: directory, logger },
      ...{ onReady: () => undefined, onEnding: () => undefined },
    },
    AbortSignal.timeout(5_000),
  );

test('without the database that the nodes share it does not start, and says so', async () => {
  delete process.env.DATABASE_URL;
  const { code, message } = await errorOf(run());
  assert.is(code, 'SHARED_DATABASE_MISSING');
  assert.match(message, 'expected DATABASE_URL');
});

test('without a copy of the key of the log it does not start, and names the file', async () => {
  process.env.DATABASE_URL = 'postgres://127.0.0.1:1/holdfast';
  const { code, message } = await errorOf(run());
  assert.is(code, 'LOG_KEY_MISSING');
  assert.match(message, path.join(directory, 'data'));
});

test('without the password for the brokers it does not start, and names the file', async () => {
  await using stack = new AsyncDisposableStack();
  const unused = {} as never;
  const options = { configuration, baseDirectory: directory, logger, sql: unused, wishes: unused };
  const error = await errorOf(
    openBackboneRoles(
      {
        ...{ ...options, grpc: unused, logKey: unused, enrolled: () => true },
        ...{ onLongAway: () => undefined, monotonicMs: () => 0 },
      },
      stack,
    ),
  );
  assert.is(error.code, 'BACKBONE_PASSWORD_MISSING');
  assert.match(error.message, path.join(directory, 'kafka-password'));
});

test.run();
