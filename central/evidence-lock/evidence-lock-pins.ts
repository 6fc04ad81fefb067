import { comparePlaces, type LogPlace, type ProtectedSpan } from '@holdfast/core';
import { type DeviceId, LogHistoryRecovered, type SiteId } from '@holdfast/schema';
import type { Sql } from '../postgres/sql.js';
import { evidenceLocksReadModel } from '../read-models/evidence-lock/evidence-locks.read-model.js';
import { readSiteProgress } from '../read-models/site-progress.query.js';
import type { Wakeup } from '../read-models/wakeup.js';

/** Locks are read when the read models have moved on, and at least this often. */
const REFRESH_MS = 10_000;
/** What was read longer ago says nothing: then nothing may be deleted. */
const STALE_AFTER_MS = 120_000;
/** Far more locks than an organisation holds at once; with more of them nothing is deleted. */
const LOCKS_MAX = 100_000;

export class EvidenceLocksUnknownError extends Error {
  override readonly name = 'EvidenceLocksUnknownError';
  readonly code = 'EVIDENCE_LOCKS_UNKNOWN';
}

/**
 * What the evidence locks of all sites protect. A copy of a recording is protected by the lock at the site that recorded it,
 * and those locks are in the logs of the children, which the central has in its read models.
 */
export class EvidenceLockPins {
  readonly #sql: Sql;
  readonly #now: () => number;
  /** Logs of which the read models know less than once was held. */
  readonly #awaited = new Map<SiteId, LogPlace>();
  #isWrittenOff: (site: SiteId) => Promise<boolean> = async () => false;
  /** Sites that have not recorded again yet what was replaced here, with the epochs behind which they do. */
  #untold: readonly { readonly site: SiteId; readonly epoch: number }[] = [];
  /** Of both, those that are written off: they are waited for again when they dial. */
  #writtenOff: ReadonlySet<SiteId> = new Set();
  #spans: readonly ProtectedSpan[] = [];
  #readAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: { readonly sql: Sql; readonly now: () => number }) {
    this.#sql = options.sql;
    this.#now = options.now;
  }

  /**
   * So far each log was held here. A database that was restored from an older copy does not know the locks since: until the sites have
   * told them again, or somebody has written them off, nothing may be deleted.
   */
  expect(
    held: ReadonlyMap<SiteId, LogPlace>,
    isWrittenOff: (site: SiteId) => Promise<boolean> = this.#isWrittenOff,
  ): void {
    this.#isWrittenOff = isWrittenOff;
    for (const [site, place] of held) this.#awaited.set(site, place);
  }

  /** Sites of whose locks less is known than once was. */
  awaited(): ReadonlySet<SiteId> {
    const all = [...this.#awaited.keys(), ...this.#untold.map(({ site }) => site)];
    return new Set(all.filter(site => !this.#writtenOff.has(site)));
  }

  /** Throws `EvidenceLocksUnknownError` when they could not be read lately, or the database has lost some. */
  spans(): readonly ProtectedSpan[] {
    const isAwaited = (site: SiteId) => !this.#writtenOff.has(site);
    const lost = [...this.#awaited].filter(([site]) => isAwaited(site));
    if (lost[0] !== undefined) {
      const [site, { epoch, position }] = lost[0];
      throw new EvidenceLocksUnknownError(
        `the log of site ${site}${lost.length > 1 ? `, and those of ${lost.length - 1} more,` : ''} was held up to ${epoch}/${position}, and the database holds less: what is locked there is known when the site has reported again, or is written off`,
      );
    }
    const untold = this.#untold.find(({ site }) => isAwaited(site));
    if (untold !== undefined) {
      throw new EvidenceLocksUnknownError(
        `the end of the log of site ${untold.site} was replaced by what the parent held, up to epoch ${untold.epoch}: what it had locked meanwhile is known when it has recorded that again, or is written off`,
      );
    }
    if (this.#now() - this.#readAtMs > STALE_AFTER_MS) {
      throw new EvidenceLocksUnknownError('the evidence locks of the sites could not be read lately');
    }
    return this.#spans;
  }

  async run(projected: Wakeup, signal: AbortSignal, onFailure: (error: unknown) => void): Promise<void> {
    while (!signal.aborted) {
      const seen = projected.count;
      await this.refresh().catch(onFailure);
      await projected.after(seen, REFRESH_MS, signal);
    }
  }

  /** Reads the locks now; `run` does it whenever they may have changed. */
  async refresh(): Promise<void> {
    const nowMs = this.#now();
    // Before the locks themselves.
    if (this.#awaited.size > 0) await this.#lookWhoHasReported();
    this.#untold = await this.#lookWhoHasToSayItAgain();
    this.#writtenOff = await this.#whoIsWrittenOff([
      ...this.#awaited.keys(),
      ...this.#untold.map(({ site }) => site),
    ]);
    const rows = await this.#sql<{ deviceId: string; fromMs: number; toMs: number }[]>`
      select unnest(device_ids) as device_id, from_ms, to_ms from evidence_lock
      where released_at_ms is null and (expires_at_ms is null or expires_at_ms > ${nowMs})
      limit ${LOCKS_MAX + 1}`;
    if (rows.length > LOCKS_MAX)
      throw new EvidenceLocksUnknownError(`more than ${LOCKS_MAX} devices are locked`);
    this.#spans = rows.map(row => ({ ...row, deviceId: row.deviceId as DeviceId }));
    this.#readAtMs = nowMs;
  }

  /** As far as the locks are folded, no later epoch of theirs has come to its `LogHistoryRecovered`. */
  async #lookWhoHasToSayItAgain() {
    return this.#sql<{ site: SiteId; epoch: number }[]>`
      select site, epoch from replaced_tail as tail where not exists (
        select 1 from replica_event as event
        where event.site = tail.site and event.epoch > tail.epoch and event.type = ${LogHistoryRecovered.type}
          and event.seq <= (select seq from projection where name = ${evidenceLocksReadModel.name}))`;
  }

  async #whoIsWrittenOff(sites: readonly SiteId[]): Promise<ReadonlySet<SiteId>> {
    const writtenOff = new Set<SiteId>();
    for (const site of sites) if (await this.#isWrittenOff(site)) writtenOff.add(site);
    return writtenOff;
  }

  async #lookWhoHasReported(): Promise<void> {
    const { name } = evidenceLocksReadModel;
    for (const { siteId, ...place } of await readSiteProgress(this.#sql, {
      projections: [name],
      site: null,
    })) {
      const awaited = this.#awaited.get(siteId);
      if (awaited !== undefined && comparePlaces(place, awaited) >= 0) this.#awaited.delete(siteId);
    }
  }
}
