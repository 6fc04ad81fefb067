import { globSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { replicationRefusalCodes } from '@holdfast/interconnect';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('reference of errors');
const root = path.resolve(import.meta.dirname, '../../..');
const page = readFileSync(path.join(root, 'docs/ERRORS.md'), 'utf8');
const named = new Set([...page.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, code]) => code!));
/** What the transport says before there is a frame. */
const byTransport = ['RESOURCE_EXHAUSTED'];
const sources = globSync('{core,interconnect,sites,central}/**/*.ts', {
  cwd: root,
  exclude: name => /node_modules|dist$|\.(test|fixture|conformance)\.ts$/.test(name),
}).map(file => ({ file, text: readFileSync(path.join(root, file), 'utf8') }));

test('docs/ERRORS.md names every refusal of replication, and no other', () => {
  const [, refusals] = page.split('\n# Refusals of replication');
  const inTable = [...refusals!.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, code]) => code!);
  assert.equal(inTable.sort(), [...replicationRefusalCodes, ...byTransport].sort());
});

test('docs/ERRORS.md names nothing that no code says', () => {
  assert.ok(named.size > 150, String(named.size));
  const text = sources.map(source => source.text).join('\n');
  const said = new Set([...text.matchAll(/\b([A-Z]+(?:_[A-Z]+)+)\b/g)].map(([, code]) => code!));
  assert.equal(
    [...named].filter(code => !said.has(code)),
    [],
  );
});

test('every name in docs/ERRORS.md is in a test, which causes it', () => {
  const [, refusals] = page.split('\n# Refusals of replication');
  const ofReplication = [...refusals!.matchAll(/^\| `([A-Z_]+)`/gm)].map(([, code]) => code!);
  const tests = globSync('{core,interconnect,sites,central,test}/**/*.{test,conformance}.ts', {
    cwd: root,
    exclude: name => /node_modules|dist$/.test(name),
  });
  const text = tests.map(file => readFileSync(path.join(root, file), 'utf8')).join('\n');
  const caused = new Set(text.match(/\b[A-Z]+(?:_[A-Z]+)*\b/g));
  assert.equal(
    [...named, ...ofReplication].filter(code => !caused.has(code)),
    [],
  );
});

test('docs/ERRORS.md names every code that the central answers a request with', () => {
  const edges = sources.filter(({ file }) => /^central\/(api|http|media-gateway)\//.test(file));
  const literals = edges.flatMap(({ text }) => [...text.matchAll(/\bcode: '([A-Z_]+)'/g)]);
  const { text } = edges.find(({ file }) => file.endsWith('media-endpoints.ts'))!;
  const statuses = [...text.matchAll(/^ {2}([A-Z_]+): [45]\d\d,/gm)];
  assert.ok(literals.length > 30 && statuses.length > 5, `${literals.length} ${statuses.length}`);
  const answered = [...literals, ...statuses].map(([, code]) => code!);
  assert.equal(
    answered.filter(code => !page.includes(`\`${code}\``)),
    [],
  );
});

test.run();
