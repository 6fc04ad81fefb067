import { type KeyObject, randomUUID } from 'node:crypto';
import {
  CheckpointError,
  type EpochTree,
  epochOpening,
  extendEdge,
  HistoryProof,
  HistoryUnprovenError,
  LOG_START,
  LOG_STREAM,
  type LogPlace,
  type NewEvent,
  openCheckpoint,
  type PulledHistory,
  placeOf,
  READ_BYTES_MAX,
  type RecordedEvent,
  type ReopenRefusal,
  rootOf,
  SUBSCRIPTION_PAGE_EVENTS,
  TailAccount,
} from '@holdfast/core';
import { rawPublicKey, verifyNote } from '../ed25519-notes.js';
import { sha256 } from '../sha256.js';
import { GROUP_BYTES_MAX, GROUP_EVENTS_MAX, KurrentAppendGroup } from './kurrent-append-group.js';
import type { KurrentConnection } from './kurrent-connection.js';
import { KurrentLogError } from './kurrent-log-error.js';
import type { KurrentLogIndex } from './kurrent-log-index.js';
import { catalogueStreamOf, KurrentLogStreams, logNameOf } from './kurrent-log-streams.js';
import { type PatienceOptions, untilAnswered } from './patience.js';
import { storeEvents } from './store-events.js';

export interface ReopenOptions {
  readonly connection: KurrentConnection;
  /** Of the log as it is. Nobody appends to it. */
  readonly streams: KurrentLogStreams;
  readonly index: KurrentLogIndex;
  readonly history: PulledHistory;
  readonly nowMs: number;
  readonly signingKey: KeyObject;
  readonly patience: PatienceOptions;
  /** An empty index for the log in these streams. */
  readonly openIndex: (catalogue: readonly string[]) => KurrentLogIndex;
}

/**
 * Carries out `ReopenableLog.reopenAs`. No stream of the server can be given another tail, so every epoch from the common
 * place on is written anew under new names; naming them in the catalogue, one append, is what makes them the log.
 * Until then nothing has changed, and what a kill leaves behind is in streams that nobody reads.
 */
export async function reopenKurrentLog(options: ReopenOptions): Promise<ReopenRefusal | null> {
  const { connection, streams, index, history, openIndex } = options;
  const { common } = history;
  const held = index.sizeOf(common.epoch);
  if (common.position > held) {
    const detail = `this log has ${held} events of epoch ${common.epoch}, ${common.position} are said to be common`;
    return { code: 'COMMON_NOT_HELD', detail };
  }
  const suffix = randomUUID().slice(0, 8);
  const kept = streams.epochs.slice(0, Math.max(0, common.epoch - 1));
  const name = (epoch: number) => kept[epoch - 1] ?? `${logNameOf(streams.site)}-${epoch}-${suffix}`;
  try {
    const signed = signedHeadOf(options);
    const catalogue = Array.from({ length: signed.epoch + 1 }, (_, at) => name(at + 1));
    using next = openIndex(catalogue);
    const target = new KurrentLogStreams(connection, streams.site, catalogue);
    await new Reopening(options, target, next, kept.length).run(signed);
    await commit(options, catalogue);
    return null;
  } catch (error) {
    if (!(error instanceof HistoryUnprovenError || error instanceof CheckpointError)) throw error;
    return { code: 'HISTORY_UNPROVEN', detail: error.message };
  }
}

function signedHeadOf({ history, signingKey }: ReopenOptions) {
  return openCheckpoint(
    history.checkpoint.note,
    { publicKey: rawPublicKey(signingKey), verify: verifyNote },
    sha256,
  );
}

/** Writes the log that is to be: what is common, what was pulled, and the tail again in an epoch of its own. */
class Reopening {
  readonly #options: ReopenOptions;
  readonly #target: KurrentLogStreams;
  readonly #next: KurrentLogIndex;
  /** Epochs up to this one stay in their streams. */
  readonly #keptEpoch: number;
  #pending: RecordedEvent[] = [];
  #pendingByteLength = 0;

  constructor(options: ReopenOptions, target: KurrentLogStreams, next: KurrentLogIndex, keptEpoch: number) {
    this.#options = options;
    this.#target = target;
    this.#next = next;
    this.#keptEpoch = keptEpoch;
  }

  async run(signed: ReturnType<typeof signedHeadOf>): Promise<void> {
    const { history, streams, nowMs } = this.#options;
    const { site } = streams;
    const { common } = history;
    let tree: EpochTree = { epoch: 0, size: 0, edge: [] };
    let recordedAt = 0n;
    for await (const event of this.#held(LOG_START, common)) {
      if (event.epoch !== tree.epoch) tree = { epoch: event.epoch, size: 0, edge: [] };
      const edge = extendEdge(tree.edge, tree.size, [event.leafHash], sha256);
      tree = { epoch: event.epoch, size: event.position, edge };
      ({ recordedAt } = event);
      await this.#take(event);
    }
    const proof = new HistoryProof({ site, common: tree, recordedAt, sha256 });
    for await (const batch of history.events) {
      for (const event of batch) await this.#take(proof.take(event));
    }
    const sealed = proof.finish(signed).at(-1)!;
    await this.#flush();
    const { epoch, size, edge } = sealed;
    const context = { site, nowMs, sha256 };
    const opening = epochOpening({ epoch, size, root: rootOf(edge, size, sha256) }, history.reason, context);
    this.#next.openEpoch();
    const account = new TailAccount();
    await this.#recordAll([[LOG_STREAM, opening]]);
    await this.#recordAgain(common, account);
    const recovered = account.recovered(common, proof, this.#next.end, context);
    await this.#recordAll([[LOG_STREAM, recovered]]);
  }

  async #recordAgain(common: LogPlace, account: TailAccount): Promise<void> {
    let facts: [string, NewEvent][] = [];
    for await (const event of this.#held(common, null)) {
      if (!account.takes(event, this.#next.find(event.id) !== null)) continue;
      facts.push([event.stream, event]);
      if (facts.length < GROUP_EVENTS_MAX) continue;
      await this.#recordAll(facts);
      facts = [];
    }
    await this.#recordAll(facts);
  }

  /** Events of the log as it is, behind a place and up to another one, inclusive. */
  async *#held(after: LogPlace, last: LogPlace | null): AsyncGenerator<RecordedEvent> {
    const { streams, index, patience } = this.#options;
    let place = after.epoch === 0 ? { epoch: 1, position: 0 } : after;
    for (; place.epoch <= (last?.epoch ?? index.end.epoch); place = { epoch: place.epoch + 1, position: 0 }) {
      const size = place.epoch === last?.epoch ? last.position : index.sizeOf(place.epoch);
      while (place.position < size) {
        const from = place;
        const count = Math.min(SUBSCRIPTION_PAGE_EVENTS, size - from.position);
        const page = await untilAnswered(
          streams.epoch(from.epoch),
          () => streams.page(from, { count, bytesMax: READ_BYTES_MAX }),
          { ...patience, patienceMs: Number.POSITIVE_INFINITY },
        );
        if (page.length === 0) {
          const detail = `position ${from.position + 1}, which was acknowledged, is not there any more`;
          throw new KurrentLogError('LOST_EVENTS', streams.epoch(from.epoch), detail);
        }
        yield* page;
        place = placeOf(page.at(-1)!);
      }
    }
  }

  /** An event that has its place already. */
  async #take(event: RecordedEvent): Promise<void> {
    if (this.#pending.length > 0 && this.#pending[0]!.epoch !== event.epoch) await this.#flush();
    this.#pending.push(event);
    this.#pendingByteLength += event.header.length + event.data.length;
    const isFull = this.#pending.length >= GROUP_EVENTS_MAX || this.#pendingByteLength >= GROUP_BYTES_MAX / 2;
    if (isFull) await this.#flush();
  }

  async #recordAll(facts: readonly (readonly [stream: string, event: NewEvent])[]): Promise<void> {
    let group = new KurrentAppendGroup(this.#next, this.#target.site);
    for (const [stream, event] of facts) {
      group.add([{ stream, expected: 'any', events: [event] }], this.#options.nowMs);
      if (group.byteLength < GROUP_BYTES_MAX / 2) continue;
      await this.#store(group.events);
      group = new KurrentAppendGroup(this.#next, this.#target.site);
    }
    await this.#store(group.events);
  }

  async #flush(): Promise<void> {
    await this.#store(this.#pending);
    this.#pending = [];
    this.#pendingByteLength = 0;
  }

  async #store(events: readonly RecordedEvent[]): Promise<void> {
    const [first] = events;
    if (first === undefined) return;
    if (first.epoch > this.#keptEpoch) {
      const at = { epoch: first.epoch, size: first.position - 1 };
      const { connection, patience } = this.#options;
      const stored = await storeEvents({ connection, streams: this.#target, patience }, at, events);
      if (stored.kind !== 'STORED') {
        throw new KurrentLogError('DENIED', this.#target.epoch(first.epoch), `not taken: ${stored.kind}`);
      }
    }
    this.#next.add(events);
  }
}

/** From here on the new streams are the log. */
function commit(
  { connection, streams, patience }: ReopenOptions,
  catalogue: readonly string[],
): Promise<void> {
  const stream = catalogueStreamOf(streams.site);
  const event = {
    ...{ id: randomUUID(), type: 'EpochStreamsNamed', revision: 0, metadata: new Uint8Array(0) },
    data: Buffer.from(JSON.stringify({ streams: catalogue })),
  };
  return untilAnswered(
    stream,
    async () => {
      const last = await connection.lastNote(stream);
      const named = (last?.data as { readonly streams?: readonly string[] } | null | undefined)?.streams;
      if (named?.join() === catalogue.join()) return;
      const answer = await connection.append(stream, [event], last?.size ?? 0);
      if (answer.kind === 'DENIED') throw new KurrentLogError('DENIED', stream, answer.detail);
      if (answer.kind !== 'APPENDED') throw new Error(`the catalogue was not taken: ${answer.kind}`);
    },
    { ...patience, patienceMs: Number.POSITIVE_INFINITY },
  );
}
