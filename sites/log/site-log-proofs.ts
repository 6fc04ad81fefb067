import type { DatabaseSync } from 'node:sqlite';
import {
  CheckpointError,
  type ConsistencyProof,
  checkpointHead,
  consistencyRanges,
  type EventProof,
  inclusionRanges,
  type LeafRange,
  type LogHead,
  leafHashOf,
  MerkleProofBuilder,
  verifyConsistency,
  verifyInclusion,
  writeUuid,
} from '@holdfast/core';
import { sha256 } from './sha256.js';
import { assertSiteLogFile, readSiteLogState, SiteLogFileError } from './site-log-file.js';
import { openForReading } from './site-log-reader.js';

/** Leaf hashes read at once: a million of them pass through this much memory. */
const PAGE_LEAVES = 1000;

export type ProofRefusal =
  /** No event with this id is in the log (any more). */
  | { readonly code: 'EVENT_NOT_FOUND'; readonly eventId: string }
  /** The site has signed nothing since: it does so at least once a minute while it runs. */
  | { readonly code: 'NOT_SIGNED_YET'; readonly position: number; readonly signedSize: number }
  /** The site keeps no checkpoint of this size. `nearest` are sizes that it does keep. */
  | { readonly code: 'CHECKPOINT_NOT_FOUND'; readonly size: number; readonly nearest: readonly number[] }
  /** The checkpoint is of another site or of another epoch than the file. */
  | { readonly code: 'CHECKPOINT_OF_ANOTHER_LOG'; readonly head: LogHead }
  /** The log does not begin with what was signed: one of both was made up or rewritten. */
  | { readonly code: 'DOES_NOT_CONTINUE'; readonly head: LogHead };

export type ProofOutcome<Proof> =
  | { readonly proven: true; readonly proof: Proof }
  | { readonly proven: false; readonly refusal: ProofRefusal };

export interface ProofOptions {
  readonly file: string;
  readonly signal: AbortSignal;
  /** Told after each page, with the number of leaves of the log that were passed, and of all there are. */
  readonly onProgress?: (done: number, total: number) => void;
}

/**
 * Proves one event to be in the log, under the first checkpoint behind it. Reads only, page by page, and works beside a
 * site that writes the file. Throws `SiteLogFileError`, `ProofUnavailableError`, or the reason of the signal.
 */
export async function proveEvent(
  options: ProofOptions & { readonly eventId: string },
): Promise<ProofOutcome<EventProof>> {
  const { file, eventId } = options;
  using log = new ProofSource(file);
  const event = log.event(eventId);
  if (event === null) return refused({ code: 'EVENT_NOT_FOUND', eventId });
  const { position, header, data } = event;
  const signed = log.checkpointFrom(position);
  if (signed === null) {
    return refused({ code: 'NOT_SIGNED_YET', position, signedSize: log.newestCheckpoint()?.head.size ?? 0 });
  }
  const { size, root } = signed.head;
  const index = position - 1;
  const hashes = await log.hashes(inclusionRanges(index, size), size, options);
  const leafHash = leafHashOf(header, data, sha256);
  if (!verifyInclusion({ leafHash, index, size, root, proof: hashes }, sha256))
    throw log.notWhatWasSigned(size);
  return { proven: true, proof: { kind: 'EVENT', header, data, index, hashes, checkpoint: signed.note } };
}

/**
 * Proves that the log still begins with what an older checkpoint says: one that the site keeps, by its size, or one that
 * somebody else kept, as a note. Otherwise as `proveEvent`; throws `CheckpointError` too, when the note is none.
 */
export async function proveConsistency(
  options: ProofOptions & { readonly since: number | string },
): Promise<ProofOutcome<ConsistencyProof>> {
  const { file, since } = options;
  using log = new ProofSource(file);
  const old =
    typeof since === 'string' ? { head: checkpointHead(since), note: since } : log.checkpointAt(since);
  if (old === null) {
    const size = Number(since);
    return refused({ code: 'CHECKPOINT_NOT_FOUND', size, nearest: log.sizesNear(size) });
  }
  const { head } = old;
  if (head.site !== log.site || head.epoch !== log.epoch) {
    return refused({ code: 'CHECKPOINT_OF_ANOTHER_LOG', head });
  }
  const signed = log.newestCheckpoint();
  if (signed === null || signed.head.size < head.size || head.size === 0) {
    return refused({ code: 'NOT_SIGNED_YET', position: head.size, signedSize: signed?.head.size ?? 0 });
  }
  const { size } = signed.head;
  const hashes = await log.hashes(consistencyRanges(head.size, size), size, options);
  const sizes = { oldSize: head.size, newSize: size };
  const claim = { ...sizes, oldRoot: head.root, newRoot: signed.head.root, proof: hashes };
  if (!verifyConsistency(claim, sha256)) return refused({ code: 'DOES_NOT_CONTINUE', head });
  const checkpoints = { oldCheckpoint: old.note, newCheckpoint: signed.note };
  return { proven: true, proof: { kind: 'CONSISTENCY', hashes, ...checkpoints } };
}

function refused(refusal: ProofRefusal): { readonly proven: false; readonly refusal: ProofRefusal } {
  return { proven: false, refusal };
}

interface StoredNote {
  readonly head: LogHead;
  readonly note: string;
}

/** What proofs are made of. Each query is finished before the next, so that the file of a running site stays small. */
class ProofSource implements Disposable {
  readonly site: string;
  readonly epoch: number;
  readonly #file: string;
  readonly #db: DatabaseSync;

  constructor(file: string) {
    this.#file = file;
    this.#db = openForReading(file);
    try {
      assertSiteLogFile(this.#db, file);
      ({ site: this.site, epoch: this.epoch } = readSiteLogState(this.#db, file));
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  event(eventId: string): { position: number; header: Uint8Array; data: Uint8Array } | null {
    const id = new Uint8Array(16);
    if (!writeUuid(eventId, id, 0)) return null;
    const row = this.#db.prepare('SELECT position, header, data FROM event WHERE id = ?').get(id);
    return (row as { position: number; header: Uint8Array; data: Uint8Array } | undefined) ?? null;
  }

  /** The first checkpoint that covers a position: the earliest moment at which the event was signed. */
  checkpointFrom(position: number): StoredNote | null {
    return this.#note('WHERE size >= ? ORDER BY size LIMIT 1', position);
  }

  checkpointAt(size: number): StoredNote | null {
    return this.#note('WHERE size = ?', size);
  }

  newestCheckpoint(): StoredNote | null {
    return this.#note('WHERE size >= ? ORDER BY size DESC LIMIT 1', 0);
  }

  sizesNear(size: number): readonly number[] {
    const before = this.#db.prepare('SELECT size FROM checkpoint WHERE size < ? ORDER BY size DESC LIMIT 1');
    const after = this.#db.prepare('SELECT size FROM checkpoint WHERE size > ? ORDER BY size LIMIT 1');
    return [...before.all(size), ...after.all(size)].map(row => row.size as number);
  }

  async hashes(
    ranges: readonly LeafRange[],
    size: number,
    { signal, onProgress }: ProofOptions,
  ): Promise<readonly Uint8Array[]> {
    const builder = new MerkleProofBuilder(ranges, { size: 0, edge: [] }, sha256);
    const page = this.#db.prepare(
      `SELECT position, leaf_hash FROM event WHERE position > ? AND position <= ? ORDER BY position LIMIT ${PAGE_LEAVES}`,
    );
    for (let next = builder.next; next !== null; next = builder.next) {
      signal.throwIfAborted();
      const rows = page.all(next, size) as unknown as readonly { position: number; leaf_hash: Uint8Array }[];
      if (rows.at(-1)?.position !== next + rows.length) throw this.#missing(next + 1);
      builder.take(rows.map(row => row.leaf_hash));
      onProgress?.(builder.next ?? size, size);
      await new Promise(resolve => setImmediate(resolve));
    }
    return builder.finish();
  }

  notWhatWasSigned(size: number): SiteLogFileError {
    const detail = `its first ${size} events are not those that were signed; holdfast verify names what is damaged`;
    return new SiteLogFileError('DAMAGED', this.#file, detail);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  #note(where: string, value: number): StoredNote | null {
    const row = this.#db.prepare(`SELECT size, note FROM checkpoint ${where}`).get(value);
    if (row === undefined) return null;
    const note = row.note as string;
    try {
      return { head: checkpointHead(note), note };
    } catch (cause) {
      if (!(cause instanceof CheckpointError)) throw cause;
      const detail = `the checkpoint of size ${row.size}: ${cause.message}`;
      throw new SiteLogFileError('DAMAGED', this.#file, detail, { cause });
    }
  }

  #missing(position: number): SiteLogFileError {
    return new SiteLogFileError('DAMAGED', this.#file, `an event from position ${position} on is missing`, {
      position,
    });
  }
}
