import { flushCompileCache } from 'node:module';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { SiteLog } from '@holdfast/core';
import { type AcknowledgedLevels, Acknowledgements } from '@holdfast/interconnect';
import type { AlarmId, EventId } from '@holdfast/schema';
import { type LogOfSite, openLogOf, runOverResets, runTogether } from '@holdfast/sites';
import { BenchFacts } from './bench-facts.js';
import { type BenchIdentity, benchLogger, replicateToCentral } from './bench-identity.js';

/** What a site says before it is killed. */
export interface RecoverSiteReport {
  /** Alarms whose append was acknowledged: the event, the alarm, the place in the log. */
  readonly appended: readonly (readonly [EventId, AlarmId, epoch: number, position: number])[];
  /** Up to where the log is durable above; null before anything was said of that in this life. */
  readonly levels: AcknowledgedLevels;
  /** Of the log. */
  readonly head: { readonly epoch: number; readonly size: number };
}

/** Callers that each append an alarm, await it, and wait a moment: about a thousand a second together. */
const CALLERS = 16;
const CALLER_PAUSE_MS = 16;
const REPORT_MS = 5;
/** As in the configuration of a site that says nothing. */
const RECONNECT_MS_MAX = 1000;

/** The site of `benchRecover`: to be killed, or, when it may not append, to bring to its parent what is left. */
const [dataDirectory = '', identityJson = '', port = '', mayAppend = ''] = process.argv.slice(2);
const identity = JSON.parse(identityJson) as BenchIdentity;
const { siteId: site } = identity;
const acknowledgements = new Acknowledgements();
const stopped = new AbortController();

function report(log: SiteLog, appended: RecoverSiteReport['appended']): void {
  const { epoch, size } = log.head();
  process.send?.({
    ...{ appended, levels: acknowledgements.of(site), head: { epoch, size } },
  } satisfies RecoverSiteReport);
}

async function appendUntil(log: SiteLog, signal: AbortSignal): Promise<void> {
  const facts = new BenchFacts();
  while (!signal.aborted) {
    const { stream, event } = facts.alarm('The door was opened without a card.');
    // What a log that fails has not acknowledged is told to nobody; `mend` sees to the log.
    const outcome = await log
      .append([{ stream, expected: 'any', events: [event] }])
      .catch((error: unknown) => void benchLogger.warn({ err: error }, 'not appended'));
    if (outcome !== undefined) {
      if (!outcome.appended) throw new Error(`the log refused: ${outcome.refusal.code}`);
      const { epoch, firstPosition } = outcome;
      report(log, [[event.id, stream.slice('alarm-'.length) as AlarmId, epoch, firstPosition]]);
    }
    await wait(CALLER_PAUSE_MS);
  }
}

async function reportUntil(log: SiteLog, signal: AbortSignal): Promise<void> {
  let reported = '';
  while (!signal.aborted) {
    const { epoch, size } = log.head();
    const now = JSON.stringify([epoch, size, acknowledgements.of(site)]);
    if (now !== reported) report(log, []);
    reported = now;
    await wait(REPORT_MS);
  }
}

// Who is killed leaves nothing behind that it does not write before.
flushCompileCache();
process.once('disconnect', () => process.exit());
process.once('SIGTERM', () => stopped.abort());
const of: LogOfSite = {
  ...{ configuration: { site: { id: site, name: path.basename(dataDirectory) } }, dataDirectory },
  logger: benchLogger,
};
await runOverResets(
  of,
  async ({ signal, isReset, repairs, mend }) => {
    await using log = await openLogOf(of);
    const replication = {
      ...{ identity, log, port: Number(port), acknowledgements, lostHistory: repairs },
      backoffMsMax: RECONNECT_MS_MAX,
    };
    await runTogether(
      [
        running => replicateToCentral(replication, running),
        running => mend(log, running),
        running => reportUntil(log, running),
        ...(mayAppend === 'APPEND'
          ? Array.from({ length: CALLERS }, () => (running: AbortSignal) => appendUntil(log, running))
          : []),
      ],
      signal,
      isReset,
    );
  },
  stopped.signal,
);
process.exit();
