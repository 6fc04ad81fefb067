import { setTimeout as delay } from 'node:timers/promises';
import {
  comparePlaces,
  endOf,
  placeOf,
  type RecordedEvent,
  type SignedCheckpoint,
  type SiteLog,
} from '@holdfast/core';
import type { ReplicaCursor, ReplicaIntake } from '@holdfast/interconnect';

/** A catch-up is read in large batches; one transaction of this many events takes some 10 ms. */
const EVENTS_PER_COMMIT_MAX = 500;
const RETRY_DELAY_MS_MIN = 100;
const RETRY_DELAY_MS_MAX = 10_000;

/** The central's own log was taken in beyond its end: the database belongs to another log, or the log was lost. */
export class OwnLogBehindReplicaError extends Error {
  override readonly name = 'OwnLogBehindReplicaError';
  readonly code = 'OWN_LOG_BEHIND_REPLICA';
}

export interface OwnLogIntakeOptions {
  readonly log: SiteLog;
  readonly intake: ReplicaIntake;
  /** Of the end of the log, signed. */
  readonly checkpoint: () => Promise<SignedCheckpoint>;
  readonly signal: AbortSignal;
  /** Called for every failure that is tried again. */
  readonly onRetry: (error: unknown) => void;
  readonly random: () => number;
}

/**
 * A central is a site too: its own log enters the same tables through the same door as the logs of its children.
 * Runs until the signal is aborted. A database that is away is tried again; events wait in the log meanwhile.
 * Throws `OwnLogBehindReplicaError`.
 */
export async function runOwnLogIntake(options: OwnLogIntakeOptions): Promise<void> {
  let failures = 0;
  while (!options.signal.aborted) {
    try {
      await takeIn(options, () => {
        failures = 0;
      });
    } catch (error) {
      if (options.signal.aborted) return;
      if (error instanceof OwnLogBehindReplicaError) throw error;
      options.onRetry(error);
      const ceiling = Math.min(RETRY_DELAY_MS_MAX, RETRY_DELAY_MS_MIN * 2 ** Math.min(failures++, 16));
      await delay(options.random() * ceiling, undefined, { signal: options.signal }).catch(() => undefined);
    }
  }
}

async function takeIn(
  { log, intake, checkpoint, signal }: Pick<OwnLogIntakeOptions, 'log' | 'intake' | 'checkpoint' | 'signal'>,
  onCommitted: () => void,
): Promise<void> {
  const { site, ...head } = log.head();
  const { fence, cursor } = await intake.openSession(site);
  if (comparePlaces(cursor, endOf(head)) > 0) {
    throw new OwnLogBehindReplicaError(
      `the database holds this site's log up to ${cursor.epoch}/${cursor.position}, the log itself ends at ${head.epoch}/${head.size}`,
    );
  }
  let before: ReplicaCursor = cursor;
  for await (const page of log.subscribe({ after: placeOf(cursor), signal })) {
    for (const events of cutIntoCommits(page)) {
      // No tree edge: what is read out of our own log needs no proof against itself.
      const after: ReplicaCursor = { ...placeOf(events.at(-1)!), treeEdge: [] };
      const signed = await checkpoint();
      const isAtEnd = comparePlaces(endOf(signed.head), after) === 0;
      const batch = { site, fence, before, after, events };
      const outcome = await intake.commit(isAtEnd ? { ...batch, checkpoint: signed } : batch);
      if (outcome !== 'COMMITTED') throw new Error(`the intake of the own log was answered ${outcome}`);
      before = after;
      onCommitted();
    }
  }
}

/** In order, each of one epoch. */
function* cutIntoCommits(page: readonly RecordedEvent[]): Generator<readonly RecordedEvent[]> {
  for (let from = 0; from < page.length; ) {
    const { epoch } = page[from]!;
    const longest = page.slice(from, from + EVENTS_PER_COMMIT_MAX);
    const end = longest.findIndex(event => event.epoch !== epoch);
    const events = end < 0 ? longest : longest.slice(0, end);
    yield events;
    from += events.length;
  }
}
