import { setTimeout as delay } from 'node:timers/promises';
import {
  backOffMs,
  comparePlaces,
  endOf,
  type LogPlace,
  LogTruncatedError,
  placeOf,
  type RecordedEvent,
  type SignedCheckpoint,
  type SiteLog,
} from '@holdfast/core';
import type { ReplicaCursor, ReplicaIntake } from '@holdfast/interconnect';

/** A catch-up is read in large batches; one transaction of this many events takes some 10 ms. */
const EVENTS_PER_COMMIT_MAX = 500;
const RETRY = { firstMs: 100, mostMs: 10_000 };
/** Until it is looked again whether the log says that it has grown. */
const UNACKNOWLEDGED_MS = 1;

/** The central's own log was taken in beyond its end: the database belongs to another log, or the log was lost. */
export class OwnLogBehindReplicaError extends Error {
  override readonly name = 'OwnLogBehindReplicaError';
  readonly code = 'OWN_LOG_BEHIND_REPLICA';
}

/**
 * The log has removed events that the database has not taken in: that was restored from a copy older than the cut, or is a new one.
 * What the log carried over its cut is no substitute, since recordings are not among it.
 */
export class OwnLogTruncatedError extends Error {
  override readonly name = 'OwnLogTruncatedError';
  readonly code = 'OWN_LOG_TRUNCATED';

  constructor({ epoch, position }: LogPlace, { keptAfter }: LogTruncatedError) {
    const cut = `${keptAfter.epoch}/${keptAfter.position}`;
    super(
      `OWN_LOG_TRUNCATED: the database holds this site's log up to ${epoch}/${position}, the log itself has removed what is up to ${cut}. Restore a newer copy of the database, one that reaches ${cut}, or beside this copy one of the log that is as old`,
    );
  }
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
 * So is one that lacks what the log has removed (`OwnLogTruncatedError`), for a newer one may be restored under it; recording goes
 * on. Throws `OwnLogBehindReplicaError`.
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
      const waitMs = backOffMs(RETRY, failures++, options.random());
      await delay(waitMs, undefined, { signal: options.signal }).catch(() => undefined);
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
  const pages = keptPages(log, placeOf(cursor), signal);
  for await (const { events, reached } of cutIntoCommits(pages, checkpoint, signal)) {
    // No tree edge: what is read out of our own log needs no proof against itself.
    const after: ReplicaCursor = { ...placeOf(events.at(-1)!), treeEdge: [] };
    const batch = { site, fence, before, after, events };
    const outcome = await intake.commit(reached === null ? batch : { ...batch, checkpoint: reached });
    if (outcome !== 'COMMITTED') throw new Error(`the intake of the own log was answered ${outcome}`);
    before = after;
    onCommitted();
  }
}

async function* keptPages(
  log: SiteLog,
  after: LogPlace,
  signal: AbortSignal,
): AsyncGenerator<readonly RecordedEvent[]> {
  try {
    yield* log.subscribe({ after, signal });
  } catch (error) {
    throw error instanceof LogTruncatedError ? new OwnLogTruncatedError(after, error) : error;
  }
}

interface Commit {
  readonly events: readonly RecordedEvent[];
  /** The checkpoint at their end. Null: there are more up to it than one commit takes, or it is of a later epoch. */
  readonly reached: SignedCheckpoint | null;
}

/**
 * In order, each of one epoch, and up to a checkpoint, however fast the log grows: a log that lost its end takes back out of the
 * database only what was signed.
 */
async function* cutIntoCommits(
  pages: AsyncIterable<readonly RecordedEvent[]>,
  checkpoint: OwnLogIntakeOptions['checkpoint'],
  signal: AbortSignal,
): AsyncGenerator<Commit> {
  let events: RecordedEvent[] = [];
  let signed: SignedCheckpoint | null = null;
  for await (const page of pages) {
    for (const event of page) {
      if (events.length > 0 && events[0]!.epoch !== event.epoch) {
        yield { events, reached: null };
        events = [];
      }
      events.push(event);
      signed ??= await checkpointFrom(event, checkpoint, signal);
      const isReached = comparePlaces(endOf(signed.head), event) === 0;
      if (!isReached && events.length < EVENTS_PER_COMMIT_MAX) continue;
      yield { events, reached: isReached ? signed : null };
      events = [];
      if (isReached) signed = null;
    }
  }
}

/** One that reaches as far as this place. An event may be read a moment before the log says that it has it. */
async function checkpointFrom(
  place: LogPlace,
  checkpoint: OwnLogIntakeOptions['checkpoint'],
  signal: AbortSignal,
): Promise<SignedCheckpoint> {
  for (;;) {
    const signed = await checkpoint();
    if (comparePlaces(endOf(signed.head), place) >= 0) return signed;
    await delay(UNACKNOWLEDGED_MS, undefined, { signal });
  }
}
