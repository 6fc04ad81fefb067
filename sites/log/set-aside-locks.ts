import path from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  decodeHeader,
  type EvidenceLock,
  evidenceLockDecider,
  isEvidenceLockActive,
  type ProtectedSpan,
  readEventData,
} from '@holdfast/core';
import type { EvidenceLockId, SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import { scanPages } from './page-scan.js';
import { rowsPastDamage } from './readable-rows.js';
import { setAsideLogsOf } from './salvage-site-log.js';
import { openReadable } from './salvaged-log-file.js';
import { EVENT_COLUMNS, type EventRow, examineRow } from './site-log-row.js';

type HeldLock = NonNullable<EvidenceLock>;

export class SetAsideLocksUnknownError extends Error {
  override readonly name = 'SetAsideLocksUnknownError';
  readonly code = 'EVIDENCE_LOCKS_UNKNOWN';
}

/** What the evidence locks in damaged logs protect that were set aside: the log that was begun in their place does not know them. */
export class SetAsideLocks {
  readonly #files: readonly string[];
  readonly #site: SiteId;
  readonly #logger: Logger;
  #locks: readonly HeldLock[] | null;

  constructor({
    file,
    site,
    logger,
  }: { readonly file: string; readonly site: SiteId; readonly logger: Logger }) {
    this.#files = setAsideLogsOf(file).map(folder => path.join(folder, path.basename(file)));
    this.#site = site;
    this.#logger = logger;
    this.#locks = this.#files.length === 0 ? [] : null;
  }

  /** Throws `SetAsideLocksUnknownError` until they were read: then nothing may be deleted. */
  spans(nowMs: number): readonly ProtectedSpan[] {
    if (this.#locks === null) {
      throw new SetAsideLocksUnknownError('the locks in the damaged log that was set aside are being read');
    }
    return this.#locks
      .filter(lock => isEvidenceLockActive(lock, nowMs))
      .flatMap(({ deviceIds, fromMs, toMs }) => deviceIds.map(deviceId => ({ deviceId, fromMs, toMs })));
  }

  /** Reads them, in a thread of its own: it may take as long as the log is large. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#locks !== null) return;
    try {
      const found = await Promise.all(
        this.#files.map(file => readOffThread({ file, site: this.#site }, signal)),
      );
      if (signal.aborted) return;
      this.#locks = found.flat();
      this.#logger.warn({ count: this.#locks.length }, 'the locks in the damaged log are kept');
    } catch (error) {
      if (signal.aborted) return;
      this.#logger.error({ err: error }, 'the locks in the damaged log cannot be read: nothing is deleted');
    }
  }
}

export interface DamagedLog {
  readonly file: string;
  readonly site: SiteId;
}

function readOffThread(log: DamagedLog, signal: AbortSignal): Promise<readonly HeldLock[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./set-aside-locks.worker.js', import.meta.url), {
      workerData: log,
      name: 'set-aside-locks',
    });
    signal.addEventListener('abort', () => void worker.terminate(), { once: true });
    worker.once('message', resolve);
    worker.once('error', reject);
    // Without an answer nothing is known, which is not that nothing is locked.
    worker.once('exit', code => reject(new Error(`the thread that reads them ended with code ${code}`)));
  });
}

/** Locks that were not released, as far as what is said of them can be read. */
export function readableLocks({ file, site }: DamagedLog): readonly HeldLock[] {
  const locks = new Map<EvidenceLockId, HeldLock>();
  for (const row of lockRows(file, site)) {
    const event = readEventData({ ...decodeHeader(row.header), data: row.data });
    if (event instanceof Error) continue;
    switch (event.type) {
      case 'EvidenceLockCreated':
      case 'EvidenceLockExtended':
      case 'EvidenceLockReleased': {
        const { evidenceLockId } = event.data;
        const lock = evidenceLockDecider.evolve(locks.get(evidenceLockId) ?? null, event);
        if (lock !== null) locks.set(evidenceLockId, lock);
      }
    }
  }
  return [...locks.values()].filter(({ released }) => !released);
}

/** In their order. */
function lockRows(file: string, site: SiteId): readonly EventRow[] {
  const isOfLock = ({ stream }: EventRow) =>
    typeof stream === 'string' && stream.startsWith('evidence-lock-');
  const isWhole = (row: EventRow) => examineRow(row, site).damages.length === 0;
  const rows = new Map<number, EventRow>();
  using db = openReadable(file);
  for (const table of db === null ? [] : ['carried_event', 'event']) {
    const statement = db!.prepare(`SELECT ${EVENT_COLUMNS} FROM ${table} WHERE key >= ? + 1 ORDER BY key`);
    for (const found of rowsPastDamage(statement, 'key')) {
      const row = found as unknown as EventRow;
      if (isOfLock(row) && isWhole(row)) rows.set(row.key, row);
    }
  }
  for (const row of scanPages(file, site)) if (isOfLock(row) && !rows.has(row.key)) rows.set(row.key, row);
  return [...rows.values()].sort((left, right) => left.key - right.key);
}
