import {
  type ConfigurationChange,
  ConfigurationDiff,
  decodeFold,
  encodeFold,
  LOG_START,
  type LogPlace,
  placeOf,
  type RecordedEvent,
  SiteState,
} from '@holdfast/core';
import type { EventId, SiteId } from '@holdfast/schema';
import type { Sql } from '../postgres/sql.js';

/** Events folded between two snapshots of a site's configuration: some 20 ms. */
const SNAPSHOT_EVENTS = 1000;
/** Snapshots kept of one site; beyond, the oldest go: what is long ago is asked for least. */
const SNAPSHOTS_MAX = 64;
const PAGE_EVENTS = 500;
/** Events between the two times of a diff: more change than anybody reads. */
const DIFF_EVENTS_MAX = 20_000;
/** Of the hybrid logical clock: milliseconds × 65536 + counter. */
const HLC_COUNTER_BITS = 16n;
const HLC_MS_MAX = 2 ** 47 - 1;

/** A moment in the history of a site: now, everything recorded at a time or before, or up to and with a place. */
export type Moment =
  | { readonly kind: 'NOW' }
  | { readonly kind: 'TIME'; readonly atMs: number }
  | { readonly kind: 'PLACE'; readonly place: LogPlace };

export interface ConfigurationAsOf {
  readonly state: SiteState;
  /** Of the last event of configuration; `LOG_START` before the first. */
  readonly place: LogPlace;
  readonly recordedAtMs: number | null;
}

export class DiffTooLongError extends Error {
  override readonly name = 'DiffTooLongError';
  readonly code = 'DIFF_TOO_LONG';
  constructor() {
    super(`more than ${DIFF_EVENTS_MAX} events of configuration lie between: ask for a shorter span`);
  }
}

/** Configurations of sites as of any moment, folded from what their logs say here. */
export class ConfigurationHistory {
  readonly #sql: Sql;
  /** Hash of the code that folds: what other code has kept is of no use. */
  readonly #code: string;

  constructor(sql: Sql, code: string) {
    this.#sql = sql;
    this.#code = code;
  }

  async asOf(site: SiteId, moment: Moment): Promise<ConfigurationAsOf> {
    const snapshot = await this.#lastSnapshot(site, moment);
    const state = snapshot ? SiteState.restored(decodeFold(snapshot.state)) : new SiteState();
    let place: LogPlace = snapshot ?? LOG_START;
    let recordedAt = snapshot ? BigInt(snapshot.recordedAt) : null;
    let foldedCount = 0;
    for await (const event of this.#events(site, place, moment)) {
      state.read(event);
      place = placeOf(event);
      recordedAt = event.recordedAt;
      foldedCount += 1;
      if (foldedCount % SNAPSHOT_EVENTS === 0) await this.#keep(site, event, state);
    }
    const recordedAtMs = recordedAt === null ? null : Number(recordedAt >> HLC_COUNTER_BITS);
    return { state, place: placeOf(place), recordedAtMs };
  }

  /** What differs at the second moment from the first. Throws `DiffTooLongError`. */
  async diff(site: SiteId, from: Moment, to: Moment): Promise<readonly ConfigurationChange[]> {
    const { state, place } = await this.asOf(site, from);
    const diff = new ConfigurationDiff(state);
    let count = 0;
    for await (const event of this.#events(site, place, to)) {
      diff.read(event);
      if (++count > DIFF_EVENTS_MAX) throw new DiffTooLongError();
    }
    return diff.changes();
  }

  /** When the last event was recorded that has arrived here; null when none has. */
  async knownUntilMs(site: SiteId): Promise<number | null> {
    const [last] = await this.#sql<{ recordedAtMs: number }[]>`
      select recorded_at >> 16 as recorded_at_ms from replica_event
      where site = ${site} order by epoch desc, position desc limit 1`;
    return last?.recordedAtMs ?? null;
  }

  async *#events(site: SiteId, after: LogPlace, until: Moment): AsyncGenerator<RecordedEvent> {
    const sql = this.#sql;
    let from = after;
    for (;;) {
      const rows = await sql<ConfigurationEventRow[]>`
        select id, epoch, position, stream, revision, type, version, recorded_at::text as recorded_at, occurred_at_ms,
               clock_quality, actor, causation_id, correlation_id, header, data, leaf_hash
        from replica_event
        where site = ${site}
          and (stream = 'site' or stream like 'child-site-%' or stream like 'recording-server-%'
            or (stream like 'hardware-%' and stream not like 'hardware-connection-%'))
          and (epoch, position) > (${from.epoch}, ${from.position}) and ${this.#notAfter(until)}
        order by epoch, position limit ${PAGE_EVENTS}`;
      for (const { recordedAt, ...row } of rows) yield { ...row, site, recordedAt: BigInt(recordedAt) };
      if (rows.length < PAGE_EVENTS) return;
      from = rows.at(-1)!;
    }
  }

  #notAfter(moment: Moment) {
    const sql = this.#sql;
    switch (moment.kind) {
      case 'NOW':
        // Not the time here: the clock of the site may be ahead of it.
        return sql`true`;
      case 'PLACE':
        return sql`(epoch, position) <= (${moment.place.epoch}, ${moment.place.position})`;
      case 'TIME': {
        // Times within a log never run back, so that an instant is a place.
        const afterMs = BigInt(Math.min(Math.floor(moment.atMs) + 1, HLC_MS_MAX));
        return sql`recorded_at < ${String(afterMs << HLC_COUNTER_BITS)}::bigint`;
      }
    }
  }

  async #lastSnapshot(site: SiteId, moment: Moment): Promise<SnapshotRow | null> {
    const sql = this.#sql;
    const [row] = await sql<SnapshotRow[]>`
      select epoch, position, recorded_at::text as recorded_at, state from site_state_snapshot as kept
      where site = ${site} and code = ${this.#code} and ${this.#notAfter(moment)}
        and exists (select 1 from replica_event
          where site = kept.site and epoch = kept.epoch and position = kept.position and leaf_hash = kept.leaf_hash)
      order by epoch desc, position desc limit 1`;
    return row ?? null;
  }

  async #keep(
    site: SiteId,
    { epoch, position, recordedAt, leafHash }: RecordedEvent,
    state: SiteState,
  ): Promise<void> {
    const sql = this.#sql;
    await sql`
      insert into site_state_snapshot (site, epoch, position, recorded_at, leaf_hash, code, state)
      values (${site}, ${epoch}, ${position}, ${recordedAt.toString()}::bigint, ${leafHash}, ${this.#code}, ${encodeFold(state)})
      on conflict (site, epoch, position) do update
      set recorded_at = excluded.recorded_at, leaf_hash = excluded.leaf_hash, code = excluded.code, state = excluded.state`;
    await sql`
      delete from site_state_snapshot where site = ${site} and (code <> ${this.#code} or (epoch, position) not in (
        select epoch, position from site_state_snapshot where site = ${site}
        order by epoch desc, position desc limit ${SNAPSHOTS_MAX}))`;
  }
}

interface SnapshotRow extends LogPlace {
  readonly recordedAt: string;
  readonly state: string;
}

type ConfigurationEventRow = Omit<RecordedEvent, 'site' | 'recordedAt' | 'id'> & {
  readonly id: EventId;
  readonly recordedAt: string;
};
