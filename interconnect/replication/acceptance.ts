import {
  decodeRecordedEvent,
  EnvelopeError,
  equalBytes,
  extendEdge,
  type RecordedEvent,
  rootOf,
  type Sha256,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
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

export type HelloVerdict =
  | { readonly accepted: true; readonly from: ReplicaCursor }
  | { readonly accepted: false; readonly refusal: ReplicationRefusal };

/** From where on a parent that holds `cursor` wants the log whose end is `head`. */
export function answerHello(cursor: ReplicaCursor, head: EpochHead, sha256: Sha256): HelloVerdict {
  if (head.epoch > cursor.epoch) {
    return { accepted: true, from: { epoch: head.epoch, position: 0, treeEdge: [] } };
  }
  if (head.epoch < cursor.epoch) {
    return refused('UNKNOWN_EPOCH', `epoch ${head.epoch} is over: epoch ${cursor.epoch} is held already`);
  }
  if (head.size < cursor.position) {
    return refused('AHEAD', `${cursor.position} events are held, the log has only ${head.size}`);
  }
  if (
    head.size === cursor.position &&
    !equalBytes(rootOf(cursor.treeEdge, cursor.position, sha256), head.root)
  ) {
    return refused('FORK', `another history is held under the same ${head.size} positions`);
  }
  return { accepted: true, from: cursor };
}

export type BatchVerdict =
  | { readonly accepted: true; readonly events: readonly RecordedEvent[]; readonly cursor: ReplicaCursor }
  | { readonly accepted: false; readonly refusal: ReplicationRefusal };

/**
 * The acceptance rule. A known prefix is dropped by position; the rest must follow without a gap, belong to this site and
 * epoch, and hash to the root that is stated for its end, and to `statedHead` where it passes that size.
 */
export function acceptBatch(options: {
  readonly site: SiteId;
  readonly cursor: ReplicaCursor;
  readonly batch: BatchFrame;
  readonly statedHead: EpochHead;
  readonly sha256: Sha256;
}): BatchVerdict {
  const { cursor, batch } = options;
  const last = batch.firstPosition + batch.count - 1;
  if (batch.epoch !== cursor.epoch) {
    return refused(
      'UNKNOWN_EPOCH',
      `a batch of epoch ${batch.epoch} where epoch ${cursor.epoch} was asked for`,
    );
  }
  if (batch.firstPosition > cursor.position + 1) {
    return refused('GAP', `begins at ${batch.firstPosition}, the next is ${cursor.position + 1}`);
  }
  if (last <= cursor.position) return { accepted: true, events: [], cursor };
  const read = readEvents(options.site, batch, options.sha256);
  if (!read.accepted) return read;
  const fresh = read.events.slice(cursor.position + 1 - batch.firstPosition);
  if (cursor.position === 0 && fresh[0]!.type !== EPOCH_OPENING) {
    return refused(
      'UNKNOWN_EPOCH',
      `epoch ${batch.epoch} begins with ${fresh[0]!.type}, not with ${EPOCH_OPENING}`,
    );
  }
  return proveEvents({ ...options, events: fresh, last });
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
      events.push(event);
    } catch (error) {
      if (!(error instanceof EnvelopeError)) throw error;
      return refused('BAD_HASH', `the event at position ${position} is none: ${error.message}`);
    }
  }
  return { accepted: true, events };
}

type ReadVerdict =
  | { readonly accepted: true; readonly events: readonly RecordedEvent[] }
  | { readonly accepted: false; readonly refusal: ReplicationRefusal };

function proveEvents(options: {
  readonly cursor: ReplicaCursor;
  readonly batch: BatchFrame;
  readonly events: readonly RecordedEvent[];
  readonly last: number;
  readonly statedHead: EpochHead;
  readonly sha256: Sha256;
}): BatchVerdict {
  const { cursor, batch, events, last, statedHead, sha256 } = options;
  const passesHead =
    statedHead.epoch === batch.epoch && cursor.position < statedHead.size && statedHead.size <= last;
  const turn = passesHead ? statedHead.size : last;
  const leafHashes = events.map(event => event.leafHash);
  const known = leafHashes.splice(0, turn - cursor.position);
  const edgeAtTurn = extendEdge(cursor.treeEdge, cursor.position, known, sha256);
  const treeEdge = extendEdge(edgeAtTurn, turn, leafHashes, sha256);
  // The root of the batch comes first, so that damage on the way is not taken for a rewritten history.
  if (!equalBytes(rootOf(treeEdge, last, sha256), batch.root)) {
    const range = `${batch.firstPosition}..${last}`;
    return refused('BAD_HASH', `the events ${range} do not make the root that is stated for them`);
  }
  if (passesHead && !equalBytes(rootOf(edgeAtTurn, turn, sha256), statedHead.root)) {
    return refused('FORK', `the events up to ${turn} do not make the root that Hello stated`);
  }
  return { accepted: true, events, cursor: { epoch: batch.epoch, position: last, treeEdge } };
}

function refused(code: ReplicationRefusalCode, detail: string) {
  return { accepted: false, refusal: { code, detail } } as const;
}
