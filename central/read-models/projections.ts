import { setTimeout as delay } from 'node:timers/promises';
import type { SiteId } from '@holdfast/schema';
import type { DatabaseTarget } from '../postgres/database.js';
import type { Sql } from '../postgres/sql.js';
import { buildNextInThread } from './build-thread.js';
import { ProjectionBuilder } from './projection-builder.js';
import { type FoundDifference, ProjectionCheck } from './projection-check.js';
import { Projector } from './projector.js';
import type { QuarantineRow } from './quarantine.js';
import { type Release, releaseQuarantine } from './quarantine-release.js';
import type { ReadModel } from './read-model.js';
import type { Wakeup } from './wakeup.js';

const RETRY_MS_MAX = 2000;

/** What somebody should know. */
export interface ProjectionReports {
  readonly onQuarantined: (row: QuarantineRow) => void;
  /** A projection with the policy `halt` stands still at this event. */
  readonly onHalted: (facts: ProjectionFault) => void;
  /** A new fold stands still at an event that what is served has passed; what is served stays. */
  readonly onGivenUp: (facts: ProjectionFault) => void;
  /** A check found what is served to be something else than what the log folds into. */
  readonly onDifference: (result: FoundDifference) => void;
  /** After an upgrade, or when somebody asked for it. */
  readonly onReleased: (release: Release) => void;
  readonly onRetry: (error: unknown) => void;
}

export interface ProjectionFault {
  readonly projection: string;
  readonly seq: number;
  readonly reason: string;
}

export interface ProjectionsOptions {
  readonly sql: Sql;
  readonly ownSite: SiteId;
  readonly models: readonly ReadModel[];
  /** Fires when the feed has grown. */
  readonly feedGrown: Wakeup;
  readonly now: () => number;
  readonly random: () => number;
  readonly reports: ProjectionReports;
  /** Where a thread finds the database in which it builds; left out, builds are made in this one. */
  readonly buildThread?: DatabaseTarget;
}

/** Everything that keeps the read models: the projector, builds beside it, the way out of the quarantine, and the check. */
export class Projections {
  readonly projector: Projector;
  readonly builder: ProjectionBuilder;
  readonly check: ProjectionCheck;
  readonly #options: ProjectionsOptions;

  constructor(options: ProjectionsOptions) {
    this.#options = options;
    this.projector = new Projector({ ...options, ...options.reports });
    const { buildThread: target, ownSite, reports } = options;
    this.builder = new ProjectionBuilder({
      ...{ ...options, ...reports },
      buildElsewhere:
        target === undefined ? undefined : signal => buildNextInThread({ target, ownSite }, reports, signal),
    });
    this.check = new ProjectionCheck({ ...options, ...options.reports });
  }

  /** Until the signal is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.settle();
        break;
      } catch (error) {
        if (signal.aborted) return;
        this.#options.reports.onRetry(error);
        await delay(this.#options.random() * RETRY_MS_MAX, undefined, { signal }).catch(() => undefined);
      }
    }
    await Promise.all([this.projector.run(signal), this.builder.run(signal), this.check.run(signal)]);
  }

  /** Before anything is folded: asks for the builds that this software needs, and tries again what waited for it. */
  async settle(): Promise<void> {
    await this.builder.settle();
    await this.#release(
      this.#options.models.map(({ name }) => name),
      'UNTIL_UPGRADE',
    );
  }

  /** Throws `UnknownProjectionError`. */
  mustKnow(names: readonly string[]): void {
    this.builder.mustKnow(names);
  }

  /** Asks for builds of these; the process that projects takes them up. Throws `UnknownProjectionError`. */
  async rebuild(names: readonly string[]): Promise<void> {
    await this.builder.request(names);
  }

  /** Tries again what is in the quarantine of a projection, and sets it going when it stood still. */
  async release(projection: string): Promise<Release> {
    this.builder.mustKnow([projection]);
    const [release] = await this.#release([projection], null);
    return release ?? { projection, folded: 0, left: 0 };
  }

  async #release(projections: readonly string[], only: 'UNTIL_UPGRADE' | null): Promise<readonly Release[]> {
    const releases = await releaseQuarantine(this.#options, { projections, only });
    for (const release of releases) if (release.folded > 0) this.#options.reports.onReleased(release);
    return releases;
  }
}
