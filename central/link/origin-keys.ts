import { setTimeout as delay } from 'node:timers/promises';
import { CheckpointError, decodeBase64, openCheckpoint } from '@holdfast/core';
import type { OriginKeys } from '@holdfast/interconnect';
import { LogKeyPinned, type SiteId } from '@holdfast/schema';
import { type ManagementServer, pinFirstKey, pinnedKey, sha256, verifyNote } from '@holdfast/sites';
import { isEnrolledIn } from '../backbone/feed-enrolment.js';
import { readStoredData, type StoredEventData } from '../intake/events-of-type.js';
import { createPostgresReplicaReader } from '../intake/postgres-replica-reader.js';
import { inStream, inStreams } from '../intake/replica-event-trees.js';
import type { Sql } from '../postgres/sql.js';

/** So long a log of an unknown site waits for projector nodes that are behind; refused, it is offered again later. */
const SETTLE_MS_MAX = 10_000;
const SETTLE_LOOK_MS = 100;
/** Hops from a site up to the top: more of them is a circle. */
const LEVELS_MAX = 8;

/** What this site's own log says of another one. */
interface OwnWord {
  readonly site: SiteId;
  readonly keyOf: (site: SiteId) => Promise<Uint8Array | null>;
  readonly enrols: (site: SiteId) => Promise<boolean>;
}

/**
 * By which keys logs are believed here. Of a child: what this site's own log says. A site further below has to be enrolled by
 * the child, or by a site below it; the key is one for the whole life of a site, whoever brings its log, so that no child can
 * make another key of it: see `believedKey`.
 */
export function createOriginKeys(options: {
  readonly sql: Sql;
  readonly management: ManagementServer;
  readonly ownSite: SiteId;
}): OriginKeys {
  const { sql, management, ownSite } = options;
  const own: OwnWord = {
    site: ownSite,
    keyOf: async site => pinnedKey(management, site),
    enrols: async site => management.state.site.children.has(site),
  };
  return {
    keyOf: (origin, child) => (origin === child ? own.keyOf(child) : keyBelow(sql, own, { origin, child })),
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
  const own: OwnWord = {
    site: ownSite,
    keyOf: async site => (await pinnedBy(sql, [ownSite], site))[0] ?? null,
    enrols: child => isEnrolledIn(sql, { ownSite, child }),
  };
  return {
    keyOf: (origin, child) =>
      origin === child ? own.keyOf(child) : keyBelowOnceSettled(sql, own, { origin, child }),
    pin: async siteId => {
      throw new LogKeyNotPinnedError(
        `no key of site ${siteId} is pinned: expected logPublicKey under children of the process with the role api`,
      );
    },
  };
}

interface LogBelow {
  readonly origin: SiteId;
  /** Who brings it. */
  readonly child: SiteId;
}

/** What a child says of the sites below it may be acknowledged, on the backbone, and not in the feed yet: a moment later it is. */
async function keyBelowOnceSettled(sql: Sql, own: OwnWord, of: LogBelow): Promise<Uint8Array | null> {
  for (const beganMs = performance.now(); ; await delay(SETTLE_LOOK_MS)) {
    // Asked first: what is settled now was so when the key was looked for.
    const [unsettled] = await sql`
      select 1 from backbone_cursor as published left join replica_cursor as stored using (site)
      where (published.epoch, published.position) > (coalesce(stored.epoch, 0), coalesce(stored.position, 0)) limit 1`;
    const key = await keyBelow(sql, own, of);
    const isOver = unsettled === undefined || performance.now() - beganMs > SETTLE_MS_MAX;
    if (key !== null || isOver) return key;
  }
}

async function keyBelow(sql: Sql, own: OwnWord, { origin, child }: LogBelow): Promise<Uint8Array | null> {
  if (origin === own.site) return null;
  // Its own word of itself is no enrolment; ours is no word of the child.
  const enrollers = (await enrollersOf(sql, [origin])).filter(site => site !== origin && site !== own.site);
  if (!(await isAnyBelow(sql, enrollers, child))) return null;
  return believedKey(sql, own, { origin, enrollers });
}

/**
 * The key of a site, for life, whatever the child that brings its log says of it. What the own log has pinned counts alone; of a
 * site that the own log enrols without a key, no other log makes one. Else, of the keys that logs below have pinned, the one that
 * has signed what is held of the site; when nothing is held, the one that was said first. Who says another one brings
 * checkpoints that this key did not sign, and disturbs nobody.
 */
async function believedKey(
  sql: Sql,
  own: OwnWord,
  { origin, enrollers }: { readonly origin: SiteId; readonly enrollers: readonly SiteId[] },
): Promise<Uint8Array | null> {
  const pinned = await own.keyOf(origin);
  if (pinned !== null) return pinned;
  const claimed = await pinnedBy(sql, enrollers, origin);
  const held = await createPostgresReplicaReader(sql).checkpoint(origin);
  if (held !== null) return claimed.find(key => hasSigned(key, held.note)) ?? null;
  return (await own.enrols(origin)) ? null : (claimed[0] ?? null);
}

export function hasSigned(publicKey: Uint8Array, note: string): boolean {
  try {
    openCheckpoint(note, { publicKey, verify: verifyNote }, sha256);
    return true;
  } catch (error) {
    if (error instanceof CheckpointError) return false;
    throw error;
  }
}

async function isAnyBelow(sql: Sql, sites: readonly SiteId[], child: SiteId): Promise<boolean> {
  const seen = new Set(sites);
  let level = sites;
  for (let hops = 0; hops < LEVELS_MAX && level.length > 0; hops += 1) {
    if (level.includes(child)) return true;
    level = (await enrollersOf(sql, level)).filter(site => !seen.has(site));
    for (const site of level) seen.add(site);
  }
  return false;
}

/** The sites whose logs say that one of these may report to them. */
async function enrollersOf(sql: Sql, sites: readonly SiteId[]): Promise<readonly SiteId[]> {
  const streams = sites.map(site => `child-site-${site}`);
  const rows = await sql<{ site: SiteId }[]>`
    select distinct site from replica_event where ${inStreams(sql, streams)}`;
  return rows.map(row => row.site);
}

/** The last key that the log of each of these sites names for another one, in the order in which they first named one to us. */
async function pinnedBy(sql: Sql, parents: readonly SiteId[], site: SiteId): Promise<readonly Uint8Array[]> {
  const stream = `log-key-${site}`;
  const rows = await sql<(StoredEventData & { readonly type: string })[]>`
    select type, version, data
    from unnest(${parents as SiteId[]}::uuid[]) as parent (site)
    cross join lateral (
      select type, version, data from replica_event as event
      where ${inStream(sql, stream)} and event.site = parent.site order by epoch desc, revision desc limit 1
    ) as last
    cross join lateral (
      select seq from replica_event as event
      where ${inStream(sql, stream)} and event.site = parent.site order by epoch, revision limit 1
    ) as first
    order by first.seq`;
  return rows.map(keyIn).filter(key => key !== null);
}

function keyIn({ type, ...stored }: StoredEventData & { readonly type: string }): Uint8Array | null {
  const pinned = type === LogKeyPinned.type ? readStoredData(LogKeyPinned, stored) : null;
  return pinned === null ? null : decodeBase64(pinned.publicKey);
}
