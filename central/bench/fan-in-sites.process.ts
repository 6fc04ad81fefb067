import { setTimeout as wait } from 'node:timers/promises';
import type { CertificateAuthority } from '@holdfast/interconnect';
import type { EnrolledSite } from './bench-central.js';
import { type BenchFact, BenchFacts } from './bench-facts.js';
import { type BenchIdentity, newBenchIdentity } from './bench-identity.js';
import { PlayedSession } from './played-session.js';
import { type RecordedMessage, recordSession } from './recorded-session.js';

/** What the benchmark asks of the process of sites. Each is answered when it is done. */
export type FanInOrder =
  | {
      readonly kind: 'CREATE';
      readonly authority: CertificateAuthority;
      readonly count: number;
      readonly eventsPerSecond: number;
      /** Of the plan, which `PLAY` goes through. */
      readonly durationMs: number;
    }
  | { readonly kind: 'DIAL'; readonly port: number; readonly spreadMs: number }
  | { readonly kind: 'PLAY'; readonly fromMs: number; readonly toMs: number };

export interface FanInReport {
  readonly created: readonly EnrolledSite[];
  /** Events and messages of the part of the plan that was played. */
  readonly events: number;
  readonly messages: number;
  readonly alarms: readonly SentAlarm[];
  /** Behind the plan, of each message. */
  readonly lateMs: readonly number[];
}

export interface SentAlarm {
  readonly alarmId: string;
  /** When its site has it in its log. */
  readonly sentAtMs: number;
}

/** One message of one site, and what of its log it brings. */
interface DueMessage {
  readonly session: PlayedSession;
  readonly message: RecordedMessage;
  readonly events: number;
  /** How long each alarm in it has waited at its site already. */
  readonly alarms: readonly { readonly alarmId: string; readonly waitedMs: number }[];
}

const nothing: FanInReport = { created: [], events: 0, messages: 0, alarms: [], lateMs: [] };

/** One alarm in so many events: each site raises some. */
const ALARM_EVERY = 50;
const TICK_MS = 5;
/** Longer than a site lets anything wait. */
const TAIL_MS = 10_000;

/** They live as long as the process. */
const sessions: PlayedSession[] = [];
/** Of all sites, in the order of the plan. */
const timeline: DueMessage[] = [];
let said = 0;

async function create(order: Extract<FanInOrder, { kind: 'CREATE' }>): Promise<FanInReport> {
  const created: EnrolledSite[] = [];
  for (let index = 0; index < order.count; index += 1) {
    const identity = await newBenchIdentity(order.authority, 'site');
    const { siteId, credentials } = identity;
    created.push({ siteId, certificatePem: credentials.certificatePem });
    await record(identity, index, order);
  }
  timeline.sort((one, other) => one.message.atMs - other.message.atMs);
  return { ...nothing, created };
}

/** What a site will say, made beforehand: a thousand sites sign and pack on machines of their own, these on that of the central. */
async function record(
  identity: BenchIdentity,
  index: number,
  { count, eventsPerSecond, durationMs }: Extract<FanInOrder, { kind: 'CREATE' }>,
): Promise<void> {
  const { siteId } = identity;
  const facts = new BenchFacts(1);
  const intervalMs = (1000 * count) / eventsPerSecond;
  const beginning = facts.beginning(siteId, `Site ${siteId.slice(-4)}`);
  const plan = Array.from({ length: Math.floor(durationMs / intervalMs) }, (_, round) => {
    const isAlarm = (index + round * (count + 1)) % ALARM_EVERY === 0;
    const fact = isAlarm ? facts.alarm('The door was opened without a card.') : facts.recording();
    const atMs = (round + index / count) * intervalMs;
    return { atMs, fact, alarmId: isAlarm ? alarmIdOf(fact) : null };
  });
  const recorded = await recordSession({ identity, beginning, plan, tailMs: TAIL_MS });
  const session = new PlayedSession(identity, recorded);
  sessions.push(session);
  const sizeBefore = recorded.opening.at(-1)!.head.size;
  let from = 0;
  for (const message of recorded.planned) {
    const brought = plan.slice(from, message.head.size - sizeBefore);
    from += brought.length;
    const alarms = brought.flatMap(({ alarmId, atMs }) =>
      alarmId === null ? [] : { alarmId, waitedMs: message.atMs - atMs },
    );
    timeline.push({ session, message, events: brought.length, alarms });
  }
}

function alarmIdOf({ event }: BenchFact): string {
  return (JSON.parse(Buffer.from(event.data).toString()) as { alarmId: string }).alarmId;
}

/** Each dials at its time, and is acknowledged. */
async function dial({ port, spreadMs }: Extract<FanInOrder, { kind: 'DIAL' }>): Promise<FanInReport> {
  await Promise.all(
    sessions.map(async (session, index) => {
      await wait((index / sessions.length) * spreadMs);
      await session.dial(port);
    }),
  );
  return nothing;
}

/** A tick that comes late makes up for what it missed. */
async function play({ fromMs, toMs }: Extract<FanInOrder, { kind: 'PLAY' }>): Promise<FanInReport> {
  const beganMs = performance.now();
  const alarms: SentAlarm[] = [];
  const lateMs: number[] = [];
  let events = 0;
  for (let atMs = fromMs; atMs < toMs; ) {
    await wait(TICK_MS);
    atMs = Math.min(toMs, fromMs + performance.now() - beganMs);
    for (let due = timeline[said]; due !== undefined && due.message.atMs <= atMs; due = timeline[said]) {
      said += 1;
      due.session.say(due.message);
      const nowMs = Date.now();
      for (const { alarmId, waitedMs } of due.alarms) alarms.push({ alarmId, sentAtMs: nowMs - waitedMs });
      lateMs.push(atMs - due.message.atMs);
      events += due.events;
    }
  }
  return { ...nothing, events, messages: lateMs.length, alarms, lateMs };
}

function obey(order: FanInOrder): Promise<FanInReport> {
  if (order.kind === 'CREATE') return create(order);
  return order.kind === 'DIAL' ? dial(order) : play(order);
}

process.on('message', async (order: FanInOrder) => process.send?.(await obey(order)));
process.once('disconnect', () => process.exit());
