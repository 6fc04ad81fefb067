import { existsSync, statSync } from 'node:fs';
import path from 'node:path';
import {
  comparePlaces,
  encodeBase64,
  type LogHead,
  type LogPlace,
  type TakenOverEvents,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import {
  findSiteDirectories,
  MediaPasswordError,
  readMediaPassword,
  readSiteTrust,
  type SiteDirectoryVerification,
  type SiteTrust,
  siteLogEnd,
  siteLogFileOf,
  siteLogRootAt,
  type VerifySiteOptions,
  verifySiteDirectory,
} from '@holdfast/sites';
import { openDatabaseAsItIs } from '../postgres/database.js';
import { DatabaseUnreachableError } from '../postgres/database-unreachable-error.js';
import { EmbeddedPostgresError } from '../postgres/embedded-postgres-error.js';
import { compareHoldings, type Holding, type HoldingsComparison } from '../verification/compare-holdings.js';
import { compareWithLogs, type LogAtHand } from '../verification/compare-with-log.js';
import { inWords, type ReplicaTrust, type SignedReplica } from '../verification/replica-signatures.js';
import { type ReplicasVerification, replicaRootAt, verifyReplicas } from '../verification/verify-replicas.js';
import { readConfigurationOrReport } from './check.command.js';
import { closedInWords } from './media.command.js';
import { orSayWhy } from './named-file.js';
import { EXIT_NO, EXIT_UNREACHABLE, EXIT_WRONG_USE, processLifetime } from './process-lifetime.js';
import { ProgressLine } from './progress-line.js';

/**
 * `holdfast verify DIR` or, for a log that is on a server, `holdfast verify FILE`: proves every site's data at or below a folder,
 * what each central there has taken in, and that every log is the same wherever it is kept; names what is damaged. Returns the
 * exit code.
 */
export async function verifyCommand(
  directory: string,
  options: { readonly json: boolean; readonly passwordFile?: string },
): Promise<number> {
  const configured = orSayWhy(`${directory}: no data directory there`, () => statSync(directory)).isFile();
  const configuration = configured ? readConfigurationOrReport(directory) : null;
  if (configured && configuration === null) return EXIT_WRONG_USE;
  const directories =
    configuration === null
      ? orSayWhy(`${directory}: cannot be searched`, () => findSiteDirectories(directory))
      : [path.resolve(path.dirname(directory), configuration.data)];
  const connectionString = configuration?.log?.kurrent?.connectionString;
  const onServer = connectionString && { connectionString, site: configuration!.site.id };
  if (directories.length === 0) {
    process.stderr.write(`holdfast: ${directory}: no data directory of a site at or below it\n`);
    return EXIT_WRONG_USE;
  }
  const say = (text: string) => {
    if (!options.json) process.stdout.write(text);
  };
  const signal = processLifetime();
  const sites: SiteDirectoryVerification[] = [];
  for (const siteDirectory of directories) {
    const site = await verifySite(siteDirectory, {
      ...{ signal, passwordFile: options.passwordFile, onServer: onServer || undefined },
    }).catch(passwordErrorAsNull);
    if (site === null) return EXIT_WRONG_USE;
    sites.push(site);
    say(describeSite(site));
  }
  await using databases = new AsyncDisposableStack();
  const replicas: VerifiedDatabase[] = [];
  const differing: HoldingsComparison[] = [];
  for (const database of databasesOf(directories)) {
    const opened = { databases, trust: () => trustFor(database, sites) };
    const { verified, differences } = await heldAgainstLogs(
      await verifyDatabase(database, opened, signal),
      ...[sites, signal],
    );
    replicas.push(verified);
    differing.push(...differences);
    say(describeDatabase(verified));
  }
  for (const [index, site] of sites.entries()) {
    const notSeen = databaseNotSeen(site, replicas);
    sites[index] = { ...site, unreachable: [...site.unreachable, ...notSeen] };
    for (const { where, code, detail } of notSeen) say(`  ${code} ${where}: ${detail}\n`);
  }
  const holdings = [...siteHoldings(sites), ...replicaHoldings(replicas)];
  const compared = await compareHoldings(holdings, signal);
  const isNamed = ({ site, epoch }: HoldingsComparison) =>
    compared.some(known => known.site === site && known.epoch === epoch && known.difference !== null);
  const comparisons = [...compared, ...differing.filter(one => !isNamed(one))];
  for (const comparison of comparisons) say(describeComparison(comparison));
  const damageCount =
    [...sites, ...replicas].reduce((sum, { damages }) => sum + damages.length, 0) +
    comparisons.filter(({ difference }) => difference !== null).length;
  const unreachableCount = [...sites, ...replicas].reduce(
    (sum, { unreachable }) => sum + unreachable.length,
    0,
  );
  const unprovenCount = replicas.reduce((sum, { unproven }) => sum + unproven.length, 0);
  const proven = damageCount + unreachableCount + unprovenCount === 0;
  const isSigned = sites.every(isLogSigned) && replicas.every(areReplicasSigned);
  say(verdictInWords({ damageCount, unreachableCount, unprovenCount, isSigned }));
  if (options.json) {
    const report = {
      proven,
      sites: sites.map(withoutBytes),
      replicas: replicas.map(withoutBytes),
      comparisons,
    };
    process.stdout.write(`${JSON.stringify(report)}\n`);
  }
  if (proven) return 0;
  return damageCount > 0 ? EXIT_NO : EXIT_UNREACHABLE;
}

function verdictInWords(found: {
  readonly damageCount: number;
  readonly unreachableCount: number;
  readonly unprovenCount: number;
  readonly isSigned: boolean;
}): string {
  const { damageCount, unreachableCount, unprovenCount } = found;
  const unproven = [
    ...(unreachableCount > 0 ? ['what could not be reached is not proven'] : []),
    ...(unprovenCount > 0 ? [`${unprovenCount} replicas are not proven`] : []),
  ].join('; ');
  if (damageCount > 0) return `${damageCount} damaged${unproven && `; ${unproven}`}\n`;
  if (unproven !== '') return `nothing of what was reached is damaged; ${unproven}\n`;
  return found.isSigned ? 'all is proven\n' : 'all is proven, as far as it is signed\n';
}

function isLogSigned({ eventCount, signedEventCount }: SiteDirectoryVerification): boolean {
  return signedEventCount === eventCount;
}

function areReplicasSigned({ signed }: VerifiedDatabase): boolean {
  return signed.every(isSignedToItsEnd);
}

function isSignedToItsEnd({ signedUpTo, end }: SignedReplica): boolean {
  return comparePlaces(signedUpTo, end) >= 0;
}

function passwordErrorAsNull(error: unknown): null {
  if (!(error instanceof MediaPasswordError)) throw error;
  process.stderr.write(`holdfast: ${error.message}\n`);
  return null;
}

async function verifySite(
  directory: string,
  {
    passwordFile,
    ...options
  }: Pick<VerifySiteOptions, 'signal' | 'onServer'> & { readonly passwordFile: string | undefined },
): Promise<SiteDirectoryVerification> {
  const mediaPassword = readMediaPassword(passwordFile ?? null);
  using progress = new ProgressLine();
  const onProgress: VerifySiteOptions['onProgress'] = (what, done, total) =>
    progress.show(`${directory}: ${what}`, done, total);
  return await verifySiteDirectory(directory, { ...options, mediaPassword, onProgress });
}

interface DatabaseToVerify {
  readonly name: string;
  readonly at: Parameters<typeof openDatabaseAsItIs>[0];
  /** The data directory of the central whose database it is; null: not known. */
  readonly owner: string | null;
}

/** Which of them a central uses is not written in its folder: the one at `DATABASE_URL`, and each embedded one that is there. */
function databasesOf(directories: readonly string[]): readonly DatabaseToVerify[] {
  const databaseUrl = process.env.DATABASE_URL;
  const served =
    databaseUrl === undefined ? [] : [{ name: 'DATABASE_URL', at: { databaseUrl }, owner: null }];
  const embedded = directories.filter(hasEmbeddedDatabase).map(owner => {
    const directory = embeddedDatabaseOf(owner);
    return { name: directory, at: { directory }, owner };
  });
  return [...served, ...embedded];
}

function embeddedDatabaseOf(siteDirectory: string): string {
  return path.join(siteDirectory, 'postgres');
}

function hasEmbeddedDatabase(siteDirectory: string): boolean {
  return existsSync(path.join(embeddedDatabaseOf(siteDirectory), 'cluster'));
}

/** Of a central whose database was not seen, nothing is known of what its children reported. */
function databaseNotSeen(
  { directory, site, childCount }: SiteDirectoryVerification,
  databases: readonly VerifiedDatabase[],
): SiteDirectoryVerification['unreachable'] {
  const isHeld = databases.some(({ heads }) => heads.some(head => head.site === site));
  if (childCount === 0 || isHeld || hasEmbeddedDatabase(directory)) return [];
  const detail = `what ${childCount} sites reported here is not proved: no database that was seen has taken this log in; set DATABASE_URL as for the central`;
  return [{ where: directory, code: 'DATABASE_NOT_SEEN', detail }];
}

interface VerifiedDatabase extends ReplicasVerification {
  readonly database: string;
  readonly unreachable: readonly Finding[];
  readonly rootAt: (head: LogHead, signal: AbortSignal) => Promise<Uint8Array | null>;
}

/** An embedded database that does not start is damage like any other: the rest is proved nevertheless. */
async function verifyDatabase(
  { name, at }: DatabaseToVerify,
  { databases, trust }: { readonly databases: AsyncDisposableStack; readonly trust: () => ReplicaTrust },
  signal: AbortSignal,
): Promise<VerifiedDatabase> {
  using progress = new ProgressLine();
  try {
    const { sql } = databases.use(await openDatabaseAsItIs(at));
    const onProgress = (done: number, total: number) => progress.show(name, done, total);
    const verification = await verifyReplicas(sql, { trust, signal, onProgress });
    return {
      database: name,
      unreachable: [],
      ...verification,
      rootAt: (head, until) => replicaRootAt(sql, head, until),
    };
  } catch (error) {
    const nothing = {
      ...{ database: name, eventCount: 0, heads: [], signed: [], takenOver: [], unproven: [] },
      ...{ damages: [], unreachable: [] },
      rootAt: async () => null,
    };
    const found = { where: 'database', detail: error instanceof Error ? error.message : String(error) };
    if (error instanceof DatabaseUnreachableError)
      return { ...nothing, unreachable: [{ ...found, code: error.code }] };
    if (!(error instanceof EmbeddedPostgresError)) throw error;
    return { ...nothing, damages: [{ ...found, code: 'DATABASE_UNREADABLE' }] };
  }
}

/** What the logs at hand say now: who was enrolled since they were proved has reported since. */
function trustFor({ owner }: DatabaseToVerify, verified: readonly SiteDirectoryVerification[]): ReplicaTrust {
  const trusted = verified.flatMap(({ directory, trust }) => {
    const now = readTrustOrNull(directory) ?? trust;
    return now === null ? [] : [{ directory, trust: now }];
  });
  const own = trusted.find(({ directory }) => directory === owner);
  return { owner: own?.trust.site ?? null, sites: trusted.map(({ trust }) => trust) };
}

/** What is wrong with the log has been named already. */
function readTrustOrNull(directory: string): SiteTrust | null {
  try {
    return readSiteTrust(directory);
  } catch {
    return null;
  }
}

/** What is not signed, and is the same in the log at hand, is proved by that. */
async function heldAgainstLogs(
  verified: VerifiedDatabase,
  sites: readonly SiteDirectoryVerification[],
  signal: AbortSignal,
): Promise<{ readonly verified: VerifiedDatabase; readonly differences: readonly HoldingsComparison[] }> {
  const logs = new Map<SiteId, LogAtHand>();
  for (const { site, directory } of sites) {
    const file = siteLogFileOf(directory);
    const rootAt: LogAtHand['rootAt'] = (place, until) =>
      siteLogRootAt({ ...place, file, signal: until }).catch(() => null);
    const end = () => logEndOrNull(file);
    // Of several copies of a log the one that goes furthest: a backup is older than what is held above.
    if (site !== null && !isBehind(end(), logs.get(site)?.end() ?? null))
      logs.set(site, { directory, end, rootAt });
  }
  const { alike, differences } = await compareWithLogs(verified, logs, signal);
  const unproven = verified.unproven.filter(({ where }) => !alike.has(where));
  return { verified: { ...verified, unproven }, differences };
}

function isBehind(one: LogPlace | null, other: LogPlace | null): boolean {
  return other !== null && (one === null || comparePlaces(one, other) < 0);
}

function logEndOrNull(file: string): LogPlace | null {
  try {
    return siteLogEnd(file);
  } catch {
    return null;
  }
}

function siteHoldings(sites: readonly SiteDirectoryVerification[]): readonly Holding[] {
  return sites.flatMap(({ directory, head }) => {
    if (head === null) return [];
    const file = siteLogFileOf(directory);
    const rootAt: Holding['rootAt'] = (size, signal) =>
      siteLogRootAt({ ...head, file, size, signal }).catch(() => null);
    return [{ where: directory, head, rootAt }];
  });
}

function replicaHoldings(databases: readonly VerifiedDatabase[]): readonly Holding[] {
  return databases.flatMap(({ database, heads, rootAt }) =>
    heads.map(head => ({
      ...{ where: database, head },
      rootAt: (size: number, signal: AbortSignal) => rootAt({ ...head, size }, signal),
    })),
  );
}

function describeSite(site: SiteDirectoryVerification): string {
  const megabytes = (site.mediaBytes / 1e6).toFixed(1);
  const closed = site.closedSegmentCount > 0 ? `; ${closedInWords(site.closedSegmentCount)}` : '';
  const { eventCount, signedEventCount, truncatedEventCount, carriedEventCount } = site;
  const gone =
    site.unsignedDeletedCount > 0
      ? `; ${site.unsignedDeletedCount} more are gone, as events say that are not signed yet`
      : '';
  const behind =
    truncatedEventCount > 0
      ? ` behind ${truncatedEventCount} that truncation has removed (${carriedEventCount} of them carried over the cut)`
      : '';
  const first = `${site.directory}: ${eventCount} events (${signedEventCount} signed)${behind}, ${site.segmentCount} segments (${megabytes} MB)${closed}${gone}`;
  const takenOver = site.takenOver.map(each => `  ${takenOverInWords(each)}`);
  return linesOf([first, ...takenOver].join('\n'), site.damages, site.unreachable);
}

/** It is no damage, and no fact that the site wrote and signed either. */
function takenOverInWords({ count, from, to, salvagedAt, salvagedAtMs }: TakenOverEvents): string {
  const at = new Date(salvagedAtMs).toISOString();
  return `taken over unsigned: ${count} events, ${inWords(from)} to ${inWords(to)}, found in a damaged file by the salvage of ${at} (${inWords(salvagedAt)})`;
}

function describeDatabase({
  database,
  eventCount,
  signed,
  takenOver,
  damages,
  unproven,
  unreachable,
}: VerifiedDatabase): string {
  const behind = signed.filter(replica => !isSignedToItsEnd(replica));
  const signedCount = signed.length - behind.length;
  const first = `${database}: ${eventCount} events of ${signed.length} sites taken in (${signedCount} signed to their end)`;
  const reach = behind.map(
    ({ site, signedUpTo, end }) => `  site ${site}: signed up to ${inWords(signedUpTo)} of ${inWords(end)}`,
  );
  const salvaged = takenOver.map(each => `  site ${each.site}: ${takenOverInWords(each)}`);
  return linesOf([first, ...reach, ...salvaged].join('\n'), damages, [...unproven, ...unreachable]);
}

function describeComparison({ site, epoch, size, where, difference }: HoldingsComparison): string {
  const same = `site ${site}: the same ${size} events of epoch ${epoch} at ${where.length} places\n`;
  return difference === null ? same : `  DAMAGED site ${site} HOLDINGS_DIFFER: ${difference}\n`;
}

interface Finding {
  readonly where: string;
  readonly code: string;
  readonly detail: string;
}

function linesOf(first: string, damages: readonly Finding[], unreachable: readonly Finding[] = []): string {
  const lines = damages.map(({ where, code, detail }) => `  DAMAGED ${where} ${code}: ${detail}`);
  // It is not known to be damaged.
  for (const { where, code, detail } of unreachable) lines.push(`  ${code} ${where}: ${detail}`);
  return `${[first, ...lines].join('\n')}\n`;
}

/** Roots as text, and nothing that is no data. */
function withoutBytes<Verified extends SiteDirectoryVerification | VerifiedDatabase>(
  verified: Verified,
): object {
  const ofHead = (head: LogHead) => ({ ...head, root: encodeBase64(head.root) });
  if (!('heads' in verified)) {
    const { trust: _, ...rest } = verified;
    return { ...rest, head: verified.head && ofHead(verified.head) };
  }
  const { rootAt: _, heads, ...rest } = verified;
  return { ...rest, heads: heads.map(ofHead) };
}
