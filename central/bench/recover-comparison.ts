import { spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { LOG_START, type LogPlace, placeOf } from '@holdfast/core';
import type { AlarmId, EventId, SiteId } from '@holdfast/schema';
import { readSiteLogFile, siteLogFileOf } from '@holdfast/sites';
import { openDatabaseAsItIs } from '../postgres/database.js';
import type { Sql } from '../postgres/sql.js';
import type { CentralLevel, RecoverNetwork } from './recover-network.js';

const PAGE_EVENTS = 2_000;

export interface RecoverComparison {
  readonly acknowledged: number;
  readonly acknowledgedLost: number;
  readonly duplicated: number;
  readonly events: number;
}

/** The site's log, the replicas, the feeds and the alarms that the centre shows, against each other and what was acknowledged. */
export async function compare(network: RecoverNetwork): Promise<RecoverComparison> {
  const { siteId } = network.identities.site;
  const siteFile = siteLogFileOf(network.directoryOf('site'));
  const databaseOf = (level: CentralLevel) =>
    openDatabaseAsItIs({ directory: path.join(network.directoryOf(level), 'postgres') });
  await using region = await databaseOf('region');
  await compareReplica(region.sql, siteId, siteFile);
  await using centre = await databaseOf('centre');
  const { sql } = centre;
  const replica = await compareReplica(sql, siteId, siteFile);
  const shown = await sql<{ id: AlarmId; folded: number }[]>`
    select alarm.id, coalesce(change.folded, 0)::int as folded
    from alarm left join (
      select state->>'id' as id, count(*) as folded from change where kind = 'alarm' group by 1
    ) change on change.id = alarm.id::text
    where site_id = ${siteId}`;
  const alarms = new Map(shown.map(({ id, folded }) => [id, folded]));
  let acknowledgedLost = 0;
  for (const [id, { alarmId, place }] of network.appended) {
    const found = replica.places.get(id);
    const isThere =
      found !== undefined &&
      (place === null || (found.epoch === place.epoch && found.position === place.position));
    if (!isThere || !alarms.has(alarmId)) acknowledgedLost += 1;
  }
  const twiceShown = shown.filter(({ folded }) => folded > 1).length;
  const missing = replica.alarms - alarms.size;
  if (missing !== 0) throw new Error(`${missing} alarms of the log are not shown`);
  return {
    ...{ acknowledged: network.appended.size, acknowledgedLost },
    ...{ duplicated: replica.duplicated + twiceShown, events: replica.places.size },
  };
}

/** Throws when the replica is not the log, byte for byte, or the feed has a hole. */
async function compareReplica(sql: Sql, site: SiteId, file: string) {
  using log = readSiteLogFile(file);
  const places = new Map<EventId, LogPlace>();
  let duplicated = 0;
  let alarms = 0;
  for (let after = LOG_START; ; ) {
    const page = await log.read({ after, limit: PAGE_EVENTS });
    const last = page.at(-1);
    if (last === undefined) break;
    const rows = await sql<{ header: Buffer; data: Buffer; leafHash: Buffer }[]>`
      select header, data, leaf_hash from replica_event
      where site = ${site} and (epoch, position) > (${after.epoch}::int, ${after.position}::bigint)
        and (epoch, position) <= (${last.epoch}::int, ${last.position}::bigint)
      order by epoch, position`;
    for (const [index, event] of page.entries()) {
      if (places.has(event.id)) duplicated += 1;
      places.set(event.id, placeOf(event));
      if (event.type === 'AlarmRaised') alarms += 1;
      const row = rows[index];
      const same =
        row?.header.equals(event.header) &&
        row.data.equals(event.data) &&
        row.leafHash.equals(event.leafHash);
      if (!same) throw new Error(`the replica differs at ${event.epoch}/${event.position}`);
    }
    after = placeOf(last);
  }
  const [feed] = await sql<{ count: number; first: number; last: number; ofSite: number; twice: number }[]>`
    select count(*)::int as count, min(seq) as first, max(seq) as last,
           (count(*) filter (where site = ${site}))::int as of_site,
           (count(*) filter (where id is not null) - count(distinct (site, id)) filter (where id is not null))::int as twice
    from (select seq, site, id from replica_event union all select seq, null, null from feed_gap) as taken`;
  const isDense = feed!.first === 1 && feed!.last === feed!.count;
  if (!isDense || feed!.ofSite !== places.size)
    throw new Error(`the feed has holes: ${JSON.stringify(feed)}`);
  return { places, alarms, duplicated: duplicated + feed!.twice };
}

/** What `holdfast verify` says of site, region and centre, in its last line; throws when it does not call them proven. */
export async function prove(network: RecoverNetwork): Promise<string> {
  const program = path.resolve(import.meta.dirname, '../../bin/holdfast.mjs');
  const { DATABASE_URL: _, ...env } = process.env;
  const child = spawn(process.execPath, [program, 'verify', network.directory], {
    ...{ env, stdio: ['ignore', 'pipe', 'inherit'] },
  });
  let said = '';
  child.stdout!.on('data', chunk => {
    said += chunk;
  });
  const [code] = (await once(child, 'close')) as [number];
  if (code !== 0) throw new Error(`holdfast verify ended with ${code}: ${said}`);
  return said.trimEnd().split('\n').at(-1)!;
}
