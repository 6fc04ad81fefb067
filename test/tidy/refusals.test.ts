import { readFileSync } from 'node:fs';
import path from 'node:path';
import { replicationRefusalCodes } from '@holdfast/interconnect';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('refusals of replication');
/** What the transport says before there is a frame. */
const byTransport = ['RESOURCE_EXHAUSTED'];

test('docs/ERRORS.md names every refusal, and no other', () => {
  const page = readFileSync(path.resolve(import.meta.dirname, '../../../docs/ERRORS.md'), 'utf8');
  const [, refusals] = page.split('\n# Refusals of replication');
  const named = [...refusals!.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, code]) => code!);
  assert.equal(named.sort(), [...replicationRefusalCodes, ...byTransport].sort());
});

test.run();
