import path from 'node:path';
import type { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay, setImmediate as turn } from 'node:timers/promises';
import {
  type AppendOutcome,
  backOffCeilingMs,
  decodeHeader,
  LOG_STREAM,
  type NewEvent,
  placeOfKey,
  type RecordedEvent,
  type SiteLog,
  takenOver,
} from '@holdfast/core';
import { type EventId, passingEventTypes, type SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { DurableSiteLog } from './durable-site-log.js';
import { type EventSpan, isAmong } from './log-file-proof.js';
import type { LogRepairs } from './log-repairs.js';
import { scanPages } from './page-scan.js';
import { readableRows } from './readable-rows.js';
import {
  assertSalvageable,
  damagedNameOf,
  endSetAside,
  NotSalvagedError,
  salvageOffThread,
  setAsideLogsOf,
} from './salvage-site-log.js';
import { NOTHING, openReadable, readable, salvagedEvent } from './salvaged-log-file.js';
import { nothingSigned, readSignedEvents } from './signed-events.js';
import { readEpochs } from './site-log-file.js';
import type { EventRow } from './site-log-row.js';

/** How often it is looked for room, less and less. */
const LOOK = { firstMs: 1_000, mostMs: 60_000 };
/** An attempt that failed has interrupted recording. */
const FAILED_RETRY_MS = 3_600_000;
/** Appended at once, before others of this thread have their turn. */
const EVENTS_AT_ONCE = 100;
const DAMAGE = 'A damaged log was set aside for want of room';

const passing: ReadonlySet<string> = new Set(passingEventTypes);

export interface LateSalvage {
  /** Of the log that was begun in place of the damaged one. */
  readonly file: string;
  readonly site: SiteId;
  /** The site's own raw Ed25519 key. */
  readonly publicKey: Uint8Array;
  readonly log: DurableSiteLog;
  readonly repairs: Pick<LogRepairs, 'foundDamage'>;
  readonly logger: Logger;
  /** When it may be tried, over all lives of the log: an attempt that fails has ended one. */
  readonly pace: { dueMs: number };
  readonly monotonicMs: () => number;
}

/**
 * Waits until there is room for what can be read of a damaged log that was set aside; returns that one. One that is not to be put in
 * front of the log any more is read meanwhile. Null: there is none, or the signal is aborted.
 */
export async function setAsideLogToTake(late: LateSalvage, signal: AbortSignal): Promise<string | null> {
  const { file, log, repairs, logger, pace, monotonicMs } = late;
  for (let triesCount = 0; !signal.aborted; triesCount += 1) {
    try {
      const [setAside] = setAsideLogsOf(file);
      if (setAside === undefined) return null;
      const isDue = monotonicMs() >= pace.dueMs;
      if (isDue && isBegunAnew(log) && hasRoom(file, setAside)) return setAside;
      if (isDue && !isBegunAnew(log)) {
        const done = await recordReadable(late, setAside, signal);
        if (done === null) return null;
        await endSetAside(setAside);
        logger.error({ done }, 'what can be read of a damaged log is recorded again');
        repairs.foundDamage(done);
        continue;
      }
    } catch (error) {
      failed(late, error);
    }
    await delay(backOffCeilingMs(LOOK, triesCount), undefined, { signal }).catch(() => undefined);
  }
  return null;
}

/**
 * Puts a log in place of this one that has what can be read of the damaged one, and all of this one behind that. Whoever works on
 * the log has to begin again, whatever comes of it.
 */
export async function takeSetAsideLog(late: LateSalvage, setAside: string): Promise<void> {
  const { file, site, publicKey, log, repairs, logger } = late;
  await log.release?.();
  try {
    const done = await salvageOffThread({
      ...{ file, site, publicKey, nowMs: Date.now() },
      ...{ damage: DAMAGE, setAside },
    });
    logger.error({ done }, 'there is room: the log has what can be read of the damaged one');
    repairs.foundDamage(done);
  } catch (error) {
    failed(late, error);
  }
}

function failed({ logger, pace, monotonicMs }: LateSalvage, error: unknown): void {
  logger.error(
    { err: error },
    'the damaged log that was set aside could not be salvaged; trying again later',
  );
  pace.dueMs = monotonicMs() + FAILED_RETRY_MS;
}

/** Whether a log was begun anew, and has taken no history back since: all of it can be recorded again behind the damaged one. */
function isBegunAnew(log: DurableSiteLog): boolean {
  return log.epochs().length === 0 && log.head().epoch === 1 && (log.keptAfter?.().position ?? 0) === 0;
}

function hasRoom(file: string, setAside: string): boolean {
  try {
    assertSalvageable(file, Date.now(), setAside);
    return true;
  } catch (error) {
    if (error instanceof NotSalvagedError) return false;
    throw error;
  }
}

/**
 * What can be read of a damaged log, and is not in the running one, is recorded in that: it has its history back, which nothing may
 * be put in front of any more. An event of which a state is made is left out where its stream has gone on without it. Returns what
 * was done, for people; null: the signal is aborted.
 */
async function recordReadable(
  { file, site, publicKey, log }: LateSalvage,
  setAside: string,
  signal: AbortSignal,
): Promise<string | null> {
  const from = path.join(setAside, path.basename(file));
  using db = openReadable(from);
  const epochs = db === null ? null : readable(() => readEpochs(db, from));
  const of = { site, publicKey, epochs: epochs ?? [], note: null };
  const { spans } = db === null ? nothingSigned : await readSignedEvents(db, of);
  const source = { from, aside: damagedNameOf(setAside), damage: DAMAGE, site, nowMs: Date.now() };
  // An attempt that is cut off has recorded it already: it has the same id then.
  const salvaged = salvagedEvent(NOTHING, source);
  await log.append([{ stream: LOG_STREAM, expected: 'any', events: [salvaged] }]);
  let [againCount, leftOutCount] = [0, 0];
  for (const rows of pagesOf(readableEvents(db, { from, site, spans, by: salvaged.id }))) {
    if (signal.aborted) return null;
    const outcomes = await Promise.all(rows.flatMap(row => appendAgain(log, row)));
    for (const outcome of outcomes) {
      if (outcome.appended && !outcome.replayed) againCount += 1;
      if (!outcome.appended && outcome.refusal.code === 'WRONG_REVISION') leftOutCount += 1;
    }
    await turn();
  }
  const left =
    leftOutCount > 0
      ? `; ${leftOutCount} are left out, because what they are about has gone on without them`
      : '';
  return `Of a damaged log that was set aside for want of room ${againCount} events were not in the log, and are recorded again${left}. The damaged file is kept.`;
}

interface FoundEvent {
  readonly event: NewEvent & Pick<RecordedEvent, 'stream' | 'revision'>;
  /** What it is recorded as. */
  readonly again: NewEvent;
}

/** In the order of the log, as far as tables lead to them; of the others, those whose order is of no matter. */
function* readableEvents(
  db: DatabaseSync | null,
  of: {
    readonly from: string;
    readonly site: SiteId;
    readonly spans: readonly EventSpan[];
    readonly by: EventId;
  },
): Generator<FoundEvent> {
  const { from, site, spans, by } = of;
  const found = ({ header, data }: EventRow, isSigned: boolean): FoundEvent => {
    const event = { ...decodeHeader(header), data };
    return { event, again: isSigned ? event : takenOver(event, by) };
  };
  if (db !== null) {
    for (const row of readableRows(db, { table: 'carried_event', site })) yield found(row, false);
    for (const row of readableRows(db, { table: 'event', site }))
      yield found(row, isAmong(spans, placeOfKey(row.key)));
  }
  for (const row of scanPages(from, site)) {
    if (passing.has(decodeHeader(row.header).type)) yield found(row, false);
  }
}

function* pagesOf<Row>(rows: Iterable<Row>): Generator<readonly Row[]> {
  let page: Row[] = [];
  for (const row of rows) {
    page.push(row);
    if (page.length < EVENTS_AT_ONCE) continue;
    yield page;
    page = [];
  }
  yield page;
}

function appendAgain(log: SiteLog, { event, again }: FoundEvent): readonly Promise<AppendOutcome>[] {
  const { stream, type, revision } = event;
  // What a log says of itself is true of that one alone.
  if (stream === LOG_STREAM) return [];
  const follows = revision === 0 ? 'none' : revision - 1;
  const expected = passing.has(type) ? 'any' : follows;
  return [log.append([{ stream, expected, events: [again] }])];
}
