import { setTimeout as delay } from 'node:timers/promises';
import { comparePlaces, type LinkState } from '@holdfast/core';
import type { LinkView, RelayedHead } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import type { Sql } from '../postgres/sql.js';
import { hardwareReadModel } from '../read-models/hardware/hardware.read-model.js';
import { heldSegmentsReadModel } from '../read-models/recording/held-segments.read-model.js';
import { recordingsReadModel } from '../read-models/recording/recordings.read-model.js';
import { recordingServersReadModel } from '../read-models/recording-server/recording-servers.read-model.js';
import { retrievalsReadModel } from '../read-models/retrieval/retrievals.read-model.js';
import { linksReadModel } from '../read-models/site/links.read-model.js';
import type { LinkHop, LinkToSite } from '../read-models/site/sites.query.js';
import { sitesReadModel } from '../read-models/site/sites.read-model.js';
import { readSiteProgress, type SiteProgress } from '../read-models/site-progress.query.js';
import type { Wakeup } from '../read-models/wakeup.js';

const LOOK_MS = 2000;
/** Each look reads a row for every site: a thousand busy ones move the read models dozens of times a second. */
const LOOK_PAUSE_MS_MIN = 100;
const LOOK_PAUSE_MS_MAX = 1000;
/** What looking may take of the time. */
const LOOK_SHARE = 1 / 20;

/** Of these the timeline is made, and with it what is retrieved. */
export const timelineProjections: readonly string[] = [
  sitesReadModel,
  linksReadModel,
  recordingServersReadModel,
  hardwareReadModel,
  recordingsReadModel,
  heldSegmentsReadModel,
  retrievalsReadModel,
].map(({ name }) => name);

/**
 * How far the read models have come with each site. What is said of its recordings, and what to retrieve of them, is decided on
 * facts: a link counts as up for that purpose only when what the child said it has is folded here.
 */
export class FactsWatch {
  readonly #sql: Sql;
  readonly #progress = new Map<SiteId, SiteProgress>();
  /** Since when the link was up in which everything was known already. */
  readonly #caughtUpSinceMs = new Map<SiteId, number>();

  constructor(sql: Sql) {
    this.#sql = sql;
  }

  linkState(site: SiteId, view: LinkView): LinkState {
    return this.link(site, view).state;
  }

  /** As the timeline takes it: unless it is up, `sinceMs` is the moment behind which something may be missing here. */
  link(site: SiteId, view: LinkView): { readonly state: LinkState; readonly sinceMs: number } {
    const sinceMs = view.sinceMs ?? 0;
    const known = this.#progress.get(site);
    const hasAll =
      known !== undefined &&
      known.epoch === view.headEpoch &&
      known.position >= (view.headPosition ?? Infinity);
    if (view.state !== 'UP') {
      // A head that the child never said in this life of the process is not missed: the loss was a fact of the log.
      const isBehind = view.headPosition !== null && !hasAll;
      return { state: view.state, sinceMs: isBehind ? Math.min(sinceMs, known?.recordedAtMs ?? 0) : sinceMs };
    }
    // What the child said in an earlier session is too little now.
    if (hasAll && view.roundTripMs !== null) {
      this.#caughtUpSinceMs.set(site, sinceMs);
      return { state: 'UP', sinceMs };
    }
    const recordedAtMs = known?.recordedAtMs ?? 0;
    const isMomentary = this.#caughtUpSinceMs.get(site) === sinceMs;
    return { state: 'CONNECTING', sinceMs: isMomentary ? recordedAtMs : Math.min(sinceMs, recordedAtMs) };
  }

  /**
   * The link of a site below one of our children, as the child's log tells of it. Up for the timeline only when all is folded here that
   * the site has said it has, in that very session, to its own parent. `said` null: nobody has told us; undefined: the child cannot.
   */
  relayedLink(hop: LinkHop, said: RelayedHead | null | undefined): LinkToSite {
    const { siteId, state, sinceMs, session } = hop;
    const known = this.#progress.get(siteId);
    const [epoch, position] = state === 'UP' ? [said?.epoch, said?.size] : [hop.lastEpoch, hop.lastPosition];
    const isSaid = state !== 'UP' || said?.session === session;
    const hasAll =
      known !== undefined &&
      isSaid &&
      comparePlaces(known, { epoch: epoch ?? 0, position: position ?? 0 }) >= 0;
    if (hasAll || said === undefined) return { state, sinceMs };
    return {
      state: state === 'UP' ? 'CONNECTING' : state,
      sinceMs: Math.min(sinceMs, known?.recordedAtMs ?? 0),
    };
  }

  async run(
    options: {
      readonly projected: Wakeup;
      readonly onMoved: () => void;
      readonly onFailure: (error: unknown) => void;
    },
    signal: AbortSignal,
  ): Promise<void> {
    const { projected, onMoved, onFailure } = options;
    while (!signal.aborted) {
      const seen = projected.count;
      const beganMs = performance.now();
      await this.look().then(onMoved, onFailure);
      const pauseMs = (performance.now() - beganMs) / LOOK_SHARE;
      await projected.after(seen, LOOK_MS, signal);
      await delay(Math.min(LOOK_PAUSE_MS_MAX, Math.max(LOOK_PAUSE_MS_MIN, pauseMs)), undefined, {
        signal,
      }).catch(() => undefined);
    }
  }

  async look(): Promise<void> {
    const rows = await readSiteProgress(this.#sql, { projections: timelineProjections, site: null });
    for (const progress of rows) this.#progress.set(progress.siteId, progress);
  }
}
