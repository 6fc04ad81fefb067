import { createHash } from 'node:crypto';
import { access, type FileHandle, open, rename, unlink, writeFile } from 'node:fs/promises';
import path from 'node:path';
import {
  AUDIO_TRACK_ID,
  FACTS_BOX_BYTE_LENGTH,
  hideTracks,
  METADATA_TRACK_ID,
  REFERENCES_MAX,
  readTimescales,
  readTrackTimes,
  segmentIndexBox,
  shiftTrackTimes,
  VIDEO_TRACK_ID,
  withDuration,
} from '@holdfast/core';
import type { DeviceId, RecordingServerId, SegmentId } from '@holdfast/schema';
import type { ObjectStoreAccess } from '../object-store/object-store.js';
import type { ExportedFragment, ExportedSegment, ExportList, MissingSegment } from './export-list.js';
import type { MediaKeys } from './media-keyring.js';
import type { SealedFile } from './sealed-file.js';
import { SegmentFileDamagedError } from './segment-boxes.js';
import { digestHex } from './segment-file.js';
import { absentAsNull } from './segment-importer.js';
import { OWN_STAGE, StageDirectories } from './stage-directories.js';

const dayMs = 24 * 3600_000;
/** Players that meet a track which they do not know lose their way in the others (VLC 3). Its bytes stay, and can be proved. */
const HIDDEN_TRACKS = [METADATA_TRACK_ID];
/** Eleven days in groups of 2 s: what is known of them fits into 200 MB. */
const fragmentsMax = 500_000;

export class ExportError extends Error {
  override readonly name = 'ExportError';
  readonly code:
    | 'NOTHING_RECORDED'
    | 'RECORDINGS_ABSENT'
    | 'EXPORT_EXISTS'
    | 'EXPORT_TOO_LONG'
    | 'MEDIA_KEY_MISSING';

  constructor(code: ExportError['code'], message: string) {
    super(message);
    this.code = code;
  }
}

/** A segment that the log says is recorded. */
export type ExpectedSegment = Omit<MissingSegment, 'because'>;

export interface ExportOptions {
  /** Media directories in which recordings of the device may be, each with its other live databases and archives. */
  readonly directories: readonly {
    readonly dir: string;
    /** Null, or left out: nothing says it. */
    readonly recordingServerId?: RecordingServerId | null;
    readonly stages: readonly string[];
    /** Left out: what is encrypted cannot be exported. */
    readonly keys?: MediaKeys | undefined;
    readonly objectStores?: readonly ObjectStoreAccess[] | undefined;
  }[];
  readonly deviceId: DeviceId;
  /** Of that device in that span: what of it is not found is named. */
  readonly expected?: readonly ExpectedSegment[];
  readonly fromMs: number;
  /** Exclusive. */
  readonly toMs: number;
  /** `….mp4`; further files are numbered before the extension, and the list of digests is beside it. */
  readonly out: string;
  readonly signal: AbortSignal;
  readonly onProgress: (doneBytes: number, totalBytes: number) => void;
}

/** A fragment that is to be exported, and where it is. */
interface Source {
  readonly file: string;
  readonly open: () => Promise<SealedFile>;
  readonly segmentId: SegmentId;
  readonly manifestDigest: string;
  readonly index: number;
  readonly fromMs: number;
  readonly toMs: number;
  readonly byteLength: number;
  readonly digest: string;
  readonly beginsWithKeyFrame: boolean;
}

/** Fragments of one format that run forward in time: one file. */
interface Part {
  readonly init: Uint8Array;
  readonly codecs: string;
  readonly sources: Source[];
}

/**
 * Writes what is sealed of a device in a span as MP4 files that any player opens: a new one where the format of the stream
 * differs or the clock stepped back. Pictures stay as they were recorded; only times are shifted so that each file begins at
 * 0, and the list says by how much. Works beside a running recording server.
 */
export async function exportMedia(options: ExportOptions): Promise<ExportList> {
  const { parts, damages, missing } = await collectParts(options);
  if (parts.length === 0 && missing.length > 0) {
    const message = `${missing.length} segments were recorded in this span, and none of their files is here`;
    throw new ExportError('RECORDINGS_ABSENT', message);
  }
  if (parts.length === 0) {
    throw new ExportError('NOTHING_RECORDED', 'nothing that is sealed was recorded in this span');
  }
  const names = parts.map((_, index) => numbered(options.out, index + 1));
  const listFile = `${options.out}.digests.json`;
  for (const file of [...names, listFile]) await refuseToOverwrite(file);
  const totalBytes = parts.flatMap(part => part.sources).reduce((sum, { byteLength }) => sum + byteLength, 0);
  const files: ExportList['files'][number][] = [];
  let doneBytes = 0;
  for (const [index, part] of parts.entries()) {
    const tell = (bytes: number) => {
      doneBytes += bytes;
      options.onProgress(doneBytes, totalBytes);
    };
    files.push(await writePart(names[index]!, part, { ...options, tell }));
  }
  const { deviceId, fromMs, toMs } = options;
  const list: ExportList = { format: 'holdfast-export-2', deviceId, fromMs, toMs, files, damages, missing };
  await writeFile(listFile, `${JSON.stringify(list, null, 1)}\n`, { flag: 'wx' });
  return list;
}

async function collectParts(
  options: ExportOptions,
): Promise<{ readonly parts: readonly Part[] } & Pick<ExportList, 'damages' | 'missing'>> {
  const damages: ExportList['damages'][number][] = [];
  const found = new Map<SegmentId, { readonly fromMs: number; readonly sealed: FoundSegment }>();
  // A segment is in the folder of the day of its first picture: it may have begun the day before.
  const day = (ms: number) => new Date(ms).toISOString().slice(0, 10);
  const days = { from: day(options.fromMs - dayMs), to: day(options.toMs) };
  for await (const { file, open } of filesIn(options, days)) {
    options.signal.throwIfAborted();
    try {
      await using sealed = await open();
      const { segmentId, fragments } = sealed.manifest;
      const segment = foundIn({ file, open }, sealed, options);
      if (sealed.isClosed && segment.sources.length > 0) {
        const message = `${file} is encrypted, and its key is not here: give the password of the media`;
        throw new ExportError('MEDIA_KEY_MISSING', message);
      }
      found.set(segmentId, { fromMs: fragments[0]!.fromMs, sealed: segment });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') continue;
      if (!(error instanceof SegmentFileDamagedError)) throw error;
      damages.push({ file, detail: error.message });
    }
  }
  const fragmentCount = [...found.values()].reduce((sum, { sealed }) => sum + sealed.sources.length, 0);
  if (fragmentCount > fragmentsMax) {
    const message = `${fragmentCount} groups of pictures, at most ${fragmentsMax} in one export: name a shorter span`;
    throw new ExportError('EXPORT_TOO_LONG', message);
  }
  const parts: Part[] = [];
  for (const { sealed } of [...found.values()].sort((one, other) => one.fromMs - other.fromMs)) {
    for (const source of sealed.sources) addTo(parts, sealed, source);
  }
  return { parts, damages, missing: missingOf(options, new Set(found.keys())) };
}

function missingOf(
  { directories, expected = [] }: ExportOptions,
  found: ReadonlySet<SegmentId>,
): readonly MissingSegment[] {
  const here = new Set(directories.map(({ recordingServerId }) => recordingServerId));
  return expected
    .filter(({ segmentId }) => !found.has(segmentId))
    .map(segment => ({
      ...segment,
      because: here.has(segment.recordingServerId) ? 'FILE_ABSENT' : 'MEDIA_DIRECTORY_ABSENT',
    }));
}

type SourceFile = Pick<Source, 'file' | 'open'>;

async function* filesIn(
  { directories, deviceId }: ExportOptions,
  days: { readonly from: string; readonly to: string },
): AsyncGenerator<SourceFile> {
  for (const { dir, stages: others, keys, objectStores } of directories) {
    const stages = new StageDirectories({ root: dir, recordingServerId: null, keys, objectStores });
    for (const stage of [OWN_STAGE, ...others]) {
      for (const file of await stages.files(stage).sealedFilesOf(deviceId, days)) {
        yield { file, open: () => stages.open({ file, stage }) };
      }
    }
  }
}

type FoundSegment = Part;

function foundIn(source: SourceFile, sealed: SealedFile, { fromMs, toMs }: ExportOptions): FoundSegment {
  const { manifest, initBytes } = sealed;
  const manifestDigest = digestHex(manifest);
  const sources = manifest.fragments.flatMap((entry, index) => {
    if (entry.toMs <= fromMs || entry.fromMs >= toMs) return [];
    const digest = Buffer.from(entry.digest).toString('hex');
    return [{ ...entry, ...source, segmentId: manifest.segmentId, manifestDigest, index, digest }];
  });
  return { init: initBytes, codecs: manifest.codecs, sources };
}

function addTo(parts: Part[], { init, codecs }: FoundSegment, source: Source): void {
  const last = parts.at(-1);
  const previous = last?.sources.at(-1);
  const continues =
    last !== undefined &&
    previous !== undefined &&
    Buffer.compare(last.init, init) === 0 &&
    source.fromMs >= previous.fromMs &&
    last.sources.length < REFERENCES_MAX;
  if (continues) last.sources.push(source);
  else if (source.beginsWithKeyFrame) parts.push({ init, codecs, sources: [source] });
}

async function writePart(
  file: string,
  part: Part,
  { signal, tell }: { readonly signal: AbortSignal; readonly tell: (bytes: number) => void },
): Promise<ExportList['files'][number]> {
  const unfinished = `${file}.part`;
  const handle = await open(unfinished, 'w');
  try {
    const written = await writeFragments(handle, part, { signal, tell });
    await handle.sync();
    await handle.close();
    await rename(unfinished, file);
    return { file: path.basename(file), codecs: part.codecs, ...written };
  } catch (error) {
    await handle.close().catch(() => undefined);
    await unlink(unfinished).catch(absentAsNull);
    throw error;
  }
}

async function writeFragments(
  handle: FileHandle,
  { init, sources }: Part,
  { signal, tell }: { readonly signal: AbortSignal; readonly tell: (bytes: number) => void },
): Promise<Omit<ExportList['files'][number], 'file' | 'codecs'>> {
  const hash = createHash('sha256');
  let byteLength = 0;
  const write = async (bytes: Uint8Array) => {
    hash.update(bytes);
    await handle.writeFile(bytes);
    byteLength += bytes.length;
  };
  const timescales = readTimescales(init);
  const durationMs = sources.at(-1)!.toMs - sources[0]!.fromMs;
  await write(hideTracks(withDuration(init, durationMs), HIDDEN_TRACKS));
  await write(indexOf(sources, timescales));
  let earlierTicks: ReadonlyMap<number, number> | null = null;
  const segments: ExportedSegment[] = [];
  const fragments: ExportedFragment[] = [];
  for (const group of Map.groupBy(sources, source => source.file).values()) {
    const { open, segmentId, manifestDigest } = group[0]!;
    await using sealed = await open();
    segments.push({ segmentId, digest: manifestDigest });
    for (const { index, fromMs, toMs, digest } of group) {
      signal.throwIfAborted();
      const bytes = await sealed.fragmentBytes(index);
      earlierTicks ??= beginningOf(bytes, timescales);
      fragments.push({ segmentId, index, fromMs, toMs, digest, offset: byteLength });
      const shifted = shiftTrackTimes(bytes, trackId => earlierTicks!.get(trackId) ?? 0);
      await write(hideTracks(shifted, HIDDEN_TRACKS));
      tell(bytes.length);
    }
  }
  return {
    ...{ byteLength, sha256: hash.digest('hex'), initByteLength: init.length },
    ...{ earlierTicks: Object.fromEntries(earlierTicks ?? []), segments, fragments },
  };
}

/** The millisecond in which the first of the tracks begins, in ticks of each: the same moment is 0 in all of them. */
function beginningOf(
  bytes: Uint8Array,
  timescales: ReadonlyMap<number, number>,
): ReadonlyMap<number, number> {
  const begins = readTrackTimes(bytes).map(
    ({ trackId, ticks }) => (1000 * ticks) / (timescales.get(trackId) ?? 1000),
  );
  const beginMs = Math.floor(Math.min(...begins));
  return new Map(
    [...timescales].map(([trackId, timescale]) => [trackId, Math.floor((beginMs * timescale) / 1000)]),
  );
}

function indexOf(sources: readonly Source[], timescales: ReadonlyMap<number, number>): Uint8Array {
  const trackId = timescales.has(VIDEO_TRACK_ID) ? VIDEO_TRACK_ID : AUDIO_TRACK_ID;
  const timescale = timescales.get(trackId) ?? 1000;
  const references = sources.map(({ fromMs, toMs, byteLength, beginsWithKeyFrame }, index) => {
    const endMs = sources[index + 1]?.fromMs ?? toMs;
    // A gap of half a day is as long as 32 bits can say.
    const durationTicks = Math.min(Math.round(((endMs - fromMs) * timescale) / 1000), 0xffffffff);
    return { byteLength, durationTicks, beginsWithKeyFrame };
  });
  return segmentIndexBox({ trackId, timescale, bytesBeforeMoof: FACTS_BOX_BYTE_LENGTH, references });
}

function numbered(out: string, number: number): string {
  if (number === 1) return out;
  const { dir, name, ext } = path.parse(out);
  return path.join(dir, `${name}-${number}${ext}`);
}

async function refuseToOverwrite(file: string): Promise<void> {
  if ((await access(file).catch(absentAsNull)) === null) return;
  throw new ExportError('EXPORT_EXISTS', `${file} is there already: name another file`);
}
