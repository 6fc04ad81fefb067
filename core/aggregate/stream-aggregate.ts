import { EventDecodeError, type HoldfastEvent } from '@holdfast/schema';
import { alarmDecider } from '../alarm/alarm.decider.js';
import { bookmarkDecider } from '../bookmark/bookmark.decider.js';
import { evidenceLockDecider } from '../evidence-lock/evidence-lock.decider.js';
import { hardwareDecider } from '../hardware/hardware.decider.js';
import { readEventData } from '../log/event-data.js';
import type { RecordedEvent } from '../log/site-log.js';
import { manualRecordingDecider } from '../manual-recording/manual-recording.decider.js';
import { recordingServerDecider } from '../recording-server/recording-server.decider.js';
import { retrievalDecider } from '../retrieval/retrieval.decider.js';
import { siteDecider } from '../site/site.decider.js';
import type { PastEvent } from './past-events.js';

/** An event that this software cannot read: newer software wrote it, or it is broken. It waits in the log. */
export interface AsideEvent {
  readonly stream: string;
  readonly epoch: number;
  readonly position: number;
  readonly reason: string;
}

export function asideEvent(recorded: RecordedEvent, error: EventDecodeError): AsideEvent {
  const { stream, epoch, position } = recorded;
  return { stream, epoch, position, reason: error.message.slice(0, 1000) };
}

/** Nothing is decided on a state that is not known whole. */
export function notReadable({ stream, epoch, position, reason }: AsideEvent): {
  readonly code: 'STREAM_NOT_READABLE';
  readonly message: string;
} {
  return {
    code: 'STREAM_NOT_READABLE',
    message: `${stream} holds at ${epoch}/${position} what this software cannot read (${reason}): upgrade it, then ask again`,
  };
}

interface Folding {
  readonly initialState: unknown;
  evolve(state: never, event: never): unknown;
}

/** Longer names first: `hardware-connection-` is not hardware. Null: a stream of facts that nothing is decided on. */
const streams: readonly (readonly [string, Folding | null])[] = [
  ['hardware-connection-', null],
  ['recording-server-', recordingServerDecider],
  ['child-site-', siteDecider],
  ['hardware-', hardwareDecider],
  ['alarm-', alarmDecider],
  ['evidence-lock-', evidenceLockDecider],
  ['retrieval-', retrievalDecider],
  ['manual-recording-', manualRecordingDecider],
  ['bookmark-', bookmarkDecider],
];

function foldingOf(stream: string): Folding | null {
  if (stream === 'site') return siteDecider;
  return streams.find(([prefix]) => stream.startsWith(prefix))?.[1] ?? null;
}

/** One aggregate, folded from its own stream event by event: what its decider decides on. */
export class StreamAggregate<State = unknown> {
  readonly stream: string;
  /** Of the last event; null before the first. */
  revision: number | null = null;
  /** The first event that could not be read: the state is that before it. */
  aside: AsideEvent | null = null;
  readonly #folding: Folding;
  readonly #past: PastEvent[] = [];
  #state: unknown;

  private constructor(stream: string, folding: Folding) {
    this.stream = stream;
    this.#folding = folding;
    this.#state = folding.initialState;
  }

  /** Null when nothing is decided on the stream. */
  static of<State>(stream: string): StreamAggregate<State> | null {
    const folding = foldingOf(stream);
    return folding && new StreamAggregate(stream, folding);
  }

  get state(): State {
    return this.#state as State;
  }

  /** All of its events, oldest first. */
  get past(): readonly PastEvent[] {
    return this.#past;
  }

  read(recorded: RecordedEvent): void {
    this.revision = recorded.revision;
    const { id, causationId, type, actor, recordedAt } = recorded;
    this.#past.push({ id, causationId, type, actor, atMs: Number(recordedAt >> 16n) });
    if (this.aside !== null) return;
    const event: HoldfastEvent | EventDecodeError = readEventData(recorded);
    if (event instanceof EventDecodeError) this.aside = asideEvent(recorded, event);
    else this.#state = this.#folding.evolve(this.#state as never, event as never);
  }
}
