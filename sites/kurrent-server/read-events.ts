import type streams from '@eventstore/db-client/generated/streams_pb.js';
import type { ServedEvent, ServedStreams } from './served-streams.js';
import {
  caughtUpMessage,
  checkpointMessage,
  confirmationMessage,
  eventMessage,
  type ReadRequest,
  streamNotFoundMessage,
} from './stream-messages.js';

/** Events that are read at once. A reader who is slow holds one page. */
const PAGE_EVENTS = 256;

type Message = InstanceType<typeof streams.ReadResp>;

/** Everything that a read or a subscription is answered with, in order. A subscription ends with the signal. */
export async function* answersTo(
  request: ReadRequest,
  served: ServedStreams,
  options: { readonly signal: AbortSignal; readonly subscriptionId: string },
): AsyncGenerator<readonly Message[]> {
  const messagesOf = (events: readonly ServedEvent[]) =>
    events.map(event => eventMessage(event, request.isUuidStructured));
  if (request.count === null) {
    yield [confirmationMessage(options.subscriptionId)];
    const subscription =
      request.stream === null
        ? followAll(request, served, options.signal)
        : followStream(request.stream, request, served, options.signal);
    for await (const part of subscription) {
      if (part === 'CAUGHT_UP') yield [caughtUpMessage()];
      else if (typeof part === 'bigint') yield [checkpointMessage(part)];
      else yield messagesOf(part);
    }
    return;
  }
  let left = request.count;
  if (left <= 0n) return;
  const pages =
    request.stream === null ? allPages(request, served) : streamPages(request.stream, request, served);
  for await (const page of pages) {
    if (options.signal.aborted) return;
    if (page === null) {
      yield [streamNotFoundMessage(request.stream ?? '')];
      return;
    }
    const events = page
      .filter(event => request.filter?.(event) ?? true)
      .slice(0, Number(min(left, PAGE_EVENTS)));
    yield messagesOf(events);
    left -= BigInt(events.length);
    if (left <= 0n) return;
  }
}

async function* streamPages(
  stream: string,
  { revision, direction, count }: ReadRequest,
  served: ServedStreams,
): AsyncGenerator<readonly ServedEvent[] | null> {
  if (revision === 'END' && direction === 'FORWARDS') return;
  const limit = Number(min(count ?? 0n, PAGE_EVENTS));
  let from = revision === 'START' ? 0 : revision === 'END' ? null : revision;
  for (;;) {
    const page = await served.readStream({ stream, from, direction, limit });
    yield page;
    const last = page?.at(-1);
    if (last === undefined || (direction === 'BACKWARDS' && last.revision === 0)) return;
    from = last.revision + (direction === 'FORWARDS' ? 1 : -1);
  }
}

async function* allPages(
  { position, direction }: ReadRequest,
  served: ServedStreams,
): AsyncGenerator<readonly ServedEvent[]> {
  if (position === (direction === 'FORWARDS' ? 'END' : 'START')) return;
  let from = typeof position === 'bigint' ? position : null;
  for (;;) {
    const page = await served.readAll({ from, direction, limit: PAGE_EVENTS });
    const last = page.at(-1);
    if (last === undefined) return;
    yield page;
    from = last.position + (direction === 'FORWARDS' ? 1n : -1n);
  }
}

/** Events, where the past ends, and positions up to which a filter has looked. */
type SubscriptionPart = readonly ServedEvent[] | 'CAUGHT_UP' | bigint;

async function* followAll(
  { position, filter, checkpointEvents }: ReadRequest,
  served: ServedStreams,
  signal: AbortSignal,
): AsyncGenerator<SubscriptionPart> {
  const end = await served.end();
  const after = position === 'START' ? 0n : position === 'END' ? end : position;
  let isCaughtUp = after >= end;
  let lookedAtCount = 0;
  if (isCaughtUp) yield 'CAUGHT_UP';
  for await (const batch of served.follow(after, signal)) {
    const passed = filter === null ? batch : batch.filter(filter);
    if (passed.length > 0) yield passed;
    const last = batch.at(-1)!.position;
    lookedAtCount += batch.length;
    if (filter !== null && lookedAtCount >= checkpointEvents) {
      lookedAtCount = 0;
      yield last;
    }
    if (!isCaughtUp && last >= end) {
      isCaughtUp = true;
      yield 'CAUGHT_UP';
    }
  }
}

async function* followStream(
  stream: string,
  { revision }: ReadRequest,
  served: ServedStreams,
  signal: AbortSignal,
): AsyncGenerator<SubscriptionPart> {
  let next = typeof revision === 'number' ? revision + 1 : 0;
  // Taken before the last page is read: what is recorded meanwhile comes twice and is dropped once.
  let end = await served.end();
  while (revision !== 'END' && !signal.aborted) {
    const page = await served.readStream({ stream, from: next, direction: 'FORWARDS', limit: PAGE_EVENTS });
    const last = page?.at(-1);
    if (page === null || last === undefined) break;
    yield page;
    next = last.revision + 1;
    end = await served.end();
  }
  yield 'CAUGHT_UP';
  for await (const batch of served.follow(end, signal)) {
    const events = batch.filter(event => event.stream === stream && event.revision >= next);
    if (events.length > 0) yield events;
  }
}

function min(left: bigint, right: number): bigint {
  return left < BigInt(right) ? left : BigInt(right);
}
