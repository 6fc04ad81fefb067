import type { KeyObject } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import {
  CheckpointError,
  checkpointHead,
  equalBytes,
  extendEdge,
  type LogHead,
  openCheckpoint,
  rootOf,
  type TreeEdge,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { rawPublicKey, verifyNote } from './ed25519-notes.js';
import { sha256 } from './sha256.js';
import { assertSiteLogFile, readSiteLogState, SiteLogFileError, type SiteLogState } from './site-log-file.js';
import { openForReading } from './site-log-reader.js';
import { EVENT_COLUMNS, type EventRow, examineRow, type RowDamage } from './site-log-row.js';

/** Rows read at once: the file is proved page by page, whatever its size. */
const PAGE_EVENTS = 1000;
/** Damages that are named. Behind so many, the file is worthless, and the list no help. */
export const DAMAGES_NAMED_MAX = 1000;

export type SiteLogDamageCode =
  | RowDamage
  /** The file is no site log, or SQLite cannot read it. */
  | 'FILE_UNREADABLE'
  /** SQLite finds its own structure damaged. */
  | 'FILE_STRUCTURE'
  | 'EVENT_MISSING'
  /** There are events beyond the size that the log believes to have. */
  | 'EVENT_BEYOND_SIZE'
  /** `recordedAt` does not grow. */
  | 'CLOCK_RAN_BACK'
  | 'REVISION_MISSING'
  /** The stored tree edge is not that of the leaves. */
  | 'TREE_EDGE_MISMATCH'
  | 'CHECKPOINT_MALFORMED'
  | 'CHECKPOINT_OF_ANOTHER_LOG'
  | 'CHECKPOINT_SIGNATURE'
  /** A signed root is not that of the leaves: history up to its size was rewritten. */
  | 'CHECKPOINT_ROOT_MISMATCH'
  /** Events were signed that are not there any more. */
  | 'CHECKPOINT_BEYOND_END';

export interface SiteLogDamage {
  readonly code: SiteLogDamageCode;
  /** The event's position, a checkpoint's size, or null when it is about the file. */
  readonly position: number | null;
  readonly detail: string;
}

export interface SiteLogVerification {
  readonly file: string;
  /** What the leaves in the file amount to; null when some are not there. */
  readonly head: LogHead | null;
  readonly checkpointCount: number;
  /** The size of the largest checkpoint that was proved: up to here the site's signature stands behind the log. */
  readonly signedSize: number;
  /** Empty when everything is proved. At most `DAMAGES_NAMED_MAX`. */
  readonly damages: readonly SiteLogDamage[];
}

/**
 * Proves a log file: every leaf, every column against its header, dense positions and revisions, the tree, and every stored
 * checkpoint, with its signature when the site's public key is given. Reads only, and works beside a site that
 * writes the file: it proves what was committed when it began. Throws only when the signal is aborted.
 */
export async function verifySiteLog(options: {
  readonly file: string;
  /** The site's Ed25519 key, public or private; null to leave signatures unchecked. */
  readonly key: KeyObject | null;
  readonly signal?: AbortSignal;
}): Promise<SiteLogVerification> {
  const { file } = options;
  const damages = new DamageList();
  try {
    const db = openForReading(file);
    try {
      assertSiteLogFile(db, file);
      db.exec('BEGIN');
      const state = readSiteLogState(db, file);
      checkStructure(db, damages);
      const checkpoints = readCheckpoints(db, state, options.key, damages);
      const proved = await proveEvents(db, state, checkpoints, damages, options.signal);
      checkRevisions(db, damages);
      return {
        file,
        head: proved.head,
        checkpointCount: checkpoints.length,
        signedSize: proved.signedSize,
        damages: damages.named,
      };
    } finally {
      db.close();
    }
  } catch (error) {
    if (options.signal?.aborted || !isFileFault(error)) throw error;
    damages.add('FILE_UNREADABLE', null, error.message);
    return { file, head: null, checkpointCount: 0, signedSize: 0, damages: damages.named };
  }
}

class DamageList {
  readonly named: SiteLogDamage[] = [];

  add(code: SiteLogDamageCode, position: number | null, detail: string): void {
    if (this.named.length < DAMAGES_NAMED_MAX) this.named.push({ code, position, detail });
  }
}

interface StoredCheckpoint {
  readonly size: number;
  readonly root: Uint8Array;
}

function readCheckpoints(
  db: DatabaseSync,
  log: { readonly site: SiteId; readonly epoch: number },
  key: KeyObject | null,
  damages: DamageList,
): readonly StoredCheckpoint[] {
  const publicKey = key === null ? null : rawPublicKey(key);
  const checkpoints: StoredCheckpoint[] = [];
  for (const row of db.prepare('SELECT size, note FROM checkpoint ORDER BY size').all()) {
    const size = row.size as number;
    const note = row.note as string;
    let head: LogHead;
    try {
      head = checkpointHead(note);
      if (publicKey !== null) openCheckpoint(note, { publicKey, verify: verifyNote }, sha256);
    } catch (error) {
      if (!(error instanceof CheckpointError)) throw error;
      const isSignature = error.failure === 'BAD_SIGNATURE' || error.failure === 'NO_SIGNATURE_BY_KEY';
      damages.add(isSignature ? 'CHECKPOINT_SIGNATURE' : 'CHECKPOINT_MALFORMED', size, error.message);
      continue;
    }
    if (head.site !== log.site || head.epoch !== log.epoch || head.size !== size) {
      const of = `it is of ${head.site}, epoch ${head.epoch}, size ${head.size}`;
      damages.add('CHECKPOINT_OF_ANOTHER_LOG', size, of);
      continue;
    }
    checkpoints.push(head);
  }
  return checkpoints;
}

interface ProvedEvents {
  readonly head: LogHead | null;
  readonly signedSize: number;
}

async function proveEvents(
  db: DatabaseSync,
  state: SiteLogState,
  checkpoints: readonly StoredCheckpoint[],
  damages: DamageList,
  signal: AbortSignal | undefined,
): Promise<ProvedEvents> {
  const page = db.prepare(
    `SELECT ${EVENT_COLUMNS} FROM event WHERE position > ? ORDER BY position LIMIT ${PAGE_EVENTS}`,
  );
  const proof = new EventsProof(state, checkpoints, damages);
  for (let after = Number.MIN_SAFE_INTEGER; ; ) {
    signal?.throwIfAborted();
    const rows = page.all(after) as unknown as readonly EventRow[];
    const last = rows.at(-1);
    if (last === undefined) break;
    for (const row of rows) proof.take(row);
    after = last.position;
    // A large log takes minutes; whoever shares this thread gets a turn between pages.
    await new Promise(resolve => setImmediate(resolve));
  }
  return proof.finish();
}

/** Walks the events in order, growing the tree and meeting the checkpoints on the way. */
class EventsProof {
  readonly #state: SiteLogState;
  readonly #checkpoints: readonly StoredCheckpoint[];
  readonly #damages: DamageList;
  #nextCheckpoint = 0;
  #signedSize = 0;
  #size = 0;
  #edge: TreeEdge = [];
  #recordedAt = -1n;
  /** Once an event is missing, no root after it can be right, and each would only repeat that. */
  #isComplete = true;

  constructor(state: SiteLogState, checkpoints: readonly StoredCheckpoint[], damages: DamageList) {
    this.#state = state;
    this.#checkpoints = checkpoints;
    this.#damages = damages;
  }

  take(row: EventRow): void {
    const expected = this.#size + 1;
    if (row.position > expected) {
      const missing = row.position - expected;
      const detail = missing === 1 ? 'not there' : `${missing} events are not there`;
      this.#damages.add('EVENT_MISSING', expected, detail);
      this.#isComplete = false;
    }
    if (row.position < 1) this.#damages.add('COLUMN_MISMATCH', row.position, 'positions begin at 1');
    const { header, damages } = examineRow(row, this.#state);
    for (const { code, detail } of damages) this.#damages.add(code, row.position, detail);
    if (header !== null && damages.length === 0) {
      if (header.recordedAt <= this.#recordedAt) {
        this.#damages.add(
          'CLOCK_RAN_BACK',
          row.position,
          'recordedAt is not later than that of the event before',
        );
      }
      this.#recordedAt = header.recordedAt;
    }
    if (row.position > this.#state.size) {
      this.#damages.add('EVENT_BEYOND_SIZE', row.position, `the size of the log is ${this.#state.size}`);
    }
    if (this.#isComplete) this.#edge = extendEdge(this.#edge, this.#size, [row.leaf_hash], sha256);
    this.#size = Math.max(0, row.position);
    if (this.#isComplete) this.#meetCheckpoints();
  }

  finish(): ProvedEvents {
    if (this.#size < this.#state.size) {
      const missing = `${this.#state.size - this.#size} events are not there, the log ends at ${this.#size}`;
      this.#damages.add('EVENT_MISSING', this.#size + 1, missing);
      this.#isComplete = false;
    }
    const { edge } = this.#state;
    if (this.#isComplete && this.#size === this.#state.size && !isSameEdge(edge, this.#edge)) {
      this.#damages.add('TREE_EDGE_MISMATCH', this.#size, 'the stored tree edge is not that of the events');
    }
    for (const { size } of this.#checkpoints.slice(this.#nextCheckpoint)) {
      if (size > this.#size) {
        this.#damages.add(
          'CHECKPOINT_BEYOND_END',
          size,
          `${size} events were signed, ${this.#size} are there`,
        );
      }
    }
    const { site, epoch } = this.#state;
    const size = this.#size;
    const head = this.#isComplete ? { site, epoch, size, root: rootOf(this.#edge, size, sha256) } : null;
    return { head, signedSize: this.#signedSize };
  }

  #meetCheckpoints(): void {
    for (;;) {
      const checkpoint = this.#checkpoints[this.#nextCheckpoint];
      if (checkpoint === undefined || checkpoint.size > this.#size) return;
      this.#nextCheckpoint += 1;
      if (equalBytes(rootOf(this.#edge, this.#size, sha256), checkpoint.root)) {
        this.#signedSize = checkpoint.size;
      } else {
        const since = `some event after ${this.#signedSize} and up to here is not the one that was signed`;
        this.#damages.add('CHECKPOINT_ROOT_MISMATCH', checkpoint.size, since);
      }
    }
  }
}

/** The index of streams in its own order: each revision follows the one before, and stands later in the log. */
function checkRevisions(db: DatabaseSync, damages: DamageList): void {
  let before = { stream: '', revision: -1, position: 0 };
  const rows = db.prepare('SELECT stream, revision, position FROM event ORDER BY stream, revision').iterate();
  for (const row of rows as Iterable<typeof before>) {
    const isSameStream = row.stream === before.stream;
    const expected = isSameStream ? before.revision + 1 : 0;
    if (row.revision !== expected) {
      const detail = `revision ${row.revision} of '${row.stream}' stands where ${expected} should be`;
      damages.add('REVISION_MISSING', row.position, detail);
    } else if (isSameStream && row.position <= before.position) {
      damages.add(
        'REVISION_MISSING',
        row.position,
        `revision ${row.revision} stands before ${before.revision}`,
      );
    }
    before = row;
  }
}

function checkStructure(db: DatabaseSync, damages: DamageList): void {
  for (const row of db.prepare('PRAGMA integrity_check(100)').all()) {
    const finding = String(row.integrity_check);
    if (finding !== 'ok') damages.add('FILE_STRUCTURE', null, finding);
  }
}

function isSameEdge(left: TreeEdge, right: TreeEdge): boolean {
  return left.length === right.length && left.every((hash, index) => equalBytes(hash, right[index]!));
}

/** What SQLite says of a file that it cannot read on, and what we say of one that is no log. */
function isFileFault(error: unknown): error is Error {
  return (
    error instanceof SiteLogFileError ||
    (error instanceof Error && 'code' in error && error.code === 'ERR_SQLITE_ERROR')
  );
}
