import { type Fragment, type InitSegment, type MediaItem, MediaRefusedError } from '@holdfast/core';
import type { DeviceStream } from '@holdfast/schema';
import { LiveFanOut } from '../camera/live-fan-out.js';
import type { LiveViewers } from '../camera/live-viewers.js';
import type { CameraSink } from '../drivers/driver.js';

/** A viewer who changes streams, or comes back at once, finds the camera still connected. */
const LINGER_MS = 10_000;

export interface SideStreamsOptions {
  readonly viewers: LiveViewers;
  /** Runs a session with the camera at an address of its until the signal aborts. */
  readonly runSession: (address: string, sink: CameraSink, signal: AbortSignal) => Promise<void>;
  /** Where motion is looked for, in the stream that is named for it. */
  readonly motion: SideMotion;
}

export interface SideMotion {
  /** From the first picture of the stream to its loss motion is looked for in it, and not in what is recorded. */
  sideBegan(): void;
  sideEnded(): void;
  sideKeyFrame(init: InitSegment, fragment: Fragment): void;
}

interface SideStream {
  readonly address: string;
  readonly sink: SideSink;
  readonly controller: AbortController;
  readonly done: Promise<void>;
  viewerCount: number;
  linger: NodeJS.Timeout | null;
}

/** What a camera sends beside its recorded stream: a session runs for each stream that somebody watches or that motion is looked for in. */
export class SideStreams {
  readonly #options: SideStreamsOptions;
  readonly #running = new Map<string, SideStream>();
  readonly #ending = new Set<Promise<void>>();
  #streams: readonly DeviceStream[] = [];
  #motion: string | null = null;
  #closed = false;

  constructor(options: SideStreamsOptions) {
    this.#options = options;
  }

  /** Those that a session runs for, by name. */
  get running(): readonly string[] {
    return [...this.#running.keys()];
  }

  /** `motion`: in which of them motion is looked for. Null: in none, now. */
  configure(streams: readonly DeviceStream[], motion: string | null): void {
    const isMotionMoved = motion !== this.#motion;
    this.#streams = streams;
    this.#motion = motion;
    for (const [name, running] of this.#running) {
      const stays = streams.some(stream => stream.name === name && stream.address === running.address);
      const isForMotion = running.sink.isForMotion || name === motion;
      if (!stays || (isMotionMoved && isForMotion)) this.#end(name, running);
    }
    const stream = streams.find(({ name }) => name === motion);
    if (stream && !this.#running.has(stream.name)) this.#begin(stream);
  }

  /** Throws `MediaRefusedError` when the camera cannot be reached, or is lost. */
  async *open({ name }: DeviceStream, signal: AbortSignal): AsyncGenerator<MediaItem, void, undefined> {
    const stream = this.#streams.find(known => known.name === name);
    if (!stream || this.#closed)
      throw new MediaRefusedError('NO_LIVE_STREAM', `there is no stream ${name} any more`);
    const running = this.#running.get(name) ?? this.#begin(stream);
    running.viewerCount += 1;
    if (running.linger !== null) clearTimeout(running.linger);
    try {
      const { lost, lostBecause } = running.sink;
      if (lostBecause !== null) throw new MediaRefusedError('NO_LIVE_STREAM', lostBecause);
      yield* running.sink.fanOut.open(AbortSignal.any([signal, lost]));
      if (lost.aborted && !signal.aborted) throw new MediaRefusedError('NO_LIVE_STREAM', String(lost.reason));
    } finally {
      running.viewerCount -= 1;
      if (running.viewerCount === 0 && name !== this.#motion) {
        running.linger = setTimeout(() => this.#end(name, running), LINGER_MS);
        running.linger.unref();
      }
    }
  }

  /** Ends all sessions. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const [name, running] of this.#running) this.#end(name, running);
    await Promise.all(this.#ending);
  }

  #begin(stream: DeviceStream): SideStream {
    const { viewers, motion } = this.#options;
    const sink = new SideSink(viewers, stream.name === this.#motion ? motion : null);
    const controller = new AbortController();
    const done = this.#options.runSession(stream.address, sink, controller.signal);
    const running = { address: stream.address, sink, controller, done, viewerCount: 0, linger: null };
    this.#running.set(stream.name, running);
    return running;
  }

  #end(name: string, running: SideStream): void {
    if (this.#running.get(name) !== running) return;
    this.#running.delete(name);
    if (running.linger !== null) clearTimeout(running.linger);
    running.controller.abort('SERVER_STOPPED');
    const ended = running.done.then(() => {
      running.sink[Symbol.dispose]();
      this.#ending.delete(ended);
    });
    this.#ending.add(ended);
  }
}

/** Shows pictures, and records nothing. What happens to the connection is told by the session that records. */
class SideSink implements CameraSink, Disposable {
  readonly fanOut: LiveFanOut;
  readonly #motion: SideMotion | null;
  #init: InitSegment | null = null;
  /** Of the connection that is there, or sought. */
  #lost = new AbortController();
  /** Null while it is there, and before the first attempt has failed. */
  lostBecause: string | null = null;

  constructor(viewers: LiveViewers, motion: SideMotion | null) {
    this.fanOut = new LiveFanOut({ viewers });
    this.#motion = motion;
  }

  get isForMotion(): boolean {
    return this.#motion !== null;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  connected(): void {}

  format(init: InitSegment): void {
    this.#init = init;
    this.lostBecause = null;
    this.fanOut.format(init);
    this.#motion?.sideBegan();
  }

  liveFragment(fragment: Fragment): void {
    if (fragment.beginsWithKeyFrame && this.#init) this.#motion?.sideKeyFrame(this.#init, fragment);
    this.fanOut.push(fragment);
  }

  recordedFragment(fragment: Fragment): void {
    fragment.release?.();
  }

  runEnded(): void {
    this.#init = null;
    this.fanOut.runEnded();
    this.#motion?.sideEnded();
  }

  accessUnitsLost(): void {}

  connectionLost(cause: string, detail: string): void {
    this.lostBecause = `${cause}: ${detail}`;
    this.#lost.abort(this.lostBecause);
    this.#lost = new AbortController();
  }

  [Symbol.dispose](): void {
    this.fanOut[Symbol.dispose]();
  }
}
