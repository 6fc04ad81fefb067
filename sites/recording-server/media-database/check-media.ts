import { stat } from 'node:fs/promises';
import path from 'node:path';
import type { DeviceId, SegmentId } from '@holdfast/schema';
import { type ObjectStoreAccess, ObjectStoreError } from '../object-store/object-store.js';
import type { MediaDirectory } from './media-directory.js';
import type { MediaKeys } from './media-keyring.js';
import { indexedFrom, listFolder } from './recovery.js';
import { SegmentFileDamagedError } from './segment-boxes.js';
import { absentAsNull } from './segment-importer.js';
import { MediaDatabaseInUseError, SegmentIndex, SegmentIndexUnusableError } from './segment-index.js';
import type { IndexedSegment } from './segment-row.js';
import { type FileInStage, OWN_STAGE, StageDirectories } from './stage-directories.js';

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
    /** A live database or archive that cannot be reached, or that has gone meanwhile: what is in it was not checked. */
    | 'STORE_UNREACHABLE'
    /** A crash left it; the next start, or a repair, seals it. */
    | 'NOT_SEALED';
  readonly detail: string;
}

export interface MediaCheck {
  readonly segmentCount: number;
  readonly byteLength: number;
  /** Encrypted, with a key that is not here: compared as they are stored. */
  readonly closedSegmentCount: number;
  /** `IN_USE`: a recording server runs here, so files were compared with their manifests only. */
  readonly index: 'COMPARED' | 'IN_USE' | 'UNUSABLE';
  readonly faults: readonly MediaFault[];
}

interface CheckOptions {
  readonly dir: string;
  /** Other live databases and archives, as far as they are known; the index knows those that hold something. */
  readonly stages: readonly string[];
  /** Left out: what is encrypted is compared as it is stored. */
  readonly keys?: MediaKeys | undefined;
  readonly objectStores?: readonly ObjectStoreAccess[] | undefined;
  readonly signal: AbortSignal;
  readonly onProgress: (done: number, total: number) => void;
}

/** Reads everything in a media directory and its archives and changes nothing. Works beside a running recording server. */
export async function checkMedia(options: CheckOptions): Promise<MediaCheck> {
  const stages = new StageDirectories({ root: options.dir, recordingServerId: null, ...options });
  const { index, faults } = await indexStateOf(stages.own);
  const reads = index === 'COMPARED';
  const indexedStages = reads ? readIndex(stages.own, reader => reader.stages()) : [];
  const available = new Set<string>();
  for (const stage of new Set([OWN_STAGE, ...options.stages, ...indexedStages])) {
    const detail = await stages.whyUnavailable(stage);
    if (detail === null) available.add(stage);
    else faults.push({ file: stage, code: 'STORE_UNREACHABLE', detail });
  }
  const filesByDevice = await filesIn(stages, available, faults);
  const indexed = reads ? readIndex(stages.own, reader => reader.devices()) : [];
  const total = [...filesByDevice.values()].reduce((sum, files) => sum + files.length, 0);
  let segmentCount = 0;
  let closedSegmentCount = 0;
  let byteLength = 0;
  for (const deviceId of new Set([...filesByDevice.keys(), ...indexed])) {
    // A reader of the index keeps a recording server from starting: it is open for one device's rows only.
    const rows = reads ? rowsOf(stages.own, deviceId) : null;
    for (const found of filesByDevice.get(deviceId) ?? []) {
      options.signal.throwIfAborted();
      const checked = await checkFile(stages, found, { rows, faults, signal: options.signal });
      byteLength += checked.byteLength;
      if (checked.isClosed) closedSegmentCount += 1;
      segmentCount += 1;
      options.onProgress(segmentCount, total);
    }
    for (const row of rows?.unseen() ?? []) {
      if (!available.has(row.stage)) continue;
      faults.push({ file: stages.placeOf(row), code: 'FILE_MISSING', detail: 'the index knows it' });
    }
  }
  if (index !== 'IN_USE') faults.push(...(await unsealedFaults(stages, available)));
  return { segmentCount, closedSegmentCount, byteLength, index, faults };
}

async function filesIn(
  stages: StageDirectories,
  names: Set<string>,
  faults: MediaFault[],
): Promise<ReadonlyMap<DeviceId, readonly FileInStage[]>> {
  const files = new Map<DeviceId, FileInStage[]>();
  for (const stage of names) {
    const inStage = stages.files(stage);
    try {
      for (const deviceId of await inStage.devices()) {
        const found = await inStage.sealedFilesOf(deviceId, null);
        const known = files.get(deviceId) ?? [];
        known.push(...found.map(file => ({ file, stage })));
        files.set(deviceId, known);
      }
    } catch (error) {
      const why = await stages.whyUnavailable(stage);
      if (why === null && !(error instanceof ObjectStoreError)) throw error;
      names.delete(stage);
      faults.push({ file: stage, code: 'STORE_UNREACHABLE', detail: why ?? (error as Error).message });
    }
  }
  return files;
}

/** The rows of one device, crossed off as their files are seen. */
class DeviceRows {
  readonly #rows: Map<SegmentId, IndexedSegment>;
  readonly #deleted: ReadonlySet<SegmentId>;
  readonly #seen = new Set<SegmentId>();

  constructor(rows: Iterable<IndexedSegment>, deleted: ReadonlySet<SegmentId>) {
    this.#rows = new Map([...rows].map(row => [row.segment.segmentId, row]));
    this.#deleted = deleted;
  }

  /** Null: unknown. `DELETED`: its file is about to go. `ELSEWHERE`: left over from a move, and about to go as well. */
  take(segmentId: SegmentId, stage: string): IndexedSegment | 'DELETED' | 'ELSEWHERE' | null {
    const row = this.#rows.get(segmentId);
    if (row === undefined) {
      if (this.#deleted.has(segmentId)) return 'DELETED';
      return this.#seen.has(segmentId) ? 'ELSEWHERE' : null;
    }
    if (row.stage !== stage) return 'ELSEWHERE';
    this.#rows.delete(segmentId);
    this.#seen.add(segmentId);
    return row;
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

const NOTHING_CHECKED = { byteLength: 0, isClosed: false };

async function checkFile(
  stages: StageDirectories,
  { file, stage }: FileInStage,
  {
    rows,
    faults,
    signal,
  }: { readonly rows: DeviceRows | null; readonly faults: MediaFault[]; readonly signal: AbortSignal },
): Promise<typeof NOTHING_CHECKED> {
  const segmentId = path.basename(file, '.mp4') as SegmentId;
  try {
    await using sealed = await stages.open({ file, stage });
    const actual = indexedFrom(sealed.head, sealed, { fileByteLength: sealed.fileByteLength, stage });
    const row = rows?.take(actual.segment.segmentId, stage);
    if (row === 'ELSEWHERE') return NOTHING_CHECKED;
    if (row === null) faults.push({ file, code: 'NOT_INDEXED', detail: 'the index does not know it' });
    else if (row !== undefined && row !== 'DELETED' && row.segment.digest !== actual.segment.digest) {
      const detail = `the index says digest ${row.segment.digest}, the file ${actual.segment.digest}`;
      faults.push({ file, code: 'INDEX_DIFFERS', detail });
    }
    const place = stages.placeOf(actual);
    if (place !== file && path.resolve(place) !== path.resolve(file)) {
      faults.push({ file, code: 'FILE_MISPLACED', detail: `it belongs to ${place}` });
    }
    await sealed.checkFragments(signal);
    return { byteLength: sealed.fileByteLength, isClosed: sealed.isClosed };
  } catch (error) {
    rows?.take(segmentId, stage);
    const { code, message } = error as NodeJS.ErrnoException;
    // Retention deletes beside this.
    if (code === 'ENOENT') return NOTHING_CHECKED;
    const why = error instanceof SegmentFileDamagedError ? null : await stages.whyUnavailable(stage);
    if (why !== null || error instanceof ObjectStoreError) {
      faults.push({ file, code: 'STORE_UNREACHABLE', detail: why ?? message });
      return NOTHING_CHECKED;
    }
    if (!(error instanceof SegmentFileDamagedError) && code !== 'EIO') throw error;
    faults.push({ file, code: 'FILE_DAMAGED', detail: message });
    return NOTHING_CHECKED;
  }
}

async function unsealedFaults(
  stages: StageDirectories,
  available: ReadonlySet<string>,
): Promise<readonly MediaFault[]> {
  const faults: MediaFault[] = [];
  for (const stage of available) {
    const folder = stages.folderOf(stage);
    if (folder === null) continue;
    for (const file of (await listFolder(folder.openFolder).catch(absentAsNull)) ?? []) {
      const detail = 'no recording server runs here, and it was being recorded';
      faults.push({ file, code: 'NOT_SEALED', detail });
    }
  }
  return faults;
}
