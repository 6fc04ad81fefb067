import { generateKeyPairSync } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { endOf, placeOf } from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { rawPublicKey } from './log/ed25519-notes.js';
import { verifySiteLog } from './log/verify-site-log.js';
import { DAMAGED_PAGE, hex, holdsName, namesIn, openParent, Site } from './site-reset.fixture.js';

const test = suite('a site whose log was restored from an old copy');

test('takes its history back, says what was lost in a new epoch, and the parent holds it all', async () => {
  await using site = await Site.create();
  await using parent = await openParent(site.id, rawPublicKey(site.logKey));
  await site.run('one', parent, () => parent.held().length > 0);
  await site.keepCopy();
  await site.run('two', parent, holdsName(parent.held, 'two'));
  await site.run('three', parent, holdsName(parent.held, 'three'));
  const before = [...parent.held()];
  await site.restoreCopy();
  await site.run('four', parent, holdsName(parent.held, 'four'));

  const events = await site.events();
  assert.equal(hex(events), hex(parent.held()), 'the same at both ends');
  assert.equal(hex(events.slice(0, before.length)), hex(before), 'what was lost is back, byte for byte');
  assert.equal(namesIn(events), ['1 two', '1 three', '2 four']);
  const types = events.slice(before.length).map(({ type }) => type);
  assert.equal(types.slice(0, 1), ['LogEpochOpened']);
  assert.ok(types.includes('LogHistoryRecovered'));
  const { damages } = await verifySiteLog({ file: site.logFile, key: site.logKey });
  assert.equal(damages, []);

  // The same old copy once more: now even the epoch is older than the one that the parent holds.
  const held = [...parent.held()];
  await site.restoreCopy();
  await site.run('five', parent, holdsName(parent.held, 'five'));
  const again = await site.events();
  assert.equal(hex(again), hex(parent.held()));
  assert.equal(hex(again.slice(0, held.length)), hex(held));
  assert.equal(namesIn(again), ['1 two', '1 three', '2 four', '3 five']);
});

test('what it recorded meanwhile is recorded again, also when it is more than the parent held', async () => {
  await using site = await Site.create();
  await using parent = await openParent(site.id, rawPublicKey(site.logKey));
  await site.run('one', parent, () => parent.held().length > 0);
  await site.keepCopy();
  await site.run('two', parent, holdsName(parent.held, 'two'));
  const before = [...parent.held()];
  await site.restoreCopy();
  for (const name of ['alone 1', 'alone 2', 'alone 3']) await site.run(name, null, () => true);
  await site.run('alone 3', parent, holdsName(parent.held, 'alone 3'));
  assert.equal(parent.reports, [], 'what the site heals by itself it does not refuse');
  const events = await site.events();
  assert.equal(hex(events), hex(parent.held()));
  assert.equal(hex(events.slice(0, before.length)), hex(before));
  assert.equal(namesIn(events), ['1 two', '2 alone 1', '2 alone 2', '2 alone 3']);
});

test('a log that had lost its beginning to truncation goes on to its parent after an old copy was restored', async () => {
  await using site = await Site.create();
  await using parent = await openParent(site.id, rawPublicKey(site.logKey));
  await site.run('one', parent, () => parent.held().length > 0);
  await site.truncateLog();
  await site.keepCopy();
  await site.run('two', parent, holdsName(parent.held, 'two'));
  const before = hex(parent.held());
  await site.restoreCopy();
  await site.run('three', parent, holdsName(parent.held, 'three'));
  assert.equal(hex(parent.held().slice(0, before.length)), before);
  assert.equal(namesIn(parent.held()), ['1 two', '2 three']);
  assert.not(parent.reports.includes('TRUNCATED'));
  const { damages, head } = await verifySiteLog({ file: site.logFile, key: site.logKey });
  assert.equal(damages, []);
  assert.equal(endOf(head!), placeOf(parent.held().at(-1)!), 'the same end at both');
});

test('a log whose file was damaged goes on with what can be read, takes the rest back, and keeps the file', async () => {
  await using site = await Site.create();
  await using parent = await openParent(site.id, rawPublicKey(site.logKey));
  await site.run('one', parent, () => parent.held().length > 0);
  await site.grow(100);
  await site.run('two', parent, holdsName(parent.held, 'two'));
  await site.grow(100);
  await site.run('three', parent, holdsName(parent.held, 'three'));
  const before = [...parent.held()];
  // What the parent has not heard of.
  await site.grow(1);
  site.damagePageWith('"two"');
  await site.run('four', null, () => true);
  const alone = await site.events();
  assert.equal(namesIn(alone).at(-1), '2 four', 'it goes on without its parent');
  const alarms = alone.filter(({ type }) => type === 'AlarmRaised');
  assert.match(Buffer.from(alarms.at(-1)!.data).toString(), 'damaged');
  await site.run('five', parent, holdsName(parent.held, 'five'));
  const events = await site.events();
  assert.equal(hex(events), hex(parent.held()), 'the same at both ends');
  assert.equal(hex(events.slice(0, before.length)), hex(before), 'what was lost is back, byte for byte');
  assert.equal(namesIn(events), ['1 two', '1 three', '2 four', '2 five']);
  assert.is(
    events.filter(({ type }) => type === 'DiskRecovered').length,
    201,
    'nothing that could be read is lost',
  );
  assert.equal((await verifySiteLog({ file: site.logFile, key: site.logKey })).damages, []);
  const [aside] = readdirSync(site.directory).filter(name => name.startsWith('log.damaged-'));
  assert.ok(readFileSync(path.join(site.directory, aside!, 'site-log.sqlite')).includes(DAMAGED_PAGE));
});

test('a log that its parent holds under another key than its own stays as it is, refused by name', async () => {
  await using site = await Site.create();
  const other = rawPublicKey(generateKeyPairSync('ed25519').privateKey);
  await using parent = await openParent(site.id, other);
  await site.run('one', parent, () => parent.reports.length > 0);
  assert.equal(parent.reports[0], 'BAD_SIGNATURE');
  assert.equal(
    (await site.events()).map(({ epoch }) => epoch).filter(epoch => epoch !== 1),
    [],
  );
});

test.run();
