import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { DeviceId, SegmentId } from '@holdfast/schema';
import { MediaDirectory } from './media-directory.js';
import { indexedFrom, listFolder } from './recovery.js';
import { devicesWithFiles, sealedFilesOf } from './sealed-files.js';
import { SegmentFileDamagedError } from './segment-boxes.js';
import { SealedFile } from './segment-file.js';
import { absentAsNull } from './segment-importer.js';
import {
  type IndexedSegment,
  MediaDatabaseInUseError,
  SegmentIndex,
  SegmentIndexUnusableError,
} from './segment-index.js';

export interface MediaFault {
  readonly file: string;
  readonly code:
    | 'FILE_MISSING'
    | 'FILE_DAMAGED'
    /** Its head says another device, day or id than its place does. */
    | 'FILE_MISPLACED'
    | 'NOT_INDEXED'
    | 'INDEX_DIFFERS'
    | 'INDEX_MISSING'
    | 'INDEX_UNUSABLE'
    /** A crash left it; the next start, or a repair, seals it. */
    | 'NOT_SEALED';
  readonly detail: string;
}

export interface MediaCheck {
  readonly segmentCount: number;
  readonly byteLength: number;
  /** `IN_USE`: a recording server runs here, so files were compared with their manifests only. */
  readonly index: 'COMPARED' | 'IN_USE' | 'UNUSABLE';
  readonly faults: readonly MediaFault[];
}

interface CheckOptions {
  readonly dir: string;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

/** Reads everything in a media directory and changes nothing. Works beside a running recording server. */
export async function checkMedia(options: CheckOptions): Promise<MediaCheck> {
  const directory = new MediaDirectory(options.dir);
  const { index, faults } = await indexStateOf(directory);
  const filesByDevice = new Map<DeviceId, readonly string[]>();
  for (const deviceId of await devicesWithFiles(directory)) {
    filesByDevice.set(deviceId, await sealedFilesOf(directory, deviceId));
  }
  const indexed = index === 'COMPARED' ? readIndex(directory, reader => reader.devices()) : [];
  const total = [...filesByDevice.values()].reduce((sum, files) => sum + files.length, 0);
  let segmentCount = 0;
  let byteLength = 0;
  for (const deviceId of new Set([...filesByDevice.keys(), ...indexed])) {
    // A reader of the index keeps a recording server from starting: it is open for one device's rows only.
    const rows = index === 'COMPARED' ? rowsOf(directory, deviceId) : null;
    for (const file of filesByDevice.get(deviceId) ?? []) {
      options.signal.throwIfAborted();
      byteLength += await checkFile(directory, file, { rows, faults, signal: options.signal });
      segmentCount += 1;
      options.onProgress(segmentCount, total);
    }
    for (const row of rows?.unseen() ?? []) {
      faults.push({ file: placeOf(directory, row), code: 'FILE_MISSING', detail: 'the index knows it' });
    }
  }
  if (index !== 'IN_USE') faults.push(...(await unsealedFaults(directory)));
  return { segmentCount, byteLength, index, faults };
}

/** The rows of one device, crossed off as their files are seen. */
class DeviceRows {
  readonly #rows: Map<SegmentId, IndexedSegment>;
  readonly #deleted: ReadonlySet<SegmentId>;

  constructor(rows: Iterable<IndexedSegment>, deleted: ReadonlySet<SegmentId>) {
    this.#rows = new Map([...rows].map(row => [row.segment.segmentId, row]));
    this.#deleted = deleted;
  }

  /** Null: unknown. `DELETED`: its file is about to go. */
  take(segmentId: SegmentId): IndexedSegment | 'DELETED' | null {
    const row = this.#rows.get(segmentId) ?? null;
    this.#rows.delete(segmentId);
    return row ?? (this.#deleted.has(segmentId) ? 'DELETED' : null);
  }

  unseen(): Iterable<IndexedSegment> {
    return this.#rows.values();
  }
}

/** As many as are marked between two rounds of collecting at the most. */
const deletedMax = 1_000_000;

function rowsOf(directory: MediaDirectory, deviceId: DeviceId): DeviceRows {
  return readIndex(directory, index => {
    const deleted = index.garbage(deletedMax).map(row => row.segment.segmentId);
    return new DeviceRows(index.allOf(deviceId), new Set(deleted));
  });
}

function readIndex<T>(directory: MediaDirectory, read: (index: SegmentIndex) => T): T {
  const index = new SegmentIndex({ file: directory.indexFile, recordingServerId: null });
  try {
    return read(index);
  } finally {
    index.close();
  }
}

async function indexStateOf(
  directory: MediaDirectory,
): Promise<{ readonly index: MediaCheck['index']; readonly faults: MediaFault[] }> {
  const file = directory.indexFile;
  if ((await stat(file).catch(absentAsNull)) === null) {
    const detail = 'it is made again from the files when the recording server starts, or by a repair';
    return { index: 'UNUSABLE', faults: [{ file, code: 'INDEX_MISSING', detail }] };
  }
  try {
    readIndex(directory, () => undefined);
    return { index: 'COMPARED', faults: [] };
  } catch (error) {
    if (error instanceof MediaDatabaseInUseError) return { index: 'IN_USE', faults: [] };
    if (!(error instanceof SegmentIndexUnusableError)) throw error;
    return { index: 'UNUSABLE', faults: [{ file, code: 'INDEX_UNUSABLE', detail: error.message }] };
  }
}

async function checkFile(
  directory: MediaDirectory,
  file: string,
  {
    rows,
    faults,
    signal,
  }: { readonly rows: DeviceRows | null; readonly faults: MediaFault[]; readonly signal: AbortSignal },
): Promise<number> {
  const segmentId = path.basename(file, '.mp4') as SegmentId;
  try {
    await using sealed = await SealedFile.open(file);
    const actual = indexedFrom(sealed.head, sealed, sealed.fileByteLength);
    const row = rows?.take(actual.segment.segmentId);
    if (row === null) faults.push({ file, code: 'NOT_INDEXED', detail: 'the index does not know it' });
    else if (row !== undefined && row !== 'DELETED' && row.segment.digest !== actual.segment.digest) {
      const detail = `the index says digest ${row.segment.digest}, the file ${actual.segment.digest}`;
      faults.push({ file, code: 'INDEX_DIFFERS', detail });
    }
    const place = placeOf(directory, actual);
    if (place !== path.resolve(file)) {
      faults.push({ file, code: 'FILE_MISPLACED', detail: `it belongs to ${place}` });
    }
    await sealed.checkFragments(signal);
    return sealed.fileByteLength;
  } catch (error) {
    rows?.take(segmentId);
    const { code, message } = error as NodeJS.ErrnoException;
    // Retention deletes beside this.
    if (code === 'ENOENT') return 0;
    if (!(error instanceof SegmentFileDamagedError) && code !== 'EIO') throw error;
    faults.push({ file, code: 'FILE_DAMAGED', detail: message });
    return 0;
  }
}

async function unsealedFaults(directory: MediaDirectory): Promise<readonly MediaFault[]> {
  const files = await listFolder(directory.openFolder).catch(absentAsNull);
  return (files ?? []).map(file => ({
    ...{ file, code: 'NOT_SEALED' },
    detail: 'no recording server runs here, and it was being recorded',
  }));
}

function placeOf(directory: MediaDirectory, { deviceId, segment }: IndexedSegment): string {
  const { segmentId, fromMs } = segment;
  return path.resolve(directory.sealedFile({ deviceId, segmentId, fromMs }));
}
