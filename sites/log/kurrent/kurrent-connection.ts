import {
  AccessDeniedError,
  binaryEvent,
  EventStoreDBClient,
  FORWARDS,
  isCommandError,
  jsonEvent,
  MaxAppendSizeExceededError,
  NO_STREAM,
  type RecordedEvent,
  type ResolvedEvent,
  StreamDeletedError,
  type StreamingRead,
  StreamNotFoundError,
  WrongExpectedVersionError,
} from '@eventstore/db-client';

/** How long the server may take for one append; after it the outcome is unknown. Its own commit times out after 2 s. */
const APPEND_DEADLINE_MS = 10_000;
/** A page that brings no further event for so long is given up; the call itself has no deadline. */
const READ_STALL_MS = 10_000;

/** An event as the server keeps it. */
export interface StoredEvent {
  readonly id: string;
  readonly type: string;
  readonly revision: number;
  readonly metadata: Uint8Array;
  readonly data: Uint8Array;
}

export type ServerAppend =
  | { readonly kind: 'APPENDED' }
  | { readonly kind: 'WRONG_REVISION' }
  | { readonly kind: 'TOO_LARGE'; readonly bytesMax: number }
  | { readonly kind: 'DENIED'; readonly detail: string }
  /** No answer, or none that says what became of it. */
  | { readonly kind: 'UNKNOWN'; readonly detail: string };

/** The few calls that a log needs, with every error of the client sorted into what it means for a log. */
export class KurrentConnection implements AsyncDisposable {
  readonly #client: EventStoreDBClient;

  /** Does not connect yet. Throws when the connection string cannot be read. */
  constructor(connectionString: string) {
    this.#client = EventStoreDBClient.connectionString(connectionString);
    // The client's batched appends share one table of promises in the whole process: an error in one stream rejects the
    // appends of others, none has a deadline, and an answer that comes after the error throws where nobody catches it.
    // Saying that the server cannot do it leaves the plain call, one for each of our groups.
    Object.assign(this.#client, { supports: async () => false });
  }

  /** All or nothing, behind exactly this many events. */
  async append(stream: string, events: readonly StoredEvent[], size: number): Promise<ServerAppend> {
    const proposed = events.map(({ id, type, data, metadata }) => binaryEvent({ id, type, data, metadata }));
    try {
      await this.#client.appendToStream(stream, proposed, {
        expectedRevision: size === 0 ? NO_STREAM : BigInt(size - 1),
        deadline: APPEND_DEADLINE_MS,
        requiresLeader: true,
      });
      return { kind: 'APPENDED' };
    } catch (error) {
      return appendFailure(error);
    }
  }

  /** A note for people and for the next process, at no particular revision. Throws what the client throws. */
  async note(stream: string, type: string, data: Record<string, string | number>): Promise<void> {
    await this.#client.appendToStream(stream, jsonEvent({ type, data }), {
      deadline: APPEND_DEADLINE_MS,
      requiresLeader: true,
    });
  }

  /** The last event of a stream of JSON and how many there are, or null when there is none. */
  async lastNote(stream: string): Promise<{ readonly data: unknown; readonly size: number } | null> {
    const reading = this.#client.readStream(stream, {
      direction: 'backwards',
      fromRevision: 'end',
      maxCount: 1,
      requiresLeader: true,
    });
    let last: { readonly data: unknown; readonly size: number } | null = null;
    await follow(reading, ({ data, revision }) => {
      const isBytes = data instanceof Uint8Array;
      last = { data: isBytes ? jsonOf(data) : data, size: Number(revision) + 1 };
      return true;
    });
    return last;
  }

  /** At most so many events from a revision on, fewer when their data goes over `bytesMax`. None: no more, or no stream. */
  async read(
    stream: string,
    page: { readonly fromRevision: number; readonly count: number; readonly bytesMax: number },
  ): Promise<readonly StoredEvent[]> {
    const reading = this.#client.readStream(stream, {
      direction: FORWARDS,
      fromRevision: BigInt(page.fromRevision),
      maxCount: page.count,
      requiresLeader: true,
    });
    const events: StoredEvent[] = [];
    let byteLength = 0;
    await follow(reading, ({ id, type, revision, data, metadata }) => {
      const bytes = bytesOf(data);
      events.push({ id, type, revision: Number(revision), data: bytes, metadata: bytesOf(metadata) });
      byteLength += bytes.length;
      return byteLength < page.bytesMax;
    });
    return events;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.dispose();
  }
}

/** Hands on each event until `take` says that it is enough, and leaves no call behind. A stream that is not there has none. */
async function follow(
  reading: StreamingRead<ResolvedEvent>,
  take: (event: RecordedEvent) => boolean,
): Promise<void> {
  // The client emits errors also after its reader has gone, and then nobody would catch them.
  reading.on('error', () => undefined);
  const stalled = setTimeout(
    () => reading.destroy(new Error(`no further event for ${READ_STALL_MS / 1000} s`)),
    READ_STALL_MS,
  );
  try {
    for await (const { event } of reading as AsyncIterable<ResolvedEvent>) {
      stalled.refresh();
      if (event !== undefined && !take(event)) break;
    }
  } catch (error) {
    if (!(error instanceof StreamNotFoundError)) throw error;
  } finally {
    clearTimeout(stalled);
    reading.cancel().catch(() => undefined);
  }
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString('utf8'));
  } catch {
    return null;
  }
}

/** The client hands over as bytes what is not JSON; a log's events are written so that they never are. */
function bytesOf(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array(0);
}

function appendFailure(error: unknown): ServerAppend {
  if (error instanceof WrongExpectedVersionError) return { kind: 'WRONG_REVISION' };
  if (error instanceof MaxAppendSizeExceededError)
    return { kind: 'TOO_LARGE', bytesMax: error.maxAppendSize };
  if (isDenial(error)) return { kind: 'DENIED', detail: describe(error) };
  return { kind: 'UNKNOWN', detail: describe(error) };
}

/** Trying again will not help: the credentials are refused, or the stream was deleted for ever. */
export function isDenial(error: unknown): boolean {
  return error instanceof AccessDeniedError || error instanceof StreamDeletedError;
}

export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return isCommandError(error) ? `${error.type}: ${error.message}` : error.message;
}
