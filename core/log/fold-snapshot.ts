import { comparePlaces, endOf, LOG_START, type LogPlace, placeOf } from './log-place.js';
import { equalBytes } from './merkle-tree.js';
import type { RecordedEvent, SiteLog } from './site-log.js';

/** Events after which a fold is kept anew: after a kill so many are folded again, which takes a fifth of a second. */
export const FOLD_EVENTS_MAX = 10_000;

const READ_PAGE_EVENTS = 1000;

/**
 * The state of a fold as of a place in a log. It may be dropped at any time: folding again gives the same, also over a beginning
 * that was truncated, because what folds need is carried over the cut.
 */
export interface FoldSnapshot {
  readonly place: LogPlace;
  /** Of the event at that place: in a log with another history it is another. */
  readonly leafHash: Uint8Array;
  /** As `encodeFold` gives it. */
  readonly state: string;
}

/** Where a process keeps snapshots of its folds between two runs. Neither call throws: a snapshot is never needed. */
export interface FoldStore {
  load(name: string): Promise<FoldSnapshot | null>;
  save(name: string, snapshot: FoldSnapshot): Promise<void>;
}

/** Keeps nothing: whoever starts folds its log from the first event on. */
export const noFoldStore: FoldStore = { load: async () => null, save: async () => {} };

/** What is made of a log, event by event. */
export interface LogFold {
  readonly fold: (recorded: RecordedEvent) => void;
  readonly state: () => object;
  /** Types that the fold does nothing with; most of a log is such, and a log that can leave them out spares their reading. */
  readonly without: readonly string[];
}

/** Keeps the snapshot of one fold of one log: where to begin, and when to save anew. */
export class FoldKeeper {
  readonly #options: { readonly log: SiteLog; readonly store: FoldStore; readonly name: string };
  #place = LOG_START;
  #leafHash: Uint8Array | null = null;
  #unsavedCount = 0;
  #saving: Promise<void> | null = null;

  constructor(options: { readonly log: SiteLog; readonly store: FoldStore; readonly name: string }) {
    this.#options = options;
  }

  /** Where the fold stands: the place of the last event that passed. */
  get place(): LogPlace {
    return this.#place;
  }

  /** The state to go on from, or null: then everything has to be folded. */
  async restore<State>(): Promise<State | null> {
    const { log, store, name } = this.#options;
    const snapshot = await store.load(name);
    if (snapshot === null || !(await isInLog(log, snapshot))) return null;
    const state = decodeFold<State>(snapshot.state);
    this.#place = snapshot.place;
    this.#leafHash = snapshot.leafHash;
    return state;
  }

  /** Folds everything that the log holds behind the place where the fold stands, and saves now and then. */
  async readOn({ fold, state, without }: LogFold): Promise<void> {
    const { log } = this.#options;
    const end = endOf(log.head());
    for (;;) {
      const page = await log.read({ after: this.#place, limit: READ_PAGE_EVENTS, without, carried: true });
      for (const recorded of page) {
        fold(recorded);
        this.passed(recorded);
      }
      this.saveSometimes(state);
      if (page.length === 0) break;
    }
    if (end.position === 0 || comparePlaces(this.#place, end) >= 0) return;
    // What was left out has passed too: it is not looked at again.
    const before = { epoch: end.epoch, position: end.position - 1 };
    const [last] = await log.read({ after: before, limit: 1, carried: true });
    if (last === undefined) return;
    this.#unsavedCount += Math.max(
      0,
      end.position - (this.#place.epoch === end.epoch ? this.#place.position : 0),
    );
    this.passed(last);
    this.saveSometimes(state);
  }

  /** To be told of every event, after it was folded. */
  passed(recorded: RecordedEvent): void {
    this.#place = placeOf(recorded);
    this.#leafHash = recorded.leafHash;
    this.#unsavedCount += 1;
  }

  /** The state as of where the fold stands; null when it has folded nothing. */
  snapshotOf(state: object): FoldSnapshot | null {
    if (this.#leafHash === null) return null;
    return { place: this.#place, leafHash: this.#leafHash, state: encodeFold(state) };
  }

  /** Saves when so much has passed that it is worth it; the state is read at once and written while the fold goes on. */
  saveSometimes(state: () => object): void {
    if (this.#unsavedCount >= FOLD_EVENTS_MAX && this.#saving === null) void this.save(state());
  }

  async save(state: object): Promise<void> {
    if (this.#saving !== null) await this.#saving;
    const snapshot = this.#unsavedCount === 0 ? null : this.snapshotOf(state);
    if (snapshot === null) return;
    this.#unsavedCount = 0;
    const { store, name } = this.#options;
    this.#saving = store.save(name, snapshot).finally(() => {
      this.#saving = null;
    });
    await this.#saving;
  }
}

/** A snapshot as of an event that truncation has removed is given up: what was carried over the cut is folded in no time. */
async function isInLog(log: SiteLog, { place, leafHash }: FoldSnapshot): Promise<boolean> {
  const before = { epoch: place.epoch, position: place.position - 1 };
  const [event] = await log.read({ after: before, limit: 1, carried: true });
  return event !== undefined && comparePlaces(event, place) === 0 && equalBytes(event.leafHash, leafHash);
}

/** The state of a fold as JSON, with its maps and sets. */
export function encodeFold(state: object): string {
  return JSON.stringify(state, (_, value: unknown) => {
    if (value instanceof Map) return { $map: [...value] };
    if (value instanceof Set) return { $set: [...value] };
    return value;
  });
}

export function decodeFold<State>(encoded: string): State {
  return JSON.parse(encoded, (_, value: unknown) => {
    if (typeof value !== 'object' || value === null) return value;
    if ('$map' in value) return new Map(value.$map as readonly [unknown, unknown][]);
    if ('$set' in value) return new Set(value.$set as readonly unknown[]);
    return value;
  }) as State;
}
