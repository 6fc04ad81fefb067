import {
  backOffCeilingMs,
  comparePlaces,
  endOf,
  equalBytes,
  HistoryUnprovenError,
  LOG_START,
  type LogPlace,
  TreeEdgeError,
  type WishPlace,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { ReceivedCredit } from './credit-window.js';
import { HEARTBEAT_MS_MAX, HEARTBEAT_MS_MIN, HEARTBEATS_MISSED_MAX } from './heartbeat.js';
import { LogSender } from './log-sender.js';
import { findLostHistory, type HistoryHolder, HistoryNotOursError } from './lost-history.js';
import { type OfferedLog, offerOwnLog } from './offered-log.js';
import { FalseReceiptError, ReceiptKeeper } from './receipt-keeper.js';
import type { ParentDuplex } from './replication-duplex.js';
import { describeError } from './replication-fault.js';
import {
  type AckFrame,
  type ChildFrame,
  type EpochHead,
  type HistoryFrame,
  type ParentFrame,
  type RefusedFrame,
  type RelayedHead,
  ReplicationProtocolError,
  type ReplicationRefusal,
  type WantFrame,
  type WantHistoryFrame,
  type WelcomeFrame,
  type WishesFrame,
} from './replication-frame.js';
import type { ReplicationOptions } from './replication-options.js';
import type { RootMemory } from './root-memory.js';
import { readWishes, WishGapError } from './wish-frame.js';

/**
 * What is restored heals in a few steps, each of which may have to wait for the one before at another level; a person has to look at
 * what lasts, and the parent, who was told, need not be told of it more often.
 */
const REFUSED_LOG_RETRY = { firstMs: 5_000, mostMs: 60_000 };
/** Longer than any commit takes: what was sent until then is lost, or its receiver hangs. */
const UNACKNOWLEDGED_BEATS_MAX = 10;

/** Levels above may rise while the histories of many logs are compared; far more than that is a fault. */
const EARLY_ACKS_MAX = 10_000;

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
  readonly #senders = new Map<SiteId, LogSender>();
  /** Those that are offered again some time. */
  readonly #refused = new Set<SiteId>();
  /** How often each was, in this session. */
  readonly #refusals = new Map<SiteId, number>();
  readonly #ended: Promise<ChildSessionEnd>;
  #settle!: (end: ChildSessionEnd) => void;
  #parent: SiteId | null = null;
  #session = 0;
  #parentReadsZstd = false;
  #receipts: ReceiptKeeper | null = null;
  #wasEstablished = false;
  /** Undefined while wishes are not asked for. */
  #wishesAfter: WishPlace | null | undefined;
  #asksForHistory: ((frame: HistoryFrame) => void) | null = null;
  /** One log after the other. */
  #takingBack: Promise<unknown> = Promise.resolve();
  readonly #toldHeads = new Map<SiteId, RelayedHead>();
  #earlyAckCount = 0;
  #silentBeats = 0;
  #unacknowledgedBeats = 0;
  #stopDialling: () => void = () => undefined;
  #stopHeartbeat: () => void = () => undefined;
  /** Null while the stream takes more. */
  #full: PromiseWithResolvers<void> | null = null;
  #answering: Promise<void> = Promise.resolve();

  constructor(options: ChildSessionOptions) {
    this.#options = options;
    this.#ended = new Promise(resolve => {
      this.#settle = resolve;
    });
    this.#stream = options.stream;
  }

  async run(signal: AbortSignal): Promise<ChildSessionEnd> {
    const { timers, dialTimeoutMs } = this.#options;
    const stop = () => this.#end('stopped');
    signal.addEventListener('abort', stop, { once: true });
    this.#stopDialling = timers.after(dialTimeoutMs, () => this.#end(`no answer within ${dialTimeoutMs} ms`));
    this.#stream.listen({
      onFrame: frame => this.#receive(() => this.#take(frame)),
      onDrain: () => this.#drained(),
      onLost: detail => this.#end(detail),
      onGarbled: detail =>
        this.#receive(() => {
          throw new ReplicationProtocolError(detail);
        }),
    });
    if (signal.aborted) stop();
    else void this.#guard(() => this.#sayHello());
    const end = await this.#ended;
    signal.removeEventListener('abort', stop);
    this.#stopDialling();
    this.#stopHeartbeat();
    this.#over.abort();
    this.#drained();
    for (const sender of this.#senders.values()) sender.stop();
    await this.#receipts?.close();
    // Wishes that are being answered are answered once: the next session asks for the cursor only when that is done.
    await this.#answering;
    return end;
  }

  async #sayHello(): Promise<void> {
    const { log, signer, site, sha256, software } = this.#options;
    const own = offerOwnLog(log, signer, sha256);
    const { head, note: checkpoint } = await own.newest();
    this.#openSender(site, own, head);
    const { publicKey } = signer;
    this.#send({ kind: 'hello', site, software, checkpoint, publicKey, readsZstd: true });
  }

  #openSender(origin: SiteId, log: OfferedLog, offered: EpochHead): LogSender {
    const { roots, sha256, timers, now, random } = this.#options;
    const sender = new LogSender({
      ...{ origin, log, offered, roots, sha256, timers, now, random, credit: this.#credit },
      mayCompress: () => this.#parentReadsZstd,
      send: frame => this.#sendAndWait(frame),
    });
    this.#senders.set(origin, sender);
    return sender;
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
    const isFirst = frame.kind === 'refused' || frame.kind === 'welcome';
    if (!isFirst && this.#parent === null) {
      throw new ReplicationProtocolError(`${frame.kind} before Welcome`);
    }
    switch (frame.kind) {
      case 'refused':
        this.#takeRefusal(frame);
        return;
      case 'welcome':
        this.#greet(frame);
        return;
      case 'ack':
        this.#takeAck(frame);
        return;
      case 'ping': {
        const receivedAtMs = this.#options.now();
        const head = this.#options.log.head();
        const { sentAtMs: pingSentAtMs } = frame;
        const relayed = this.#headsToTell();
        this.#send({ kind: 'pong', pingSentAtMs, receivedAtMs, sentAtMs: receivedAtMs, head, relayed });
        this.#senders.get(this.#options.site)?.told(endOf(head));
        for (const { origin, epoch, size } of relayed ?? [])
          this.#senders.get(origin)?.told({ epoch, position: size });
        return;
      }
      case 'wishes':
        this.#takeWishes(frame);
        return;
      case 'want':
        // From here on heartbeats watch the link: to compare long histories may take longer than to dial.
        this.#stopDialling();
        void this.#guard(() => this.#replicate(frame));
        return;
      case 'history':
        if (this.#asksForHistory === null)
          throw new ReplicationProtocolError('history that was not asked for');
        this.#asksForHistory(frame);
        this.#asksForHistory = null;
        return;
    }
  }

  /** Of the logs below, the heads that the parent was not told yet. Null: nobody here knows. */
  #headsToTell(): readonly RelayedHead[] | null {
    const heads = this.#options.relayed?.heads?.();
    if (heads === undefined) return null;
    const news = heads.filter(head => {
      const told = this.#toldHeads.get(head.origin);
      return told?.session !== head.session || told.epoch !== head.epoch || told.size !== head.size;
    });
    for (const head of news) this.#toldHeads.set(head.origin, head);
    return news;
  }

  #greet(frame: WelcomeFrame): void {
    const { parentSite, parentKey, timers } = this.#options;
    if (this.#parent !== null) throw new ReplicationProtocolError('a second welcome');
    const certified = this.#stream.peerSite();
    if (certified === null || certified !== frame.site) {
      throw new ReplicationProtocolError(`the parent says it is ${frame.site}, its certificate ${certified}`);
    }
    if (parentSite !== undefined && parentSite !== certified) {
      throw new ReplicationProtocolError(`the parent is ${certified}, not ${parentSite}`);
    }
    const known = parentKey.known(certified);
    if (known === null) void this.#guard(() => parentKey.pin(certified, frame.publicKey));
    else if (!equalBytes(known, frame.publicKey)) {
      const detail = `the parent ${certified} cosigns with another key than it is known by`;
      this.#refuse({ code: 'BAD_SIGNATURE', detail });
      return;
    }
    this.#parent = certified;
    this.#session = frame.session;
    this.#parentReadsZstd = frame.readsZstd;
    this.#receipts = this.#openReceipts(certified, frame.publicKey);
    const beatMs = Math.min(HEARTBEAT_MS_MAX, Math.max(HEARTBEAT_MS_MIN, frame.heartbeatMs));
    this.#stopHeartbeat = timers.every(beatMs, () => this.#beat(beatMs));
  }

  #beat(beatMs: number): void {
    this.#silentBeats += 1;
    if (this.#silentBeats > HEARTBEATS_MISSED_MAX) {
      this.#end(`no sign of life for ${this.#silentBeats * beatMs} ms`);
      return;
    }
    const isAwaited = [...this.#senders.values()].some(sender => sender.isAwaited);
    this.#unacknowledgedBeats = isAwaited ? this.#unacknowledgedBeats + 1 : 0;
    if (this.#unacknowledgedBeats > UNACKNOWLEDGED_BEATS_MAX)
      this.#end(`nothing was acknowledged for ${this.#unacknowledgedBeats * beatMs} ms`);
  }

  #openReceipts(parent: SiteId, publicKey: Uint8Array): ReceiptKeeper {
    const { site, signer, sha256, storeReceipt, timers, verify } = this.#options;
    return new ReceiptKeeper({
      own: { origin: site, publicKey: signer.publicKey, verify, sha256 },
      parent: { site: parent, publicKey, verify },
      ...{ timers, store: storeReceipt ?? (async () => undefined), onFault: error => this.#fail(error) },
    });
  }

  /** Sends what the parent wants of a log, and then every new event as soon as it is appended. */
  async #replicate(want: WantFrame): Promise<void> {
    const { acknowledgements, site, logger, onLink, wishes } = this.#options;
    const { origin, epoch, after } = want;
    const sender = this.#senders.get(origin);
    if (sender === undefined || sender.isWanted) {
      throw new ReplicationProtocolError(`want of ${origin} out of turn`);
    }
    // Before they are compared, which may take long: what it wants again nobody may remove meanwhile.
    acknowledgements.lower(origin, { epoch, position: after });
    // Of the whole session, whatever becomes of this log.
    this.#credit.add(want.creditBytes);
    const refusal = await sender.want(want);
    if (this.#over.signal.aborted) return;
    if (refusal !== null) {
      if (refusal.code === 'FORK') acknowledgements.lower(origin, LOG_START);
      const isLost = refusal.code === 'AHEAD' || refusal.code === 'FORK';
      const mayRecover = origin === site && isLost && this.#wantsHistory();
      const held = isLost ? { epoch, position: after } : null;
      return mayRecover ? this.#recover(refusal) : this.#refuseLog(origin, refusal, held);
    }
    logger.info(
      { parent: this.#parent, session: this.#session, origin, epoch, after },
      'the parent wants a log',
    );
    if (origin !== site) return sender.run();
    this.#wasEstablished = true;
    onLink?.({ state: 'UP', parent: this.#parent!, session: this.#session });
    this.#askForWishes(await wishes.cursor());
    void this.#guard(() => this.#offerRelayed());
    await sender.run();
    if (!this.#over.signal.aborted) this.#end('the log was closed');
  }

  /** Each only when the parent knows all that this site has said until then: its log tells the keys of the sites below. */
  async #offerRelayed(): Promise<void> {
    const { log, relayed, site } = this.#options;
    if (relayed === undefined) return;
    const { signal } = this.#over;
    const own = this.#senders.get(site)!;
    for await (const { origin, log: relay } of relayed.follow(signal)) {
      await own.acknowledgedUpTo(endOf(log.head()));
      if (signal.aborted) return;
      await this.#offer(origin, relay);
    }
  }

  async #offer(origin: SiteId, relay: OfferedLog): Promise<void> {
    const { dialTimeoutMs, timers } = this.#options;
    const { head, note: checkpoint } = await relay.newest();
    if (this.#over.signal.aborted) return;
    const sender = this.#openSender(origin, relay, head);
    this.#send({ kind: 'offer', checkpoint });
    this.#later(
      timers.after(dialTimeoutMs, () => {
        if (!sender.isWanted && this.#senders.get(origin) === sender && !sender.isStopped)
          this.#end(`no answer to the offer of the log of ${origin} within ${dialTimeoutMs} ms`);
      }),
    );
  }

  /**
   * What is wrong with one log below does not end the session, which carries the others; it is offered again some time: at once
   * when all that is wrong was that less is held of it than up there, where it is held up to `held`.
   */
  async #offerAgain(origin: SiteId, held: LogPlace | null): Promise<void> {
    const { random, refusedLogRetryMsMax: mostMs = REFUSED_LOG_RETRY.mostMs, timers } = this.#options;
    const sender = this.#senders.get(origin);
    sender?.stop();
    // Both sides may refuse it at once, and a parent more than once: offered twice it would end the session.
    if (sender === undefined || this.#refused.has(origin)) return;
    this.#refused.add(origin);
    const again = () => {
      this.#refused.delete(origin);
      void this.#guard(() => this.#offer(origin, sender.log));
    };
    if (held !== null && (await this.#takeBack(origin, held))) return again();
    const refusalsBefore = this.#refusals.get(origin) ?? 0;
    this.#refusals.set(origin, refusalsBefore + 1);
    const ceilingMs = backOffCeilingMs({ ...REFUSED_LOG_RETRY, mostMs }, refusalsBefore);
    // Not sooner than half: a site that has what is missing here brings it meanwhile.
    const delayMs = ceilingMs / 2 + (random() * ceilingMs) / 2;
    if (!this.#over.signal.aborted) this.#later(timers.after(delayMs, again));
  }

  /** True when what is held here of a log below is what the parent holds of it now. */
  async #takeBack(origin: SiteId, held: LogPlace): Promise<boolean> {
    const { logger, relayed } = this.#options;
    const outcome = this.#takingBack.then(() => {
      const isOver = this.#over.signal.aborted;
      return (!isOver && relayed?.takeBack?.(origin, { ...this.#holderOf(origin), held })) || 'NOTHING';
    });
    this.#takingBack = outcome.catch(() => undefined);
    try {
      return (await outcome) !== 'NOTHING';
    } catch (error) {
      if (!(error instanceof HistoryNotOursError || error instanceof HistoryUnprovenError)) throw error;
      logger.error(
        { origin, error: describeError(error) },
        'what the parent holds of a log below is not its own',
      );
      return false;
    }
  }

  /** Stopped when the session ends. */
  #later(stop: () => void): void {
    this.#over.signal.addEventListener('abort', stop, { once: true });
  }

  #wantsHistory(): boolean {
    return this.#options.lostHistory?.isWanted() ?? false;
  }

  /** The parent holds another history, or more of it: as long as this site has signed it, it is what was lost here. */
  async #recover(refusal: ReplicationRefusal): Promise<void> {
    const { log, logger, lostHistory, signer, site, sha256, verify } = this.#options;
    logger.error({ ...refusal }, 'the parent holds history that this log has lost: it is pulled back');
    const history = await findLostHistory({
      ...{ site, log, sha256, verify, publicKey: signer.publicKey },
      holder: this.#holderOf(null),
    });
    const end = endOf(history.checkpoint.head);
    // Else whoever has an older end of it could have its newer one recorded anew, which others may have seen.
    if (comparePlaces(end, history.common) <= 0) {
      const detail = `the parent shows nothing that this log has lost, signed up to ${end.epoch}/${end.position}: ${refusal.detail}`;
      return this.#refuse({ code: refusal.code, detail });
    }
    await lostHistory!.take(history);
    this.#end('the lost history was pulled back');
  }

  #holderOf(origin: SiteId | null): HistoryHolder {
    return {
      name: `the parent ${this.#parent}`,
      ask: (after, limit) => this.#askForHistory({ kind: 'wantHistory', origin, after, limit }),
    };
  }

  /** Ends the session when no answer comes; rejects when the session ends before the answer. */
  #askForHistory(question: WantHistoryFrame): Promise<HistoryFrame> {
    const { dialTimeoutMs, timers } = this.#options;
    const { signal } = this.#over;
    return new Promise((resolve, reject) => {
      const fail = () => {
        stopTimer();
        reject(new Error('the session ended while history was pulled back'));
      };
      const stopTimer = timers.after(dialTimeoutMs, () => this.#end(`no history within ${dialTimeoutMs} ms`));
      signal.addEventListener('abort', fail, { once: true });
      this.#asksForHistory = frame => {
        stopTimer();
        signal.removeEventListener('abort', fail);
        resolve(frame);
      };
      if (signal.aborted) fail();
      else this.#send(question);
    });
  }

  #takeAck(ack: AckFrame): void {
    const { acknowledgements, site } = this.#options;
    const { origin, upTo, top } = ack;
    const sender = this.#senders.get(origin);
    if (sender === undefined) throw new ReplicationProtocolError(`an acknowledgement of ${origin}`);
    if (sender.isWanted && !sender.isCompared) {
      this.#takeLater(ack, sender);
      return;
    }
    if (sender.isStopped) {
      // Of a log that turned out to be another, or was refused meanwhile.
      this.#credit.add(ack.creditBytes);
      return;
    }
    if (upTo !== null && comparePlaces(upTo, sender.place) > 0) {
      throw new ReplicationProtocolError(`acknowledged ${upTo.epoch}/${upTo.position} before it was sent`);
    }
    this.#unacknowledgedBeats = 0;
    this.#credit.add(ack.creditBytes);
    if (upTo !== null) sender.acknowledge(upTo);
    acknowledgements.learn(origin, { parent: upTo, top });
    if (origin === site && ack.checkpoint !== null) this.#receipts!.take(ack);
  }

  /** What the parent holds already it acknowledges at once, while histories are still compared here. */
  #takeLater(ack: AckFrame, sender: LogSender): void {
    this.#earlyAckCount += 1;
    if (this.#earlyAckCount > EARLY_ACKS_MAX) {
      throw new ReplicationProtocolError(
        `more than ${EARLY_ACKS_MAX} acknowledgements before anything was sent`,
      );
    }
    void sender.compared.then(() => {
      this.#earlyAckCount -= 1;
      this.#receive(() => this.#takeAck(ack));
    });
  }

  #takeRefusal(frame: RefusedFrame): void {
    const { acknowledgements, logger, site } = this.#options;
    const { code, detail, origin, held } = frame;
    if (code === 'FORK') acknowledgements.lower(origin ?? site, LOG_START);
    if (origin === site && held !== null && this.#parent !== null && this.#wantsHistory()) {
      this.#stopDialling();
      void this.#guard(() => this.#recover({ code, detail }));
      return;
    }
    if (origin === null || origin === site) {
      this.#end(`refused by the parent: ${code}: ${detail}`, { code, detail });
      return;
    }
    logger.error({ origin, code, detail }, 'the parent refuses the log of a site below');
    void this.#guard(() => this.#offerAgain(origin, held));
  }

  #askForWishes(after: WishPlace | null): void {
    this.#wishesAfter = after;
    this.#send({ kind: 'wantWishes', after });
  }

  #takeWishes(frame: WishesFrame): void {
    const after = this.#wishesAfter;
    if (after === undefined) throw new ReplicationProtocolError('wishes that were not asked for');
    this.#wishesAfter = undefined;
    this.#answering = this.#answering.then(() => this.#guard(() => this.#answerWishes(frame, after)));
  }

  async #answerWishes(frame: WishesFrame, after: WishPlace | null): Promise<void> {
    const { wishes, site, sha256 } = this.#options;
    if (this.#over.signal.aborted) return;
    const asked = { stream: `wishes-${site}`, after: after?.revision ?? null };
    const events = readWishes({ ...asked, frame, parent: this.#parent!, sha256 });
    const last = events.at(-1);
    if (last === undefined) return this.#askForWishes(after);
    await wishes.accept(events);
    // Not what was answered last: that may not be in the parent's log, and these may all have been answered before.
    this.#askForWishes({ revision: last.revision, wishId: last.id });
  }

  /** Whatever goes wrong in a task of this session ends the session, never the process. */
  async #guard(task: () => Promise<void>): Promise<void> {
    try {
      await task();
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    if (error instanceof ReplicationProtocolError) {
      this.#refuse({ code: 'PROTOCOL_VIOLATION', detail: error.message });
    } else if (error instanceof TreeEdgeError) {
      this.#refuse({ code: 'PROTOCOL_VIOLATION', detail: `the parent's tree edge: ${error.message}` });
    } else if (error instanceof FalseReceiptError) {
      this.#refuse({ code: 'BAD_SIGNATURE', detail: error.message });
    } else if (error instanceof HistoryNotOursError) {
      this.#refuse({ code: 'BAD_SIGNATURE', detail: describeError(error) });
    } else if (error instanceof WishGapError) {
      this.#refuse({ code: error.refusalCode, detail: describeError(error) });
    } else if (!this.#over.signal.aborted) {
      this.#options.logger.error({ error: describeError(error) }, 'replication failed');
      this.#end(describeError(error));
    }
  }

  #send(frame: ChildFrame): void {
    if (this.#over.signal.aborted) return;
    if (!this.#stream.send(frame)) this.#full ??= Promise.withResolvers();
  }

  /** Resolves when the stream takes more. */
  async #sendAndWait(frame: ChildFrame): Promise<void> {
    this.#send(frame);
    await this.#full?.promise;
  }

  #drained(): void {
    this.#full?.resolve();
    this.#full = null;
  }

  #refuseLog(origin: SiteId, refusal: ReplicationRefusal, held: LogPlace | null): void {
    if (origin === this.#options.site) {
      this.#refuse(refusal);
      return;
    }
    this.#options.logger.error({ origin, ...refusal }, 'the log of a site below cannot be handed on');
    this.#send({ kind: 'refused', ...refusal, origin, held: null });
    void this.#guard(() => this.#offerAgain(origin, held));
  }

  #refuse(refusal: ReplicationRefusal): void {
    this.#send({ kind: 'refused', ...refusal, origin: null, held: null });
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
