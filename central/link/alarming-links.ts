import { comparePlaces, type LogPlace } from '@holdfast/core';
import type { LinkMeasurement, LinkObserver, LinkTrouble } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import type { CausedAlarm } from '@holdfast/sites';

/** Nothing that heals by itself, and nothing that happens on the way. */
const alarmingAtOnce: ReadonlySet<LinkTrouble['code']> = new Set([
  'BAD_SIGNATURE',
  'FORK',
  'NOT_ENROLLED',
  'TRUNCATED',
  'UNKNOWN_EPOCH',
  'UNSTORABLE',
  'WISH_LOST',
]);
/** What says that a session was ended on purpose, or that this central is at fault, which it logs itself. */
const neverAlarming: ReadonlySet<LinkTrouble['code']> = new Set(['FENCED', 'UNAVAILABLE']);
/** Damage on the way and a faulty moment are over at the next attempt; what comes so often in a row is not. */
const REFUSALS_IN_A_ROW = 3;
/** A session in which nothing was refused for so long: what is refused then has begun again. */
const WELL_SESSION_MS = 3_600_000;

/** Alarms about what one child brings, in a period: who makes up sites, or words, must not fill the log with them. */
const CAUSES_PER_CHILD_MAX = 50;
const CAUSES_PERIOD_MS = 3_600_000;
/** Of a site's clock: what two sites saw of one thing is told in the wrong order, and found at the wrong time. */
const CLOCK_OFF_MS_MAX = 10_000;

/** Far more than a central has; of those that were refused longest ago what was refused is forgotten. */
const LOGS_MAX = 20_000;

/** What is refused of one log: of the site's own session, or as another one brings it. */
interface RefusedLog {
  /** Null: nothing, since it has gone on. */
  readonly code: LinkTrouble['code'] | null;
  /** As the alarm says it. */
  readonly detail: string;
  readonly count: number;
  /** It has gone on since the last alarm. */
  readonly isAnew: boolean;
}

interface UpSession {
  readonly sinceMs: number;
  /** The end of the child's log, as it said last. */
  head: LogPlace | null;
}

export interface AlarmingLinksOptions {
  readonly nameOf: (site: SiteId) => Promise<string>;
  readonly raiseAlarm: (alarm: CausedAlarm) => void;
  readonly monotonicMs: () => number;
}

/**
 * The observer of links, with an alarm where a person must look: a log that is refused, once for each log and cause as long as it
 * lasts, and anew when it had gone on or the alarm was closed; and a command that was answered and is lost.
 */
export function alarmingLinks(links: LinkObserver, options: AlarmingLinksOptions): LinkObserver {
  return new AlarmingLinks(links, options);
}

class AlarmingLinks implements LinkObserver {
  readonly #links: LinkObserver;
  readonly #options: AlarmingLinksOptions;
  readonly #own = new Map<SiteId, RefusedLog>();
  readonly #relayed = new Map<SiteId, RefusedLog>();
  readonly #up = new Map<SiteId, UpSession>();
  /** Of these an alarm was raised, and the clock has not been right since. */
  readonly #clocksOff = new Set<SiteId>();
  /** Of each child, what was an alarm since then. */
  readonly #told = new Map<SiteId, { readonly sinceMs: number; readonly causes: Set<string> }>();
  /** Of the log of a site, when its last session was over. */
  readonly #held = new Map<SiteId, LogPlace>();

  constructor(links: LinkObserver, options: AlarmingLinksOptions) {
    this.#links = links;
    this.#options = options;
  }

  connecting(site: SiteId): void {
    this.#links.connecting?.(site);
  }

  /** Most is refused only in a session that has come about: this alone is no end of it. */
  established(site: SiteId, session: number): void {
    this.#up.set(site, { sinceMs: this.#options.monotonicMs(), head: null });
    this.#links.established(site, session);
  }

  lost(...[site, cause, epoch, position]: Parameters<LinkObserver['lost']>): void {
    const up = this.#up.get(site);
    const before = this.#held.get(site);
    this.#up.delete(site);
    this.#held.set(site, { epoch, position });
    const isClean = up !== undefined && cause !== 'PROTOCOL_ERROR' && cause !== 'FENCED';
    // One that broke before it came to what is refused says nothing.
    const isHeld = up?.head != null && comparePlaces({ epoch, position }, up.head) >= 0;
    const hasProgressed = before === undefined || comparePlaces(before, { epoch, position }) < 0;
    if (isClean && (isHeld || hasProgressed)) wentOn(this.#own, site);
    this.#links.lost(site, cause, epoch, position);
  }

  relayed(site: SiteId): void {
    wentOn(this.#relayed, site);
    this.#links.relayed?.(site);
  }

  measured(...[site, measurement]: Parameters<LinkObserver['measured']>): void {
    const up = this.#up.get(site);
    if (up !== undefined) up.head = { epoch: measurement.epoch, position: measurement.headPosition };
    this.#lookAtClock(site, measurement);
    this.#links.measured(site, measurement);
  }

  refused(site: SiteId, trouble: LinkTrouble, broughtBy: SiteId | null = null): void {
    this.#links.refused?.(site, trouble, broughtBy);
    const { code, detail } = trouble;
    if (neverAlarming.has(code)) return;
    if (code === 'WISH_LOST') {
      this.#raise(site, null, name => lostWish(site, name, detail));
      return;
    }
    const isAtOnce = alarmingAtOnce.has(code);
    const logs = broughtBy === null ? this.#own : this.#relayed;
    const up = this.#up.get(site);
    if (isAtOnce && broughtBy === null && up !== undefined) {
      if (this.#options.monotonicMs() - up.sinceMs >= WELL_SESSION_MS) wentOn(logs, site);
    }
    const before = logs.get(site);
    const dueAt = isAtOnce ? 1 : REFUSALS_IN_A_ROW;
    // Of what is an alarm at once another cause is another alarm.
    const repeats = before?.code === code && !(isAtOnce && before.detail !== detail);
    const count = repeats ? before.count + 1 : 1;
    const said = repeats && count > dueAt ? before.detail : detail;
    const isAnew = before?.isAnew ?? false;
    logs.set(site, { code, detail: said, count, isAnew: isAnew && count < dueAt });
    if (logs.size > LOGS_MAX) logs.delete(logs.keys().next().value!);
    if (count < dueAt) return;
    const recurs = count === dueAt && isAnew ? 'ANEW' : 'UNLESS_OPEN';
    const cause = `replication of ${site} ${broughtBy === null ? '' : `by ${broughtBy} `}${code} ${said}`;
    const child = broughtBy ?? site;
    if (!this.#mayTell(child, cause)) {
      this.#raise(child, null, name => tooMany(child, name));
      return;
    }
    this.#raise(site, broughtBy, (name, broughtByName) => ({
      cause,
      name: `The log of ${name} is refused: ${code}`,
      message: `${said}. ${whose(code, name, broughtByName)}`,
      recurs,
    }));
  }

  /** What one way of a link may take longer than the other is not held against a clock. */
  #lookAtClock(site: SiteId, { clockOffsetMs, roundTripMs }: LinkMeasurement): void {
    const isOff = Math.abs(clockOffsetMs) - roundTripMs / 2 > CLOCK_OFF_MS_MAX;
    if (!isOff) this.#clocksOff.delete(site);
    if (!isOff || this.#clocksOff.has(site)) return;
    this.#clocksOff.add(site);
    const by = `${Math.round(Math.abs(clockOffsetMs) / 1000)} s ${clockOffsetMs > 0 ? 'ahead of' : 'behind'}`;
    this.#raise(site, null, name => ({
      ...{ cause: `the clock of ${site} is off`, recurs: 'UNLESS_OPEN', name: `The clock of ${name} is off` },
      message: `It is ${by} the clock here, and so are the times of what ${name} records. Put right the one that is wrong, as by NTP.`,
    }));
  }

  #mayTell(child: SiteId, cause: string): boolean {
    const nowMs = this.#options.monotonicMs();
    let told = this.#told.get(child);
    if (told === undefined || nowMs - told.sinceMs >= CAUSES_PERIOD_MS) {
      told = { sinceMs: nowMs, causes: new Set() };
      this.#told.set(child, told);
    }
    if (told.causes.size < CAUSES_PER_CHILD_MAX) told.causes.add(cause);
    return told.causes.has(cause);
  }

  #raise(
    site: SiteId,
    broughtBy: SiteId | null,
    alarm: (name: string, broughtByName: string | null) => CausedAlarm,
  ): void {
    const nameOf = (named: SiteId) => this.#options.nameOf(named).catch(() => named as string);
    void Promise.all([nameOf(site), broughtBy === null ? null : nameOf(broughtBy)]).then(names =>
      this.#options.raiseAlarm(alarm(...names)),
    );
  }
}

function wentOn(logs: Map<SiteId, RefusedLog>, site: SiteId): void {
  if (logs.has(site)) logs.set(site, { code: null, detail: '', count: 0, isAnew: true });
}

function whose(code: LinkTrouble['code'], name: string, broughtByName: string | null): string {
  if (code === 'UNSTORABLE') return 'This is about what came off the backbone.';
  return broughtByName === null
    ? `This is about the session of ${name} itself.`
    : `This is about its log as ${broughtByName} brings it.`;
}

function tooMany(child: SiteId, name: string): CausedAlarm {
  return {
    cause: `replication by ${child} is refused for many causes`,
    name: `Much of what ${name} brings is refused`,
    message: `More than ${CAUSES_PER_CHILD_MAX} logs or causes within an hour: what else is refused of ${name}, or of what it brings, is an alarm no more. The process log names each.`,
    recurs: 'UNLESS_OPEN',
  };
}

function lostWish(site: SiteId, name: string, detail: string): CausedAlarm {
  return {
    cause: `replication of ${site} WISH_LOST ${detail}`,
    name: `A command to ${name} is missing in this log`,
    message: `${name}: ${detail}. This site was restored from an older copy: what was asked since then may be done and not be known here, unless its history comes back from its parent. Commands that the log holds and ${name} has not answered are handed out again.`,
  };
}
