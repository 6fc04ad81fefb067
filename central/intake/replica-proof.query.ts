import { LogEpochOpened } from '@holdfast/schema';
import type { Sql } from '../postgres/sql.js';
import { readStoredData, type StoredEventData } from './events-of-type.js';
import { inStream } from './replica-event-trees.js';

/** A log that was reset more often than this is looked at with `holdfast log tail`. */
const EPOCHS_MAX = 20;

export interface SignedEnd {
  readonly epoch: number;
  readonly size: number;
  readonly atMs: number;
}

/** The newest checkpoint that the site has signed of what is held here; null: none. */
export async function readSignedEnd(sql: Sql, site: string): Promise<SignedEnd | null> {
  const [row] = await sql<SignedEnd[]>`
    select epoch, size, (extract(epoch from accepted_at) * 1000)::bigint as at_ms from replica_checkpoint
    where site = ${site} order by epoch desc limit 1`;
  return row ?? null;
}

export interface OpenedEpoch {
  readonly epoch: number;
  readonly openedAtMs: number;
  readonly reason: string;
  readonly previousSize: number | null;
}

/** Newest first. One that this software cannot read is left out: it is in quarantine. */
export async function readEpochs(sql: Sql, site: string): Promise<readonly OpenedEpoch[]> {
  const rows = await sql<(StoredEventData & { readonly recordedAtMs: number })[]>`
    select version, recorded_at >> 16 as recorded_at_ms, data from replica_event
    where ${inStream(sql, 'log')} and site = ${site} and type = ${LogEpochOpened.type}
    order by epoch desc, revision desc limit ${EPOCHS_MAX}`;
  return rows.flatMap(({ recordedAtMs, ...stored }) => {
    const opened = readStoredData(LogEpochOpened, stored);
    return opened === null ? [] : [{ ...opened, openedAtMs: recordedAtMs }];
  });
}
