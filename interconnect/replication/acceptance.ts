import {
  comparePlaces,
  decodeEventData,
  decodeRecordedEvent,
  EnvelopeError,
  endOf,
  equalBytes,
  extendEdge,
  type LogPlace,
  type RecordedEvent,
  rootOf,
  type Sha256,
  verifyConsistency,
} from '@holdfast/core';
import { EventDecodeError, type SiteId } from '@holdfast/schema';
import { type EventBytes, FrameMalformedError, unpackEvents } from './event-frame.js';
import type { ReplicaCursor } from './replica-intake.js';
import type {
  BatchFrame,
  EpochHead,
  ReplicationRefusal,
  ReplicationRefusalCode,
} from './replication-frame.js';

/** Every epoch begins with it: a reset is never mistaken for progress. */
const EPOCH_OPENING = 'LogEpochOpened';
/** What databases have no number for. No clock and no site comes that far: in 2^31 epochs or after the year 6400. */
const EPOCHS_MAX = 2 ** 31 - 1;
const RECORDED_AT_MAX = 2n ** 63n - 1n;

export type OfferVerdict =
  | { readonly accepted: true }
  | { readonly accepted: false; readonly refusal: ReplicationRefusal };

/** Whether a parent that holds `cursor` can go on with the log whose end is `head`: it wants what follows the cursor. */
export function answerOffer(cursor: ReplicaCursor, head: EpochHead, sha256: Sha256): OfferVerdict {
  const held = `${cursor.epoch}/${cursor.position}`;
  if (comparePlaces(endOf(head), cursor) < 0) {
    return refused('AHEAD', `events up to ${held} are held, the log ends at ${head.epoch}/${head.size}`);
  }
  if (
    head.epoch === cursor.epoch &&
    head.size === cursor.position &&
    !equalBytes(rootOf(cursor.treeEdge, cursor.position, sha256), head.root)
  ) {
    return refused('FORK', `another history is held up to ${held}`);
  }
  return { accepted: true };
}

export interface AcceptedBatch {
  readonly accepted: true;
  readonly events: readonly RecordedEvent[];
  readonly cursor: ReplicaCursor;
}

export type BatchVerdict = AcceptedBatch | { readonly accepted: false; readonly refusal: ReplicationRefusal };

/**
 * The acceptance rule. A known prefix is dropped by position; the rest must follow without a gap, belong to this site and
 * epoch, hash to the root that is stated for its end, and be what the site has signed: that root is the signed one, or is
 * proven to be of a prefix of it, be it the site itself that sends it or somebody between.
 */
export function acceptBatch(options: {
  readonly site: SiteId;
  readonly cursor: ReplicaCursor;
  readonly batch: BatchFrame;
  /** The site's newest checkpoint, its signature checked. Null before the first. */
  readonly signed: EpochHead | null;
  /** Something behind this batch is still to be proven, and so this batch with it. */
  readonly isProvenLater?: boolean;
  readonly sha256: Sha256;
}): BatchVerdict {
  const { cursor, batch, signed } = options;
  const last = batch.firstPosition + batch.count - 1;
  if (batch.epoch < cursor.epoch) {
    return refused('UNKNOWN_EPOCH', `a batch of epoch ${batch.epoch}: epoch ${cursor.epoch} is held already`);
  }
  const opensEpoch = batch.epoch > cursor.epoch;
  const from: ReplicaCursor = opensEpoch ? { epoch: batch.epoch, position: 0, treeEdge: [] } : cursor;
  if (batch.firstPosition > from.position + 1) {
    return refused('GAP', `begins at ${batch.firstPosition}, the next is ${from.position + 1}`);
  }
  if (last <= from.position) return { accepted: true, events: [], cursor };
  if (signed?.epoch !== batch.epoch || signed.size < last) {
    const reach = signed === null ? 'nothing' : `${signed.epoch}/${signed.size}`;
    return refused('BAD_SIGNATURE', `the events up to ${batch.epoch}/${last} are not signed: ${reach} is`);
  }
  const read = readEvents(options.site, batch, options.sha256);
  if (!read.accepted) return read;
  const fresh = read.events.slice(from.position + 1 - batch.firstPosition);
  const fault = opensEpoch ? faultOfOpening(fresh[0]!, cursor, options.sha256) : null;
  if (fault !== null) return refused('UNKNOWN_EPOCH', `epoch ${batch.epoch} ${fault}`);
  return proveEvents({ ...options, cursor: from, signed, events: fresh, last });
}

/**
 * An epoch continues exactly what is held of the one before; where nothing is held only the first one can begin. Null when it
 * does: a batch that overtook those of an older epoch would shut them out for ever.
 */
function faultOfOpening(first: RecordedEvent, cursor: ReplicaCursor, sha256: Sha256): string | null {
  if (first.type !== EPOCH_OPENING) return `begins with ${first.type}, not with ${EPOCH_OPENING}`;
  const opened = openingOf(first);
  if (opened === null) return `begins with an ${EPOCH_OPENING} that cannot be read`;
  const { previousEpoch, previousSize, previousRoot } = opened;
  if (cursor.epoch === 0 && previousEpoch === null) return null;
  const root = Buffer.from(rootOf(cursor.treeEdge, cursor.position, sha256)).toString('hex');
  if (previousEpoch === cursor.epoch && previousSize === cursor.position && previousRoot === root)
    return null;
  const said = `${previousEpoch}/${previousSize} ${previousRoot}`;
  return `continues ${said}, but ${cursor.epoch}/${cursor.position} ${root} is held`;
}

function openingOf(event: RecordedEvent) {
  try {
    const opened = decodeEventData(event);
    return opened.type === EPOCH_OPENING ? opened.data : null;
  } catch (error) {
    if (error instanceof EventDecodeError) return null;
    throw error;
  }
}

/** Reads the events of a batch and checks that each is what its place says. */
function readEvents(site: SiteId, batch: BatchFrame, sha256: Sha256): ReadVerdict {
  let unpacked: readonly EventBytes[];
  try {
    unpacked = unpackEvents(batch);
  } catch (error) {
    if (!(error instanceof FrameMalformedError)) throw error;
    return refused('BAD_HASH', `the batch from ${batch.firstPosition} on: ${error.message}`);
  }
  const events: RecordedEvent[] = [];
  for (const [index, { header, data }] of unpacked.entries()) {
    const position = batch.firstPosition + index;
    try {
      const event = decodeRecordedEvent(header, data, sha256);
      if (event.site !== site || event.epoch !== batch.epoch || event.position !== position) {
        const found = `${event.site} ${event.epoch}/${event.position}`;
        return refused('BAD_HASH', `at ${site} ${batch.epoch}/${position} stands the event ${found}`);
      }
      const fault = faultOfNumbers(event);
      if (fault !== null) return refused('BAD_HASH', `the event at position ${position} is none: ${fault}`);
      events.push(event);
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error;
      return refused('BAD_HASH', `the event at position ${position} is none: ${error.message}`);
    }
  }
  return { accepted: true, events };
}

/** Said, and signed, but never to be stored: acknowledged, it would be in the way of everything behind it. */
function faultOfNumbers({ epoch, recordedAt }: RecordedEvent): string | null {
  if (epoch > EPOCHS_MAX) return `epoch ${epoch}, at most ${EPOCHS_MAX}`;
  return recordedAt > RECORDED_AT_MAX ? `recordedAt ${recordedAt}, at most ${RECORDED_AT_MAX}` : null;
}

type ReadVerdict =
  | { readonly accepted: true; readonly events: readonly RecordedEvent[] }
  | { readonly accepted: false; readonly refusal: ReplicationRefusal };

function proveEvents(options: {
  readonly cursor: ReplicaCursor;
  readonly batch: BatchFrame;
  readonly events: readonly RecordedEvent[];
  readonly last: number;
  readonly signed: EpochHead;
  readonly isProvenLater?: boolean;
  readonly sha256: Sha256;
}): BatchVerdict {
  const { cursor, batch, events, last, signed, isProvenLater = false, sha256 } = options;
  const leafHashes = events.map(event => event.leafHash);
  const treeEdge = extendEdge(cursor.treeEdge, cursor.position, leafHashes, sha256);
  const root = rootOf(treeEdge, last, sha256);
  // The root of the batch comes first, so that damage on the way is not taken for a rewritten history.
  if (!equalBytes(root, batch.root)) {
    const range = `${batch.firstPosition}..${last}`;
    return refused('BAD_HASH', `the events ${range} do not make the root that is stated for them`);
  }
  if (last === signed.size && !equalBytes(root, signed.root)) {
    return refused('FORK', `the events up to ${last} do not make the root that the site has signed`);
  }
  const after = { epoch: batch.epoch, position: last, treeEdge };
  if (!isProvenLater && last < signed.size && !isSigned(after, signed, batch.consistency, sha256)) {
    return refused('BAD_SIGNATURE', unproven(after, signed));
  }
  return { accepted: true, events, cursor: after };
}

/** Whether what is held up to the cursor is what the site has signed, or a prefix of it. */
export function isSigned(
  { epoch, position, treeEdge }: ReplicaCursor,
  signed: EpochHead,
  proof: readonly Uint8Array[],
  sha256: Sha256,
): boolean {
  const claim = { oldSize: position, oldRoot: rootOf(treeEdge, position, sha256) };
  return (
    epoch === signed.epoch &&
    verifyConsistency({ ...claim, newSize: signed.size, newRoot: signed.root, proof }, sha256)
  );
}

export function unproven({ epoch, position }: LogPlace, signed: EpochHead): string {
  const end = `${signed.epoch}/${signed.size}`;
  return `the events up to ${epoch}/${position} are not proven to be a part of what its site has signed up to ${end}`;
}

function refused(code: ReplicationRefusalCode, detail: string) {
  return { accepted: false, refusal: { code, detail } } as const;
}
