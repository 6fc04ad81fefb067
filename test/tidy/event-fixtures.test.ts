import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { decodeEvent, type EventDefinition, eventCatalogue } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('event fixtures');

const folder = path.resolve(import.meta.dirname, '../../../schema/events/fixtures');
const files = readdirSync(folder)
  .filter(file => file.endsWith('.json'))
  .sort();
const catalogue: readonly EventDefinition[] = eventCatalogue;

/** `<Type>.v<version>.json`: the data of one event as it was once written. */
function nameParts(file: string): { readonly type: string; readonly version: number } {
  const parts = /^([A-Z][A-Za-z]+)\.v(\d+)\.json$/.exec(file);
  assert.ok(parts, `${file}: expected <Type>.v<version>.json`);
  return { type: parts[1]!, version: Number(parts[2]) };
}

function readFixture(file: string): unknown {
  return JSON.parse(readFileSync(path.join(folder, file), 'utf8'));
}

test('every event type has a fixture of every version that was ever written', () => {
  const missing = catalogue
    .flatMap(({ type, version }) =>
      Array.from({ length: version }, (_, index) => `${type}.v${index + 1}.json`),
    )
    .filter(file => !files.includes(file));
  assert.equal(missing, [], 'write schema/events/fixtures/<Type>.v<version>.json for a new type or version');
});

test('every fixture belongs to a known type', () => {
  const known = new Set(catalogue.map(({ type }) => type));
  assert.equal(
    files.filter(file => !known.has(nameParts(file).type)),
    [],
    'events are for ever: a type that was once written may not disappear from the catalogue',
  );
});

for (const file of files) {
  test(`${file} decodes to what its type is today`, () => {
    const { type, version } = nameParts(file);
    const data = readFixture(file);
    const event = decodeEvent(type, version, data);
    assert.is(event.type, type);
    const isWrittenToday = catalogue.some(known => known.type === type && known.version === version);
    // Nothing of today's version is dropped; what an older one becomes is written down beside it.
    assert.equal(event.data, isWrittenToday ? data : readFixture(path.join('raised', file)));
  });
}

test('what an older version becomes is written down for older versions alone', () => {
  const older = files.filter(file => {
    const { type, version } = nameParts(file);
    return catalogue.some(known => known.type === type && known.version > version);
  });
  const goldens = existsSync(path.join(folder, 'raised')) ? readdirSync(path.join(folder, 'raised')) : [];
  assert.equal(goldens.sort(), older);
});

test('an event with a field of the wrong kind does not decode', () => {
  for (const file of files) {
    const { type, version } = nameParts(file);
    const data = readFixture(file) as Record<string, unknown>;
    const spoiled = { ...data, [Object.keys(data)[0]!]: { not: 'this' } };
    assert.throws(() => decodeEvent(type, version, spoiled), /Invalid/, file);
  }
});

test.run();
