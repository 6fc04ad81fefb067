import { mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import type { LinkMeasurement, LinkObserver } from '@holdfast/interconnect';
import { SiteId } from '@holdfast/schema';
import { v7 } from 'uuid';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Database, openDatabase } from '../postgres/database.js';
import { REFUSED_LOGS_MAX, SessionReports } from './session-reports.js';
import { SessionWatch } from './session-watch.js';

const test = suite('sessions of intake nodes');
const HEARTBEAT_MS = 60_000;
let directory = '';
let database: Database;

test.before(async () => {
  directory = await mkdtemp(path.join(os.tmpdir(), 'holdfast-sessions-'));
  database = await openDatabase({ directory, databaseUrl: null });
});
test.after(async () => {
  await database[Symbol.asyncDispose]();
  await rm(directory, { recursive: true, force: true });
});
test.before.each(async () => {
  await database.sql`delete from child_session`;
  await database.sql`delete from child_refusal`;
});

const measurement: LinkMeasurement = {
  ...{ roundTripMs: 12.5, clockOffsetMs: -3, epoch: 1, headPosition: 42 },
  headRoot: new Uint8Array(32).fill(5),
  relayed: null,
};

function newNode(): SessionReports {
  return new SessionReports({
    sql: database.sql,
    onFailure: error => {
      throw error;
    },
  });
}

function newWatch() {
  const calls: string[] = [];
  const links: LinkObserver = {
    established: (_site, session) => calls.push(`established ${session}`),
    lost: (_site, cause) => calls.push(`lost ${cause}`),
    measured: (_site, { roundTripMs, headPosition }) => calls.push(`measured ${roundTripMs} ${headPosition}`),
    refused: (_site, { code, detail }, by) =>
      calls.push(`refused ${code} ${detail}${by == null ? '' : ` by ${by}`}`),
    relayed: () => calls.push('relayed'),
  };
  const watch = new SessionWatch({ sql: database.sql, links, heartbeatMs: HEARTBEAT_MS });
  return {
    /** What the observer was told by one look. */
    async look(): Promise<readonly string[]> {
      await watch.look();
      return calls.splice(0);
    },
  };
}

test('a session is seen to begin, to be measured and to end, each once', async () => {
  const [node, watch, site] = [newNode(), newWatch(), SiteId.parse(v7())];
  node.established(site, 3);
  await node.settled();
  assert.equal(await watch.look(), ['established 3']);
  node.measured(site, measurement);
  await node.settled();
  assert.equal(await watch.look(), ['measured 12.5 42']);
  assert.equal(await watch.look(), []);
  node.lost(site, 'CLOSED');
  await node.settled();
  assert.equal(await watch.look(), ['lost CLOSED']);
  assert.equal(await watch.look(), []);
});

test('what a child said of the heads below it is seen with its measurement, and is kept by one that says nothing of them', async () => {
  const [node, site, below] = [newNode(), SiteId.parse(v7()), SiteId.parse(v7())];
  const seen: (readonly unknown[] | null)[] = [];
  const links: LinkObserver = {
    ...{ established: () => undefined, lost: () => undefined },
    measured: (_site, { relayed }) => void seen.push(relayed === null ? null : [...relayed.values()]),
  };
  const watch = new SessionWatch({ sql: database.sql, links, heartbeatMs: HEARTBEAT_MS });
  const head = { origin: below, session: 3, epoch: 1, size: 12 };
  node.established(site, 3);
  node.measured(site, { ...measurement, relayed: new Map([[below, head]]) });
  await node.settled();
  await watch.look();
  assert.equal(seen.splice(0), [[head]]);
  node.measured(site, measurement);
  await node.settled();
  await watch.look();
  assert.equal(seen.splice(0), [[head]]);
  node.established(site, 4);
  node.measured(site, measurement);
  await node.settled();
  await watch.look();
  assert.equal(seen, [null], 'a new session begins with nothing said');
});

test('a site that went to another node has lost its session there first', async () => {
  const [one, other, watch, site] = [newNode(), newNode(), newWatch(), SiteId.parse(v7())];
  one.established(site, 3);
  await one.settled();
  await watch.look();
  other.established(site, 4);
  await other.settled();
  // The older node notices late.
  one.lost(site, 'HEARTBEAT_MISSED');
  await one.settled();
  assert.equal(await watch.look(), ['lost FENCED', 'established 4']);
  assert.equal(await watch.look(), []);
});

test('a node that was killed says nothing any more, which is a loss; heard again, it is none', async () => {
  const [node, watch, site] = [newNode(), newWatch(), SiteId.parse(v7())];
  node.established(site, 7);
  node.measured(site, measurement);
  await node.settled();
  assert.equal(await watch.look(), ['established 7', 'measured 12.5 42']);
  await database.sql`update child_session set heard_at = heard_at - interval '5 minutes'`;
  assert.equal(await watch.look(), ['lost HEARTBEAT_MISSED']);
  assert.equal(await watch.look(), []);
  node.measured(site, measurement);
  await node.settled();
  assert.equal(await watch.look(), ['established 7', 'measured 12.5 42']);
});

test('a process with the own log that was restarted sees what lasts, and not what is over', async () => {
  const [node, lasting, over] = [newNode(), SiteId.parse(v7()), SiteId.parse(v7())];
  node.established(lasting, 1);
  node.established(over, 9);
  await node.settled();
  node.lost(over, 'CLOSED');
  await node.settled();
  assert.equal(await newWatch().look(), ['established 1']);
});

test('what any node refuses is seen as often as it is refused, once each', async () => {
  const [one, other, watch, site] = [newNode(), newNode(), newWatch(), SiteId.parse(v7())];
  one.refused(site, { code: 'GAP', detail: 'begins at 5' });
  await one.settled();
  assert.equal(await watch.look(), ['refused GAP begins at 5']);
  assert.equal(await watch.look(), []);
  one.refused(site, { code: 'GAP', detail: 'begins at 6' });
  other.refused(site, { code: 'GAP', detail: 'begins at 7' });
  await Promise.all([one.settled(), other.settled()]);
  assert.is((await watch.look()).length, 2);
  other.refused(site, { code: 'FORK', detail: 'another history' });
  await other.settled();
  assert.equal(await watch.look(), ['refused FORK another history']);
  one.refused(site, { code: 'WISH_LOST', detail: 'it has answered wish 4' });
  await one.settled();
  assert.equal(await watch.look(), ['refused WISH_LOST it has answered wish 4']);
  const region = SiteId.parse(v7());
  one.refused(site, { code: 'FORK', detail: 'another history' }, region);
  await one.settled();
  assert.equal(await watch.look(), [`refused FORK another history by ${region}`]);
});

test('of a relayed log that was refused it is seen that it has gone on, when it is refused anew', async () => {
  const [node, watch, site] = [newNode(), newWatch(), SiteId.parse(v7())];
  const goOn = (position: number) => database.sql`
    insert into backbone_cursor (site, epoch, position, tree_edge, fence) values (${site}, 1, ${position}, ${Buffer.alloc(0)}, 1)
    on conflict (site) do update set position = excluded.position`;
  const refuse = async (detail: string) => {
    node.refused(site, { code: 'FORK', detail });
    await node.settled();
    return watch.look();
  };
  await goOn(5);
  assert.equal(await refuse('up to 1/5'), ['refused FORK up to 1/5']);
  assert.equal(await refuse('up to 1/5'), ['refused FORK up to 1/5']);
  await goOn(9);
  assert.equal(await refuse('up to 1/9'), ['relayed', 'refused FORK up to 1/9']);
});

test('what was refused before a restart counts once', async () => {
  const [node, site] = [newNode(), SiteId.parse(v7())];
  for (let count = 0; count < 5; count += 1) node.refused(site, { code: 'BAD_HASH', detail: 'another root' });
  await node.settled();
  assert.equal(await newWatch().look(), ['refused BAD_HASH another root']);
});

test('of logs that are refused the newest are kept, however many sites somebody makes up', async () => {
  const { sql } = database;
  await sql`
    insert into child_refusal (site, code, detail, repeated, refused_at)
    select gen_random_uuid(), 'NOT_ENROLLED', 'made up', 1, now() - interval '1 second' from generate_series(1, ${REFUSED_LOGS_MAX})`;
  const [node, site] = [newNode(), SiteId.parse(v7())];
  node.refused(site, { code: 'FORK', detail: 'another history' });
  await node.settled();
  const kept = async () => {
    const [row] = await sql<{ count: number; isKept: boolean }[]>`
      select count(*)::integer as count, bool_or(site = ${site}) as is_kept from child_refusal`;
    return { ...row };
  };
  assert.equal(await kept(), { count: REFUSED_LOGS_MAX, isKept: true });
  const refuseAnother = async (times: number) => {
    const trouble = { code: 'NOT_ENROLLED', detail: 'made up' } as const;
    for (let count = 0; count < times; count += 1) node.refused(SiteId.parse(v7()), trouble);
    await node.settled();
  };
  await refuseAnother(99);
  assert.is((await kept()).count, REFUSED_LOGS_MAX + 99, 'to look at all of them at each is dear');
  await refuseAnother(1);
  assert.equal(await kept(), { count: REFUSED_LOGS_MAX, isKept: true });
});

test.run();
