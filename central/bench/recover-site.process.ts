import { flushCompileCache } from 'node:module';
import { setTimeout as wait } from 'node:timers/promises';
import { Acknowledgements } from '@holdfast/interconnect';
import type { AlarmId, EventId } from '@holdfast/schema';
import { openSqliteSiteLog } from '@holdfast/sites';
import { BenchFacts } from './bench-facts.js';
import { type BenchIdentity, logKeyOf, replicateToCentral } from './bench-identity.js';

/** What a site says before it is killed. */
export interface RecoverSiteReport {
  /** Alarms whose append was acknowledged: the event, the alarm, the place in the log. */
  readonly appended: readonly (readonly [EventId, AlarmId, number])[];
  /** Up to there the central has acknowledged the log; null before it has in this life. */
  readonly acknowledged: number | null;
  /** End of the log. */
  readonly size: number;
}

/** Callers that each append an alarm, await it, and wait a moment: about a thousand a second together. */
const CALLERS = 16;
const CALLER_PAUSE_MS = 16;
const REPORT_MS = 5;
/** As in the configuration of a site that says nothing. */
const RECONNECT_MS_MAX = 1000;

/** The site of `benchRecover`: to be killed, or, when it may not append, to bring to the central what is left. */
const [file = '', identityJson = '', port = '', mayAppend = ''] = process.argv.slice(2);
const identity = JSON.parse(identityJson) as BenchIdentity;
const { siteId: site } = identity;
const log = await openSqliteSiteLog({ file, site, now: Date.now, signingKey: logKeyOf(identity) });
const acknowledgements = new Acknowledgements();
const stopped = new AbortController();
const report = (appended: RecoverSiteReport['appended']) => {
  const acknowledged = acknowledgements.of(site).parent?.position ?? null;
  process.send?.({ appended, acknowledged, size: log.head().size } satisfies RecoverSiteReport);
};

async function appendForEver(): Promise<void> {
  const facts = new BenchFacts();
  while (!stopped.signal.aborted) {
    const { stream, event } = facts.alarm('The door was opened without a card.');
    const outcome = await log.append([{ stream, expected: 'any', events: [event] }]);
    if (!outcome.appended) throw new Error(`the log refused: ${outcome.refusal.code}`);
    report([[event.id, stream.slice('alarm-'.length) as AlarmId, outcome.firstPosition]]);
    await wait(CALLER_PAUSE_MS);
  }
}

async function reportForEver(): Promise<void> {
  let reported: number | null = null;
  while (!stopped.signal.aborted) {
    const position = acknowledgements.of(site).parent?.position ?? null;
    if (position !== reported) report([]);
    reported = position;
    await wait(REPORT_MS);
  }
}

// Who is killed leaves nothing behind that it does not write before.
flushCompileCache();
process.once('disconnect', () => process.exit());
process.once('SIGTERM', () => stopped.abort());
await Promise.all([
  replicateToCentral(
    { identity, log, port: Number(port), acknowledgements, backoffMsMax: RECONNECT_MS_MAX },
    stopped.signal,
  ),
  reportForEver(),
  ...(mayAppend === 'APPEND' ? Array.from({ length: CALLERS }, appendForEver) : []),
]);
await log[Symbol.asyncDispose]();
process.exit();
