import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { SiteId } from '@holdfast/schema';
import { openSqliteSiteLog, siteLogFileOf } from '@holdfast/sites';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { FeedFixture } from '../intake/feed-fixture.js';
import { createPostgresReplicaIntake } from '../intake/postgres-replica-intake.js';
import { openDatabase } from '../postgres/database.js';
import { Projections } from '../read-models/projections.js';
import { readModels } from '../read-models/read-models.js';
import { Wakeup } from '../read-models/wakeup.js';

const test = suite('holdfast projections');
const own = new FeedFixture();
let directory = '';

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-projections-cli-'));
  const file = siteLogFileOf(directory);
  await mkdir(path.dirname(file), { recursive: true });
  const signingKey = generateKeyPairSync('ed25519').privateKey;
  await using _log = await openSqliteSiteLog({ file, site: own.site, now: Date.now, signingKey });
});
test.after(() => rm(directory, { recursive: true, force: true }));

/** The command as it is typed, in a process of its own. */
function holdfast(...words: string[]): Promise<{ code: number; output: string; errors: string }> {
  const program = path.resolve(import.meta.dirname, '../../bin/holdfast.mjs');
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [program, 'projections', ...words, '--data', directory],
      (error, output, errors) => resolve({ code: Number(error?.code ?? 0), output, errors }),
    );
  });
}

async function openCentral() {
  const database = await openDatabase({ directory: path.join(directory, 'postgres'), databaseUrl: null });
  const fails = (facts: unknown) => {
    throw new Error(JSON.stringify(facts));
  };
  const projections = new Projections({
    ...{ sql: database.sql, ownSite: own.site satisfies SiteId, models: readModels, feedGrown: new Wakeup() },
    ...{ now: Date.now, random: Math.random },
    reports: {
      ...{ onQuarantined: () => undefined, onReleased: () => undefined },
      ...{ onHalted: fails, onGivenUp: fails, onDifference: fails, onRetry: fails },
    },
  });
  return { database, projections };
}

test('names what is missing before there is a central', async () => {
  const { code, errors } = await holdfast('list');
  assert.is(code, 2);
  assert.match(errors, 'no data directory of a central');
});

test('works on the database that a running central serves', async () => {
  const { database, projections } = await openCentral();
  await using _database = database;
  await projections.settle();
  const intake = createPostgresReplicaIntake(database.sql);
  const { fence, cursor } = await intake.openSession(own.site);
  const data = { siteId: own.site, name: 'Centre', sealingPublicKey: 'AAAA' };
  const events = [
    own.event('site', { type: 'SiteEstablished', data }),
    own.raw('x', 'FlyingSaucerSighted', 1, {}),
  ];
  const after = { epoch: 1, position: 2, treeEdge: [] };
  await intake.commit({ site: own.site, fence, before: cursor, after, events });
  await projections.projector.catchUp();
  const quarantine = await holdfast('quarantine', 'audit-trail');
  assert.is(quarantine.code, 0);
  assert.is(JSON.parse(quarantine.output).status, 'UNTIL_UPGRADE');
  const release = await holdfast('quarantine', '--release');
  assert.is(release.code, 1);
  assert.match(release.output, 'audit-trail: 0 folded, 1 stay put aside');
  const rebuild = await holdfast('rebuild', 'sites', 'alarms');
  assert.is(rebuild.code, 0, rebuild.errors);
  assert.match(rebuild.output, 'rebuilt sites, alarms in');
  const left = await database.sql`select type, data->>'projection' as projection from operator_action
    where type = 'ProjectionRebuildRequested'`;
  assert.equal(
    left.map(({ type, projection }) => `${type} ${projection}`).sort(),
    ['ProjectionRebuildRequested alarms', 'ProjectionRebuildRequested sites'],
    'the audit trail will say so',
  );
  const [site] = await database.sql`select name from site`;
  assert.is(site!.name, 'Centre');
});

test('works on the files of a central that does not run', async () => {
  const check = await holdfast('check');
  assert.is(check.code, 0, check.errors);
  assert.match(check.output, `${readModels.length} same, 0 different, 0 not checked`);
  const { database } = await openCentral();
  await database.sql`update site set name = 'Elsewhere'`;
  await database[Symbol.asyncDispose]();
  const broken = await holdfast('check', 'sites');
  assert.is(broken.code, 1);
  assert.match(broken.output, 'site lacks: 1 rows');
  assert.is((await holdfast('list')).code, 1);
  assert.is((await holdfast('rebuild', '--all')).code, 0);
  const list = await holdfast('list');
  assert.is(list.code, 0, list.errors);
  assert.match(list.output, /sites +version \d+ {2}FOLLOWING {2}0 behind/);
});

test('changes nothing in the database of a newer version', async () => {
  const { database } = await openCentral();
  await using _database = database;
  await database.sql`insert into schema_migration (number, name) values (9999, '9999-later.sql')`;
  const { code, errors } = await holdfast('rebuild', 'sites');
  assert.is(code, 1);
  assert.match(errors, 'written by a newer version. Run that version, or restore');
  await database.sql`delete from schema_migration where number = 9999`;
});

test('names what it does not know, and says that there is nothing', async () => {
  const { code, errors } = await holdfast('rebuild', 'flying-saucers');
  assert.is(code, 2);
  assert.match(errors, /no projection flying-saucers; there are sites, links, /);
  assert.match((await holdfast('quarantine', 'alarms')).errors, 'nothing is put aside');
});

test.run();
