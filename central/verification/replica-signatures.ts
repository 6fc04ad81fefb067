import { comparePlaces, endOf, LOG_START, type LogPlace, placeOf } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { pinnedKeyIn, type SiteTrust } from '@holdfast/sites';
import { inStreams } from '../intake/replica-event-trees.js';
import { hasSigned } from '../link/origin-keys.js';
import type { TransactionSql } from '../postgres/sql.js';
import type { ProvedReplica, ReplicaDamages } from './replica-proof.js';

/** Whom a verification believes, without regard to what the database says. */
export interface ReplicaTrust {
  /** Whose database it is, with its log at hand. Null: not known. */
  readonly owner: SiteId | null;
  /** The sites whose data directories are at hand. */
  readonly sites: readonly SiteTrust[];
}

export interface SignedReplica {
  readonly site: SiteId;
  /** Up to here its signature stands behind it; `LOG_START`: behind nothing. Epochs before are named by the next one. */
  readonly signedUpTo: LogPlace;
  readonly end: LogPlace;
}

/** What is not proved, and not known to be damaged either. */
export interface UnprovenReplica {
  /** `REPLICA_UNSIGNED`: as in a first catch-up, or where checkpoints were removed. `LOG_KEY_UNKNOWN`: the log that says it is not at hand. */
  readonly code: 'REPLICA_UNSIGNED' | 'LOG_KEY_UNKNOWN';
  readonly where: SiteId;
  readonly detail: string;
}

export interface ReplicaSignatures {
  /** One for each replica that has events. */
  readonly signed: readonly SignedReplica[];
  readonly unproven: readonly UnprovenReplica[];
}

/**
 * How far each replica is signed by its site. By which key a site is believed, the replica itself does not say: the log of the owner
 * of the database says it, or else a log that enrols the site, as far as that one is at hand or is signed in its turn.
 */
export async function proveSignatures(
  tx: TransactionSql,
  options: {
    readonly replicas: readonly ProvedReplica[];
    readonly trust: ReplicaTrust;
    readonly damages: ReplicaDamages;
  },
): Promise<ReplicaSignatures> {
  const { trust, damages } = options;
  const replicas = options.replicas.filter(({ ends }) => ends.length > 0);
  const sites = replicas.map(({ site }) => site);
  const keys = new BelievedKeys(trust, await readAdmissions(tx, sites));
  // Each round can make known what is signed one level further below.
  for (let grows = true; grows; ) {
    grows = false;
    for (const replica of replicas) {
      const place = lastSigned(replica, keys.of(replica.site));
      if (comparePlaces(place, keys.signedUpTo(replica.site)) <= 0) continue;
      keys.setSignedUpTo(replica.site, place);
      grows = true;
    }
  }
  const unproven: UnprovenReplica[] = [];
  const signed = replicas.map(replica => {
    const { site, ends } = replica;
    const one = { site, signedUpTo: keys.signedUpTo(site), end: ends.at(-1)! };
    nameDamages(replica, { ...one, keys: keys.of(site), trust, damages });
    const fault = faultOf(one, keys);
    // The owner's log is here, and a site that it lets report, or one further below, would be known by a key.
    const isForged = fault?.code === 'LOG_KEY_UNKNOWN' && trust.owner !== null && !isAtHand(trust, site);
    if (isForged) damages.add('LOG_KEY_UNKNOWN', site, fault.detail);
    else if (fault !== null) unproven.push({ where: site, ...fault });
    return one;
  });
  return { signed, unproven };
}

type PublicKeys = readonly Uint8Array[];

/** Only what no honest central holds: a child's epoch is over when its signed end was taken in. */
function nameDamages(
  { site, ends, met }: ProvedReplica,
  around: Pick<SignedReplica, 'signedUpTo'> & {
    readonly keys: PublicKeys;
    readonly trust: ReplicaTrust;
    readonly damages: ReplicaDamages;
  },
): void {
  const { signedUpTo, keys, trust, damages } = around;
  if (keys.length === 0) return;
  for (const checkpoint of met) {
    const { epoch, size } = checkpoint.head;
    if (keys.some(key => hasSigned(key, checkpoint.note))) continue;
    const detail = `${epoch}/${size}: it is signed by none of the ${keys.length} keys that are believed`;
    damages.add('CHECKPOINT_SIGNATURE', site, detail);
  }
  // A central takes in its own log beyond epochs without their checkpoints; it is held against the log itself.
  if (isAtHand(trust, site)) return;
  for (const { epoch, position } of ends.slice(0, -1)) {
    if (comparePlaces({ epoch, position }, signedUpTo) <= 0) continue;
    const detail = `${epoch}/${position}: the epoch is over, signed are events up to ${inWords(signedUpTo)}`;
    damages.add('EPOCH_UNSIGNED', site, detail);
  }
}

function faultOf(
  { site, signedUpTo, end }: SignedReplica,
  keys: BelievedKeys,
): Omit<UnprovenReplica, 'where'> | null {
  if (comparePlaces(signedUpTo, LOG_START) > 0) return null;
  const last = inWords(end);
  if (keys.of(site).length > 0 || keys.isClaimed(site)) {
    const detail = `nothing of what is held up to ${last} is signed: a first catch-up, or checkpoints are missing`;
    return { code: 'REPLICA_UNSIGNED', detail };
  }
  const detail = `nothing up to ${last} is proved: no log that is believed says by which key this site signs`;
  return { code: 'LOG_KEY_UNKNOWN', detail };
}

export function inWords({ epoch, position }: LogPlace): string {
  return `${epoch}/${position}`;
}

function lastSigned({ met }: ProvedReplica, keys: PublicKeys): LogPlace {
  return met
    .filter(checkpoint => keys.some(key => hasSigned(key, checkpoint.note)))
    .map(({ head }) => endOf(head))
    .reduce((last, place) => (comparePlaces(place, last) > 0 ? place : last), LOG_START);
}

function isAtHand({ sites }: ReplicaTrust, site: SiteId): boolean {
  return sites.some(known => known.site === site);
}

/** What the replica of one site says of another one. */
interface Admission {
  readonly by: SiteId;
  readonly place: LogPlace;
  readonly of: SiteId;
  /** Null: that it may report there. */
  readonly publicKey: Uint8Array | null;
}

async function readAdmissions(tx: TransactionSql, sites: readonly SiteId[]): Promise<readonly Admission[]> {
  const streams = sites.flatMap(site => [`child-site-${site}`, `log-key-${site}`]);
  const siteOf = new Map(
    sites.flatMap(site => [
      [`child-site-${site}`, site],
      [`log-key-${site}`, site],
    ]),
  );
  const rows = await tx<{ site: SiteId; epoch: number; position: number; stream: string; data: Buffer }[]>`
    select site, epoch, position, stream, data from replica_event
    where ${inStreams(tx, streams)} order by epoch, position`;
  return rows.flatMap(({ site: by, epoch, position, stream, data }) => {
    const isKey = stream.startsWith('log-key-');
    const publicKey = isKey ? pinnedKeyIn(data) : null;
    if (isKey && publicKey === null) return [];
    return [{ by, place: placeOf({ epoch, position }), of: siteOf.get(stream)!, publicKey }];
  });
}

class BelievedKeys {
  readonly #trust: ReplicaTrust;
  readonly #admissions: ReadonlyMap<SiteId, readonly Admission[]>;
  readonly #signedUpTo = new Map<SiteId, LogPlace>();

  constructor(trust: ReplicaTrust, admissions: readonly Admission[]) {
    this.#trust = trust;
    const foreign = admissions.filter(({ by, of }) => by !== of && !isAtHand(trust, by));
    this.#admissions = Map.groupBy(foreign, ({ of }) => of);
  }

  signedUpTo(site: SiteId): LogPlace {
    return this.#signedUpTo.get(site) ?? LOG_START;
  }

  setSignedUpTo(site: SiteId, place: LogPlace): void {
    this.#signedUpTo.set(site, place);
  }

  of(site: SiteId): PublicKeys {
    const { owner, sites } = this.#trust;
    const own = sites.flatMap(known => (known.site === site ? (known.publicKey ?? []) : []));
    if (site === owner) return own;
    const byOwner = sites.find(known => known.site === owner)?.logKeys.get(site) ?? [];
    if (byOwner.length > 0) return byOwner;
    const atHand = sites
      .filter(known => known.site !== site && known.children.has(site))
      .flatMap(known => known.logKeys.get(site) ?? []);
    const signed = (this.#admissions.get(site) ?? []).filter(
      ({ by, place }) => comparePlaces(place, this.signedUpTo(by)) <= 0,
    );
    return [...own, ...atHand, ...keysOf(signed)];
  }

  /** Whether some replica says by which key, be it signed or not. */
  isClaimed(site: SiteId): boolean {
    return keysOf(this.#admissions.get(site) ?? []).length > 0;
  }
}

/** Of those alone that also say that the site may report to them. */
function keysOf(admissions: readonly Admission[]): PublicKeys {
  const enrollers = new Set(admissions.filter(({ publicKey }) => publicKey === null).map(({ by }) => by));
  return admissions.flatMap(({ by, publicKey }) => (enrollers.has(by) ? (publicKey ?? []) : []));
}
