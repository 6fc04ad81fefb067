import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('tidiness');

const root = path.resolve(import.meta.dirname, '../../..');
const packages = ['schema', 'protos', 'core', 'interconnect', 'sites', 'central', 'test'];
const notOurs = new Set(['node_modules', 'dist', '.git', '.turbo', 'data', 'try']);
const sourceEndings = ['.ts', '.tsx', '.mjs', '.js', '.css'];
const textEndings = [
  ...sourceEndings,
  '.md',
  '.json',
  '.sql',
  '.proto',
  '.graphql',
  '.html',
  '.sh',
  '.py',
  '.yaml',
];

interface SourceFile {
  /** Relative to the repository, with forward slashes. */
  readonly name: string;
  readonly text: string;
}

function filesBelow(folder: string, endings: readonly string[]): SourceFile[] {
  return readdirSync(path.join(root, folder), { withFileTypes: true }).flatMap(entry => {
    if (notOurs.has(entry.name)) return [];
    const name = path.posix.join(folder, entry.name);
    if (entry.isDirectory()) return filesBelow(name, endings);
    if (!endings.includes(path.extname(name))) return [];
    return [{ name, text: readFileSync(path.join(root, name), 'utf8') }];
  });
}

const sources = [...packages, 'scripts'].flatMap(folder => filesBelow(folder, sourceEndings));
const isTest = ({ name }: SourceFile): boolean => /\.(test|conformance)\.tsx?$/.test(name);

/** Where a pattern occurs, as `file:line`. */
function occurrences(files: readonly SourceFile[], pattern: RegExp): string[] {
  return files.flatMap(({ name, text }) =>
    text
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${name}:${index + 1} ${line.trim()}`] : [])),
  );
}

test('the walk finds the code at all', () => {
  assert.ok(sources.length > 50);
  assert.ok(sources.some(file => file.name === 'core/log/site-log.ts'));
});

test('no file is longer than 600 lines', () => {
  const long = sources
    .filter(file => !isTest(file))
    .map(({ name, text }) => ({ name, lines: text.split('\n').length }))
    .filter(({ lines }) => lines > 600);
  assert.equal(long, [], 'split it by what its parts are for');
});

test('no file or folder is a drawer', () => {
  const drawers = /(^|\/)(utils?|helpers?|common|shared|misc|types|lib|service|manager)(\.[a-z.]+|\/)/;
  assert.equal(
    sources.map(file => file.name).filter(name => drawers.test(name)),
    [],
    'name it for what it exports',
  );
});

test('files are named in kebab-case with their role as suffix', () => {
  // The numbered migrations and the package scripts included; the folder __fixtures__ and such excluded.
  const kebab = /^(?:[a-z0-9]+(?:-[a-z0-9]+)*)(?:\.[a-z0-9]+(?:-[a-z0-9]+)*)*$/;
  assert.equal(
    sources.map(file => file.name).filter(name => !kebab.test(path.posix.basename(name).replace(/^\./, ''))),
    [],
  );
});

test('the core reads no clock and draws no random number', () => {
  const core = sources.filter(file => file.name.startsWith('core/') && !isTest(file));
  assert.equal(
    occurrences(
      core,
      /\bDate\.now\b|\bnew Date\(\s*\)|\bMath\.random\b|\bperformance\b|\bcrypto\.(random|getRandom)/,
    ),
    [],
    'take time, randomness and ids as arguments',
  );
});

test('no test runs alone or is put aside', () => {
  // The two spellings are put together here so that this file does not find itself.
  const alone = new RegExp(`\\btest\\.(${['on', 'ly'].join('')}|${['sk', 'ip'].join('')})\\(`);
  assert.equal(occurrences(sources.filter(isTest), alone), []);
});

test('every test file lets its suite run', () => {
  const silent = sources.filter(({ name, text }) => /\.test\.tsx?$/.test(name) && !/\.run\(\)/.test(text));
  assert.equal(
    silent.map(file => file.name),
    [],
  );
});

test('the glossary is one table, each word once and in its place', () => {
  const rows = readFileSync(path.join(root, 'docs/GLOSSARY.md'), 'utf8')
    .split('\n')
    .filter(line => line.startsWith('|'));
  const words = rows.map(row => row.split('|')[1]!.trim().toLowerCase());
  assert.is(words[0], 'word');
  assert.equal(words.slice(2), [...new Set(words.slice(2))].sort());
});

test('no promise for later stands in the code without the number of its issue', () => {
  const marks = new RegExp(
    `\\b(${['TO', 'DO'].join('')}|${['FIX', 'ME'].join('')}|${['X', 'XX'].join('')})\\b(?!\\(#\\d+\\))`,
  );
  assert.equal(occurrences(sources, marks), []);
});

test('no path of somebody’s machine is written down', () => {
  const texts = [...packages, 'scripts', 'docs', '.ci'].flatMap(folder =>
    filesBelow(folder, [...textEndings, '']),
  );
  const machinePath = /(^|[\s'"`(=])\/(work|root|home\/[a-z]|Users)\/\w/;
  assert.equal(occurrences(texts, machinePath), []);
});

test.run();
