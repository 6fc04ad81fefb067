import { setImmediate as settled } from 'node:timers/promises';
import { createMemorySiteLog, type SiteLog } from '@holdfast/core';
import {
  Acknowledgements,
  type ChildFrame,
  childFrameToWire,
  type DuplexListener,
  type ParentDuplex,
  type ParentFrame,
  runReplication,
  type Timers,
} from '@holdfast/interconnect';
import { ReplicationClient, type WireChildFrame } from '@holdfast/protos';
import type { SiteId } from '@holdfast/schema';
import { newUuid, noteSigner, SOFTWARE, sha256, verifyNote } from '@holdfast/sites';
import { appendFacts, type BenchFact } from './bench-facts.js';
import { type BenchIdentity, benchLogger, logKeyOf } from './bench-identity.js';

/** A message of gRPC: not compressed, and its length. */
const GRPC_PREFIX_BYTES = 5;
const HASH_BYTES = 32;
/** More than a benchmark sends: nobody waits for credit. */
const CREDIT_BYTES = 2 ** 30;

/** What a site records, and when; from 0 on, in this order. */
export interface PlannedFact {
  readonly atMs: number;
  readonly fact: BenchFact;
}

export interface RecordedMessage {
  /** From the beginning of the plan on. */
  readonly atMs: number;
  /** As it stands in the gRPC stream. */
  readonly message: Buffer;
  /** How much of the log the site has sent with it. */
  readonly head: { readonly epoch: number; readonly size: number; readonly root: Uint8Array };
}

/** All that a site says in a session with a parent that holds nothing of it. */
export interface RecordedSession {
  readonly hello: Buffer;
  /** In answer to the first Want. Its last one is what the site has recorded before the plan begins. */
  readonly opening: readonly RecordedMessage[];
  readonly planned: readonly RecordedMessage[];
}

/**
 * Lets a site's own code say what it would say: `runReplication` over a log in memory, on a clock that is set, to a stand-in
 * that wants everything. The bytes are those of a real session; only when they were made is another time than when they are sent.
 */
export async function recordSession(options: {
  readonly identity: BenchIdentity;
  readonly beginning: readonly BenchFact[];
  readonly plan: readonly PlannedFact[];
  /** How long what was recorded last may take to its parent. */
  readonly tailMs: number;
}): Promise<RecordedSession> {
  const { identity, beginning, plan, tailMs } = options;
  const beganMs = Date.now();
  const clock = new SetClock();
  const now = () => beganMs + clock.nowMs;
  const log = createMemorySiteLog({ site: identity.siteId, now, sha256 });
  const parent = new StandInParent(identity.siteId, clock);
  const stopped = new AbortController();
  await appendFacts(log, beginning);
  const running = runReplication(replicationOf({ identity, log, parent, clock, now }), stopped.signal);
  await settled();
  const opening = parent.takeMessages();
  if (opening.at(-1)?.head.size !== log.head().size)
    throw new Error('a session was recorded without its beginning');
  for (const { atMs, fact } of plan) {
    await clock.advanceTo(atMs);
    await appendFacts(log, [fact]);
    await settled();
  }
  await clock.advanceTo((plan.at(-1)?.atMs ?? 0) + tailMs);
  const planned = parent.takeMessages();
  stopped.abort();
  await running;
  if (planned.at(-1)?.head.size !== log.head().size)
    throw new Error('a session was recorded without its end');
  return { hello: parent.hello!, opening, planned };
}

function replicationOf(options: {
  readonly identity: BenchIdentity;
  readonly log: SiteLog;
  readonly parent: StandInParent;
  readonly clock: SetClock;
  readonly now: () => number;
}) {
  const { identity, log, parent, clock, now } = options;
  return {
    ...{ log, site: identity.siteId, sha256, verify: verifyNote, signer: noteSigner(logKeyOf(identity)) },
    ...{ software: SOFTWARE, logger: benchLogger, now, timers: clock, random: Math.random },
    dial: () => parent,
    parentKey: { known: () => null, pin: async () => undefined },
    wishes: { cursor: async () => null, accept: async () => undefined },
    acknowledgements: new Acknowledgements(),
  };
}

/** A clock that stands still until it is set. It never beats: what a heartbeat answers is not part of what is recorded. */
class SetClock implements Timers {
  nowMs = 0;
  #due: { readonly atMs: number; readonly task: () => void }[] = [];

  after(delayMs: number, task: () => void): () => void {
    const timer = { atMs: this.nowMs + delayMs, task };
    this.#due.push(timer);
    return () => {
      this.#due = this.#due.filter(other => other !== timer);
    };
  }

  every(): () => void {
    return () => undefined;
  }

  async advanceTo(atMs: number): Promise<void> {
    for (;;) {
      const next = this.#due
        .filter(timer => timer.atMs <= atMs)
        .sort((one, other) => one.atMs - other.atMs)[0];
      this.nowMs = next?.atMs ?? atMs;
      if (next === undefined) return;
      this.#due = this.#due.filter(other => other !== next);
      next.task();
      await settled();
    }
  }
}

class StandInParent implements ParentDuplex {
  hello: Buffer | null = null;
  #messages: RecordedMessage[] = [];
  #listener: DuplexListener<ParentFrame> | null = null;
  readonly #parent = newUuid<SiteId>();
  readonly #site: SiteId;
  readonly #clock: SetClock;
  #head: RecordedMessage['head'] = { epoch: 1, size: 0, root: new Uint8Array(HASH_BYTES) };

  constructor(site: SiteId, clock: SetClock) {
    this.#site = site;
    this.#clock = clock;
  }

  takeMessages(): readonly RecordedMessage[] {
    return this.#messages.splice(0);
  }

  peerSite(): SiteId {
    return this.#parent;
  }

  send(frame: ChildFrame): boolean {
    const message = toMessage(childFrameToWire(frame));
    if (frame.kind === 'hello') {
      this.hello = message;
      queueMicrotask(() => this.#welcome());
      return true;
    }
    if (frame.kind === 'batch') {
      const { epoch, firstPosition, count, root } = frame;
      this.#head = { epoch, size: firstPosition + count - 1, root };
    }
    this.#messages.push({ atMs: this.#clock.nowMs, message, head: this.#head });
    return true;
  }

  listen(listener: DuplexListener<ParentFrame>): void {
    this.#listener = listener;
  }

  end(): void {}

  cancel(): void {}

  #welcome(): void {
    const publicKey = new Uint8Array(HASH_BYTES);
    const welcome = { site: this.#parent, software: SOFTWARE, session: 1, heartbeatMs: 60_000, publicKey };
    this.#listener!.onFrame({ kind: 'welcome', ...welcome, readsZstd: true });
    const want = { origin: this.#site, epoch: 0, after: 0, treeEdge: [], creditBytes: CREDIT_BYTES };
    this.#listener!.onFrame({ kind: 'want', ...want });
  }
}

/** As gRPC frames it. */
export function toMessage(wire: WireChildFrame): Buffer {
  const body = ReplicationClient.service.Sync!.requestSerialize(wire);
  const message = Buffer.allocUnsafe(GRPC_PREFIX_BYTES + body.length);
  message.writeUInt8(0, 0);
  message.writeUInt32BE(body.length, 1);
  message.set(body, GRPC_PREFIX_BYTES);
  return message;
}
