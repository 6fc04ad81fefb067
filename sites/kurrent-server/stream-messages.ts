import shared from '@eventstore/db-client/generated/shared_pb.js';
import streams from '@eventstore/db-client/generated/streams_pb.js';
import { type EventFilter, eventFilter } from './event-filter.js';
import type {
  ProposedAppend,
  ProposedEvent,
  ReadDirection,
  ServedAppend,
  ServedEvent,
} from './served-streams.js';

/** `created` is given in ticks of .NET: 100 ns. */
const TICKS_PER_MS = 10_000n;
/** Events that a filtered read looks at between two checkpoints, when the client does not say. */
const CHECKPOINT_WINDOW_EVENTS = 32;
const REVISION_MAX = Number.MAX_SAFE_INTEGER;

/** A request that means nothing, in words for the client. */
export class StreamRequestError extends Error {
  override readonly name = 'StreamRequestError';
  readonly code = 'STREAM_REQUEST';
}

/** `null` begins at the first event forwards, at the last one backwards; a subscription begins behind it. */
export type ReadStart<Place> = Place | 'START' | 'END';

export interface ReadRequest {
  /** Null: all of them. */
  readonly stream: string | null;
  readonly revision: ReadStart<number>;
  readonly position: ReadStart<bigint>;
  readonly direction: ReadDirection;
  /** Null: a subscription. */
  readonly count: bigint | null;
  readonly filter: EventFilter | null;
  readonly checkpointEvents: number;
  readonly isUuidStructured: boolean;
}

/** Throws `StreamRequestError` and `EventFilterError`. */
export function readRequestOf(message: InstanceType<typeof streams.ReadReq>): ReadRequest {
  const options = message.getOptions();
  const ofStream = options?.getStream();
  const ofAll = options?.getAll();
  if (options === undefined || (ofStream === undefined && ofAll === undefined)) {
    throw new StreamRequestError('neither a stream nor all of them are asked for');
  }
  const isBackwards = options.getReadDirection() === streams.ReadReq.Options.ReadDirection.BACKWARDS;
  return {
    stream: ofStream === undefined ? null : streamNameOf(ofStream.getStreamIdentifier()),
    revision: startOf(ofStream, () => Math.min(REVISION_MAX, Number(ofStream?.getRevision()))),
    position: startOf(ofAll, () => BigInt(ofAll?.getPosition()?.getCommitPosition() ?? 0)),
    direction: isBackwards ? 'BACKWARDS' : 'FORWARDS',
    count: options.hasSubscription() ? null : BigInt(options.getCount()),
    ...filterOf(options.getFilter()),
    isUuidStructured: options.getUuidOption()?.hasStructured() ?? false,
  };
}

function startOf<Place>(
  options: { hasStart(): boolean; hasEnd(): boolean } | undefined,
  placeOf: () => Place,
): ReadStart<Place> {
  if (options === undefined || options.hasStart()) return 'START';
  return options.hasEnd() ? 'END' : placeOf();
}

function filterOf(
  options: InstanceType<typeof streams.ReadReq.Options.FilterOptions> | undefined,
): Pick<ReadRequest, 'filter' | 'checkpointEvents'> {
  const onStream = options?.getStreamIdentifier();
  const expression = onStream ?? options?.getEventType();
  if (options === undefined || expression === undefined) {
    return { filter: null, checkpointEvents: CHECKPOINT_WINDOW_EVENTS };
  }
  const window = options.hasMax() ? Math.max(1, options.getMax()) : CHECKPOINT_WINDOW_EVENTS;
  return {
    filter: eventFilter({
      on: onStream === undefined ? 'TYPE' : 'STREAM',
      prefixes: expression.getPrefixList(),
      expression: expression.getRegex(),
    }),
    checkpointEvents: window * Math.max(1, options.getCheckpointintervalmultiplier()),
  };
}

function streamNameOf(identifier: InstanceType<typeof shared.StreamIdentifier> | undefined): string {
  const name = Buffer.from(identifier?.getStreamName_asU8() ?? []).toString('utf8');
  if (name === '') throw new StreamRequestError('the name of a stream is missing');
  return name;
}

/** Throws `StreamRequestError`. */
export function appendTargetOf(
  options: InstanceType<typeof streams.AppendReq.Options> | undefined,
): Pick<ProposedAppend, 'stream' | 'expected'> {
  if (options === undefined) throw new StreamRequestError('the first message names no stream');
  const stream = streamNameOf(options.getStreamIdentifier());
  if (options.hasNoStream()) return { stream, expected: 'none' };
  if (options.hasAny()) return { stream, expected: 'any' };
  if (options.hasStreamExists()) return { stream, expected: 'exists' };
  return { stream, expected: Number(options.getRevision()) };
}

/** Throws `StreamRequestError`. */
export function proposedEventOf(
  message: InstanceType<typeof streams.AppendReq.ProposedMessage> | undefined,
): ProposedEvent {
  const type = message?.getMetadataMap().get('type');
  const contentType = message?.getMetadataMap().get('content-type');
  if (message === undefined || type === undefined || contentType === undefined) {
    throw new StreamRequestError('an event needs type and content-type');
  }
  return {
    ...{ id: idOf(message.getId()), type, contentType },
    metadata: message.getCustomMetadata_asU8(),
    data: message.getData_asU8(),
  };
}

function idOf(uuid: InstanceType<typeof shared.UUID> | undefined): string {
  const structured = uuid?.getStructured();
  if (structured === undefined) {
    const id = uuid?.getString() ?? '';
    if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return id.toLowerCase();
    throw new StreamRequestError(`'${id}' is not a UUID`);
  }
  const bytes = Buffer.alloc(16);
  bytes.writeBigInt64BE(BigInt(structured.getMostSignificantBits()), 0);
  bytes.writeBigInt64BE(BigInt(structured.getLeastSignificantBits()), 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

function uuidOf(id: string, isStructured: boolean): InstanceType<typeof shared.UUID> {
  if (!isStructured) return new shared.UUID().setString(id);
  const bytes = Buffer.from(id.replaceAll('-', ''), 'hex');
  const structured = new shared.UUID.Structured()
    .setMostSignificantBits(bytes.readBigInt64BE(0).toString())
    .setLeastSignificantBits(bytes.readBigInt64BE(8).toString());
  return new shared.UUID().setStructured(structured);
}

function identifierOf(stream: string): InstanceType<typeof shared.StreamIdentifier> {
  return new shared.StreamIdentifier().setStreamName(new Uint8Array(Buffer.from(stream, 'utf8')));
}

type ReadMessage = InstanceType<typeof streams.ReadResp>;

export function eventMessage(event: ServedEvent, isUuidStructured: boolean): ReadMessage {
  const position = event.position.toString();
  const recorded = new streams.ReadResp.ReadEvent.RecordedEvent()
    .setId(uuidOf(event.id, isUuidStructured))
    .setStreamIdentifier(identifierOf(event.stream))
    .setStreamRevision(event.revision.toString())
    .setCommitPosition(position)
    .setPreparePosition(position)
    .setCustomMetadata(event.metadata)
    .setData(event.data);
  recorded
    .getMetadataMap()
    .set('type', event.type)
    .set('content-type', event.contentType)
    .set('created', (BigInt(Math.floor(event.createdMs)) * TICKS_PER_MS).toString());
  return new streams.ReadResp().setEvent(
    new streams.ReadResp.ReadEvent().setEvent(recorded).setCommitPosition(position),
  );
}

export function streamNotFoundMessage(stream: string): ReadMessage {
  return new streams.ReadResp().setStreamNotFound(
    new streams.ReadResp.StreamNotFound().setStreamIdentifier(identifierOf(stream)),
  );
}

export function confirmationMessage(subscriptionId: string): ReadMessage {
  return new streams.ReadResp().setConfirmation(
    new streams.ReadResp.SubscriptionConfirmation().setSubscriptionId(subscriptionId),
  );
}

export function caughtUpMessage(): ReadMessage {
  return new streams.ReadResp().setCaughtUp(new streams.ReadResp.CaughtUp());
}

/** Everything up to a position was looked at, whether the filter let it pass or not. */
export function checkpointMessage(position: bigint): ReadMessage {
  const text = position.toString();
  return new streams.ReadResp().setCheckpoint(
    new streams.ReadResp.Checkpoint().setCommitPosition(text).setPreparePosition(text),
  );
}

export function appendMessage(
  { expected }: Pick<ProposedAppend, 'expected'>,
  outcome: ServedAppend,
): InstanceType<typeof streams.AppendResp> {
  const response = new streams.AppendResp();
  if (outcome.appended) {
    const position = outcome.position.toString();
    const success = new streams.AppendResp.Success().setPosition(
      new streams.AppendResp.Position().setCommitPosition(position).setPreparePosition(position),
    );
    return response.setSuccess(success.setCurrentRevision(outcome.revision.toString()));
  }
  const wrong = new streams.AppendResp.WrongExpectedVersion();
  if (outcome.actual === null) wrong.setCurrentNoStream(new shared.Empty());
  else wrong.setCurrentRevision(outcome.actual.toString());
  if (expected === 'none') wrong.setExpectedNoStream(new shared.Empty());
  else if (expected === 'exists') wrong.setExpectedStreamExists(new shared.Empty());
  else if (expected === 'any') wrong.setExpectedAny(new shared.Empty());
  else wrong.setExpectedRevision(expected.toString());
  return response.setWrongExpectedVersion(wrong);
}
