import {
  CheckpointError,
  checkpointHead,
  cosignCheckpoint,
  endOf,
  LOG_START,
  type LogPlace,
  type NoteSigner,
  placeOf,
  type Sha256,
  type SignedCheckpoint,
  witnessName,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { Timers } from '../transport/timers.js';
import { answerOffer } from './acceptance.js';
import type { AcceptanceTurns } from './acceptance-turns.js';
import type { Acknowledgements } from './acknowledgements.js';
import { BatchIntake, type StoredBatches } from './batch-intake.js';
import { ClockFilter } from './clock-filter.js';
import type { CosigningTurns } from './cosigning-turns.js';
import { GrantedCredit } from './credit-window.js';
import { HEARTBEATS_MISSED_MAX } from './heartbeat.js';
import { HistoryServer } from './history-server.js';
import type { LinkLossCause, LinkObserver } from './link-observer.js';
import { checkCheckpoint, type EventualNoteVerifier } from './origin-checkpoint.js';
import type { OriginKeys } from './origin-keys.js';
import { refusedByChild } from './refused-by-child.js';
import type { ReplicaCursor, ReplicaIntake, ReplicaReader } from './replica-intake.js';
import type { ChildDuplex } from './replication-duplex.js';
import { describeError } from './replication-fault.js';
import {
  type BatchFrame,
  type ChildFrame,
  type HelloFrame,
  type ParentFrame,
  type RefusedFrame,
  type RelayedHead,
  ReplicationProtocolError,
  type ReplicationRefusal,
  type WantHistoryFrame,
} from './replication-frame.js';
import type { WishFeed, WishLog } from './wish-feed.js';
import { WishServer } from './wish-server.js';

/** A child that has passed the handshake says Hello at once. */
const HELLO_TIMEOUT_MS = 10_000;
/** Logs that one child may relay: a region with as many sites is cut into two. */
const RELAYED_LOGS_MAX = 10_000;
/** Far longer than to compare histories or to answer: the question, or the wishes that answered it, must be lost. */
const UNASKED_BEATS_MAX = 30;
const MOVED = 'what is held of this log has moved: begin again';

/** What the sessions of one service share. */
export interface SessionSurroundings {
  readonly parent: SiteId;
  readonly intake: ReplicaIntake;
  readonly replicas: ReplicaReader;
  readonly log: WishLog;
  readonly wishFeed: WishFeed;
  readonly enrolled: (site: SiteId) => boolean | Promise<boolean>;
  readonly keys: OriginKeys;
  readonly verify: EventualNoteVerifier;
  /** The parent's own key: it cosigns what is durable here. */
  readonly signer: NoteSigner;
  /** What this parent's own parent has acknowledged. Null: this is the topmost. */
  readonly above: Acknowledgements | null;
  /** Nothing is held of a log, and who brings it no longer has its beginning: what its site has signed. */
  readonly onLogLost?: (signed: SignedCheckpoint) => void;
  readonly links: LinkObserver;
  readonly logger: Logger;
  readonly sha256: Sha256;
  readonly now: () => number;
  readonly timers: Timers;
  readonly turns: AcceptanceTurns;
  readonly cosigning: CosigningTurns;
  readonly software: string;
  readonly heartbeatMs: number;
  /** Makes this the one session of its site; an older one is ended before this returns. */
  readonly takeOver: (session: ParentSession) => void;
  readonly leave: (session: ParentSession) => void;
  /** What a session may have waiting at the moment, in bytes. */
  readonly creditBytes: () => number;
}

/** One log that a session takes in. */
interface TakenLog {
  readonly batches: BatchIntake;
  /** The newest checkpoint that was acknowledged in this session. */
  acknowledged: LogPlace | null;
  /** That checkpoint, as long as it is not cosigned. */
  uncosigned: SignedCheckpoint | null;
  /** Its turn to be cosigned has come. */
  readonly onCosigningTurn: () => void;
  readonly stopListening: () => void;
}

/** One stream of a child, from its Hello to its end. Runs by itself once constructed. */
export class ParentSession {
  /** By the certificate. */
  readonly site: SiteId;
  readonly #stream: ChildDuplex;
  readonly #around: SessionSurroundings;
  readonly #clock = new ClockFilter();
  readonly #credit = new GrantedCredit();
  readonly #logs = new Map<SiteId, TakenLog>();
  /** Ever, in this session: one that was refused may be offered again. */
  readonly #offered = new Set<SiteId>();
  readonly #opening = new Set<SiteId>();
  /** Of which the child has shown what their sites have signed: it may have them back. */
  readonly #shown = new Set<SiteId>();
  readonly #history: HistoryServer;
  readonly #stopHelloTimer: () => void;
  #stopHeartbeat: () => void = () => undefined;
  #isGreeted = false;
  #isWelcomed = false;
  #isOver = false;
  #session: number | null = null;
  #childReadsZstd = false;
  /** Of the child's own log, as the intake held it when the session began. */
  #held: ReplicaCursor = { epoch: 0, position: 0, treeEdge: [] };
  #wishes: WishServer | null = null;
  #unaskedBeats = 0;
  #isConnecting = false;
  #silentBeats = 0;
  #openPings = 0;
  #relayed: Map<SiteId, RelayedHead> | null = null;

  constructor(site: SiteId, stream: ChildDuplex, around: SessionSurroundings) {
    this.site = site;
    this.#stream = stream;
    this.#around = around;
    this.#history = new HistoryServer(site, around.replicas);
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
    if (refusal !== null) this.#send({ kind: 'refused', ...refusal, origin: null, held: null });
    this.#isOver = true;
    this.#stopHelloTimer();
    this.#stopHeartbeat();
    this.#wishes?.close();
    for (const log of this.#logs.values()) this.#close(log);
    this.#around.leave(this);
    this.#stream.end();
    const facts = { site: this.site, session: this.#session, cause, reason };
    if (refusal === null || refusal.code === 'FENCED')
      this.#around.logger.info(facts, 'link to a child ended');
    else this.#around.logger.warn({ ...facts, code: refusal.code }, 'replication of a child refused');
    if (!this.#isConnecting && this.#session === null) return;
    const { epoch, position } = this.#logs.get(this.site)?.batches.durable ?? this.#held;
    this.#around.links.lost(this.site, cause, epoch, position);
  }

  /** What is held of a log has moved beside this session: the child is asked anew from where on it goes on. */
  moved(origin: SiteId): void {
    if (origin === this.site) this.end('CLOSED', 'what is held of its log has moved');
    else if (this.#logs.has(origin)) this.#refuseLog(origin, { code: 'UNAVAILABLE', detail: MOVED });
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
      this.#takeRefusal(frame);
      return;
    }
    if (!this.#isWelcomed) throw new ReplicationProtocolError(`${frame.kind} before Welcome`);
    if (frame.kind === 'pong') this.#measure(frame);
    else if (frame.kind === 'wantHistory') void this.#guard(() => this.#giveHistory(frame));
    else if (this.#session === null) throw new ReplicationProtocolError(`${frame.kind} before Want`);
    else if (frame.kind === 'batch') this.#push(frame);
    else if (frame.kind === 'offer') void this.#guard(() => this.#takeOffer(frame.checkpoint));
    else if (this.#wishes!.isAsked) throw new ReplicationProtocolError('asked for wishes twice');
    else this.#wishes!.ask(frame.after);
  }

  /** A log that the child will not go on with. Its own words go no further than the process log. */
  #takeRefusal({ code, detail, origin: named }: RefusedFrame): void {
    const { links, logger, onLogLost } = this.#around;
    const origin = named ?? this.site;
    const isOwn = origin === this.site;
    if (!isOwn && !this.#offered.has(origin)) {
      throw new ReplicationProtocolError(`refused the log of ${origin}, which it has not offered`);
    }
    logger.warn({ site: this.site, origin, code, detail }, 'a child refuses to go on with a log');
    const batches = this.#logs.get(origin)?.batches;
    const held = batches?.durable ?? (isOwn ? this.#held : null);
    if (code === 'TRUNCATED' && batches?.durable.epoch === LOG_START.epoch) onLogLost?.(batches.signed);
    // Of one that was refused here meanwhile that was told already; and who has not said Hello has no log to speak of.
    if (held !== null && (!isOwn || this.#isConnecting)) {
      const trouble = { code, detail: refusedByChild(this.site, code, held) };
      links.refused?.(origin, trouble, isOwn ? null : this.site);
    }
    if (isOwn) this.end('PROTOCOL_ERROR', `refused by the child: ${code}: ${detail}`);
    else this.#dropLog(origin);
  }

  async #greet(hello: HelloFrame): Promise<void> {
    const { enrolled, links, takeOver } = this.#around;
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
    this.#childReadsZstd = hello.readsZstd;
    links.connecting?.(this.site);
    const publicKey = await this.#keyOfChild(hello);
    if (this.#isOver) return;
    const verdict = await checkCheckpoint(hello.checkpoint, this.#originKey(this.site, publicKey));
    if (this.#isOver) return;
    if (!verdict.accepted) return this.#refuse(verdict.refusal);
    await this.#open(this.site, publicKey, verdict.signed, fence => this.#welcome(hello, fence));
  }

  /** The key that is known, or from now on the one that the child says. */
  async #keyOfChild(hello: HelloFrame): Promise<Uint8Array> {
    const { keys, logger } = this.#around;
    const known = await keys.keyOf(this.site, this.site);
    if (known !== null) return known;
    // What is not even signed by the key that it comes with must not become the key for ever.
    const verdict = await checkCheckpoint(hello.checkpoint, this.#originKey(this.site, hello.publicKey));
    if (verdict.accepted) {
      logger.warn({ site: this.site }, 'the log key of a child is trusted on first use');
      await keys.pin(this.site, hello.publicKey);
    }
    return hello.publicKey;
  }

  #originKey(origin: SiteId, publicKey: Uint8Array) {
    const { verify, sha256 } = this.#around;
    return { origin, publicKey, verify, sha256 };
  }

  /** A log of a site below the child. What is wrong with it is said of it alone: the rest goes on. */
  async #takeOffer(checkpoint: string): Promise<void> {
    const origin = originOf(checkpoint);
    if (origin === null) throw new ReplicationProtocolError('offered what is no checkpoint');
    if (this.#logs.has(origin) || this.#opening.has(origin) || origin === this.site) {
      throw new ReplicationProtocolError(`offered the log of ${origin} twice`);
    }
    if (this.#offered.size > RELAYED_LOGS_MAX) {
      throw new ReplicationProtocolError(`more than ${RELAYED_LOGS_MAX} logs`);
    }
    this.#offered.add(origin);
    this.#opening.add(origin);
    try {
      await this.#openOffered(origin, checkpoint);
    } finally {
      this.#opening.delete(origin);
    }
  }

  async #openOffered(origin: SiteId, checkpoint: string): Promise<void> {
    const publicKey = await this.#around.keys.keyOf(origin, this.site);
    if (this.#isOver) return;
    if (publicKey === null) {
      const detail = `the log of ${this.site} says of no site ${origin} below it, or no key of it is known`;
      return this.#refuseLog(origin, { code: 'NOT_ENROLLED', detail });
    }
    const verdict = await checkCheckpoint(checkpoint, this.#originKey(origin, publicKey));
    if (this.#isOver) return;
    if (!verdict.accepted) {
      const { code, detail } = verdict.refusal;
      return this.#refuseLog(origin, { code, detail: `${detail}; it was brought by ${this.site}` });
    }
    await this.#open(origin, publicKey, verdict.signed, () => undefined);
  }

  async #open(
    origin: SiteId,
    publicKey: Uint8Array,
    signed: SignedCheckpoint,
    onOpened: (fence: number) => void,
  ): Promise<void> {
    const { above, intake, logger, sha256 } = this.#around;
    const { fence, cursor } = await intake.openSession(origin);
    if (this.#isOver) return;
    this.#shown.add(origin);
    const isOwn = origin === this.site;
    if (isOwn) this.#held = cursor;
    const verdict = answerOffer(cursor, signed.head, sha256);
    if (verdict.accepted && isOwn) this.#session = fence;
    onOpened(fence);
    if (!verdict.accepted) return this.#refuseLog(origin, verdict.refusal, placeOf(cursor));
    const batches = this.#openBatches({ origin, publicKey, fence, cursor, signed });
    const stopListening = above?.listen(origin, () => this.#acknowledge(origin)) ?? (() => undefined);
    this.#logs.set(origin, {
      ...{ batches, acknowledged: null, uncosigned: null, stopListening },
      onCosigningTurn: () => this.#acknowledge(origin, null, true),
    });
    const { epoch, position: after, treeEdge } = cursor;
    this.#send({ kind: 'want', origin, epoch, after, treeEdge, creditBytes: this.#grant() });
    batches.begin();
    const { epoch: headEpoch, size } = signed.head;
    logger.info(
      { site: this.site, origin, session: fence, epoch, after, headEpoch, size },
      'a log is taken in',
    );
  }

  #welcome(hello: HelloFrame, session: number): void {
    const { heartbeatMs, links, log, logger, parent, signer, software, timers, wishFeed } = this.#around;
    const { publicKey } = signer;
    this.#isWelcomed = true;
    this.#offered.add(this.site);
    this.#send({ kind: 'welcome', site: parent, software, session, heartbeatMs, publicKey, readsZstd: true });
    this.#beat();
    this.#stopHeartbeat = timers.every(heartbeatMs, () => this.#beat());
    if (this.#session === null) return;
    this.#wishes = new WishServer({
      log,
      feed: wishFeed,
      child: this.site,
      mayCompress: hello.readsZstd,
      send: frame => void this.#send(frame),
      onFault: error => this.#fail('wishes cannot be read', error),
      onLost: ({ revision, wishId }) => {
        const detail = `it has answered wish ${revision}, event ${wishId ?? 'unknown'}, which is not in this log`;
        logger.error({ site: this.site, session, code: 'WISH_LOST', detail }, 'a wish of this site is lost');
        links.refused?.(this.site, { code: 'WISH_LOST', detail });
      },
    });
    links.established(this.site, session);
    logger.info({ site: this.site, session, software: hello.software }, 'link to a child up');
  }

  #beat(): void {
    this.#silentBeats += 1;
    if (this.#silentBeats > HEARTBEATS_MISSED_MAX) {
      const silentMs = HEARTBEATS_MISSED_MAX * this.#around.heartbeatMs;
      this.end('HEARTBEAT_MISSED', `no sign of life for ${silentMs} ms`);
      return;
    }
    this.#unaskedBeats = this.#wishes === null || this.#wishes.isAsked ? 0 : this.#unaskedBeats + 1;
    if (this.#unaskedBeats > UNASKED_BEATS_MAX) {
      const unaskedMs = UNASKED_BEATS_MAX * this.#around.heartbeatMs;
      this.end('PROTOCOL_ERROR', `has not asked for wishes for ${unaskedMs} ms`);
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
    const relayed = this.#relayedHeads(pong.relayed);
    this.#around.links.measured(this.site, {
      ...{ roundTripMs, clockOffsetMs, epoch, headPosition, headRoot, relayed },
    });
  }

  #relayedHeads(news: readonly RelayedHead[] | null): ReadonlyMap<SiteId, RelayedHead> | null {
    if (news === null) return null;
    this.#relayed ??= new Map();
    for (const head of news) this.#relayed.set(head.origin, head);
    if (this.#relayed.size <= RELAYED_LOGS_MAX) return this.#relayed;
    throw new ReplicationProtocolError(`heads of more than ${RELAYED_LOGS_MAX} logs`);
  }

  #openBatches(opening: {
    readonly origin: SiteId;
    readonly publicKey: Uint8Array;
    readonly fence: number;
    readonly cursor: ReplicaCursor;
    readonly signed: SignedCheckpoint;
  }): BatchIntake {
    const { origin, publicKey, fence, cursor: durable, signed } = opening;
    return new BatchIntake({
      ...{ fence, durable, signed, intake: this.#around.intake, credit: this.#credit },
      turns: this.#around.turns,
      key: this.#originKey(origin, publicKey),
      onStored: stored => this.#stored(origin, stored),
      onRefusal: refusal => this.#refuseLog(origin, refusal),
      onFault: error => this.#fail('the replica cannot be stored', error),
    });
  }

  #push(batch: BatchFrame): void {
    const log = this.#logs.get(batch.origin);
    if (log !== undefined) {
      log.batches.push(batch);
      return;
    }
    if (!this.#offered.has(batch.origin) || !this.#credit.arrive(batch.rawByteLength)) {
      throw new ReplicationProtocolError(`a batch of ${batch.origin}, which was not wanted`);
    }
    // Of a log that was refused meanwhile; the child did not know yet.
    this.#credit.release(batch.rawByteLength);
    this.#giveCredit(batch.origin);
  }

  #giveCredit(origin: SiteId): void {
    const nothingNew = { upTo: null, checkpoint: null, top: null };
    this.#send({ kind: 'ack', origin, creditBytes: this.#grant(), ...nothingNew });
  }

  #stored(origin: SiteId, { place, eventCount, reached }: StoredBatches): void {
    this.#around.logger.debug({ site: this.site, origin, ...place, eventCount }, 'events taken in');
    if (eventCount > 0 && origin !== this.site) this.#around.links.relayed?.(origin);
    this.#acknowledge(origin, reached);
  }

  /** Also when only the levels above have moved. */
  #acknowledge(origin: SiteId, reached: SignedCheckpoint | null = null, isItsTurn = false): void {
    const log = this.#logs.get(origin);
    if (log === undefined || this.#isOver) return;
    if (reached !== null) {
      log.acknowledged = endOf(reached.head);
      log.uncosigned = reached;
    }
    const { above } = this.#around;
    const top = above === null ? log.acknowledged : above.of(origin).top;
    const checkpoint = this.#cosigned(log, isItsTurn);
    this.#send({ kind: 'ack', origin, upTo: log.acknowledged, creditBytes: this.#grant(), checkpoint, top });
  }

  /** The checkpoint that is acknowledged, with our signature; null when that was said, or will be when its turn has come. */
  #cosigned(log: TakenLog, isItsTurn: boolean): string | null {
    const { cosigning, now, parent, sha256, signer } = this.#around;
    if (log.uncosigned === null || !(isItsTurn || cosigning.take(log.onCosigningTurn))) return null;
    const { note } = log.uncosigned;
    log.uncosigned = null;
    const timeSeconds = Math.floor(now() / 1000);
    return note + cosignCheckpoint(note, { name: witnessName(parent), signer, timeSeconds }, sha256);
  }

  #grant(): number {
    return this.#credit.grant(this.#around.creditBytes());
  }

  async #giveHistory(question: WantHistoryFrame): Promise<void> {
    const { origin } = question;
    if (origin !== null && !this.#shown.has(origin)) {
      throw new ReplicationProtocolError(`asked for history of ${origin}, which it has not offered`);
    }
    this.#send(await this.#history.answer(question, this.#childReadsZstd));
  }

  async #guard(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      if (!(error instanceof ReplicationProtocolError))
        return this.#fail('the replica cannot be used', error);
      this.#refuse({ code: 'PROTOCOL_VIOLATION', detail: error.message });
    }
  }

  #fail(what: string, error: unknown): void {
    if (this.#isOver) return;
    this.#around.logger.error({ site: this.site, error: describeError(error) }, what);
    this.end('CLOSED', `${what}: ${describeError(error)}`, { code: 'UNAVAILABLE', detail: what });
  }

  /** The child's own log that does not go on ends the session, unless the child can repair it over this very session. */
  #refuseLog(origin: SiteId, refusal: ReplicationRefusal, held: LogPlace | null = null): void {
    if (this.#isOver) return;
    const { links, logger } = this.#around;
    if (origin === this.site && held === null) {
      this.#refuse(refusal);
      return;
    }
    this.#send({ kind: 'refused', ...refusal, origin, held });
    this.#dropLog(origin);
    if (this.#session !== null) this.#giveCredit(origin);
    logger.warn({ site: this.site, origin, ...refusal }, 'replication of a log refused');
    links.refused?.(origin, refusal, origin === this.site ? null : this.site);
  }

  #dropLog(origin: SiteId): void {
    const log = this.#logs.get(origin);
    if (log !== undefined) this.#close(log);
    this.#logs.delete(origin);
  }

  #close({ batches, onCosigningTurn, stopListening }: TakenLog): void {
    batches.close();
    this.#around.cosigning.cancel(onCosigningTurn);
    stopListening();
  }

  #refuse(refusal: ReplicationRefusal): void {
    if (this.#isOver) return;
    const cause =
      refusal.code === 'FENCED' ? 'FENCED' : refusal.code === 'UNAVAILABLE' ? 'CLOSED' : 'PROTOCOL_ERROR';
    this.#around.links.refused?.(this.site, refusal);
    this.end(cause, `${refusal.code}: ${refusal.detail}`, refusal);
  }

  #send(frame: ParentFrame): void {
    if (!this.#isOver) this.#stream.send(frame);
  }
}

/** Whose log a note says that it is of: nothing of it is believed yet. */
function originOf(note: string): SiteId | null {
  try {
    return checkpointHead(note).site;
  } catch (error) {
    if (error instanceof CheckpointError) return null;
    throw error;
  }
}
