import {
  type AnsweredWish,
  comparePlaces,
  createMemorySiteLog,
  LOG_START,
  type LogHead,
  type LogPlace,
  type NewEvent,
  type PulledHistory,
  placeOf,
  type RecordedEvent,
  type ReopenableLog,
  type SignedCheckpoint,
  type SiteLog,
  unansweredWishes,
} from '@holdfast/core';
import {
  type AcknowledgedLevels,
  Acknowledgements,
  type ChildDuplex,
  createMemoryReplicaIntake,
  createReplicationService,
  type MemoryReplicaIntake,
  type RelayedLogs,
  RelayedReplicas,
  ReplicaRecovery,
  type ReplicationOptions,
  type ReplicationService,
  runReplication,
  type WishSink,
} from '@holdfast/interconnect';
import type { EventId, SiteId } from '@holdfast/schema';
import { pino } from 'pino';
import type { SeededRandom } from './seeded-random.js';
import { simulatedHash as sha256 } from './simulated-hash.js';
import { intakeOfProcess } from './simulated-intake.js';
import { keyOf, verifyNote } from './simulated-key.js';
import type { SimulatedLink } from './simulated-link.js';
import { SimulatedProcess } from './simulated-process.js';
import { cosignerOf, givenBackBy, relayOf } from './simulated-relay.js';
import { siteLogOfProcess } from './simulated-site-log.js';
import type { SimulatedTime } from './simulated-time.js';

const HEARTBEAT_MS = 400;
const BACKOFF_MS_MAX = 1_000;
const DIAL_TIMEOUT_MS = 1_500;
const REFUSED_LOG_RETRY_MS_MAX = 5_000;
const APPEND_EVENTS_MAX = 4;
const APPEND_PAUSE_MS_MAX = 400;
const DATA_BYTES_MAX = 200;
const STREAMS = ['alarm-1', 'alarm-2', 'recording-1', 'hardware-1'];

const logger = pino({ level: 'silent' });
const utf8 = new TextEncoder();

async function keepInMemory(history: PulledHistory): Promise<PulledHistory & AsyncDisposable> {
  const kept: Pick<RecordedEvent, 'header' | 'data'>[] = [];
  for await (const events of history.events) kept.push(...events);
  return { ...history, events: [kept], [Symbol.asyncDispose]: async () => undefined };
}

/** An event that its appender was told to be durable. */
export interface AcknowledgedEvent {
  readonly site: SiteId;
  readonly id: EventId;
  readonly data: Uint8Array;
}

/** An append that somebody wants, and keeps until it is acknowledged. */
interface WantedAppend {
  readonly stream: string;
  readonly events: readonly NewEvent[];
}

export interface NodeSurroundings {
  readonly time: SimulatedTime;
  readonly random: SeededRandom;
  readonly acknowledged: (events: readonly AcknowledgedEvent[]) => void;
  /** The node has stored what its parent has cosigned. */
  readonly receipted: (node: SimulatedNode, receipt: SignedCheckpoint) => void;
  /** The node has stored with a replica what its site has signed. */
  readonly checkpointed: (node: SimulatedNode, head: LogHead) => void;
}

/**
 * A site: a machine with a disk (its log, and what it holds of its children's), and, while it is not killed, a process that
 * appends, replicates to its parent and takes in its children.
 */
export class SimulatedNode {
  readonly site: SiteId;
  readonly clock = { offsetMs: 0 };
  /** Of `log`: another one means that the disk holds another history. */
  generation = 0;
  /** Of `replicas`. */
  replicasGeneration = 0;
  /** Appends that its disk was ever given. */
  writeCount = 0;
  readonly parent: { readonly node: SimulatedNode; readonly link: SimulatedLink } | null;
  readonly #around: NodeSurroundings;
  /** On the disk: what a kill leaves. */
  #log: ReopenableLog;
  /** On the disk, too. */
  #keptAfter: LogPlace = LOG_START;
  /** In its database. */
  #replicas: MemoryReplicaIntake = createMemoryReplicaIntake();
  #process: SimulatedProcess | null = null;
  #service: ReplicationService | null = null;
  #reporting: Pick<ReplicationOptions, 'acknowledgements' | 'relayed'> = {
    acknowledgements: new Acknowledgements(),
  };
  readonly #wanted: WantedAppend[] = [];
  /** What its database holds of its log and the log has lost; null: nothing. */
  #heldBeside: PulledHistory | null = null;
  readonly #failOver = new AbortController();
  isAppending = true;
  /** It is in wrong hands: what it relays of the sites below is not what they have said. */
  isForging = false;

  constructor(around: NodeSurroundings, parent: SimulatedNode['parent']) {
    this.#around = around;
    this.parent = parent;
    this.site = around.random.uuid() as SiteId;
    this.#log = this.#newLog([]);
  }

  get log(): SiteLog {
    return this.#log;
  }

  get replicas(): MemoryReplicaIntake {
    return this.#replicas;
  }

  /** Up to there the beginning of its log is held by others alone. */
  get keptAfter(): LogPlace {
    return this.#keptAfter;
  }

  get isRunning(): boolean {
    return this.#process !== null;
  }

  /** Everything that somebody wanted appended is. */
  get isContent(): boolean {
    return this.#wanted.length === 0;
  }

  start(): void {
    if (this.#heldBeside !== null) return void this.#reopen(this.#heldBeside);
    const { time, random } = this.#around;
    const process = new SimulatedProcess({ time, random, clock: this.clock });
    this.#process = process;
    const log = this.#logOf(process);
    const above = new Acknowledgements();
    const relayed = new RelayedReplicas({ own: this.site, replicas: this.replicas });
    const forger = { random, isForging: () => this.isForging, key: keyOf(this.site) };
    const { replicas } = this;
    // What a killed process asked of a database may come about when another one stands in its place.
    const checkpointed = (head: LogHead) => {
      if (this.#replicas === replicas) this.#around.checkpointed(this, head);
    };
    const takeBack = this.#takeBackOf(process, relayed);
    this.#reporting = {
      acknowledgements: above,
      relayed: { ...relayOf(relayed, forger), takeBack },
    };
    this.#service = createReplicationService({
      intake: relayed.watch(intakeOfProcess(this.replicas, process, checkpointed)),
      replicas: givenBackBy(this.replicas, forger),
      log,
      keys: { keyOf: async origin => keyOf(origin).publicKey, pin: async () => undefined },
      verify: verifyNote,
      signer: cosignerOf(forger),
      ...(this.parent === null ? {} : { above, onLogLost: signed => relayed.lost(signed) }),
      enrolled: () => true,
      links: { established: () => undefined, lost: () => undefined, measured: () => undefined },
      logger,
      sha256,
      now: process.now,
      timers: process.timers,
      software: 'simulated/parent',
      heartbeatMs: HEARTBEAT_MS,
    });
    this.#replicate(process, log);
    void this.#append(process, log);
  }

  kill(): void {
    this.#process?.kill();
    this.#process = null;
    this.#service = null;
  }

  /** What its log is acknowledged to be held as above. */
  get levels(): AcknowledgedLevels {
    return this.#reporting.acknowledgements.of(this.site);
  }

  /** By its parent. */
  get acknowledged(): LogPlace | null {
    return this.levels.parent;
  }

  /** Removes from its log all that its parent has acknowledged. False when that is nothing. */
  truncate(): boolean {
    const parent = this.acknowledged;
    if (!this.isRunning || parent === null || comparePlaces(parent, this.#keptAfter) <= 0) return false;
    this.#keptAfter = parent;
    return true;
  }

  /** Without the beginning of an append that is asked for again: a disk has all of it or nothing. */
  wholeAppends(events: readonly RecordedEvent[]): readonly RecordedEvent[] {
    const ids = new Set(this.#wanted[0]?.events.map(({ id }) => id));
    const without = events.filter(({ id }) => !ids.has(id));
    return events.length - without.length === ids.size ? events : without;
  }

  /**
   * Somebody puts back a copy of the disk, as it was when the log had only these events. The database that stands beside it is
   * newer, and holds the log as far as `held`, which begins with them: `own-log-repair`.
   */
  restoreCopy(copied: readonly RecordedEvent[], held = copied): void {
    this.kill();
    this.#replaceLog(this.#newLog(copied));
    // At that time it was cut at its end at most.
    const end = placeOf(copied.at(-1) ?? LOG_START);
    if (comparePlaces(this.#keptAfter, end) > 0) this.#keptAfter = end;
    this.#heldBeside = held.length > copied.length ? this.#historyBehind(copied, held) : null;
    this.start();
  }

  /** The same of a machine with its database: that is as old as the log. */
  restoreMachine(copied: readonly RecordedEvent[], replicas: MemoryReplicaIntake): void {
    this.kill();
    this.#replicas = replicas;
    this.replicasGeneration += 1;
    this.restoreCopy(copied);
  }

  /** A second session of the same site, as after a fail-over that was none. */
  dialAgain(): void {
    if (this.#process === null) return;
    this.#replicate(this.#process, this.#logOf(this.#process), this.#failOver.signal);
  }

  /** For good: of five sessions for ever, each ends the others before it has pulled lost history back. */
  endFailOver(): void {
    this.#failOver.abort();
  }

  answerer(): { readonly process: SimulatedProcess; answer(stream: ChildDuplex): void } | null {
    const [process, service] = [this.#process, this.#service];
    return process && service ? { process, answer: stream => service.answer(stream) } : null;
  }

  /** A wish for a child, in this site's own log. */
  wish(child: SiteId): void {
    this.#wanted.push({ stream: `wishes-${child}`, events: [this.#newEvent('CommandIssued')] });
  }

  /** As `runCentral` does it. */
  #takeBackOf(process: SimulatedProcess, relayed: RelayedReplicas): NonNullable<RelayedLogs['takeBack']> {
    const { replicas } = this;
    const recovery = new ReplicaRecovery({
      ...{ replicas, verify: verifyNote, sha256, isThere: async () => true, keep: keepInMemory },
      mender: relayed.watchMended({
        cursor: site => replicas.cursor(site),
        replaceTail: tail =>
          process.write('DATABASE', async () => {
            const outcome = await replicas.replaceTail(tail);
            if (outcome === 'REPLACED') this.replicasGeneration += 1;
            return outcome;
          }),
      }),
      keyOf: async origin => keyOf(origin).publicKey,
    });
    return async (origin, from) => {
      const outcome = await recovery.takeBack(origin, from);
      if (outcome !== 'NOTHING') this.#service?.moved(origin);
      return outcome;
    };
  }

  #logOf(process: SimulatedProcess): SiteLog {
    const onWrite = () => {
      this.writeCount += 1;
    };
    return siteLogOfProcess({ disk: this.#log, process, onWrite, keptAfter: () => this.#keptAfter });
  }

  #newLog(copied: readonly RecordedEvent[]): ReopenableLog {
    const now = () => Math.round(this.#around.time.nowMs + this.clock.offsetMs);
    return createMemorySiteLog({ site: this.site, now, sha256, copied });
  }

  #historyBehind(copied: readonly RecordedEvent[], held: readonly RecordedEvent[]): PulledHistory {
    const last = copied.at(-1);
    return {
      common: last === undefined ? LOG_START : placeOf(last),
      events: [held.slice(copied.length)],
      // The log in memory believes the head.
      checkpoint: { head: this.#newLog(held).head(), note: '' },
      reason: 'the database held more',
    };
  }

  #replaceLog(log: ReopenableLog): void {
    this.#log = log;
    this.generation += 1;
  }

  /** As `runSite` does it: keeps what the parent gives back, ends what works on the log, repairs it, and begins again. */
  async #repair(process: SimulatedProcess, history: PulledHistory): Promise<void> {
    const kept = await keepInMemory(history);
    // Another session of it may have been quicker.
    if (process.isAlive) await this.#reopen(kept);
  }

  async #reopen(history: PulledHistory): Promise<void> {
    this.kill();
    const { time, random } = this.#around;
    const repairing = new SimulatedProcess({ time, random, clock: this.clock });
    this.#process = repairing;
    const log = this.#log;
    await repairing.write('FILE', async () => {
      const outcome = await log.reopenAs(history);
      // A copy may have been restored over it meanwhile. What was tampered with on the way is refused: nothing has changed then.
      if (this.#log !== log) return;
      if (!outcome.reopened && history === this.#heldBeside) throw new Error(outcome.refusal.detail);
      this.#replaceLog(outcome.log as ReopenableLog);
      this.#heldBeside = null;
    });
    this.kill();
    this.start();
  }

  #replicate(process: SimulatedProcess, log: SiteLog, until?: AbortSignal): void {
    const { parent } = this;
    if (parent === null) return;
    const ended = new AbortController();
    const end = () => ended.abort();
    process.onKilled(end);
    until?.addEventListener('abort', end, { once: true });
    void runReplication(
      {
        log,
        site: this.site,
        ...this.#reporting,
        signer: keyOf(this.site),
        verify: verifyNote,
        parentKey: { known: site => keyOf(site).publicKey, pin: async () => undefined },
        dial: () =>
          parent.link.dial({ site: this.site, process }, parent.node.site, () => parent.node.answerer()),
        parentSite: parent.node.site,
        wishes: this.#wishSink(log, parent.node.site),
        storeReceipt: receipt => process.write('FILE', () => this.#around.receipted(this, receipt)),
        lostHistory: { isWanted: () => true, take: history => this.#repair(process, history) },
        logger,
        sha256,
        now: process.now,
        timers: process.timers,
        random: () => this.#around.random.next(),
        software: 'simulated/child',
        backoffMsMax: BACKOFF_MS_MAX,
        refusedLogRetryMsMax: REFUSED_LOG_RETRY_MS_MAX,
        dialTimeoutMs: DIAL_TIMEOUT_MS,
      },
      ended.signal,
    );
  }

  /** Answers each wish with one event that names it and its number, as the management server does. */
  #wishSink(log: SiteLog, parent: SiteId): WishSink {
    const stream = `answers-${parent}`;
    const cursor = async (): Promise<AnsweredWish | null> => {
      const answers = await log.readStream({ stream, afterRevision: null, limit: 5000 });
      const last = answers.at(-1);
      if (last === undefined) return null;
      const revision = Number(Buffer.from(last.data).toString());
      return { revision, wishId: last.causationId, answerCount: answers.length };
    };
    return {
      cursor,
      accept: async wishes => {
        const last = await cursor();
        const unanswered = await unansweredWishes(log, { stream, last, wishes });
        if (unanswered.length === 0) return;
        const expected = last === null ? 'none' : last.answerCount - 1;
        const events = unanswered.map(wish => ({
          ...this.#newEvent('CommandApplied'),
          ...{ causationId: wish.id, data: utf8.encode(String(wish.revision)) },
        }));
        const outcome = await log.append([{ stream, expected, events }]);
        if (!outcome.appended) throw new Error(outcome.refusal.code);
      },
    };
  }

  async #append(process: SimulatedProcess, log: SiteLog): Promise<void> {
    const { random, acknowledged } = this.#around;
    for (;;) {
      await new Promise<void>(resolve =>
        process.timers.after(random.between(1, APPEND_PAUSE_MS_MAX), resolve),
      );
      const [first] = this.#wanted;
      const wanted = first ?? (this.isAppending ? this.#somethingNew() : undefined);
      if (wanted === undefined) continue;
      const { stream, events } = wanted;
      const outcome = await log.append([{ stream, expected: 'any', events }]);
      if (!outcome.appended) throw new Error(`${this.site}: ${outcome.refusal.code}`);
      this.#wanted.shift();
      acknowledged(events.map(({ id, data }) => ({ site: this.site, id, data })));
    }
  }

  #somethingNew(): WantedAppend {
    const { random } = this.#around;
    const events = Array.from({ length: 1 + random.below(APPEND_EVENTS_MAX) }, () =>
      this.#newEvent('AlarmCommented'),
    );
    const wanted = { stream: random.pick(STREAMS), events };
    this.#wanted.push(wanted);
    return wanted;
  }

  #newEvent(type: string): NewEvent {
    const { random, time } = this.#around;
    return {
      id: random.uuid() as EventId,
      type,
      version: 1,
      data: new Uint8Array(random.below(DATA_BYTES_MAX)).fill(97 + random.below(26)),
      actor: 'server:simulated',
      occurredAtMs: Math.round(time.nowMs),
      clockQuality: 'UNKNOWN',
      causationId: null,
      correlationId: null,
    };
  }
}
