/** An event as clients of EventStoreDB and KurrentDB see it. */
export interface ServedEvent {
  readonly id: string;
  readonly stream: string;
  /** 0.. within the stream. */
  readonly revision: number;
  /** Grows from event to event over all streams; not necessarily by one. */
  readonly position: bigint;
  readonly type: string;
  readonly contentType: string;
  readonly metadata: Uint8Array;
  readonly data: Uint8Array;
  readonly createdMs: number;
}

export type ReadDirection = 'FORWARDS' | 'BACKWARDS';

export type ProposedEvent = Pick<ServedEvent, 'id' | 'type' | 'contentType' | 'metadata' | 'data'>;

export interface ProposedAppend {
  readonly stream: string;
  readonly expected: number | 'none' | 'any' | 'exists';
  readonly events: readonly ProposedEvent[];
}

export type ServedAppend =
  | { readonly appended: true; readonly revision: number; readonly position: bigint }
  /** The revision of the stream's last event; null when there is none. */
  | { readonly appended: false; readonly actual: number | null };

/** What the server serves: streams of events and the order over all of them. */
export interface ServedStreams {
  /**
   * Events from a revision on, inclusive; `null` is the first one forwards, the last one backwards. At most `limit`, and
   * only an empty answer says that there are no more. Null when there is no such stream.
   */
  readStream(options: {
    readonly stream: string;
    readonly from: number | null;
    readonly direction: ReadDirection;
    readonly limit: number;
  }): Promise<readonly ServedEvent[] | null>;
  /** As `readStream`, over all streams and by position. */
  readAll(options: {
    readonly from: bigint | null;
    readonly direction: ReadDirection;
    readonly limit: number;
  }): Promise<readonly ServedEvent[]>;
  /** The position of the last event of all; 0 when there is none. */
  end(): Promise<bigint>;
  /** Every event after a position, then every new one, until the signal is aborted. */
  follow(after: bigint, signal: AbortSignal): AsyncIterable<readonly ServedEvent[]>;
  /** All or nothing. Missing: what is served can only be read. */
  append?(append: ProposedAppend): Promise<ServedAppend>;
}
