import {
  decodeRecordedEvent,
  EnvelopeError,
  endOf,
  equalBytes,
  LOG_START,
  type LogPlace,
  LogTruncatedError,
  type NoteVerifier,
  type PulledHistory,
  placeOf,
  type RecordedEvent,
  type Sha256,
  type SignedCheckpoint,
  type SiteLog,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { type EventBytes, FrameMalformedError, unpackEvents } from './event-frame.js';
import { checkCheckpoint } from './origin-checkpoint.js';
import { type HistoryFrame, ReplicationProtocolError } from './replication-frame.js';

/** Events that are asked for at once; a frame holds as many of them as fit. */
const PULLED_EVENTS_MAX = 1_000;

/** What is held elsewhere cannot be taken back: the site that the log is of has not signed it. */
export class HistoryNotOursError extends Error {
  override readonly name = 'HistoryNotOursError';
  readonly code = 'HISTORY_NOT_OURS';
}

/** Who gives history back. */
export interface HistoryHolder {
  /** For people. */
  readonly name: string;
  /** One question at a time. */
  readonly ask: (after: LogPlace, limit: number) => Promise<HistoryFrame>;
}

export interface LostHistoryOptions {
  /** Of which the log is: this one, or one below. */
  readonly site: SiteId;
  readonly log: Pick<SiteLog, 'head' | 'epochs' | 'read'>;
  /** Of that site's log key. */
  readonly publicKey: Uint8Array;
  readonly verify: NoteVerifier;
  readonly sha256: Sha256;
  readonly holder: HistoryHolder;
}

/**
 * What a parent, or this site's own database, holds of a log and the log itself does not, from where the two part up to the newest checkpoint that
 * its site has signed. Events are pulled when they are read. Throws `HistoryNotOursError`.
 */
export async function findLostHistory(options: LostHistoryOptions): Promise<PulledHistory> {
  const { ask, name: holder } = options.holder;
  const { checkpoint: note } = await ask(LOG_START, 1);
  if (note === null) throw new HistoryNotOursError(`${holder} holds no checkpoint of this log`);
  const checkpoint = await ownCheckpoint(note, options);
  const common = await findCommonPlace(options);
  const end = endOf(checkpoint.head);
  const reason = `${holder} held the log up to ${end.epoch}/${end.position}; this copy had only the events up to ${common.epoch}/${common.position} in common with it`;
  return { common, checkpoint, reason, events: eventsBetween(common, end, ask) };
}

async function ownCheckpoint(note: string, options: LostHistoryOptions): Promise<SignedCheckpoint> {
  const { site, publicKey, verify, sha256 } = options;
  const verdict = await checkCheckpoint(note, { origin: site, publicKey, verify, sha256 });
  if (!verdict.accepted) throw new HistoryNotOursError(verdict.refusal.detail);
  return verdict.signed;
}

/** Two logs that part once never meet again, so that the last common event is found by halving. */
async function findCommonPlace(options: LostHistoryOptions): Promise<LogPlace> {
  const places = new OwnPlaces(options.log);
  let [same, other] = [0, places.count + 1];
  while (other - same > 1) {
    const middle = Math.floor((same + other) / 2);
    if (await isSameAt(places.at(middle), options)) same = middle;
    else other = middle;
  }
  return same === 0 ? LOG_START : places.at(same);
}

async function isSameAt(
  place: LogPlace,
  { log, holder, site, sha256 }: LostHistoryOptions,
): Promise<boolean> {
  const after = { epoch: place.epoch, position: place.position - 1 };
  const own = await ownEventAfter(after, log);
  // What this log holds no longer was removed because others hold it.
  if (own === null) return true;
  const { events } = await holder.ask(after, 1);
  if (events === null || events.epoch !== place.epoch || events.firstPosition !== place.position)
    return false;
  const [theirs] = unpacked(events);
  const event = theirs === undefined ? null : decodeOrNull(theirs, sha256);
  return event?.site === site && equalBytes(event.leafHash, own.leafHash);
}

/** Null when it was removed. */
async function ownEventAfter(after: LogPlace, log: Pick<SiteLog, 'read'>): Promise<RecordedEvent | null> {
  try {
    const [own] = await log.read({ after, limit: 1 });
    return own ?? null;
  } catch (error) {
    if (error instanceof LogTruncatedError) return null;
    throw error;
  }
}

/** All places of a log, numbered 1.. over its epochs. */
class OwnPlaces {
  readonly #epochs: readonly { readonly epoch: number; readonly size: number }[];

  constructor(log: Pick<SiteLog, 'head' | 'epochs'>) {
    this.#epochs = [...log.epochs(), log.head()];
  }

  get count(): number {
    return this.#epochs.reduce((sum, { size }) => sum + size, 0);
  }

  at(number: number): LogPlace {
    let position = number;
    for (const { epoch, size } of this.#epochs) {
      if (position <= size) return { epoch, position };
      position -= size;
    }
    throw new RangeError(`the log has no event ${number}`);
  }
}

async function* eventsBetween(
  common: LogPlace,
  end: LogPlace,
  ask: HistoryHolder['ask'],
): AsyncGenerator<readonly EventBytes[], void, undefined> {
  let after = common;
  while (after.epoch < end.epoch || after.position < end.position) {
    const isLastEpoch = after.epoch === end.epoch;
    const limit = isLastEpoch
      ? Math.min(PULLED_EVENTS_MAX, end.position - after.position)
      : PULLED_EVENTS_MAX;
    const { events } = await ask(after, limit);
    if (events === null) {
      const place = `${after.epoch}/${after.position}`;
      throw new HistoryNotOursError(`the history ends at ${place}, before its own checkpoint`);
    }
    const page = unpacked(events);
    const left = events.epoch === end.epoch ? end.position - events.firstPosition + 1 : page.length;
    yield page.slice(0, left);
    after = placeOf({
      epoch: events.epoch,
      position: events.firstPosition + Math.min(page.length, left) - 1,
    });
  }
}

function unpacked(events: NonNullable<HistoryFrame['events']>): readonly EventBytes[] {
  try {
    return unpackEvents(events);
  } catch (error) {
    if (!(error instanceof FrameMalformedError)) throw error;
    throw new ReplicationProtocolError(`history: ${error.message}`);
  }
}

function decodeOrNull({ header, data }: EventBytes, sha256: Sha256): RecordedEvent | null {
  try {
    return decodeRecordedEvent(header, data, sha256);
  } catch (error) {
    if (error instanceof EnvelopeError) return null;
    throw error;
  }
}
