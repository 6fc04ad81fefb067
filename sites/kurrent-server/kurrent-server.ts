import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import featuresGrpc from '@eventstore/db-client/generated/serverfeatures_grpc_pb.js';
import features from '@eventstore/db-client/generated/serverfeatures_pb.js';
import streamsGrpc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import type streams from '@eventstore/db-client/generated/streams_pb.js';
import {
  Metadata,
  type ServerReadableStream,
  type ServerWritableStream,
  type sendUnaryData,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { createGrpcServer, type PeerCredentials } from '@holdfast/interconnect';
import type { Logger } from 'pino';
import { EventFilterError } from './event-filter.js';
import { answersTo } from './read-events.js';
import type { ProposedAppend, ProposedEvent, ServedStreams } from './served-streams.js';
import {
  appendMessage,
  appendTargetOf,
  proposedEventOf,
  type ReadRequest,
  readRequestOf,
  StreamRequestError,
} from './stream-messages.js';

/** Reads and subscriptions at a time, of all clients together. Each holds a page of events. */
export const SERVED_READS_MAX = 64;
/** Clients choose what they do by it: the first version with everything that is spoken here. */
const PROTOCOL_VERSION = '23.10.0';
const STREAMS_SERVICE = 'event_store.client.streams.streams';

type ReadCall = ServerWritableStream<
  InstanceType<typeof streams.ReadReq>,
  InstanceType<typeof streams.ReadResp>
>;
type AppendCall = ServerReadableStream<
  InstanceType<typeof streams.AppendReq>,
  InstanceType<typeof streams.AppendResp>
>;

export interface KurrentServerOptions {
  readonly streams: ServedStreams;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** Who this server is and whose clients it serves. Null: without encryption, on the loopback only. */
  readonly credentials: PeerCredentials | null;
  /** Bytes of data and metadata in one append. */
  readonly appendBytesMax: number;
  readonly logger: Logger;
}

export interface KurrentServer extends AsyncDisposable {
  readonly port: number;
}

/**
 * Serves streams in the protocol of EventStoreDB and KurrentDB (gRPC, `event_store.client.*`): reads and catch-up
 * subscriptions of one stream and of all, with filters, and appends where what is served can be appended to.
 */
export async function openKurrentServer(options: KurrentServerOptions): Promise<KurrentServer> {
  const { credentials, logger, host, port } = options;
  const server = createGrpcServer({ credentials, logger });
  server.addService(streamsGrpc.StreamsService, streamsService(options));
  server.addService(featuresGrpc.ServerFeaturesService, featuresService(options.streams));
  const bound = await server.listen({ host, port });
  return { port: bound.port, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

function streamsService(options: KurrentServerOptions): UntypedServiceImplementation {
  let readCount = 0;
  const refuse = (_call: unknown, answer?: sendUnaryData<unknown>) => answer?.(readOnlyError());
  return {
    read: (call: ReadCall) => {
      if (readCount >= SERVED_READS_MAX) {
        const details = `${readCount} reads and subscriptions are served already`;
        call.emit('error', statusError(status.RESOURCE_EXHAUSTED, details));
        return;
      }
      readCount += 1;
      void serveRead(call, options).finally(() => {
        readCount -= 1;
      });
    },
    append: (call: AppendCall, answer: sendUnaryData<InstanceType<typeof streams.AppendResp>>) => {
      serveAppend(call, options).then(
        message => answer(null, message),
        error => answer(statusOf(error)),
      );
    },
    delete: refuse,
    tombstone: refuse,
    batchAppend: (call: ReadCall) =>
      call.emit(
        'error',
        options.streams.append === undefined
          ? readOnlyError()
          : statusError(status.UNIMPLEMENTED, 'appends in batches are not served: append one by one'),
      ),
  };
}

async function serveRead(call: ReadCall, { streams, logger }: KurrentServerOptions): Promise<void> {
  const gone = new AbortController();
  const leave = () => gone.abort();
  call.once('cancelled', leave);
  call.once('close', leave);
  try {
    const request: ReadRequest = readRequestOf(call.request);
    const answers = answersTo(request, streams, { signal: gone.signal, subscriptionId: randomUUID() });
    for await (const messages of answers) {
      for (const message of messages) {
        if (gone.signal.aborted) return;
        if (!call.write(message)) await once(call, 'drain', { signal: gone.signal });
      }
    }
    call.end();
  } catch (error) {
    if (gone.signal.aborted) return;
    if (!isRequestError(error)) logger.warn({ err: error }, 'a read could not be served');
    call.emit('error', statusOf(error));
  }
}

async function serveAppend(
  call: AppendCall,
  { streams: served, appendBytesMax }: KurrentServerOptions,
): Promise<InstanceType<typeof streams.AppendResp>> {
  let target: Pick<ProposedAppend, 'stream' | 'expected'> | null = null;
  const events: ProposedEvent[] = [];
  let byteLength = 0;
  for await (const message of call as AsyncIterable<InstanceType<typeof streams.AppendReq>>) {
    if (served.append === undefined) throw readOnlyError();
    if (message.hasOptions()) {
      target = appendTargetOf(message.getOptions());
      continue;
    }
    const event = proposedEventOf(message.getProposedMessage());
    byteLength += event.data.length + event.metadata.length;
    if (byteLength > appendBytesMax) throw tooLargeError(appendBytesMax);
    events.push(event);
  }
  if (served.append === undefined) throw readOnlyError();
  if (target === null) throw new StreamRequestError('the stream is missing');
  const append = { ...target, events };
  return appendMessage(append, await served.append(append));
}

function featuresService(streams: ServedStreams): UntypedServiceImplementation {
  const names = streams.append === undefined ? ['read'] : ['read', 'append'];
  const methods = names.map(name =>
    new features.SupportedMethod()
      .setServiceName(STREAMS_SERVICE)
      .setMethodName(name)
      .setFeaturesList(name === 'read' ? ['position'] : []),
  );
  return {
    getSupportedMethods: (_call: unknown, answer: sendUnaryData<unknown>) =>
      answer(
        null,
        new features.SupportedMethods().setMethodsList(methods).setEventStoreServerVersion(PROTOCOL_VERSION),
      ),
  };
}

type StatusError = Error & { readonly code: status; readonly details: string; readonly metadata: Metadata };

/** Clients read what happened from the trailing metadata. */
function statusError(code: status, details: string, trailer: Record<string, string> = {}): StatusError {
  const metadata = new Metadata();
  for (const [key, value] of Object.entries(trailer)) metadata.set(key, value);
  return Object.assign(new Error(details), { code, details, metadata });
}

function readOnlyError(): StatusError {
  return statusError(status.PERMISSION_DENIED, 'the log of a site is served for reading only', {
    exception: 'access-denied',
  });
}

function tooLargeError(bytesMax: number): StatusError {
  return statusError(status.INVALID_ARGUMENT, `an append has at most ${bytesMax} bytes`, {
    exception: 'maximum-append-size-exceeded',
    'maximum-append-size': String(bytesMax),
  });
}

function isRequestError(error: unknown): error is StreamRequestError | EventFilterError {
  return error instanceof StreamRequestError || error instanceof EventFilterError;
}

function statusOf(error: unknown): StatusError {
  if (error instanceof Error && 'metadata' in error) return error as StatusError;
  if (isRequestError(error)) return statusError(status.INVALID_ARGUMENT, `${error.code}: ${error.message}`);
  return statusError(status.INTERNAL, 'the events cannot be read; the log of the server says why');
}
