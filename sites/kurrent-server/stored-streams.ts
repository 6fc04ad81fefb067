import path from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { makeFolder } from '@holdfast/interconnect';
import type {
  ProposedAppend,
  ReadDirection,
  ServedAppend,
  ServedEvent,
  ServedStreams,
} from './served-streams.js';

/** Events that a follower is given at once. */
const FOLLOW_EVENTS = 256;

const tables = `
  CREATE TABLE IF NOT EXISTS event (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    stream TEXT NOT NULL,
    revision INTEGER NOT NULL,
    type TEXT NOT NULL,
    content_type TEXT NOT NULL,
    metadata BLOB NOT NULL,
    data BLOB NOT NULL,
    created_ms INTEGER NOT NULL,
    UNIQUE (stream, revision)
  ) STRICT;
`;

/**
 * Streams of anybody's events in one SQLite file: what stands in for a server of EventStoreDB where none can be had. It
 * keeps to its rules as far as a log relies on them: an append is all or nothing, durable when it is answered, at exactly
 * the revision that it expects, and answered again when the same ids stand behind that revision already.
 */
export class StoredStreams implements ServedStreams, Disposable {
  readonly #db: DatabaseSync;
  readonly #now: () => number;
  readonly #insert: StatementSync;
  readonly #waking = new Set<() => void>();

  constructor(options: { readonly file: string; readonly now: () => number }) {
    makeFolder(path.dirname(path.resolve(options.file)));
    this.#db = new DatabaseSync(options.file);
    this.#db.exec('PRAGMA journal_mode = WAL');
    this.#db.exec('PRAGMA synchronous = FULL');
    this.#db.exec(tables);
    this.#now = options.now;
    this.#insert = this.#db.prepare(
      'INSERT INTO event (id, stream, revision, type, content_type, metadata, data, created_ms) ' +
        'VALUES (?, ?, ?, ?, ?, ?, ?, ?)',
    );
  }

  async readStream(options: {
    readonly stream: string;
    readonly from: number | null;
    readonly direction: ReadDirection;
    readonly limit: number;
  }): Promise<readonly ServedEvent[] | null> {
    const { stream, from, direction, limit } = options;
    const last = this.#lastRevisionOf(stream);
    if (last === null) return null;
    const [compare, order, start] = direction === 'FORWARDS' ? ['>=', 'ASC', 0] : ['<=', 'DESC', last];
    return this.#db
      .prepare(
        `SELECT * FROM event WHERE stream = ? AND revision ${compare} ? ORDER BY revision ${order} LIMIT ?`,
      )
      .all(stream, from ?? start!, limit)
      .map(servedEventOf);
  }

  async readAll(options: {
    readonly from: bigint | null;
    readonly direction: ReadDirection;
    readonly limit: number;
  }): Promise<readonly ServedEvent[]> {
    const { from, direction, limit } = options;
    const [compare, order] = direction === 'FORWARDS' ? ['>=', 'ASC'] : ['<=', 'DESC'];
    const start = direction === 'FORWARDS' ? 0n : await this.end();
    return this.#db
      .prepare(`SELECT * FROM event WHERE position ${compare} ? ORDER BY position ${order} LIMIT ?`)
      .all(from ?? start, limit)
      .map(servedEventOf);
  }

  async end(): Promise<bigint> {
    return BigInt(
      (this.#db.prepare('SELECT max(position) AS last FROM event').get()?.last as number | null) ?? 0,
    );
  }

  async *follow(after: bigint, signal: AbortSignal): AsyncGenerator<readonly ServedEvent[]> {
    let last = after;
    while (!signal.aborted) {
      const page = await this.readAll({ from: last + 1n, direction: 'FORWARDS', limit: FOLLOW_EVENTS });
      if (page.length === 0) {
        await this.#growth(signal);
        continue;
      }
      yield page;
      last = page.at(-1)!.position;
    }
  }

  async append({ stream, expected, events }: ProposedAppend): Promise<ServedAppend> {
    const actual = this.#lastRevisionOf(stream);
    const first = expected === 'none' ? 0 : typeof expected === 'number' ? expected + 1 : null;
    if (first !== null && first !== (actual ?? -1) + 1) {
      return this.#isWritten(stream, first, events)
        ? { appended: true, revision: first + events.length - 1, position: await this.end() }
        : { appended: false, actual };
    }
    if (expected === 'exists' && actual === null) return { appended: false, actual };
    let revision = actual ?? -1;
    this.#db.exec('BEGIN IMMEDIATE');
    try {
      for (const { id, type, contentType, metadata, data } of events) {
        revision += 1;
        this.#insert.run(id, stream, revision, type, contentType, metadata, data, Math.floor(this.#now()));
      }
      this.#db.exec('COMMIT');
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK');
      throw error;
    }
    for (const wake of [...this.#waking]) wake();
    return { appended: true, revision, position: await this.end() };
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #isWritten(stream: string, first: number, events: ProposedAppend['events']): boolean {
    const ids = this.#db
      .prepare('SELECT id FROM event WHERE stream = ? AND revision >= ? ORDER BY revision LIMIT ?')
      .all(stream, first, events.length);
    return ids.length === events.length && ids.every(({ id }, index) => id === events[index]!.id);
  }

  #lastRevisionOf(stream: string): number | null {
    const row = this.#db.prepare('SELECT max(revision) AS last FROM event WHERE stream = ?').get(stream);
    return (row?.last as number | null | undefined) ?? null;
  }

  #growth(signal: AbortSignal): Promise<void> {
    return new Promise(resolve => {
      const wake = () => {
        this.#waking.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waking.add(wake);
      signal.addEventListener('abort', wake, { once: true });
    });
  }
}

function servedEventOf(row: Record<string, unknown>): ServedEvent {
  return {
    id: row.id as string,
    stream: row.stream as string,
    revision: row.revision as number,
    position: BigInt(row.position as number),
    type: row.type as string,
    contentType: row.content_type as string,
    metadata: row.metadata as Uint8Array,
    data: row.data as Uint8Array,
    createdMs: row.created_ms as number,
  };
}
