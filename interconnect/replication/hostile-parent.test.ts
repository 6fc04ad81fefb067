import { type PulledHistory, type SiteLog, signCheckpoint } from '@holdfast/core';
import { pino } from 'pino';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { processTimers, type Timers } from '../transport/timers.js';
import { Acknowledgements } from './acknowledgements.js';
import { runChildSession } from './child-session.js';
import { packEvents } from './event-frame.js';
import { findLostHistory } from './lost-history.js';
import { offerOwnLog } from './offered-log.js';
import {
  fill,
  MemoryWishSink,
  newMemoryLog,
  newSiteId,
  sha256,
  signerOf,
  until,
  verifyNote,
} from './replication.fixture.js';
import type { DuplexListener, ParentDuplex } from './replication-duplex.js';
import type { ChildFrame, ParentFrame, RefusedFrame, WantFrame } from './replication-frame.js';
import type { RelayedLogs } from './replication-options.js';
import { RootMemory } from './root-memory.js';
import { packWishes } from './wish-frame.js';

const test = suite('a parent that does not keep to the protocol');
const parent = newSiteId();

/** Takes the place of a parent behind a stream: answers each frame of the child with what it is told to say. */
class Stream implements ParentDuplex {
  readonly sent: ChildFrame[] = [];
  readonly #answer: (frame: ChildFrame) => readonly ParentFrame[];
  #listener: DuplexListener<ParentFrame> | null = null;

  constructor(answer: (frame: ChildFrame) => readonly ParentFrame[]) {
    this.#answer = answer;
  }

  peerSite() {
    return parent;
  }

  send(frame: ChildFrame): boolean {
    this.sent.push(frame);
    const answers = this.#answer(frame);
    setImmediate(() => {
      for (const answer of answers) this.#listener!.onFrame(answer);
    });
    return true;
  }

  listen(listener: DuplexListener<ParentFrame>): void {
    this.#listener = listener;
  }

  say(frame: ParentFrame): void {
    this.#listener!.onFrame(frame);
  }

  end(): void {}
  cancel(): void {}
}

const welcome: ParentFrame = {
  ...{ kind: 'welcome', site: parent, software: 'hostile', session: 1, heartbeatMs: 5_000 },
  ...{ readsZstd: true, publicKey: signerOf(parent).publicKey },
};

function optionsOf(log: SiteLog, stream: Stream): Parameters<typeof runChildSession>[0] {
  const { site } = log.head();
  return {
    ...{ stream, log, site, signer: signerOf(site), verify: verifyNote, roots: new RootMemory() },
    parentKey: { known: () => signerOf(parent).publicKey, pin: async () => undefined },
    ...{ dial: () => stream, wishes: new MemoryWishSink(), acknowledgements: new Acknowledgements() },
    ...{ logger: pino({ level: 'silent' }), sha256, now: Date.now, timers: processTimers },
    ...{ random: Math.random, software: 'test/child', dialTimeoutMs: 2_000 },
  };
}

/** What the child refuses, as it says it to the parent and as its session ends. */
async function converse(
  log: SiteLog,
  say: { readonly afterHello: readonly ParentFrame[]; readonly wishes?: ParentFrame },
): Promise<RefusedFrame> {
  const stream = new Stream(({ kind }) => {
    if (kind === 'hello') return [welcome, ...say.afterHello];
    return kind === 'wantWishes' && say.wishes !== undefined ? [say.wishes] : [];
  });
  const end = await runChildSession(optionsOf(log, stream), AbortSignal.timeout(10_000));
  const refused = stream.sent.at(-1)!;
  assert.is(refused.kind, 'refused', `instead of: ${end.reason}`);
  assert.is(end.refusal?.code, (refused as RefusedFrame).code);
  assert.not(
    stream.sent.some(({ kind }) => kind === 'batch'),
    'nothing is handed over',
  );
  return refused as RefusedFrame;
}

async function newLog() {
  const log = newMemoryLog(newSiteId());
  await fill(log, 5);
  return log;
}

/** Without credit: what comes of it is the answer to the frames alone. */
const wantOf = (log: SiteLog, want: Partial<WantFrame> = {}): WantFrame => ({
  ...{ kind: 'want', origin: log.head().site, epoch: 0, after: 0, treeEdge: [], creditBytes: 0 },
  ...want,
});

test('who asks for what lies beyond the end that was offered is answered AHEAD', async () => {
  const log = await newLog();
  const { code } = await converse(log, { afterHello: [wantOf(log, { epoch: 1, after: 7 })] });
  assert.is(code, 'AHEAD');
  const beyond = await converse(log, { afterHello: [wantOf(log, { epoch: 2 })] });
  assert.is(beyond.code, 'AHEAD');
});

test('who holds another history than the log is answered FORK', async () => {
  const log = await newLog();
  const treeEdge = [new Uint8Array(32).fill(7)];
  const { code, detail } = await converse(log, {
    afterHello: [wantOf(log, { epoch: 1, after: 4, treeEdge })],
  });
  assert.is(code, 'FORK');
  assert.match(detail, '1/4');
});

test('frames out of turn and edges that cannot be are answered PROTOCOL_VIOLATION', async () => {
  const log = await newLog();
  const { site } = log.head();
  const want = wantOf(log);
  const nothing = { creditBytes: 0, checkpoint: null, top: null };
  const conversations: readonly (readonly ParentFrame[])[] = [
    [want, want],
    [wantOf(log, { origin: newSiteId() })],
    [wantOf(log, { epoch: 1, after: 4, treeEdge: [] })],
    [{ kind: 'ack', origin: newSiteId(), upTo: null, ...nothing }],
    [want, { kind: 'ack', origin: site, upTo: { epoch: 1, position: 3 }, ...nothing }],
    [{ kind: 'history', events: null, checkpoint: null, epochCheckpoint: null }],
  ];
  for (const [index, afterHello] of conversations.entries()) {
    assert.is((await converse(log, { afterHello })).code, 'PROTOCOL_VIOLATION', `conversation ${index}`);
  }
});

test('the credit that came with a log which cannot be handed on serves the others', async () => {
  const log = await newLog();
  const { site, epoch, size: position } = log.head();
  const below = newMemoryLog(newSiteId());
  const origin = below.head().site;
  const stopping = new AbortController();
  const ack = { kind: 'ack', origin: site, checkpoint: null, top: null } as const;
  const stream = new Stream(frame => {
    // As much as the events that there are take.
    if (frame.kind === 'hello') return [welcome, wantOf(log, { creditBytes: 3_000 })];
    if (frame.kind === 'batch') return [{ ...ack, upTo: { epoch, position }, creditBytes: 0 }];
    const want = { ...{ origin, epoch: 1, after: 9 }, creditBytes: 1_000_000 };
    return frame.kind === 'offer' ? [wantOf(below, want)] : [];
  });
  const relayed: RelayedLogs = {
    async *follow() {
      yield { origin, log: offerOwnLog(below, signerOf(origin), sha256) };
    },
  };
  const ended = runChildSession({ ...optionsOf(log, stream), relayed }, stopping.signal);
  const sent = (kind: ChildFrame['kind']) => stream.sent.filter(frame => frame.kind === kind).length;
  await until(() => sent('refused') === 1, 'AHEAD');
  const batches = sent('batch');
  await fill(log, 5, { byteLength: 1_000 });
  await until(() => sent('batch') > batches, 'what is new of the own log');
  stopping.abort();
  await ended;
});

test('wishes that do not follow the last one are answered GAP, those of another log BAD_HASH', async () => {
  const log = await newLog();
  const wishesIn = async (site: typeof parent) => {
    const theirs = newMemoryLog(site);
    const stream = `wishes-${log.head().site}`;
    await fill(theirs, 3, { stream });
    const wishes = await theirs.readStream({ stream, afterRevision: null, limit: 10 });
    return wishes.slice(1);
  };
  const answered = async (site: typeof parent) => {
    const wishes = packWishes(await wishesIn(site), { fromStart: false, mayCompress: false });
    const { code, detail } = await converse(log, { afterHello: [wantOf(log)], wishes });
    assert.match(detail, /^WISHES_NOT_IN_ORDER: /);
    return code;
  };
  assert.is(await answered(parent), 'GAP');
  assert.is(await answered(newSiteId()), 'BAD_HASH');
});

/** What a parent that says that it holds more gives back: with a checkpoint of anybody, or none. */
const historyWith = (checkpoint: string | null): ParentFrame => ({
  ...{ kind: 'history', events: null, epochCheckpoint: null, checkpoint },
});

test('history that this site has not signed is refused by name, and nothing of it is taken', async () => {
  const log = await newLog();
  const { site } = log.head();
  const ahead = { kind: 'refused', code: 'AHEAD', detail: 'more is held', origin: site } as const;
  const forged = signCheckpoint(log.head(), signerOf(newSiteId()), sha256);
  for (const checkpoint of [forged, null]) {
    const stream = new Stream(({ kind }) => {
      if (kind === 'hello') return [welcome, { ...ahead, held: { epoch: 1, position: 99 } }];
      return kind === 'wantHistory' ? [historyWith(checkpoint)] : [];
    });
    const take = async () => assert.unreachable();
    const options = { ...optionsOf(log, stream), lostHistory: { isWanted: () => true, take } };
    const { refusal } = await runChildSession(options, AbortSignal.timeout(10_000));
    assert.is(refusal?.code, 'BAD_SIGNATURE');
    assert.match(refusal!.detail, /^HISTORY_NOT_OURS: /);
  }
});

test('history of a log below that its site has not signed is named, while the other logs go on', async () => {
  const log = await newLog();
  const { site, epoch, size: position } = log.head();
  const below = newMemoryLog(newSiteId());
  const origin = below.head().site;
  const ahead = { kind: 'refused', code: 'AHEAD', detail: 'more is held', origin } as const;
  const stopping = new AbortController();
  const stream = new Stream(frame => {
    if (frame.kind === 'hello') return [welcome, wantOf(log, { creditBytes: 1_000_000 })];
    const ack = { kind: 'ack', origin: site, checkpoint: null, top: null, creditBytes: 0 } as const;
    if (frame.kind === 'batch') return [{ ...ack, upTo: { epoch, position } }];
    if (frame.kind === 'offer') return [{ ...ahead, held: { epoch: 1, position: 99 } }];
    return frame.kind === 'wantHistory'
      ? [historyWith(signCheckpoint(below.head(), signerOf(site), sha256))]
      : [];
  });
  const lines: string[] = [];
  const logger = pino({ level: 'error' }, { write: (line: string) => void lines.push(line) });
  const { publicKey } = signerOf(origin);
  const relayed: RelayedLogs = {
    async *follow() {
      yield { origin, log: offerOwnLog(below, signerOf(origin), sha256) };
    },
    takeBack: async (_origin, holder) => {
      await findLostHistory({ site: origin, log: below, publicKey, verify: verifyNote, sha256, holder });
      return 'EXTENDED';
    },
  };
  const ended = runChildSession({ ...optionsOf(log, stream), relayed, logger }, stopping.signal);
  await until(() => lines.some(line => line.includes('HISTORY_NOT_OURS: ')), 'that it is named');
  const batches = () => stream.sent.filter(({ kind }) => kind === 'batch').length;
  const before = batches();
  await fill(log, 5);
  await until(() => batches() > before, 'what is new of the own log');
  stopping.abort();
  assert.is((await ended).refusal, null);
});

test('who says that he holds another history, and has nothing that the log lacks, does not have its end recorded anew', async () => {
  const log = newMemoryLog(newSiteId());
  const { site } = log.head();
  await fill(log, 3);
  const checkpoint = signCheckpoint(log.head(), signerOf(site), sha256);
  const held = { epoch: 1, position: log.head().size };
  await fill(log, 2);
  for (const code of ['FORK', 'AHEAD'] as const) {
    const taken: PulledHistory[] = [];
    const stream: Stream = new Stream(frame => {
      if (frame.kind === 'hello')
        return [welcome, { kind: 'refused', code, detail: 'so', origin: site, held }];
      if (frame.kind === 'wantHistory') {
        void log.read({ after: frame.after, limit: 1 }).then(([event]) => {
          const isHeld = event !== undefined && event.position <= held.position;
          const { epoch = 1, position: firstPosition = 1 } = event ?? {};
          const events = isHeld ? { epoch, firstPosition, ...packEvents([event], false) } : null;
          stream.say({ kind: 'history', events, checkpoint, epochCheckpoint: null });
        });
      }
      return [];
    });
    const lostHistory = {
      isWanted: () => true,
      take: async (history: PulledHistory) => void taken.push(history),
    };
    const end = await runChildSession(
      { ...optionsOf(log, stream), lostHistory },
      AbortSignal.timeout(10_000),
    );
    assert.equal(taken, []);
    assert.is(end.refusal?.code, code, end.reason);
    assert.match(end.reason, 'nothing that this log has lost');
  }
});

test('a relayed log that the parent refuses again and again is offered once more, not as often, and less and less', async () => {
  const log = await newLog();
  const { site, epoch, size: position } = log.head();
  const below = newMemoryLog(newSiteId());
  const origin = below.head().site;
  const refused: ParentFrame = {
    kind: 'refused',
    code: 'UNAVAILABLE',
    detail: 'not now',
    origin,
    held: null,
  };
  const stopping = new AbortController();
  const stream = new Stream(frame => {
    if (frame.kind === 'hello') return [welcome, wantOf(log, { creditBytes: 1_000_000 })];
    if (frame.kind === 'batch') {
      const upTo = { epoch, position };
      return [{ kind: 'ack', origin: site, upTo, creditBytes: 0, checkpoint: null, top: null }];
    }
    return frame.kind === 'offer' ? [refused, refused, refused] : [];
  });
  const offers = () => stream.sent.filter(({ kind }) => kind === 'offer').length;
  /** What is to be done later than a dial may take is done when it is asked for. */
  const later: { readonly ms: number; readonly task: () => void }[] = [];
  const options = { ...optionsOf(log, stream), random: () => 1 };
  const timers: Timers = {
    ...processTimers,
    after: (ms, task) => {
      if (ms <= options.dialTimeoutMs) return processTimers.after(ms, task);
      later.push({ ms, task });
      return () => undefined;
    },
  };
  const relayed: RelayedLogs = {
    async *follow() {
      yield { origin, log: offerOwnLog(below, signerOf(origin), sha256) };
    },
  };
  const ended = runChildSession({ ...options, timers, relayed }, stopping.signal);
  const waitsMs: number[] = [];
  for (let round = 1; round <= 6; round += 1) {
    await until(() => offers() === round && later.length > 0, `offer ${round}`);
    await new Promise(resolve => setImmediate(resolve));
    assert.is(later.length, 1, `round ${round}`);
    const { ms, task } = later.pop()!;
    waitsMs.push(ms);
    task();
  }
  assert.equal(waitsMs, [5_000, 10_000, 20_000, 40_000, 60_000, 60_000]);
  stopping.abort();
  await ended;
});

test.run();
