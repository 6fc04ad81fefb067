import type { Sha256, SiteLog } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { Timers } from '../transport/timers.js';
import { answerHello } from './acceptance.js';
import { BatchIntake, type BatchIntakeOptions } from './batch-intake.js';
import { ClockFilter } from './clock-filter.js';
import { HEARTBEATS_MISSED_MAX } from './heartbeat.js';
import type { LinkLossCause, LinkObserver } from './link-observer.js';
import type { ReplicaCursor, ReplicaIntake } from './replica-intake.js';
import type { ChildDuplex } from './replication-duplex.js';
import { describeError } from './replication-fault.js';
import {
  type ChildFrame,
  type ParentFrame,
  ReplicationProtocolError,
  type ReplicationRefusal,
} from './replication-frame.js';
import type { WishFeed } from './wish-feed.js';
import { WishServer } from './wish-server.js';

/** A child that has passed the handshake says Hello at once. */
const HELLO_TIMEOUT_MS = 10_000;

/** What the sessions of one service share. */
export interface SessionSurroundings {
  readonly parent: SiteId;
  readonly intake: ReplicaIntake;
  readonly log: SiteLog;
  readonly wishFeed: WishFeed;
  readonly enrolled: (site: SiteId) => boolean | Promise<boolean>;
  readonly links: LinkObserver;
  readonly logger: Logger;
  readonly sha256: Sha256;
  readonly now: () => number;
  readonly timers: Timers;
  readonly software: string;
  readonly heartbeatMs: number;
  /** Makes this the one session of its site; an older one is ended before this returns. */
  readonly takeOver: (session: ParentSession) => void;
  readonly leave: (session: ParentSession) => void;
  /** What a session may have waiting at the moment, in bytes. */
  readonly creditBytes: () => number;
}

/** One stream of a child, from its Hello to its end. Runs by itself once constructed. */
export class ParentSession {
  /** By the certificate. */
  readonly site: SiteId;
  readonly #stream: ChildDuplex;
  readonly #around: SessionSurroundings;
  readonly #clock = new ClockFilter();
  readonly #stopHelloTimer: () => void;
  #stopHeartbeat: () => void = () => undefined;
  #isGreeted = false;
  #isOver = false;
  #session: number | null = null;
  /** As the intake held it when the session began. */
  #held: ReplicaCursor = { epoch: 0, position: 0, treeEdge: [] };
  #batches: BatchIntake | null = null;
  #wishes: WishServer | null = null;
  #isConnecting = false;
  #silentBeats = 0;
  #openPings = 0;

  constructor(site: SiteId, stream: ChildDuplex, around: SessionSurroundings) {
    this.site = site;
    this.#stream = stream;
    this.#around = around;
    this.#stopHelloTimer = around.timers.after(HELLO_TIMEOUT_MS, () =>
      this.#refuse({ code: 'PROTOCOL_VIOLATION', detail: `no Hello within ${HELLO_TIMEOUT_MS} ms` }),
    );
    stream.listen({
      onFrame: frame => this.#receive(() => this.#take(frame)),
      onDrain: () => undefined,
      onLost: detail => this.end('CLOSED', detail),
      onGarbled: detail =>
        this.#receive(() => {
          throw new ReplicationProtocolError(detail);
        }),
    });
  }

  /** Ends the session, once; later calls do nothing. */
  end(cause: LinkLossCause, reason: string, refusal: ReplicationRefusal | null = null): void {
    if (this.#isOver) return;
    if (refusal !== null) this.#send({ kind: 'refused', ...refusal });
    this.#isOver = true;
    this.#stopHelloTimer();
    this.#stopHeartbeat();
    this.#wishes?.close();
    this.#batches?.close();
    this.#around.leave(this);
    this.#stream.end();
    const facts = { site: this.site, session: this.#session, cause, reason };
    if (refusal === null || refusal.code === 'FENCED')
      this.#around.logger.info(facts, 'link to a child ended');
    else this.#around.logger.warn({ ...facts, code: refusal.code }, 'replication of a child refused');
    if (!this.#isConnecting && this.#session === null) return;
    const { epoch, position } = this.#batches?.durable ?? this.#held;
    this.#around.links.lost(this.site, cause, epoch, position);
  }

  /** A newer session of the same site has begun. */
  fence(): void {
    this.#refuse({ code: 'FENCED', detail: 'a newer session of this site has begun' });
  }

  #receive(take: () => void): void {
    if (this.#isOver) return;
    this.#silentBeats = 0;
    try {
      take();
    } catch (error) {
      if (!(error instanceof ReplicationProtocolError)) throw error;
      this.#refuse({ code: 'PROTOCOL_VIOLATION', detail: error.message });
    }
  }

  #take(frame: ChildFrame): void {
    if (frame.kind === 'hello') {
      if (this.#isGreeted) throw new ReplicationProtocolError('a second Hello');
      this.#isGreeted = true;
      this.#stopHelloTimer();
      void this.#guard(() => this.#greet(frame));
      return;
    }
    if (frame.kind === 'refused') {
      this.end('PROTOCOL_ERROR', `refused by the child: ${frame.code}: ${frame.detail}`);
      return;
    }
    if (this.#session === null) throw new ReplicationProtocolError(`${frame.kind} before Want`);
    if (frame.kind === 'batch') this.#batches!.push(frame);
    else if (frame.kind === 'pong') this.#measure(frame);
    else if (this.#wishes!.isAsked) throw new ReplicationProtocolError('asked for wishes twice');
    else this.#wishes!.ask(frame.afterRevision);
  }

  async #greet(hello: Extract<ChildFrame, { kind: 'hello' }>): Promise<void> {
    const { enrolled, intake, links, logger, sha256, takeOver } = this.#around;
    if (hello.site !== this.site) {
      const detail = `Hello says site ${hello.site}, the certificate ${this.site}`;
      return this.#refuse({ code: 'NOT_ENROLLED', detail });
    }
    if (!(await enrolled(this.site))) {
      return this.#refuse({ code: 'NOT_ENROLLED', detail: `site ${this.site} is not enrolled here` });
    }
    if (this.#isOver) return;
    takeOver(this);
    this.#isConnecting = true;
    links.connecting?.(this.site);
    const { fence, cursor } = await intake.openSession(this.site);
    if (this.#isOver) return;
    const verdict = answerHello(cursor, hello.head, sha256);
    this.#held = cursor;
    if (!verdict.accepted) return this.#refuse(verdict.refusal);
    this.#session = fence;
    this.#batches = this.#openBatches({ fence, durable: cursor, from: verdict.from, statedHead: hello.head });
    this.#establish(hello, verdict.from);
    const { size: head } = hello.head;
    const { software } = hello;
    logger.info(
      { site: this.site, session: fence, after: verdict.from.position, head, software },
      'link to a child up',
    );
  }

  #establish(hello: Extract<ChildFrame, { kind: 'hello' }>, from: ReplicaCursor): void {
    const { heartbeatMs, links, log, parent, software, timers, wishFeed } = this.#around;
    const session = this.#session!;
    this.#wishes = new WishServer({
      log,
      feed: wishFeed,
      child: this.site,
      mayCompress: hello.readsZstd,
      send: frame => void this.#send(frame),
      onFault: error => this.#fail('wishes cannot be read', error),
      onAhead: answeredRevision =>
        this.#around.logger.error(
          { site: this.site, session, code: 'WISHES_AHEAD', answeredRevision },
          'a child has answered a wish that is not in this log: was it restored to an older state? It gets no wishes',
        ),
    });
    links.established(this.site, session);
    this.#send({ kind: 'welcome', site: parent, software, session, heartbeatMs, readsZstd: true });
    const { epoch, position: after, treeEdge } = from;
    this.#send({ kind: 'want', epoch, after, treeEdge, creditBytes: this.#batches!.grant() });
    this.#beat();
    this.#stopHeartbeat = timers.every(heartbeatMs, () => this.#beat());
  }

  #beat(): void {
    this.#silentBeats += 1;
    if (this.#silentBeats > HEARTBEATS_MISSED_MAX) {
      const silentMs = HEARTBEATS_MISSED_MAX * this.#around.heartbeatMs;
      this.end('HEARTBEAT_MISSED', `no sign of life for ${silentMs} ms`);
      return;
    }
    this.#openPings += 1;
    this.#send({ kind: 'ping', sentAtMs: this.#around.now() });
  }

  #measure(pong: Extract<ChildFrame, { kind: 'pong' }>): void {
    if (this.#openPings === 0) throw new ReplicationProtocolError('a pong without a ping');
    this.#openPings -= 1;
    const { roundTripMs, clockOffsetMs } = this.#clock.measure({
      sentAtMs: pong.pingSentAtMs,
      peerReceivedAtMs: pong.receivedAtMs,
      peerSentAtMs: pong.sentAtMs,
      receivedAtMs: this.#around.now(),
    });
    const { epoch, size: headPosition, root: headRoot } = pong.head;
    this.#around.links.measured(this.site, { roundTripMs, clockOffsetMs, epoch, headPosition, headRoot });
  }

  #openBatches(opening: Pick<BatchIntakeOptions, 'fence' | 'durable' | 'from' | 'statedHead'>): BatchIntake {
    const { intake, sha256, creditBytes, logger } = this.#around;
    return new BatchIntake({
      ...opening,
      site: this.site,
      intake,
      sha256,
      creditBytes,
      onStored: ({ cursor: { epoch, position }, eventCount, creditBytes }) => {
        logger.debug({ site: this.site, epoch, position, eventCount }, 'events taken in');
        this.#send({ kind: 'ack', epoch, position, creditBytes });
      },
      onRefusal: refusal => this.#refuse(refusal),
      onFault: error => this.#fail('the replica cannot be stored', error),
    });
  }

  async #guard(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.#fail('the replica cannot be stored', error);
    }
  }

  #fail(what: string, error: unknown): void {
    if (this.#isOver) return;
    this.#around.logger.error({ site: this.site, error: describeError(error) }, what);
    this.end('CLOSED', `${what}: ${describeError(error)}`, { code: 'UNAVAILABLE', detail: what });
  }

  #refuse(refusal: ReplicationRefusal): void {
    const cause =
      refusal.code === 'FENCED' ? 'FENCED' : refusal.code === 'UNAVAILABLE' ? 'CLOSED' : 'PROTOCOL_ERROR';
    this.end(cause, `${refusal.code}: ${refusal.detail}`, refusal);
  }

  #send(frame: ParentFrame): void {
    if (!this.#isOver) this.#stream.send(frame);
  }
}
