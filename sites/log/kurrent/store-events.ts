import { APPEND_BYTES_MAX, equalBytes, READ_BYTES_MAX, type RecordedEvent } from '@holdfast/core';
import type { KurrentConnection } from './kurrent-connection.js';
import { KurrentLogError } from './kurrent-log-error.js';
import { type KurrentLogStreams, storedEventOf } from './kurrent-log-streams.js';
import { type PatienceOptions, untilAnswered } from './patience.js';

export type StoreResult =
  | { readonly kind: 'STORED' }
  /** Somebody else's events are there. */
  | { readonly kind: 'OVERTAKEN' }
  | { readonly kind: 'TOO_LARGE'; readonly bytesMax: number };

/**
 * Writes events behind the end of an epoch and does not come back before it is known whether they are there: when the
 * answer is lost, what stands in their place is read and compared.
 */
export function storeEvents(
  server: {
    readonly connection: KurrentConnection;
    readonly streams: KurrentLogStreams;
    readonly patience: PatienceOptions;
  },
  { epoch, size }: { readonly epoch: number; readonly size: number },
  events: readonly RecordedEvent[],
): Promise<StoreResult> {
  const { connection, streams, patience } = server;
  const stream = streams.epoch(epoch);
  const stored = events.map(storedEventOf);
  return untilAnswered(
    stream,
    async (): Promise<StoreResult> => {
      const answer = await connection.append(stream, stored, size);
      if (answer.kind === 'APPENDED') return { kind: 'STORED' };
      if (answer.kind === 'TOO_LARGE') return answer;
      if (answer.kind === 'DENIED') throw new KurrentLogError('DENIED', stream, answer.detail);
      const limits = { count: events.length, bytesMax: 2 * APPEND_BYTES_MAX };
      const found = await streams.page({ epoch, position: size }, limits);
      if (isSame(found, events)) return { kind: 'STORED' };
      if (found.length > 0) return { kind: 'OVERTAKEN' };
      if (answer.kind === 'WRONG_REVISION') await assertNothingLost(streams, { epoch, size });
      throw new Error(answer.kind === 'UNKNOWN' ? answer.detail : 'a wrong revision that is right');
    },
    { ...patience, patienceMs: Number.POSITIVE_INFINITY },
  );
}

async function assertNothingLost(
  streams: KurrentLogStreams,
  { epoch, size }: { readonly epoch: number; readonly size: number },
): Promise<void> {
  if (size === 0) return;
  const last = await streams.page({ epoch, position: size - 1 }, { count: 1, bytesMax: READ_BYTES_MAX });
  if (last.length > 0) return;
  const detail = `position ${size}, which was acknowledged, is not there any more`;
  throw new KurrentLogError('LOST_EVENTS', streams.epoch(epoch), detail);
}

function isSame(left: readonly RecordedEvent[], right: readonly RecordedEvent[]): boolean {
  return (
    left.length === right.length &&
    left.every((event, index) => equalBytes(event.leafHash, right[index]!.leafHash))
  );
}
