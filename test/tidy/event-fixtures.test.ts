import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { decodeEvent, type EventDefinition, eventCatalogue } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const test = suite('event fixtures');

const folder = path.resolve(import.meta.dirname, '../../../schema/events/fixtures');
const files = readdirSync(folder).sort();
const catalogue: readonly EventDefinition[] = eventCatalogue;

/** `<Type>.v<version>.json`: the data of one event as it was once written. */
function nameParts(file: string): { readonly type: string; readonly version: number } {
  const parts = /^([A-Z][A-Za-z]+)\.v(\d+)\.json$/.exec(file);
  assert.ok(parts, `${file}: expected <Type>.v<version>.json`);
  return { type: parts[1]!, version: Number(parts[2]) };
}

test('every event type has a fixture of the version it is written in today', () => {
  const missing = catalogue
    .map(({ type, version }) => `${type}.v${version}.json`)
    .filter(f => !files.includes(f));
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
  test(`${file} decodes, and nothing in it is dropped`, () => {
    const { type, version } = nameParts(file);
    const data: unknown = JSON.parse(readFileSync(path.join(folder, file), 'utf8'));
    const event = decodeEvent(type, version, data);
    assert.is(event.type, type);
    // An older version is raised on reading, so only the current one must come out as it went in.
    if (catalogue.some(known => known.type === type && known.version === version))
      assert.equal(event.data, data);
  });
}

test('an event with a field of the wrong kind does not decode', () => {
  for (const file of files) {
    const { type, version } = nameParts(file);
    const data = JSON.parse(readFileSync(path.join(folder, file), 'utf8')) as Record<string, unknown>;
    const spoiled = { ...data, [Object.keys(data)[0]!]: { not: 'this' } };
    assert.throws(() => decodeEvent(type, version, spoiled), /Invalid/, file);
  }
});

test.run();
