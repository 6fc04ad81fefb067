import type { DatabaseSync, SQLInputValue } from 'node:sqlite';
import { setImmediate as turn } from 'node:timers/promises';
import { CheckpointError, type LogHead, openCheckpoint, placeKey } from '@holdfast/core';
import type { SiteId } from '@holdfast/schema';
import { isUnreadable } from '../sqlite-result.js';
import { verifyNote } from './ed25519-notes.js';
import { type EventSpan, LogFileProof } from './log-file-proof.js';
import { rowsPastDamage } from './readable-rows.js';
import { sha256 } from './sha256.js';
import type { EpochState } from './site-log-file.js';
import { EVENT_COLUMNS, type EventRow } from './site-log-row.js';
import { rowsOf } from './stream-index.js';

/** Between two turns for whoever shares this thread. */
const EVENTS_PER_TURN = 1000;

/** What of a log file, damaged or not, its site has signed. */
export interface SignedEvents {
  /** The roots of the checkpoints by its key that can be read, by `placeKey` of their ends. */
  readonly roots: ReadonlyMap<number, Uint8Array>;
  /** The notes of these. */
  readonly notes: ReadonlySet<string>;
  /** Where one of them is that of the leaves, in order: as `holdfast verify` finds them. */
  readonly spans: readonly EventSpan[];
}

export const nothingSigned: SignedEvents = { roots: new Map(), notes: new Set(), spans: [] };

export interface SignedEventsOptions {
  readonly site: SiteId;
  readonly epochs: readonly EpochState[];
  /** The site's own raw Ed25519 key. */
  readonly publicKey: Uint8Array;
  /** A checkpoint that may not be in the file. */
  readonly note: string | null;
}

export async function readSignedEvents(
  db: DatabaseSync,
  { site, epochs, publicKey, note }: SignedEventsOptions,
): Promise<SignedEvents> {
  const notes = new Set<string>();
  const checkpoints: LogHead[] = [];
  const take = (each: string) => {
    const head = notes.has(each) ? null : signedHead(each, publicKey);
    if (head?.site !== site) return;
    notes.add(each);
    checkpoints.push(head);
  };
  for (const table of ['checkpoint', 'receipt'] as const) {
    for (const row of readableNotes(db, table)) take(row.note);
  }
  if (note !== null) take(note);
  checkpoints.sort((one, other) => one.epoch - other.epoch || one.size - other.size);
  const roots = new Map(
    checkpoints.map(({ epoch, size, root }) => [placeKey({ epoch, position: size }), root]),
  );
  if (epochs.length === 0) return { roots, notes, spans: [] };
  // What is damaged is not signed: nobody has to be told.
  const proof = new LogFileProof({ site, epochs, checkpoints }, { add: () => undefined });
  const rows = db.prepare(`SELECT ${EVENT_COLUMNS} FROM event WHERE key >= ? + 1 ORDER BY key`);
  let count = 0;
  for (const row of rowsPastDamage(rows, 'key')) {
    proof.take(row as unknown as EventRow);
    count += 1;
    if (count % EVENTS_PER_TURN === 0) await turn();
  }
  return { roots, notes, spans: proof.finish().signed };
}

/** A row of a table with what the site has signed. */
export interface NoteRow extends Readonly<Record<string, SQLInputValue>> {
  readonly epoch: number;
  readonly size: number;
  readonly note: string;
}

/** From both ends, up to what is damaged between: the newest are those that matter. Some may come twice. */
export function* readableNotes(db: DatabaseSync, table: 'checkpoint' | 'receipt'): Generator<NoteRow> {
  for (const order of ['ASC', 'DESC']) {
    try {
      const rows = db.prepare(`SELECT * FROM ${table} ORDER BY epoch ${order}, size ${order}`);
      for (const row of rowsOf(rows)) if (typeof row.note === 'string') yield row as NoteRow;
      return;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
    }
  }
}

/** Null: it is none, or not by this key. */
function signedHead(note: string, publicKey: Uint8Array): LogHead | null {
  try {
    return openCheckpoint(note, { publicKey, verify: verifyNote }, sha256);
  } catch (error) {
    if (error instanceof CheckpointError) return null;
    throw error;
  }
}
