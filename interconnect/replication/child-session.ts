import { extendEdge, type RecordedEvent, rootOf, TreeEdgeError } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { ReceivedCredit } from './credit-window.js';
import { cutIntoFrames, packEvents } from './event-frame.js';
import { HEARTBEAT_MS_MAX, HEARTBEAT_MS_MIN, HEARTBEATS_MISSED_MAX } from './heartbeat.js';
import type { ParentDuplex } from './replication-duplex.js';
import { describeError } from './replication-fault.js';
import {
  type ChildFrame,
  type ParentFrame,
  ReplicationProtocolError,
  type ReplicationRefusal,
  type WantFrame,
} from './replication-frame.js';
import type { ReplicationOptions } from './replication-options.js';
import type { RootMemory } from './root-memory.js';
import { readWishes, WishGapError } from './wish-frame.js';

export interface ChildSessionEnd {
  readonly reason: string;
  /** When one side refused, by name. */
  readonly refusal: ReplicationRefusal | null;
  /** True when it had come to Want. */
  readonly wasEstablished: boolean;
}

interface ChildSessionOptions extends ReplicationOptions {
  readonly stream: ParentDuplex;
  readonly roots: RootMemory;
  readonly dialTimeoutMs: number;
}

/** One stream to the parent, from Hello to its end, whatever ends it. Never rejects. */
export function runChildSession(options: ChildSessionOptions, signal: AbortSignal): Promise<ChildSessionEnd> {
  return new ChildSession(options).run(signal);
}

class ChildSession {
  readonly #options: ChildSessionOptions;
  readonly #stream: ParentDuplex;
  readonly #over = new AbortController();
  readonly #credit = new ReceivedCredit();
  readonly #ended: Promise<ChildSessionEnd>;
  #settle!: (end: ChildSessionEnd) => void;
  #parent: SiteId | null = null;
  #session = 0;
  #parentReadsZstd = false;
  #wasEstablished = false;
  #asksForWishes = false;
  #silentBeats = 0;
  #stopDialling: () => void = () => undefined;
  #stopHeartbeat: () => void = () => undefined;
  #onDrain: () => void = () => undefined;
  #answering: Promise<void> = Promise.resolve();

  constructor(options: ChildSessionOptions) {
    this.#options = options;
    this.#ended = new Promise(resolve => {
      this.#settle = resolve;
    });
    this.#stream = options.stream;
  }

  async run(signal: AbortSignal): Promise<ChildSessionEnd> {
    const { log, site, software, timers, dialTimeoutMs } = this.#options;
    const stop = () => this.#end('stopped');
    signal.addEventListener('abort', stop, { once: true });
    this.#stopDialling = timers.after(dialTimeoutMs, () => this.#end(`no answer within ${dialTimeoutMs} ms`));
    this.#stream.listen({
      onFrame: frame => this.#receive(() => this.#take(frame)),
      onDrain: () => this.#onDrain(),
      onLost: detail => this.#end(detail),
      onGarbled: detail =>
        this.#receive(() => {
          throw new ReplicationProtocolError(detail);
        }),
    });
    if (signal.aborted) stop();
    else this.#send({ kind: 'hello', site, software, head: log.head(), readsZstd: true });
    const end = await this.#ended;
    signal.removeEventListener('abort', stop);
    this.#stopDialling();
    this.#stopHeartbeat();
    this.#over.abort();
    // Wishes that are being answered are answered once: the next session asks for the cursor only when that is done.
    await this.#answering;
    return end;
  }

  #receive(take: () => void): void {
    if (this.#over.signal.aborted) return;
    this.#silentBeats = 0;
    try {
      take();
    } catch (error) {
      if (!(error instanceof ReplicationProtocolError)) throw error;
      this.#refuse({ code: 'PROTOCOL_VIOLATION', detail: error.message });
    }
  }

  #take(frame: ParentFrame): void {
    switch (frame.kind) {
      case 'ack':
        this.#credit.add(frame.creditBytes);
        return;
      case 'ping': {
        const receivedAtMs = this.#options.now();
        const head = this.#options.log.head();
        this.#send({
          kind: 'pong',
          pingSentAtMs: frame.sentAtMs,
          receivedAtMs,
          sentAtMs: receivedAtMs,
          head,
        });
        return;
      }
      case 'wishes':
        if (!this.#asksForWishes) throw new ReplicationProtocolError('wishes that were not asked for');
        this.#asksForWishes = false;
        this.#answering = this.#answering.then(() => this.#guard(() => this.#answerWishes(frame)));
        return;
      case 'welcome':
        this.#greet(frame);
        return;
      case 'want':
        // From here on heartbeats watch the link: to compare long histories may take longer than to dial.
        this.#stopDialling();
        void this.#guard(() => this.#replicate(frame));
        return;
      case 'refused':
        this.#end(`refused by the parent: ${frame.code}: ${frame.detail}`, frame);
    }
  }

  #greet(frame: Extract<ParentFrame, { kind: 'welcome' }>): void {
    if (this.#parent !== null) throw new ReplicationProtocolError('a second welcome');
    const certified = this.#stream.peerSite();
    if (certified === null || certified !== frame.site) {
      throw new ReplicationProtocolError(`the parent says it is ${frame.site}, its certificate ${certified}`);
    }
    const expected = this.#options.parentSite;
    if (expected !== undefined && expected !== certified) {
      throw new ReplicationProtocolError(`the parent is ${certified}, not ${expected}`);
    }
    this.#parent = certified;
    this.#session = frame.session;
    this.#parentReadsZstd = frame.readsZstd;
    const beatMs = Math.min(HEARTBEAT_MS_MAX, Math.max(HEARTBEAT_MS_MIN, frame.heartbeatMs));
    this.#stopHeartbeat = this.#options.timers.every(beatMs, () => {
      this.#silentBeats += 1;
      if (this.#silentBeats > HEARTBEATS_MISSED_MAX)
        this.#end(`no sign of life for ${this.#silentBeats * beatMs} ms`);
    });
  }

  /** Sends what the parent wants, and then every new event as soon as it is appended. */
  async #replicate(want: WantFrame): Promise<void> {
    const { log, roots, sha256, logger, onLink } = this.#options;
    if (this.#parent === null || this.#wasEstablished) throw new ReplicationProtocolError('want out of turn');
    const head = log.head();
    if (want.epoch !== head.epoch || want.after > head.size) {
      const theirs = `${want.epoch}/${want.after}`;
      return this.#refuse({
        code: 'AHEAD',
        detail: `asked for what follows ${theirs} of ${head.epoch}/${head.size}`,
      });
    }
    if (!(await roots.agrees(want, log, sha256))) {
      return this.#refuse({ code: 'FORK', detail: `the parent holds another history up to ${want.after}` });
    }
    if (this.#over.signal.aborted) return;
    this.#wasEstablished = true;
    this.#credit.add(want.creditBytes);
    logger.info({ parent: this.#parent, session: this.#session, after: want.after }, 'link to the parent up');
    onLink?.({ state: 'UP', parent: this.#parent, session: this.#session });
    await this.#askForWishes();
    let tip: Tip = { epoch: want.epoch, position: want.after, treeEdge: want.treeEdge };
    const after = { epoch: want.epoch, position: want.after };
    for await (const page of log.subscribe({ after, signal: this.#over.signal })) {
      for (const events of cutIntoFrames(page)) {
        const next = await this.#sendBatch(tip, events);
        if (next === null) return;
        tip = next;
      }
    }
    if (!this.#over.signal.aborted) this.#end('the log was closed');
  }

  /** Null when the session ended while there was no credit. */
  async #sendBatch(tip: Tip, events: readonly RecordedEvent[]): Promise<Tip | null> {
    const { roots, sha256 } = this.#options;
    const packed = packEvents(events, this.#parentReadsZstd);
    if (!(await this.#credit.take(packed.rawByteLength, this.#over.signal))) return null;
    const leafHashes = events.map(event => event.leafHash);
    const treeEdge = extendEdge(tip.treeEdge, tip.position, leafHashes, sha256);
    const position = tip.position + events.length;
    const root = rootOf(treeEdge, position, sha256);
    const isFlowing = this.#send({
      kind: 'batch',
      epoch: tip.epoch,
      firstPosition: tip.position + 1,
      root,
      ...packed,
    });
    roots.remember(tip.epoch, position, root);
    if (!isFlowing) await this.#drained();
    return { epoch: tip.epoch, position, treeEdge };
  }

  async #askForWishes(): Promise<void> {
    const afterRevision = await this.#options.wishes.cursor();
    this.#asksForWishes = true;
    this.#send({ kind: 'wantWishes', afterRevision });
  }

  async #answerWishes(frame: Extract<ParentFrame, { kind: 'wishes' }>): Promise<void> {
    const { wishes, site, sha256 } = this.#options;
    if (this.#over.signal.aborted) return;
    const cursor = await wishes.cursor();
    const stream = `wishes-${site}`;
    const events = readWishes({ frame, parent: this.#parent!, stream, after: cursor, sha256 });
    if (events.length > 0) await wishes.accept(events);
    if (!this.#over.signal.aborted) await this.#askForWishes();
  }

  /** Whatever goes wrong in a task of this session ends the session, never the process. */
  async #guard(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (error instanceof ReplicationProtocolError) {
        this.#refuse({ code: 'PROTOCOL_VIOLATION', detail: error.message });
      } else if (error instanceof TreeEdgeError) {
        this.#refuse({ code: 'PROTOCOL_VIOLATION', detail: `the parent's tree edge: ${error.message}` });
      } else if (error instanceof WishGapError)
        this.#refuse({ code: error.refusalCode, detail: error.message });
      else {
        this.#options.logger.error({ error: describeError(error) }, 'replication failed');
        this.#end(describeError(error));
      }
    }
  }

  #send(frame: ChildFrame): boolean {
    if (this.#over.signal.aborted) return true;
    return this.#stream.send(frame);
  }

  #drained(): Promise<void> {
    const { signal } = this.#over;
    return new Promise(resolve => {
      const done = () => {
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#onDrain = done;
      signal.addEventListener('abort', done, { once: true });
      if (signal.aborted) done();
    });
  }

  #refuse(refusal: ReplicationRefusal): void {
    this.#send({ kind: 'refused', ...refusal });
    this.#end(`refused the parent: ${refusal.code}: ${refusal.detail}`, refusal);
  }

  #end(reason: string, refusal: ReplicationRefusal | null = null): void {
    if (this.#over.signal.aborted) return;
    this.#over.abort();
    // What was refused has to arrive before the stream is torn down.
    if (refusal === null) this.#stream.cancel();
    else this.#stream.end();
    this.#settle({ reason, refusal, wasEstablished: this.#wasEstablished });
  }
}

interface Tip {
  readonly epoch: number;
  readonly position: number;
  readonly treeEdge: readonly Uint8Array[];
}
