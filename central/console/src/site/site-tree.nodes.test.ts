import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Device, Site } from './site-directory';
import { LINES_FOUND_MAX, SITES_OPEN_MAX, treeNodes } from './site-tree.nodes.ts';

const test = suite('the tree of sites');

const siteOf = (id: string, parent: string | null) =>
  ({ id, name: `Site ${id}`, parent: parent === null ? null : { id: parent } }) as unknown as Site;
const deviceOf = (id: string, site: string, type = 'CAMERA') =>
  ({ id, name: `Device ${id}`, type, site: { id: site } }) as unknown as Device;
const idsOf = (sites: Site[], devices: Device[], toggled: string[] = [], filter = '') =>
  treeNodes({ sites, devices }, new Set(toggled), filter).map(({ id, level }) => `${level} ${id}`);

const sites = [siteOf('centre', null), siteOf('a', 'centre'), siteOf('b', 'centre'), siteOf('lost', 'gone')];
const devices = [
  deviceOf('a10', 'a'),
  deviceOf('a2', 'a'),
  deviceOf('m', 'a', 'MICROPHONE'),
  deviceOf('b1', 'b'),
];

test('a site, its devices by type and number, then the sites beneath it; what has no parent here is a root', () => {
  const all = ['0 centre', '1 a', '2 a2', '2 a10', '2 m', '1 b', '2 b1', '0 lost'];
  assert.equal(idsOf(sites, devices), all);
  assert.equal(idsOf(sites, devices, ['a']), ['0 centre', '1 a', '1 b', '2 b1', '0 lost']);
});

test('a filter opens what it finds, and leaves out what it does not', () => {
  assert.equal(idsOf(sites, devices, ['b'], ' device B1 '), ['0 centre', '1 b', '2 b1']);
  assert.equal(idsOf(sites, devices, [], 'site a'), ['0 centre', '1 a', '2 a2', '2 a10', '2 m']);
});

test('of a thousand sites only those with sites beneath them are open by themselves', () => {
  const many = Array.from({ length: 1000 }, (_, index) => siteOf(`s${index}`, 'centre'));
  const theirs = many.flatMap(({ id }) =>
    Array.from({ length: 64 }, (_, index) => deviceOf(`${id}-${index}`, id)),
  );
  assert.ok(many.length > SITES_OPEN_MAX);
  assert.is(idsOf([sites[0]!, ...many], theirs).length, 1001);
  assert.is(idsOf([sites[0]!, ...many], theirs, ['s7']).length, 1001 + 64);
  const found = idsOf([sites[0]!, ...many], theirs, [], 'device').length;
  assert.ok(found >= LINES_FOUND_MAX && found < LINES_FOUND_MAX + 100, `${found} lines`);
  assert.is(idsOf([sites[0]!, ...many], theirs, [], 'device s999-63').length, 3);
});

test.run();
