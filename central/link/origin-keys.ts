import { setTimeout as delay } from 'node:timers/promises';
import { decodeBase64 } from '@holdfast/core';
import type { OriginKeys } from '@holdfast/interconnect';
import { decodeEvent, EventDecodeError, type SiteId } from '@holdfast/schema';
import { type ManagementServer, pinFirstKey, pinnedKey } from '@holdfast/sites';
import type { Sql } from '../postgres/sql.js';

/** So long a log of an unknown site waits for projector nodes that are behind; refused, it is offered again later. */
const SETTLE_MS_MAX = 10_000;
const SETTLE_LOOK_MS = 100;
/** Hops from a site up to the top: more of them is a circle. */
const LEVELS_MAX = 8;

/**
 * By which keys logs are believed here. Of a child: what this site's own log says. Of a site further below: what the log of
 * its parent says, when that is the child or enrolled below it, all of it as far as it has arrived here.
 */
export function createOriginKeys(options: {
  readonly sql: Sql;
  readonly management: ManagementServer;
  readonly ownSite: SiteId;
}): OriginKeys {
  const { sql, management, ownSite } = options;
  return {
    keyOf: async (origin, child) =>
      origin === child ? pinnedKey(management, child) : keyBelow(sql, { origin, child, ownSite }),
    pin: (siteId, publicKey) => pinFirstKey(management, { siteId, publicKey }, `site:${ownSite}`),
  };
}

export class LogKeyNotPinnedError extends Error {
  override readonly name = 'LogKeyNotPinnedError';
  readonly code = 'LOG_KEY_NOT_PINNED';
}

/** The same for a process without the own log, which believes what the feed holds of it. It can pin nothing. */
export function createFeedOriginKeys(options: { readonly sql: Sql; readonly ownSite: SiteId }): OriginKeys {
  const { sql, ownSite } = options;
  return {
    keyOf: (origin, child) =>
      origin === child ? pinnedIn(sql, ownSite, child) : keyBelowOnceSettled(sql, { origin, child, ownSite }),
    pin: async siteId => {
      throw new LogKeyNotPinnedError(
        `no key of site ${siteId} is pinned: expected logPublicKey under children of the process with the role api`,
      );
    },
  };
}

/** What a child says of the sites below it may be acknowledged, on the backbone, and not in the feed yet: a moment later it is. */
async function keyBelowOnceSettled(
  sql: Sql,
  of: { readonly origin: SiteId; readonly child: SiteId; readonly ownSite: SiteId },
): Promise<Uint8Array | null> {
  for (const beganMs = performance.now(); ; await delay(SETTLE_LOOK_MS)) {
    // Asked first: what is settled now was so when the key was looked for.
    const [unsettled] = await sql`
      select 1 from backbone_cursor as published left join replica_cursor as stored using (site)
      where (published.epoch, published.position) > (coalesce(stored.epoch, 0), coalesce(stored.position, 0)) limit 1`;
    const key = await keyBelow(sql, of);
    const isOver = unsettled === undefined || performance.now() - beganMs > SETTLE_MS_MAX;
    if (key !== null || isOver) return key;
  }
}

async function keyBelow(
  sql: Sql,
  { origin, child, ownSite }: { readonly origin: SiteId; readonly child: SiteId; readonly ownSite: SiteId },
): Promise<Uint8Array | null> {
  for (const parent of await enrollersOf(sql, origin)) {
    if (parent === ownSite || !(await isBelow(sql, parent, child))) continue;
    const key = await pinnedIn(sql, parent, origin);
    if (key !== null) return key;
  }
  return null;
}

async function isBelow(sql: Sql, site: SiteId, child: SiteId): Promise<boolean> {
  let level: readonly SiteId[] = [site];
  for (let hops = 0; hops < LEVELS_MAX && level.length > 0; hops += 1) {
    if (level.includes(child)) return true;
    level = (await Promise.all(level.map(each => enrollersOf(sql, each)))).flat();
  }
  return false;
}

/** The sites whose logs say that this one may report to them. */
async function enrollersOf(sql: Sql, site: SiteId): Promise<readonly SiteId[]> {
  const rows = await sql<{ site: SiteId }[]>`
    select distinct site from replica_event where stream = ${`child-site-${site}`}`;
  return rows.map(row => row.site);
}

/** The last key that a parent's log names for a site. */
async function pinnedIn(sql: Sql, parent: SiteId, site: SiteId): Promise<Uint8Array | null> {
  const [row] = await sql<{ type: string; version: number; data: Buffer }[]>`
    select type, version, data from replica_event
    where stream = ${`log-key-${site}`} and site = ${parent} order by epoch desc, revision desc limit 1`;
  if (row === undefined) return null;
  try {
    const event = decodeEvent(row.type, row.version, JSON.parse(row.data.toString()));
    return event.type === 'LogKeyPinned' ? decodeBase64(event.data.publicKey) : null;
  } catch (error) {
    if (error instanceof EventDecodeError || error instanceof SyntaxError) return null;
    throw error;
  }
}
