import { type Channel, ChannelCredentials, type ClientDuplexStream } from '@grpc/grpc-js';
import { extendEdge, type RecordedEvent, rootOf, TreeEdgeError } from '@holdfast/core';
import { ReplicationClient, type WireChildFrame, type WireParentFrame } from '@holdfast/protos';
import { SiteId } from '@holdfast/schema';
import { siteOfCertificate } from '../certificates/site-of-certificate.js';
import { ReceivedCredit } from './credit-window.js';
import { cutIntoFrames, packEvents } from './event-frame.js';
import { HEARTBEAT_MS_MAX, HEARTBEAT_MS_MIN, HEARTBEATS_MISSED_MAX } from './heartbeat.js';
import { describeError } from './replication-fault.js';
import {
  type ChildFrame,
  type ParentFrame,
  ReplicationProtocolError,
  type ReplicationRefusal,
  type WantFrame,
} from './replication-frame.js';
import { childFrameToWire, parentFrameFromWire } from './replication-frame.wire.js';
import type { ReplicationOptions } from './replication-options.js';
import type { RootMemory } from './root-memory.js';
import { readWishes, WishGapError } from './wish-frame.js';

/** How long a refusal may take to its reader before the stream is cut. */
const REFUSAL_LINGER_MS = 2_000;

export interface ChildSessionEnd {
  readonly reason: string;
  /** When one side refused, by name. */
  readonly refusal: ReplicationRefusal | null;
  /** True when it had come to Want. */
  readonly wasEstablished: boolean;
}

interface ChildSessionOptions extends ReplicationOptions {
  readonly channel: Channel;
  readonly roots: RootMemory;
  readonly dialTimeoutMs: number;
}

/** One stream to the parent, from Hello to its end, whatever ends it. Never rejects. */
export function runChildSession(options: ChildSessionOptions, signal: AbortSignal): Promise<ChildSessionEnd> {
  return new ChildSession(options).run(signal);
}

type ParentCall = ClientDuplexStream<WireChildFrame, WireParentFrame>;

class ChildSession {
  readonly #options: ChildSessionOptions;
  readonly #call: ParentCall;
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
  #dialling: NodeJS.Timeout | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #answering: Promise<void> = Promise.resolve();

  constructor(options: ChildSessionOptions) {
    this.#options = options;
    this.#ended = new Promise(resolve => {
      this.#settle = resolve;
    });
    const client = new ReplicationClient('unused', ChannelCredentials.createInsecure(), {
      channelOverride: options.channel,
    });
    this.#call = (client as unknown as { sync(): ParentCall }).sync();
  }

  async run(signal: AbortSignal): Promise<ChildSessionEnd> {
    const { log, site, software, dialTimeoutMs } = this.#options;
    const stop = () => this.#end('stopped');
    signal.addEventListener('abort', stop, { once: true });
    this.#dialling = setTimeout(() => this.#end(`no answer within ${dialTimeoutMs} ms`), dialTimeoutMs);
    this.#call.on('data', (wire: WireParentFrame) => this.#receive(wire));
    this.#call.on('error', (error: Error) => this.#end(error.message));
    this.#call.on('end', () => this.#end('closed by the parent'));
    if (signal.aborted) stop();
    else this.#send({ kind: 'hello', site, software, head: log.head(), readsZstd: true });
    const end = await this.#ended;
    signal.removeEventListener('abort', stop);
    clearTimeout(this.#dialling);
    clearInterval(this.#heartbeat);
    this.#over.abort();
    // Wishes that are being answered are answered once: the next session asks for the cursor only when that is done.
    await this.#answering;
    return end;
  }

  #receive(wire: WireParentFrame): void {
    if (this.#over.signal.aborted) return;
    this.#silentBeats = 0;
    try {
      this.#take(parentFrameFromWire(wire));
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
        clearTimeout(this.#dialling);
        void this.#guard(() => this.#replicate(frame));
        return;
      case 'refused':
        this.#end(`refused by the parent: ${frame.code}: ${frame.detail}`, frame);
    }
  }

  #greet(frame: Extract<ParentFrame, { kind: 'welcome' }>): void {
    if (this.#parent !== null) throw new ReplicationProtocolError('a second welcome');
    const certified = siteOfCertificate(this.#call.getAuthContext()?.sslPeerCertificate);
    if (certified === null || certified !== frame.site) {
      throw new ReplicationProtocolError(`the parent says it is ${frame.site}, its certificate ${certified}`);
    }
    const expected = this.#options.parentSite;
    if (expected !== undefined && expected !== certified) {
      throw new ReplicationProtocolError(`the parent is ${certified}, not ${expected}`);
    }
    this.#parent = SiteId.parse(certified);
    this.#session = frame.session;
    this.#parentReadsZstd = frame.readsZstd;
    const beatMs = Math.min(HEARTBEAT_MS_MAX, Math.max(HEARTBEAT_MS_MIN, frame.heartbeatMs));
    this.#heartbeat = setInterval(() => {
      this.#silentBeats += 1;
      if (this.#silentBeats > HEARTBEATS_MISSED_MAX)
        this.#end(`no sign of life for ${this.#silentBeats * beatMs} ms`);
    }, beatMs);
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
    for await (const page of log.subscribe({ after: want.after, signal: this.#over.signal })) {
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
    return this.#call.write(childFrameToWire(frame));
  }

  #drained(): Promise<void> {
    const { signal } = this.#over;
    return new Promise(resolve => {
      const done = () => {
        this.#call.off('drain', done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#call.once('drain', done);
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
    if (refusal === null) this.#call.cancel();
    else {
      // What was refused has to arrive before the stream is torn down; the parent ends it then.
      this.#call.end();
      setTimeout(() => this.#call.cancel(), REFUSAL_LINGER_MS).unref();
    }
    this.#settle({ reason, refusal, wasEstablished: this.#wasEstablished });
  }
}

interface Tip {
  readonly epoch: number;
  readonly position: number;
  readonly treeEdge: readonly Uint8Array[];
}
