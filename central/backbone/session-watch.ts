import { setTimeout as delay } from 'node:timers/promises';
import type { LinkLossCause, LinkObserver, LinkTrouble, RelayedHead } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import type { Sql } from '../postgres/sql.js';
import type { Wakeup } from '../read-models/wakeup.js';
import { REFUSED_LOGS_MAX } from './session-reports.js';

/** Three heartbeats in silence end a link; one more is for the way through the database. */
const HEARTBEATS_SILENT_MAX = 4;
const LOOK_MS = 1_000;
/** Many reports that come together are read together. */
const LOOK_MS_MIN = 50;
/** Transactions that began earlier may commit later: rows this much older than the newest are looked at again. */
const CHANGED_OVERLAP_SECONDS = 5;

interface SessionRow {
  readonly site: SiteId;
  readonly session: number;
  readonly lossCause: LinkLossCause | null;
  readonly isSilent: boolean;
  readonly heardAtMs: number;
  readonly changedAtMs: number;
  readonly roundTripMs: number | null;
  readonly clockOffsetMs: number | null;
  readonly headEpoch: number | null;
  readonly headPosition: number | null;
  readonly headRoot: Buffer | null;
  readonly relayed: readonly RelayedHead[] | null;
  /** What is durable of its log. */
  readonly lastEpoch: number;
  readonly lastPosition: number;
}

interface KnownSession {
  readonly session: number;
  readonly isUp: boolean;
  readonly heardAtMs: number;
}

interface RefusalRow {
  readonly site: SiteId;
  readonly code: LinkTrouble['code'];
  readonly detail: string;
  readonly broughtBy: SiteId | null;
  readonly repeated: number;
  readonly refusedAtMs: number;
  /** How far a log that a child relays is held. Null: it is the log of a child. */
  readonly relayedTo: string | null;
}

/** Makes one observer see the sessions and refusals of all intake nodes, as if they were here; also that a node fell silent. */
export class SessionWatch {
  readonly #sql: Sql;
  readonly #links: LinkObserver;
  readonly #silentSeconds: number;
  readonly #known = new Map<SiteId, KnownSession>();
  /** Of what was refused last: what came with it is told once. */
  readonly #refused = new Map<SiteId, RefusalRow>();
  #changedAtMs = 0;
  #refusedAtMs = 0;

  constructor(options: { readonly sql: Sql; readonly links: LinkObserver; readonly heartbeatMs: number }) {
    this.#sql = options.sql;
    this.#links = options.links;
    this.#silentSeconds = (HEARTBEATS_SILENT_MAX * options.heartbeatMs) / 1000;
  }

  /** Until the signal is aborted. `reported`: `listenFor(sql, SESSION_CHANNEL)`. */
  async run(
    options: { readonly reported: Wakeup; readonly onFailure: (error: unknown) => void },
    signal: AbortSignal,
  ): Promise<void> {
    const { reported, onFailure } = options;
    while (!signal.aborted) {
      const seen = reported.count;
      await this.look().catch(onFailure);
      await delay(LOOK_MS_MIN, undefined, { signal }).catch(() => undefined);
      await reported.after(seen, LOOK_MS, signal);
    }
  }

  async look(): Promise<void> {
    const rows = await this.#sql<SessionRow[]>`
      select session.site, session, loss_cause, round_trip_ms, clock_offset_ms, head_epoch, head_position, head_root, relayed,
             heard_at < now() - make_interval(secs => ${this.#silentSeconds}) as is_silent,
             extract(epoch from heard_at)::float8 * 1000 as heard_at_ms,
             extract(epoch from changed_at)::float8 * 1000 as changed_at_ms,
             coalesce(held.epoch, 0) as last_epoch, coalesce(held.position, 0) as last_position
      from child_session as session left join backbone_cursor as held using (site)
      where changed_at >= to_timestamp(${this.#changedAtMs / 1000 - CHANGED_OVERLAP_SECONDS})
         or (loss_cause is null and heard_at < now() - make_interval(secs => ${this.#silentSeconds}))`;
    for (const row of rows) {
      this.#changedAtMs = Math.max(this.#changedAtMs, row.changedAtMs);
      this.#observe(row);
    }
    await this.#lookAtRefusals();
  }

  /** One that was refused before this process began counts once: had it been an alarm, it would be one already. */
  async #lookAtRefusals(): Promise<void> {
    const rows = await this.#sql<RefusalRow[]>`
      select refusal.site, code, detail, brought_by, repeated, extract(epoch from refused_at)::float8 * 1000 as refused_at_ms,
             case when session.site is null then concat(held.epoch, '/', held.position) end as relayed_to
      from child_refusal as refusal left join child_session as session using (site) left join backbone_cursor as held using (site)
      where refused_at >= to_timestamp(${this.#refusedAtMs / 1000 - CHANGED_OVERLAP_SECONDS})`;
    for (const row of rows) {
      this.#refusedAtMs = Math.max(this.#refusedAtMs, row.refusedAtMs);
      const known = this.#refused.get(row.site);
      this.#refused.set(row.site, row);
      if (this.#refused.size > REFUSED_LOGS_MAX) this.#refused.delete(this.#refused.keys().next().value!);
      const { site, code, detail, broughtBy, repeated, relayedTo } = row;
      if (known !== undefined && relayedTo !== null && relayedTo !== known.relayedTo)
        this.#links.relayed?.(site);
      const before = known === undefined ? repeated - 1 : known.code === code ? known.repeated : 0;
      for (let count = before; count < repeated; count += 1)
        this.#links.refused?.(site, { code, detail }, broughtBy);
    }
  }

  #observe(row: SessionRow): void {
    const { site, session, heardAtMs, lastEpoch, lastPosition } = row;
    const known = this.#known.get(site) ?? { session: 0, isUp: false, heardAtMs: 0 };
    if (session < known.session) return;
    const isUp = row.lossCause === null && !row.isSilent;
    if (known.isUp && session > known.session) this.#links.lost(site, 'FENCED', lastEpoch, lastPosition);
    else if (known.isUp && !isUp) {
      this.#links.lost(site, row.lossCause ?? 'HEARTBEAT_MISSED', lastEpoch, lastPosition);
    }
    if (isUp && (!known.isUp || session > known.session)) this.#links.established(site, session);
    if (isUp && heardAtMs > known.heardAtMs) this.#measure(row);
    this.#known.set(site, { session, isUp, heardAtMs });
  }

  #measure(row: SessionRow): void {
    const { site, roundTripMs, clockOffsetMs, headEpoch, headPosition, headRoot } = row;
    if (roundTripMs === null || clockOffsetMs === null) return;
    if (headEpoch === null || headPosition === null || headRoot === null) return;
    const relayed = row.relayed === null ? null : new Map(row.relayed.map(head => [head.origin, head]));
    const head = { epoch: headEpoch, headPosition, headRoot, relayed };
    this.#links.measured(site, { roundTripMs, clockOffsetMs, ...head });
  }
}
