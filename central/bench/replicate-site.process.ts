import { openSqliteSiteLog } from '@holdfast/sites';
import { fillLog } from './bench-facts.js';
import { type BenchIdentity, logKeyOf, replicateToCentral } from './bench-identity.js';

/** What the benchmark says: fill your log, then replicate it. */
export type ReplicateSiteOrder =
  | { readonly kind: 'FILL'; readonly eventCount: number }
  | { readonly kind: 'REPLICATE'; readonly port: number };

export type ReplicateSiteReport =
  | { readonly kind: 'FILLED'; readonly size: number; readonly dataBytes: number }
  /** CPU time of the whole process, in microseconds. */
  | { readonly kind: 'ENDED'; readonly cpuUs: number };

/** The site of `benchReplicate`: a log in a file, and what it takes to bring it to a central. Ends with its parent. */
const [file = '', identityJson = ''] = process.argv.slice(2);
const identity = JSON.parse(identityJson) as BenchIdentity;
const log = await openSqliteSiteLog({
  ...{ file, site: identity.siteId, now: Date.now, signingKey: logKeyOf(identity) },
});
const stopped = new AbortController();
const report = (what: ReplicateSiteReport) => process.send?.(what);

process.on('message', async (order: ReplicateSiteOrder) => {
  if (order.kind === 'FILL') {
    await fillLog(log, order.eventCount);
    const { epoch, size } = log.head();
    const [last] = await log.read({ after: { epoch, position: size - 1 }, limit: 1 });
    report({ kind: 'FILLED', size, dataBytes: last!.data.length });
    return;
  }
  const before = process.cpuUsage();
  await replicateToCentral({ identity, log, port: order.port, backoffMsMax: 1000 }, stopped.signal);
  const { user, system } = process.cpuUsage(before);
  report({ kind: 'ENDED', cpuUs: user + system });
});
process.on('SIGTERM', () => stopped.abort());
process.once('disconnect', () => process.exit());
report({ kind: 'FILLED', size: log.head().size, dataBytes: 0 });
