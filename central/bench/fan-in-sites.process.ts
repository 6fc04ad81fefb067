import { setTimeout as wait } from 'node:timers/promises';
import { createMemorySiteLog, type SiteLog } from '@holdfast/core';
import { Acknowledgements, type CertificateAuthority } from '@holdfast/interconnect';
import { sha256 } from '@holdfast/sites';
import type { EnrolledSite } from './bench-central.js';
import { appendFacts, BenchFacts } from './bench-facts.js';
import { type BenchIdentity, newBenchIdentity, replicateToCentral } from './bench-identity.js';

/** What the benchmark asks of a process of sites: to be so many, to dial, to append so much. Each is answered when it is done. */
export type FanInOrder =
  | { readonly kind: 'CREATE'; readonly authority: CertificateAuthority; readonly count: number }
  | { readonly kind: 'DIAL'; readonly port: number; readonly spreadMs: number }
  | { readonly kind: 'APPEND'; readonly eventsPerSecond: number; readonly durationMs: number };

export interface FanInReport {
  readonly created: readonly EnrolledSite[];
  readonly appended: number;
  readonly alarms: number;
}

const nothing: FanInReport = { created: [], appended: 0, alarms: 0 };

interface FanInSite {
  readonly log: SiteLog;
  readonly facts: BenchFacts;
  readonly acknowledgements: Acknowledgements;
}

/** One alarm in so many events. */
const ALARM_EVERY = 50;
const TICK_MS = 10;
const CONNECT_MS_MAX = 60_000;

/** Some hundred sites with logs in memory, real sessions and real signatures. They live as long as the process. */
const identities: BenchIdentity[] = [];
const sites: FanInSite[] = [];
const never = new AbortController().signal;

async function create(order: Extract<FanInOrder, { kind: 'CREATE' }>): Promise<FanInReport> {
  for (let count = 0; count < order.count; count += 1) {
    identities.push(await newBenchIdentity(order.authority, 'site'));
  }
  const created = identities.map(({ siteId, credentials: { certificatePem } }) => ({
    siteId,
    certificatePem,
  }));
  return { ...nothing, created };
}

async function dial({ port, spreadMs }: Extract<FanInOrder, { kind: 'DIAL' }>): Promise<FanInReport> {
  const connected = identities.map(async (identity, index) => {
    await wait((index / identities.length) * spreadMs);
    const { siteId: site } = identity;
    const log = createMemorySiteLog({ site, now: Date.now, sha256 });
    const facts = new BenchFacts(1);
    const acknowledgements = new Acknowledgements();
    await appendFacts(log, facts.beginning(site, `Site ${site.slice(-4)}`));
    void replicateToCentral({ identity, log, port, acknowledgements, backoffMsMax: 5_000 }, never);
    await acknowledgements.reached(
      site,
      { epoch: 1, position: log.head().size },
      AbortSignal.timeout(CONNECT_MS_MAX),
    );
    sites.push({ log, facts, acknowledgements });
  });
  await Promise.all(connected);
  if (sites.some(({ log, acknowledgements }) => acknowledgements.of(log.head().site).parent === null)) {
    throw new Error(`not every site was acknowledged within ${CONNECT_MS_MAX} ms`);
  }
  return nothing;
}

/** Evenly over the sites and the time; a tick that comes late makes up for what it missed. */
async function append(order: Extract<FanInOrder, { kind: 'APPEND' }>): Promise<FanInReport> {
  const beganMs = performance.now();
  let appended = 0;
  let alarms = 0;
  for (;;) {
    const elapsedMs = performance.now() - beganMs;
    if (elapsedMs >= order.durationMs) return { ...nothing, appended, alarms };
    const due = Math.floor((elapsedMs / 1000) * order.eventsPerSecond);
    for (; appended < due; appended += 1) {
      const { log, facts } = sites[appended % sites.length]!;
      const isAlarm = appended % ALARM_EVERY === 0;
      if (isAlarm) alarms += 1;
      await appendFacts(log, [
        isAlarm ? facts.alarm('The door was opened without a card.') : facts.recording(),
      ]);
    }
    await wait(TICK_MS);
  }
}

function obey(order: FanInOrder): Promise<FanInReport> {
  if (order.kind === 'CREATE') return create(order);
  return order.kind === 'DIAL' ? dial(order) : append(order);
}

process.on('message', async (order: FanInOrder) => process.send?.(await obey(order)));
process.once('disconnect', () => process.exit());
