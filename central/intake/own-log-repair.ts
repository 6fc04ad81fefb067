import {
  comparePlaces,
  decodeEventData,
  endOf,
  equalBytes,
  type LogPlace,
  LogTruncatedError,
  type PulledHistory,
  placeOf,
  type RecordedEvent,
  readStreamEnd,
  type SiteLog,
} from '@holdfast/core';
import { findLostHistory, HistoryNotOursError, HistoryServer } from '@holdfast/interconnect';
import { EventDecodeError, type SiteId } from '@holdfast/schema';
import {
  type DurableSiteLog,
  type LogOfSite,
  type LogRepairs,
  loadSiteKeys,
  openLogOf,
  rawPublicKey,
  SiteLogFileError,
  sha256,
  verifyNote,
} from '@holdfast/sites';
import type { Sql, TransactionSql } from '../postgres/sql.js';
import { startProjectionsOver } from '../read-models/start-over.js';
import { OwnLogBehindReplicaError } from './own-log-intake.js';
import { FEED_CHANNEL, readReplicaCursor } from './postgres-replica-intake.js';
import { createPostgresReplicaReader, storeCheckpoints } from './postgres-replica-reader.js';
import { removeTail, storeInPlace } from './replaced-tail.js';

/** Events that are read, and stored again, at once. */
const PAGE_EVENTS = 500;
/** `LogEpochOpened` and `LogHistoryRecovered` of resets; more of them than anybody has seen. */
const LOG_EVENTS_MAX = 1_000;

const logStream = 'log';

export interface OwnLogRepairOptions extends LogOfSite {
  readonly sql: Sql;
}

/** A file that is damaged is salvaged by whoever runs what works on the log, and this comes again. */
function isOfLogFile(error: unknown): boolean {
  return error instanceof SiteLogFileError || (error instanceof Error && isOfLogFile(error.cause));
}

/**
 * Repairs it if it can be now. Null: it is as it should be. Else why not, and a later attempt may succeed: until then nothing of the
 * log may be taken in, for it would stand behind what is not its history. Throws `OwnLogBehindReplicaError` and `SiteLogFileError`.
 */
export async function repairOwnLogIfPossible(
  options: OwnLogRepairOptions,
  repairs: LogRepairs,
): Promise<string | null> {
  try {
    await repairOwnLog(options);
  } catch (error) {
    if (error instanceof OwnLogBehindReplicaError || isOfLogFile(error)) throw error;
    options.logger.error({ err: error }, 'the log could not be repaired; trying again later');
    return repairs.failed(error);
  }
  repairs.succeeded();
  return null;
}

/**
 * Makes a central's own log and what its database holds of it one history again, before anything works on either.
 *
 * The log was restored from an old copy: what it lost is taken back out of the database, as far as this site has signed it, and
 * the log goes on in a new epoch. The database took in what the log recorded before its parent gave it its history back: that is
 * replaced by what the log holds now, which has all of it. Throws `OwnLogBehindReplicaError` when neither is possible.
 */
export async function repairOwnLog(options: OwnLogRepairOptions): Promise<void> {
  const { sql, logger } = options;
  const { id: site } = options.configuration.site;
  const cursor = await readReplicaCursor(sql, site);
  if (cursor === null || cursor.epoch === 0) return;
  let log = await openLogOf(options);
  try {
    if (await hasAll(log, sql, cursor)) return;
    const history = await heldHistory(log, options);
    const isLonger = comparePlaces(endOf(history.checkpoint.head), history.common) > 0;
    if (isLonger && !(await hasReplaced(log, history.common))) {
      log = await reopened(log, history);
      const { epoch } = log.head();
      logger.warn({ epoch, common: history.common, reason: history.reason }, 'the log has its history back');
      if (await hasAll(log, sql, cursor)) return;
    }
    const { common } = await heldHistory(log, options);
    const count = await sql.begin(tx => replaceTail(tx, log, { sql, site, common }));
    logger.warn({ common, count }, 'the feed held events that are not history any more: they are replaced');
  } finally {
    await log[Symbol.asyncDispose]();
  }
}

/** Whether the log has the last event that the database holds of it; then it has all before. */
async function hasAll(log: SiteLog, sql: Sql, place: LogPlace): Promise<boolean> {
  const { site } = log.head();
  const [held] = await sql<{ leafHash: Buffer }[]>`
    select leaf_hash from replica_event where site = ${site} and epoch = ${place.epoch} and position = ${place.position}`;
  try {
    const [own] = await log.read({ after: { ...place, position: place.position - 1 }, limit: 1 });
    return own !== undefined && held !== undefined && equalBytes(own.leafHash, held.leafHash);
  } catch (error) {
    // What it holds no longer it has had. Where the database lacks some of that, the intake says so, and recording goes on.
    if (error instanceof LogTruncatedError) return true;
    throw error;
  }
}

/** What the database holds behind the last event that both have, as far as this site has signed it. */
async function heldHistory(
  log: SiteLog,
  { sql, configuration, dataDirectory }: OwnLogRepairOptions,
): Promise<PulledHistory> {
  const { id: site } = configuration.site;
  const server = new HistoryServer(site, createPostgresReplicaReader(sql));
  try {
    return await findLostHistory({
      ...{ site, log, verify: verifyNote, sha256 },
      publicKey: rawPublicKey(loadSiteKeys(dataDirectory).logKey),
      holder: {
        name: 'the own database',
        ask: (after, limit) => server.answer({ kind: 'wantHistory', origin: null, after, limit }, false),
      },
    });
  } catch (error) {
    if (error instanceof HistoryNotOursError)
      throw new OwnLogBehindReplicaError(error.message, { cause: error });
    throw error;
  }
}

/** Whether the log once had another tail behind this place, and has it again in a later epoch. */
async function hasReplaced(log: SiteLog, common: LogPlace): Promise<boolean> {
  const events = await readStreamEnd(log, { stream: logStream, count: LOG_EVENTS_MAX });
  return events.some(recorded => {
    const event = readable(recorded);
    return (
      event?.type === 'LogHistoryRecovered' &&
      event.data.commonEpoch === common.epoch &&
      event.data.commonPosition === common.position
    );
  });
}

function readable(recorded: RecordedEvent) {
  try {
    return decodeEventData(recorded);
  } catch (error) {
    if (error instanceof EventDecodeError) return null;
    throw error;
  }
}

async function reopened(log: DurableSiteLog, history: PulledHistory): Promise<DurableSiteLog> {
  const outcome = await log.reopenAs(history);
  if (outcome.reopened) return outcome.log;
  await outcome.log[Symbol.asyncDispose]();
  const { code, detail } = outcome.refusal;
  throw new OwnLogBehindReplicaError(
    `the own database holds more of this log, which cannot be taken back: ${code}: ${detail}`,
  );
}

/**
 * The feed stays dense: under the positions of what goes stand the next events of the log, which are at least as many. The others
 * are taken in behind: a wish among them may be answered already, and is looked for as soon as its site dials.
 */
async function replaceTail(
  tx: TransactionSql,
  log: DurableSiteLog,
  { sql, site, common }: { readonly sql: Sql; readonly site: SiteId; readonly common: LogPlace },
): Promise<number> {
  // What is served meanwhile is what was folded of the events that are replaced.
  await startProjectionsOver(tx, { sql, ownSite: site });
  const freed = await removeTail(tx, { site, common });
  let place = common;
  const left = await storeInPlace(
    tx,
    freed,
    (async function* () {
      for (;;) {
        const events = await log.read({ after: place, limit: PAGE_EVENTS });
        const last = events.at(-1);
        if (last === undefined) return;
        place = placeOf(last);
        yield events;
      }
    })(),
  );
  if (left.length > 0) {
    const { epoch, position } = common;
    const detail = `the database holds ${freed.length} events of this log behind ${epoch}/${position}, the log has ${freed.length - left.length} there`;
    throw new OwnLogBehindReplicaError(`${detail}, and the others are not signed`);
  }
  await storeCheckpoints(tx, [await log.signedCheckpoint()]);
  await tx`
    update replica_cursor set epoch = ${place.epoch}, position = ${place.position}, tree_edge = '', fence = fence + 1
    where site = ${site}`;
  await tx`select pg_notify(${FEED_CHANNEL}, '')`;
  return freed.length;
}
