import { existsSync, rmSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import {
  encodeHeatMap,
  HEAT_MAP_ROW_MS,
  type HeatMapPicture,
  type HeatMapQuery,
  type HeatMapRow,
  heatMapRowOf,
  searchHeatMap,
} from '@holdfast/core';
import type { DeviceId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { MediaKey } from '../media-database/fragment-cipher.js';
import { type MediaKeys, NO_MEDIA_KEYS } from '../media-database/media-keyring.js';
import { HeatMapCipher } from './heat-map-cipher.js';

const schema = `
  CREATE TABLE IF NOT EXISTS heat_map (device_id TEXT NOT NULL, from_ms INTEGER NOT NULL, bytes BLOB NOT NULL) STRICT;
  CREATE INDEX IF NOT EXISTS heat_map_by_time ON heat_map (device_id, from_ms);
`;
/** Of the media key that a row is encrypted with; null: it is not. Files from before there were any have no such column. */
const keyColumn = 'ALTER TABLE heat_map ADD COLUMN key_id TEXT';

interface OpenRow {
  readonly fromMs: number;
  readonly gridSide: number;
  readonly pictures: HeatMapPicture[];
}

/**
 * What moved where, beside the recordings: one row for each minute and device in which anything did. It is no evidence, and
 * is lost with the file: then searches find less. There is no file before anything has moved.
 */
export class HeatMapStore implements Disposable {
  readonly #file: string;
  readonly #cipher: HeatMapCipher;
  readonly #encryptionOf: (deviceId: DeviceId) => MediaKey | null;
  readonly #logger: Logger;
  readonly #open = new Map<DeviceId, OpenRow>();
  #database: DatabaseSync | null = null;

  constructor(options: {
    readonly file: string;
    readonly logger: Logger;
    /** Left out: what is encrypted is not found. */
    readonly keys?: MediaKeys;
    /** What is written of a device now is encrypted with; null: it is not. */
    readonly encryptionOf?: (deviceId: DeviceId) => MediaKey | null;
  }) {
    this.#file = options.file;
    this.#cipher = new HeatMapCipher(options.keys ?? NO_MEDIA_KEYS);
    this.#encryptionOf = options.encryptionOf ?? (() => null);
    this.#logger = options.logger;
  }

  add(deviceId: DeviceId, gridSide: number, picture: HeatMapPicture): void {
    const fromMs = heatMapRowOf(picture.atMs);
    let row = this.#open.get(deviceId);
    const last = row?.pictures.at(-1);
    const continues = row?.fromMs === fromMs && row.gridSide === gridSide && last!.atMs <= picture.atMs;
    if (row === undefined || !continues) {
      if (row !== undefined) this.#write(deviceId, row);
      row = { fromMs, gridSide, pictures: [] };
      this.#open.set(deviceId, row);
    }
    row.pictures.push(picture);
  }

  /** In order of time. */
  search(deviceId: DeviceId, query: HeatMapQuery): readonly number[] {
    const found = searchHeatMap(this.#rows(deviceId, query), query);
    return [...new Set(found)].sort((one, other) => one - other);
  }

  /** Of the minutes that touch this span. */
  delete(deviceId: DeviceId, span: { readonly fromMs: number; readonly toMs: number }): void {
    this.#attempt(() => {
      this.#existing()
        ?.prepare('DELETE FROM heat_map WHERE device_id = ? AND from_ms >= ? AND from_ms < ?')
        .run(deviceId, heatMapRowOf(span.fromMs), span.toMs);
    });
  }

  [Symbol.dispose](): void {
    for (const [deviceId, row] of this.#open) this.#write(deviceId, row);
    this.#open.clear();
    this.#database?.close();
    this.#database = null;
  }

  *#rows(deviceId: DeviceId, { fromMs, toMs }: HeatMapQuery): Generator<HeatMapRow> {
    const stored = this.#existing()
      ?.prepare(
        'SELECT from_ms, bytes, key_id FROM heat_map WHERE device_id = ? AND from_ms >= ? AND from_ms < ? ORDER BY from_ms',
      )
      .iterate(deviceId, heatMapRowOf(fromMs), toMs);
    for (const row of stored ?? []) {
      const place = { deviceId, fromMs: Number(row.from_ms) };
      const bytes = row.bytes as Uint8Array;
      const opened =
        row.key_id === null ? bytes : this.#cipher.open({ keyId: String(row.key_id), bytes }, place);
      if (opened !== null) yield { fromMs: place.fromMs, bytes: opened };
    }
    const open = this.#open.get(deviceId);
    if (open) yield { fromMs: open.fromMs, bytes: encodeHeatMap(open.fromMs, open.gridSide, open.pictures) };
  }

  #write(deviceId: DeviceId, { fromMs, gridSide, pictures }: OpenRow): void {
    this.#attempt(() => {
      const bytes = encodeHeatMap(fromMs, gridSide, pictures);
      const key = this.#encryptionOf(deviceId);
      const row = key === null ? { keyId: null, bytes } : this.#cipher.seal(key, { deviceId, fromMs }, bytes);
      this.#openDatabase()
        .prepare('INSERT INTO heat_map (device_id, from_ms, bytes, key_id) VALUES (?, ?, ?, ?)')
        .run(deviceId, fromMs, row.bytes, row.keyId);
    });
  }

  /** A full disk costs a minute of the map, and nothing else. */
  #attempt(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#logger.warn({ err: error }, 'a heat map could not be written');
    }
  }

  #existing(): DatabaseSync | null {
    return this.#database ?? (existsSync(this.#file) ? this.#openDatabase() : null);
  }

  #openDatabase(): DatabaseSync {
    if (this.#database !== null) return this.#database;
    try {
      this.#database = opened(this.#file);
    } catch (error) {
      this.#logger.error({ err: error, file: this.#file }, 'the heat maps are damaged: begun anew');
      for (const suffix of ['', '-wal', '-shm']) rmSync(`${this.#file}${suffix}`, { force: true });
      this.#database = opened(this.#file);
    }
    return this.#database;
  }
}

/** What a power cut takes is the last minutes of the map. */
function opened(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  try {
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;');
    database.exec(schema);
    const columns = database.prepare('PRAGMA table_info(heat_map)').all();
    if (!columns.some(({ name }) => name === 'key_id')) database.exec(keyColumn);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** The parts of a span in which nothing is recorded, in whole minutes: what a heat map is kept for no longer. */
export function minutesWithout(
  span: { readonly fromMs: number; readonly toMs: number },
  recorded: readonly { readonly fromMs: number; readonly toMs: number }[],
): readonly { readonly fromMs: number; readonly toMs: number }[] {
  const without: { fromMs: number; toMs: number }[] = [];
  let fromMs = heatMapRowOf(span.fromMs);
  for (const held of [
    ...recorded,
    { fromMs: heatMapRowOf(span.toMs) + HEAT_MAP_ROW_MS, toMs: Number.MAX_SAFE_INTEGER },
  ]) {
    const toMs = heatMapRowOf(held.fromMs);
    if (toMs > fromMs) without.push({ fromMs, toMs });
    fromMs = Math.max(fromMs, heatMapRowOf(held.toMs - 1) + HEAT_MAP_ROW_MS);
  }
  return without;
}
