import { randomUUID } from 'node:crypto';
import {
  type AppendOutcome,
  READ_BYTES_MAX,
  SiteLogClosedError,
  type StreamAppend,
  SUBSCRIPTION_PAGE_EVENTS,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { SiteLogOverloadedError, WAITING_APPENDS_MAX, WAITING_BYTES_MAX } from '../writer-thread.js';
import { GROUP_BYTES_MAX, GROUP_EVENTS_MAX, KurrentAppendGroup } from './kurrent-append-group.js';
import type { KurrentConnection } from './kurrent-connection.js';
import { KurrentLogError } from './kurrent-log-error.js';
import type { KurrentLogIndex } from './kurrent-log-index.js';
import { type KurrentLogStreams, writersStreamOf } from './kurrent-log-streams.js';
import { type PatienceOptions, untilAnswered } from './patience.js';
import { storeEvents } from './store-events.js';

export interface KurrentLogWriterOptions {
  readonly connection: KurrentConnection;
  readonly streams: KurrentLogStreams;
  readonly index: KurrentLogIndex;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly patience: PatienceOptions;
  /** As `claimLog` gave it, once the server holds what this site knows of the log: nothing is written before. */
  readonly begun: Promise<string>;
  /** After every append that is durable and in the index. */
  readonly onGrown: () => void;
}

interface WaitingAppend {
  readonly appends: readonly StreamAppend[];
  readonly byteLength: number;
  readonly resolve: (outcome: AppendOutcome) => void;
  readonly reject: (error: unknown) => void;
}

type Answer =
  | { readonly outcome: AppendOutcome; readonly error?: undefined }
  | { readonly outcome?: undefined; readonly error: unknown };

/** From now on every other writer of this log is superseded. Throws what the client throws. */
export async function claimLog(connection: KurrentConnection, site: SiteId): Promise<string> {
  const writer = randomUUID();
  await connection.note(writersStreamOf(site), 'WriterOpened', { writer });
  return writer;
}

/**
 * The one writer of a log on a server. What waits while a call is under way goes into the next one; the revision that each
 * call expects is the size of the log, so the server lets no two writers write the same place.
 */
export class KurrentLogWriter {
  readonly #options: KurrentLogWriterOptions;
  #waiting: WaitingAppend[] = [];
  #waitingByteLength = 0;
  #groupBytesMax = GROUP_BYTES_MAX;
  #pumping: Promise<void> | null = null;
  #failure: SiteLogClosedError | null = null;

  constructor(options: KurrentLogWriterOptions) {
    this.#options = options;
    options.begun.catch(error => this.#failFor(error));
  }

  /** Why nothing is written any more. */
  get failure(): SiteLogClosedError | null {
    return this.#failure;
  }

  /** Reads into the index what the server has beyond it. */
  async catchUp(): Promise<void> {
    const { streams, index, onGrown } = this.#options;
    for (;;) {
      const { epoch, size } = index.end;
      const limits = { count: SUBSCRIPTION_PAGE_EVENTS, bytesMax: READ_BYTES_MAX };
      let page = await streams.page({ epoch, position: size }, limits);
      if (page.length === 0 && epoch < streams.epochs.length) {
        page = await streams.page({ epoch: epoch + 1, position: 0 }, limits);
      }
      if (page.length === 0) return;
      try {
        index.add(page);
      } catch (cause) {
        if (cause instanceof KurrentLogError) throw cause;
        const range = `positions ${page[0]!.position} to ${page.at(-1)!.position}`;
        throw new KurrentLogError('DAMAGED', streams.epoch(page[0]!.epoch), `${range} repeat what is there`, {
          cause,
        });
      }
      onGrown();
    }
  }

  /** Resolves when the server has it. Rejects with `EnvelopeError`, `SiteLogOverloadedError` or `SiteLogClosedError`. */
  append(appends: readonly StreamAppend[]): Promise<AppendOutcome> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== null) throw this.#failure;
      const byteLength = dataBytesOf(appends);
      this.#assertRoomToWait(byteLength);
      this.#waiting.push({ appends, byteLength, resolve, reject });
      this.#waitingByteLength += byteLength;
      // What is appended in the same turn goes into the same call.
      this.#pumping ??= Promise.resolve().then(() => this.#pump());
    });
  }

  /** Resolves when every append that was taken has its outcome. */
  async drain(): Promise<void> {
    await this.#pumping;
  }

  /** Everything that waits is rejected; whether the call under way was written is not known. */
  fail(failure: SiteLogClosedError): void {
    this.#failure ??= failure;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#failure);
    this.#waitingByteLength = 0;
  }

  async #pump(): Promise<void> {
    try {
      await this.#options.begun;
      while (this.#waiting.length > 0) await this.#writeNext();
    } catch (error) {
      this.#failFor(error);
    } finally {
      this.#pumping = null;
    }
  }

  #failFor(error: unknown): void {
    const reason = `the site log cannot be written: ${error instanceof Error ? error.message : error}`;
    this.fail(new SiteLogClosedError(reason, { cause: error }));
  }

  async #writeNext(): Promise<void> {
    const { index, onGrown } = this.#options;
    const { group, answers } = this.#plan();
    if (group.events.length > 0) {
      const stored = await storeEvents(this.#options, index.end, group.events);
      if (stored.kind === 'OVERTAKEN') return this.#catchUpPatiently();
      if (stored.kind === 'TOO_LARGE') {
        if (answers.length > 1) {
          this.#groupBytesMax = Math.min(stored.bytesMax, group.byteLength) / 2;
          return;
        }
        const refusal = { code: 'TOO_LARGE', bytes: group.byteLength, bytesMax: stored.bytesMax } as const;
        return this.#answer([{ outcome: { appended: false, refusal } }]);
      }
      index.add(group.events);
      onGrown();
    }
    this.#answer(answers);
  }

  /** The next call, from those that have waited longest. It leaves them waiting: it may have to be planned again. */
  #plan(): { readonly group: KurrentAppendGroup; readonly answers: readonly Answer[] } {
    const { index, streams, now } = this.#options;
    const group = new KurrentAppendGroup(index, streams.site);
    const answers: Answer[] = [];
    for (const { appends, byteLength } of this.#waiting) {
      if (answers.length > 0 && group.byteLength + byteLength > this.#groupBytesMax) break;
      if (group.events.length >= GROUP_EVENTS_MAX) break;
      try {
        answers.push({ outcome: group.add(appends, now()) });
      } catch (error) {
        // The index cannot be read: that is not for one caller, the log has failed.
        if (error instanceof KurrentLogError) throw error;
        answers.push({ error });
      }
    }
    return { group, answers };
  }

  #answer(answers: readonly Answer[]): void {
    // Fewer when the log was failed meanwhile: those have their answer.
    for (const [index, waiting] of this.#waiting.splice(0, answers.length).entries()) {
      this.#waitingByteLength -= waiting.byteLength;
      const answer = answers[index]!;
      if (answer.outcome === undefined) waiting.reject(answer.error);
      else waiting.resolve(answer.outcome);
    }
  }

  /** An append of this site's process before may arrive after its end; a process that came later is another matter. */
  async #assertNotSuperseded(): Promise<void> {
    const { connection, streams, begun } = this.#options;
    const writerId = await begun;
    const last = await connection.lastNote(streams.writers);
    if ((last?.data as { readonly writer?: unknown } | undefined)?.writer === writerId) return;
    throw new KurrentLogError('SUPERSEDED', streams.writers, 'another process has opened this log since');
  }

  #catchUpPatiently(): Promise<void> {
    const { streams, index, patience } = this.#options;
    const catchUp = async () => {
      await this.#assertNotSuperseded();
      await this.catchUp();
    };
    return untilAnswered(streams.epoch(index.end.epoch), catchUp, {
      ...patience,
      patienceMs: Number.POSITIVE_INFINITY,
    });
  }

  #assertRoomToWait(byteLength: number): void {
    if (
      this.#waiting.length < WAITING_APPENDS_MAX &&
      this.#waitingByteLength + byteLength <= WAITING_BYTES_MAX
    ) {
      return;
    }
    const waiting = `${this.#waiting.length} appends with ${this.#waitingByteLength} bytes wait for the server`;
    throw new SiteLogOverloadedError(`${waiting}; this one was not taken`);
  }
}

function dataBytesOf(appends: readonly StreamAppend[]): number {
  let byteLength = 0;
  for (const { events } of appends) for (const { data } of events) byteLength += data.length;
  return byteLength;
}
