import type { DatabaseSync } from 'node:sqlite';
import {
  CheckpointError,
  type ConsistencyProof,
  checkpointHead,
  consistencyRanges,
  type EventProof,
  endOf,
  inclusionRanges,
  type LeafRange,
  type LogHead,
  type LogPlace,
  leafHashOf,
  MerkleProofBuilder,
  mergeNotes,
  placeOfKey,
  UUID_BYTES,
  verifyConsistency,
  verifyInclusion,
  writeUuid,
} from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { sha256 } from './sha256.js';
import {
  assertSiteLogFile,
  type EpochState,
  readEpochs,
  readSiteLogState,
  SiteLogFileError,
} from './site-log-file.js';
import { openForReading } from './site-log-reader.js';
import { leafHashesAfter } from './site-log-truncation.js';

/** Leaf hashes read at once: a million of them pass through this much memory. */
const PAGE_LEAVES = 1000;
/** All that the site has signed and kept; receipts have the signatures of witnesses too. */
const SIGNED = 'SELECT epoch, size, note FROM checkpoint UNION ALL SELECT epoch, size, note FROM receipt';

export type ProofRefusal =
  | { readonly code: 'EVENT_NOT_FOUND'; readonly eventId: string }
  /** It was truncated, and is none of those that were carried over the cut. */
  | { readonly code: 'EVENT_REMOVED'; readonly eventId: string; readonly place: LogPlace }
  /** The site has signed nothing since: it does so at least once a minute while it runs. */
  | { readonly code: 'NOT_SIGNED_YET'; readonly place: LogPlace; readonly signedSize: number }
  /** The site keeps no checkpoint of this size. `nearest` are sizes that it does keep. */
  | { readonly code: 'CHECKPOINT_NOT_FOUND'; readonly place: LogPlace; readonly nearest: readonly number[] }
  /** The checkpoint is of another site than the file, or of an epoch that it never had. */
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
 * Proves one event to be in the log, under the first receipt behind it, or else the first checkpoint. Reads only, page by page, and works beside a
 * site that writes the file. Throws `SiteLogFileError`, `ProofUnavailableError`, or the reason of the signal.
 */
export async function proveEvent(
  options: ProofOptions & { readonly eventId: string },
): Promise<ProofOutcome<EventProof>> {
  const { file, eventId } = options;
  using log = new ProofSource(file);
  const event = log.event(eventId);
  if (event === null) {
    const place = log.placeOfRemoved(eventId);
    return refused(
      place === null ? { code: 'EVENT_NOT_FOUND', eventId } : { code: 'EVENT_REMOVED', eventId, place },
    );
  }
  const { place, header, data } = event;
  const signed = log.checkpointFrom(place);
  if (signed === null) return refused(log.notSigned(place));
  const { size, root } = signed.head;
  const index = place.position - 1;
  const hashes = await log.hashes(inclusionRanges(index, size), signed.head, options);
  const leafHash = leafHashOf(header, data, sha256);
  if (!verifyInclusion({ leafHash, index, size, root, proof: hashes }, sha256)) {
    throw log.notWhatWasSigned(signed.head);
  }
  return { proven: true, proof: { kind: 'EVENT', header, data, index, hashes, checkpoint: signed.note } };
}

/**
 * Proves that an epoch of the log still begins with what an older checkpoint says: one that the site keeps, by epoch and size
 * (in `position`), or one that somebody else kept, as a note. Without an epoch, the current one is meant. Otherwise as
 * `proveEvent`; throws `CheckpointError` too, when the note is none.
 */
export async function proveConsistency(
  options: ProofOptions & {
    readonly since: { readonly epoch: number | null; readonly size: number } | string;
  },
): Promise<ProofOutcome<ConsistencyProof>> {
  const { file, since } = options;
  using log = new ProofSource(file);
  const old =
    typeof since === 'string' ? { head: checkpointHead(since), note: since } : log.checkpointAt(since);
  if (old === null) return refused(log.notKept(since as { epoch: number | null; size: number }));
  const { head } = old;
  if (!log.hasEpoch(head)) return refused({ code: 'CHECKPOINT_OF_ANOTHER_LOG', head });
  const signed = log.newestCheckpoint(head.epoch);
  if (signed === null || signed.head.size < head.size || head.size === 0) {
    return refused(log.notSigned(endOf(head)));
  }
  const { size } = signed.head;
  const hashes = await log.hashes(consistencyRanges(head.size, size), signed.head, options);
  const sizes = { oldSize: head.size, newSize: size };
  const claim = { ...sizes, oldRoot: head.root, newRoot: signed.head.root, proof: hashes };
  if (!verifyConsistency(claim, sha256)) return refused({ code: 'DOES_NOT_CONTINUE', head });
  const checkpoints = { oldCheckpoint: old.note, newCheckpoint: signed.note };
  return { proven: true, proof: { kind: 'CONSISTENCY', hashes, ...checkpoints } };
}

/** Where a log ends, as its file says now. Throws `SiteLogFileError`. */
export function siteLogEnd(file: string): LogPlace {
  using log = new ProofSource(file);
  return log.end;
}

/** The root over the first `size` events of an epoch, out of the stored leaf hashes. Throws as `proveEvent` does. */
export async function siteLogRootAt(
  options: ProofOptions & { readonly epoch: number; readonly size: number },
): Promise<Uint8Array> {
  using log = new ProofSource(options.file);
  const [root] = await log.hashes([{ from: 0, to: options.size }], options, options);
  return root!;
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
  readonly #site: SiteId;
  readonly #epochs: readonly EpochState[];
  readonly #file: string;
  readonly #db: DatabaseSync;

  constructor(file: string) {
    this.#file = file;
    this.#db = openForReading(file);
    try {
      assertSiteLogFile(this.#db, file);
      this.#site = readSiteLogState(this.#db, file).site;
      this.#epochs = readEpochs(this.#db, file);
    } catch (error) {
      this.#db.close();
      throw error;
    }
  }

  get end(): LogPlace {
    return endOf(this.#epochs.at(-1)!);
  }

  hasEpoch({ site, epoch }: LogHead): boolean {
    return site === this.#site && this.#epochs.some(known => known.epoch === epoch);
  }

  event(eventId: string): { place: LogPlace; header: Uint8Array; data: Uint8Array } | null {
    const id = new Uint8Array(UUID_BYTES);
    if (!writeUuid(eventId, id, 0)) return null;
    const columns = 'SELECT key, header, data FROM';
    const row =
      this.#db.prepare(`${columns} event WHERE id = ?`).get(id) ??
      this.#db
        .prepare(`${columns} carried_event WHERE key = (SELECT key FROM truncated_id WHERE id = ?)`)
        .get(id);
    if (row === undefined) return null;
    const { key, header, data } = row as { key: number; header: Uint8Array; data: Uint8Array };
    return { place: placeOfKey(key), header, data };
  }

  placeOfRemoved(eventId: string): LogPlace | null {
    const id = new Uint8Array(UUID_BYTES);
    if (!writeUuid(eventId, id, 0)) return null;
    const row = this.#db.prepare('SELECT key FROM truncated_id WHERE id = ?').get(id);
    return row === undefined ? null : placeOfKey(row.key as number);
  }

  /** The first receipt that covers a place, which tells when a witness had seen it; or else the first checkpoint. */
  checkpointFrom({ epoch, position }: LogPlace): StoredNote | null {
    for (const table of ['receipt', 'checkpoint']) {
      const size = this.#size(
        `SELECT min(size) AS size FROM ${table} WHERE epoch = ? AND size >= ?`,
        epoch,
        position,
      );
      if (size !== null) return this.#note(epoch, size);
    }
    return null;
  }

  checkpointAt({ epoch, size }: { readonly epoch: number | null; readonly size: number }): StoredNote | null {
    return this.#note(epoch ?? this.#currentEpoch, size);
  }

  newestCheckpoint(epoch: number): StoredNote | null {
    const size = this.#size(`SELECT max(size) AS size FROM (${SIGNED}) WHERE epoch = ?`, epoch);
    return size === null ? null : this.#note(epoch, size);
  }

  notSigned(place: LogPlace): ProofRefusal {
    const signedSize = this.newestCheckpoint(place.epoch)?.head.size ?? 0;
    return { code: 'NOT_SIGNED_YET', place, signedSize };
  }

  notKept({ epoch, size }: { readonly epoch: number | null; readonly size: number }): ProofRefusal {
    const place = { epoch: epoch ?? this.#currentEpoch, position: size };
    const nearest = [
      this.#size(`SELECT max(size) AS size FROM (${SIGNED}) WHERE epoch = ? AND size < ?`, place.epoch, size),
      this.#size(`SELECT min(size) AS size FROM (${SIGNED}) WHERE epoch = ? AND size > ?`, place.epoch, size),
    ].filter(near => near !== null);
    return { code: 'CHECKPOINT_NOT_FOUND', place, nearest };
  }

  async hashes(
    ranges: readonly LeafRange[],
    { epoch, size }: { readonly epoch: number; readonly size: number },
    { signal, onProgress }: ProofOptions,
  ): Promise<readonly Uint8Array[]> {
    const builder = new MerkleProofBuilder(ranges, sha256);
    for (let next = builder.next; next !== null; next = builder.next) {
      signal.throwIfAborted();
      const limit = Math.min(PAGE_LEAVES, size - next);
      const leaves = leafHashesAfter(this.#db, { epoch, position: next }, limit);
      if (leaves.length === 0) throw this.#missing(next + 1);
      builder.take(leaves.slice(0, size - next));
      onProgress?.(builder.next ?? size, size);
      await new Promise(resolve => setImmediate(resolve));
    }
    return builder.finish();
  }

  notWhatWasSigned({ epoch, size }: LogHead): SiteLogFileError {
    const detail = `the first ${size} events of epoch ${epoch} are not those that were signed; holdfast verify names what is damaged`;
    return new SiteLogFileError('DAMAGED', this.#file, detail);
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  get #currentEpoch(): number {
    return this.#epochs.at(-1)?.epoch ?? 0;
  }

  #size(sql: string, ...values: readonly number[]): number | null {
    return (this.#db.prepare(sql).get(...values)?.size ?? null) as number | null;
  }

  /** The checkpoint of this size with everybody's signature that is kept, or null when there is none. */
  #note(epoch: number, size: number): StoredNote | null {
    const rows = this.#db
      .prepare(`SELECT note FROM (${SIGNED}) WHERE epoch = ? AND size = ?`)
      .all(epoch, size);
    const [first, ...others] = rows.map(row => row.note as string);
    if (first === undefined) return null;
    try {
      return { head: checkpointHead(first), note: mergeNotes(first, others) };
    } catch (cause) {
      if (!(cause instanceof CheckpointError)) throw cause;
      const detail = `the checkpoint of ${epoch}/${size}: ${cause.message}`;
      throw new SiteLogFileError('DAMAGED', this.#file, detail, { cause });
    }
  }

  #missing(position: number): SiteLogFileError {
    return new SiteLogFileError('DAMAGED', this.#file, `an event from position ${position} on is missing`, {
      position,
    });
  }
}
