import path from 'node:path';
import type { SiteId } from '@holdfast/schema';
import { openSqliteSiteLog, type SqliteSiteLog } from '@holdfast/sites';
import { fillLog } from './bench-facts.js';
import { type BenchIdentity, logKeyOf, replicateToCentral } from './bench-identity.js';

/** What the benchmark asks for: fill a log of a site, replicate it, stop that. Each is answered when it is done. */
export type ReplicateOrder =
  | { readonly kind: 'FILL'; readonly identity: BenchIdentity; readonly eventCount: number }
  | { readonly kind: 'REPLICATE'; readonly siteId: SiteId; readonly port: number }
  | { readonly kind: 'STOP' };

export interface ReplicateReport {
  /** Of the log that was filled. */
  readonly size?: number;
}

/** The sites of `benchReplicate`, one after the other: logs in files, and what it takes to bring them to a central. */
const [directory = ''] = process.argv.slice(2);
const sites = new Map<SiteId, { readonly identity: BenchIdentity; readonly log: SqliteSiteLog }>();
let stopped = new AbortController();
let replicating: Promise<void> = Promise.resolve();

async function obey(order: ReplicateOrder): Promise<ReplicateReport> {
  if (order.kind === 'FILL') {
    const { identity, eventCount } = order;
    const log = await openSqliteSiteLog({
      ...{ file: path.join(directory, `${identity.siteId}.log`), site: identity.siteId, now: Date.now },
      signingKey: logKeyOf(identity),
    });
    sites.set(identity.siteId, { identity, log });
    await fillLog(log, eventCount);
    return { size: log.head().size };
  }
  if (order.kind === 'REPLICATE') {
    stopped = new AbortController();
    const { port, siteId } = order;
    replicating = replicateToCentral({ ...sites.get(siteId)!, port, backoffMsMax: 1000 }, stopped.signal);
    return {};
  }
  stopped.abort();
  await replicating;
  return {};
}

process.on('message', async (order: ReplicateOrder) => process.send?.(await obey(order)));
process.once('disconnect', () => process.exit());
