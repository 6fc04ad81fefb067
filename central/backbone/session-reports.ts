import type { LinkLossCause, LinkMeasurement, LinkObserver, LinkTrouble } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import type { Sql } from '../postgres/sql.js';

/** Wakes the process that makes facts of it. */
export const SESSION_CHANNEL = 'holdfast_session';

/** Refusals that wait for the database: more sites than this are not refused in one write's time, and each tries again. */
const REFUSALS_PENDING_MAX = 1_000;

/** Logs of which a refusal is kept, the newest: a child can make up as many sites as it likes. */
export const REFUSED_LOGS_MAX = 20_000;
/** So many more each node may have written until it looks at what is too much: all that are kept are counted then. */
const REFUSED_LOGS_OVER_MAX = 100;

interface SessionReport {
  readonly session: number;
  readonly lossCause: LinkLossCause | null;
  readonly measurement: LinkMeasurement | null;
}

interface Refusal {
  readonly site: SiteId;
  readonly trouble: LinkTrouble;
  readonly broughtBy: SiteId | null;
}

/**
 * Tells the process with the own log, through the database, which sessions an intake node has and what it refuses. What is told is
 * how it stands, not what happened: a report that is lost, or one that comes twice, is made good by the next heartbeat, and by the
 * next attempt of a site that is refused.
 */
export class SessionReports implements LinkObserver {
  readonly #sql: Sql;
  readonly #onFailure: (error: unknown) => void;
  readonly #sessions = new Map<SiteId, number>();
  /** The newest for each site: older ones are not worth writing. */
  readonly #pending = new Map<SiteId, SessionReport>();
  /** Each is written: several in a row mean more than one. */
  readonly #refusals: Refusal[] = [];
  #writing: Promise<void> | null = null;
  /** What an earlier process left behind counts as well. */
  #logsOver = REFUSED_LOGS_OVER_MAX;

  constructor(options: { readonly sql: Sql; readonly onFailure: (error: unknown) => void }) {
    this.#sql = options.sql;
    this.#onFailure = options.onFailure;
  }

  established(site: SiteId, session: number): void {
    this.#sessions.set(site, session);
    this.#report(site, { session, lossCause: null, measurement: null });
  }

  lost(site: SiteId, lossCause: LinkLossCause): void {
    const session = this.#sessions.get(site);
    this.#sessions.delete(site);
    if (session !== undefined) this.#report(site, { session, lossCause, measurement: null });
  }

  measured(site: SiteId, measurement: LinkMeasurement): void {
    const session = this.#sessions.get(site);
    if (session !== undefined) this.#report(site, { session, lossCause: null, measurement });
  }

  refused(site: SiteId, trouble: LinkTrouble, broughtBy: SiteId | null = null): void {
    if (this.#refusals.length === REFUSALS_PENDING_MAX) this.#refusals.shift();
    this.#refusals.push({ site, trouble, broughtBy });
    this.#writeSoon();
  }

  /** Resolves when everything that was observed until now is written, or could not be. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  #report(site: SiteId, report: SessionReport): void {
    this.#pending.set(site, report);
    this.#writeSoon();
  }

  #writeSoon(): void {
    this.#writing ??= this.#writeAll().finally(() => {
      this.#writing = null;
    });
  }

  async #writeAll(): Promise<void> {
    for (let [next] = this.#pending; next !== undefined; [next] = this.#pending) {
      const [site, report] = next;
      this.#pending.delete(site);
      await this.#write(site, report).catch(this.#onFailure);
    }
    for (let next = this.#refusals.shift(); next !== undefined; next = this.#refusals.shift()) {
      await this.#writeRefusal(next).catch(this.#onFailure);
    }
  }

  /** A session that is over elsewhere already must not come back to life by a late report. */
  async #write(site: SiteId, { session, lossCause, measurement }: SessionReport): Promise<void> {
    const root = measurement === null ? null : Buffer.from(measurement.headRoot);
    const heads = measurement?.relayed ?? null;
    const relayed = heads === null ? null : this.#sql.json([...heads.values()].map(head => ({ ...head })));
    await this.#sql`
      insert into child_session as known (site, session, loss_cause, heard_at, changed_at, round_trip_ms, clock_offset_ms,
                                          head_epoch, head_position, head_root, relayed)
      values (${site}, ${session}, ${lossCause}, now(), now(), ${measurement?.roundTripMs ?? null},
              ${measurement?.clockOffsetMs ?? null}, ${measurement?.epoch ?? null},
              ${measurement?.headPosition ?? null}, ${root}, ${relayed})
      on conflict (site) do update set
        session = excluded.session, loss_cause = excluded.loss_cause, changed_at = excluded.changed_at,
        heard_at = case when excluded.loss_cause is null then excluded.heard_at else known.heard_at end,
        round_trip_ms = excluded.round_trip_ms, clock_offset_ms = excluded.clock_offset_ms,
        head_epoch = coalesce(excluded.head_epoch, known.head_epoch),
        head_position = coalesce(excluded.head_position, known.head_position),
        head_root = coalesce(excluded.head_root, known.head_root),
        relayed = case when excluded.session > known.session then excluded.relayed
                       else coalesce(excluded.relayed, known.relayed) end
      where excluded.session > known.session or (excluded.session = known.session and known.loss_cause is null)`;
    await this.#sql.notify(SESSION_CHANNEL, site);
  }

  async #writeRefusal({ site, trouble: { code, detail }, broughtBy }: Refusal): Promise<void> {
    const [written] = await this.#sql<{ isNew: boolean }[]>`
      insert into child_refusal as known (site, code, detail, brought_by, repeated, refused_at)
      values (${site}, ${code}, ${detail}, ${broughtBy}, 1, now())
      on conflict (site) do update set
        code = excluded.code, detail = excluded.detail, brought_by = excluded.brought_by, refused_at = excluded.refused_at,
        repeated = case when known.code = excluded.code then known.repeated + 1 else 1 end
      returning xmax = 0 as is_new`;
    if (written!.isNew) this.#logsOver += 1;
    if (this.#logsOver >= REFUSED_LOGS_OVER_MAX) {
      await this.#sql`
        delete from child_refusal
        where site in (select site from child_refusal order by refused_at desc offset ${REFUSED_LOGS_MAX})`;
      this.#logsOver = 0;
    }
    await this.#sql.notify(SESSION_CHANNEL, site);
  }
}
