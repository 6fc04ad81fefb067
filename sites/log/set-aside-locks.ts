import path from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  type EvidenceLock,
  evidenceLockDecider,
  isEvidenceLockActive,
  type ProtectedSpan,
  readEventData,
} from '@holdfast/core';
import type { EvidenceLockEvent, SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import { scanPages } from './page-scan.js';
import { rowsPastDamage } from './readable-rows.js';
import { setAsideLogsOf } from './salvage-site-log.js';
import { openReadable } from './salvaged-log-file.js';
import { EVENT_COLUMNS, type EventRow, examineRow } from './site-log-row.js';

type HeldLock = NonNullable<EvidenceLock>;

/** Of its name in the log; the rest is the id of the lock. */
const LOCK_STREAM = 'evidence-lock-';
/** Locks that a message names; behind so many the list is no help. */
const LOCKS_NAMED_MAX = 10;

export class SetAsideLocksUnknownError extends Error {
  override readonly name = 'SetAsideLocksUnknownError';
  readonly code = 'EVIDENCE_LOCKS_UNKNOWN';
}

export interface SetAsideLocksOptions {
  /** The site's log; beside its folder are those that were set aside. */
  readonly file: string;
  readonly site: SiteId;
  readonly logger: Logger;
  readonly alarm: (alarm: { readonly name: string; readonly message: string }) => void;
  /** Other than the real one for tests only. */
  readonly thread?: URL;
}

/** What the evidence locks in damaged logs protect that were set aside: the log that was begun in their place does not know them. */
export class SetAsideLocks {
  readonly #files: readonly string[];
  readonly #options: SetAsideLocksOptions;
  #locks: readonly HeldLock[] = [];
  /** Null: all is known. */
  #unknownBecause: string | null = null;

  constructor(options: SetAsideLocksOptions) {
    this.#options = options;
    this.#files = setAsideLogsOf(options.file).map(folder => path.join(folder, path.basename(options.file)));
    if (this.#files.length > 0)
      this.#unknownBecause = 'the locks in the damaged log that was set aside are being read';
  }

  /** Throws `SetAsideLocksUnknownError` until they were read, and where not all can be: then nothing may be deleted. */
  spans(nowMs: number): readonly ProtectedSpan[] {
    if (this.#unknownBecause !== null) throw new SetAsideLocksUnknownError(this.#unknownBecause);
    return this.#locks
      .filter(lock => isEvidenceLockActive(lock, nowMs))
      .flatMap(({ deviceIds, fromMs, toMs }) => deviceIds.map(deviceId => ({ deviceId, fromMs, toMs })));
  }

  /** Reads them, in a thread of its own: it may take as long as the log is large. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#files.length === 0) return;
    const { site, logger, thread = new URL('./set-aside-locks.worker.js', import.meta.url) } = this.#options;
    try {
      const found = await Promise.all(
        this.#files.map(file => readOffThread({ file, site }, { thread, signal })),
      );
      if (signal.aborted) return;
      this.#locks = found.flatMap(({ locks }) => locks);
      const unknown = found.flatMap(({ unknown }) => unknown);
      if (unknown.length > 0) return this.#leaveUnknown(unknownInWords(unknown));
      this.#unknownBecause = null;
      logger.warn({ count: this.#locks.length }, 'the locks in the damaged log are kept');
    } catch (error) {
      if (signal.aborted) return;
      logger.error({ err: error }, 'the locks in the damaged log cannot be read');
      this.#leaveUnknown(error instanceof Error ? error.message : String(error));
    }
  }

  #leaveUnknown(why: string): void {
    this.#unknownBecause = `the locks in the damaged log that was set aside cannot all be read: ${why}`;
    const message = `Nothing is deleted here until they can: ${this.#unknownBecause}. Make room on the disk of the log, so that it is salvaged.`;
    this.#options.logger.error(message);
    this.#options.alarm({ name: 'Evidence locks cannot be read', message });
  }
}

export interface DamagedLog {
  readonly file: string;
  readonly site: SiteId;
}

export interface ReadableLocks {
  /** That were not released. Where something else is said of one that cannot be read, of its devices all is locked. */
  readonly locks: readonly HeldLock[];
  /** Of which not even the devices can be read: anything may be locked. */
  readonly unknown: readonly UnknownLock[];
}

interface UnknownLock {
  readonly evidenceLockId: string;
  readonly detail: string;
}

function unknownInWords(unknown: readonly UnknownLock[]): string {
  const named = unknown
    .slice(0, LOCKS_NAMED_MAX)
    .map(({ evidenceLockId, detail }) => `${evidenceLockId} (${detail})`);
  return `evidence lock ${named.join(', ')}${unknown.length > LOCKS_NAMED_MAX ? ', …' : ''}`;
}

function readOffThread(
  log: DamagedLog,
  { thread, signal }: { readonly thread: URL; readonly signal: AbortSignal },
): Promise<ReadableLocks> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(thread, { workerData: log, name: 'set-aside-locks' });
    signal.addEventListener('abort', () => void worker.terminate(), { once: true });
    worker.once('message', resolve);
    worker.once('error', reject);
    // Without an answer nothing is known, which is not that nothing is locked.
    worker.once('exit', code => reject(new Error(`the thread that reads them ended with code ${code}`)));
  });
}

/** As far as what is said of them can be read. */
export function readableLocks({ file, site }: DamagedLog): ReadableLocks {
  const locks = new Map<string, HeldLock>();
  const doubts = new Map<string, string>();
  for (const row of lockRows(file, site)) {
    const id = row.stream.slice(LOCK_STREAM.length);
    const event = lockEventIn(row, site);
    const lock = event instanceof Error ? null : evidenceLockDecider.evolve(locks.get(id) ?? null, event);
    if (lock !== null) locks.set(id, lock);
    if (event instanceof Error) doubts.set(id, event.message);
    else if (event.type === 'EvidenceLockReleased') doubts.delete(id);
    else if (lock === null) doubts.set(id, 'that it was created is not there');
  }
  for (const id of doubts.keys()) {
    const lock = locks.get(id);
    if (lock) locks.set(id, { ...lock, ...ALL_FOR_EVER });
  }
  return {
    locks: [...locks.values()].filter(({ released }) => !released),
    unknown: [...doubts]
      .filter(([id]) => !locks.has(id))
      .map(([evidenceLockId, detail]) => ({ evidenceLockId, detail })),
  };
}

const ALL_FOR_EVER = {
  ...{ fromMs: 0, toMs: Number.MAX_SAFE_INTEGER },
  ...{ expiresAtMs: null, released: false },
} as const;

/** An error: what it says is not known. */
function lockEventIn(row: EventRow, site: SiteId): EvidenceLockEvent | Error {
  const { header, damages } = examineRow(row, site);
  if (header === null || damages.length > 0) {
    return new Error(damages.map(({ code, detail }) => `${code}: ${detail}`).join('; '));
  }
  const event = readEventData({ ...header, data: row.data });
  if (event instanceof Error) return event;
  switch (event.type) {
    case 'EvidenceLockCreated':
    case 'EvidenceLockExtended':
    case 'EvidenceLockReleased':
      return event;
    default:
      return new Error(`a ${event.type} is said of it`);
  }
}

/** In their order. What is damaged counts where nothing whole is found in its place. */
function lockRows(file: string, site: SiteId): readonly EventRow[] {
  const isOfLock = ({ stream }: EventRow) => typeof stream === 'string' && stream.startsWith(LOCK_STREAM);
  const rows = new Map<number, EventRow>();
  const damaged = new Map<number, EventRow>();
  using db = openReadable(file);
  for (const table of db === null ? [] : ['carried_event', 'event']) {
    const statement = db!.prepare(`SELECT ${EVENT_COLUMNS} FROM ${table} WHERE key >= ? + 1 ORDER BY key`);
    for (const found of rowsPastDamage(statement, 'key')) {
      const row = found as unknown as EventRow;
      const isWhole = examineRow(row, site).damages.length === 0;
      if (isOfLock(row)) (isWhole ? rows : damaged).set(row.key, row);
    }
  }
  for (const row of scanPages(file, site)) if (isOfLock(row) && !rows.has(row.key)) rows.set(row.key, row);
  for (const [key, row] of damaged) if (!rows.has(key)) rows.set(key, row);
  return [...rows.values()].sort((left, right) => left.key - right.key);
}
