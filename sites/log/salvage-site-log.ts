import { existsSync, readdirSync, renameSync, rmSync, statfsSync, statSync } from 'node:fs';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { makeFolder } from '@holdfast/interconnect';
import type { SiteId } from '@holdfast/schema';
import { Ballast } from '../ballast.js';
import { isDiskFull } from '../recording-server/media-database/index-faults.js';
import { syncFolder } from '../sync-folder.js';
import { fillSalvaged, type SalvageSources } from './salvaged-log-file.js';
import { SiteLogFileError } from './site-log-file.js';
import { lockLog } from './site-log-opening.js';

/** Each puts a whole file aside: a disk that damages one after the other needs a person. */
const SALVAGES_PER_HOUR_MAX = 3;
const HOUR_MS = 3_600_000;
/** For the write-ahead log of the new file, and for others meanwhile. */
const ROOM_BYTES = 32 * 1024 * 1024;

/** Behind the name of a log's folder: a damaged one that was salvaged, and one that has yet to be. */
const DAMAGED = '.damaged-';
const SET_ASIDE = '.unsalvaged-';

export interface SiteLogSalvage {
  readonly file: string;
  readonly site: SiteId;
  /** Wall clock. */
  readonly nowMs: number;
  /** How it showed, for people. */
  readonly damage: string;
  /** The site's own raw Ed25519 key: what it has not signed is taken over as that. */
  readonly publicKey: Uint8Array;
  /** What the damaged log signed last while it was open, and may not have stored. */
  readonly note?: string | null;
  /** Otherwise it is `file` itself that is damaged: a log that was set aside, and `file` is the one that was begun in its place. */
  readonly setAside?: string;
}

/** A damaged log cannot be salvaged. */
export class NotSalvagedError extends Error {
  override readonly name = 'NotSalvagedError';
  readonly code = 'LOG_NOT_SALVAGED';
  /** There may be room another time; three within an hour need a person. */
  readonly because: 'NO_ROOM' | 'TOO_OFTEN' | 'FAILED';

  constructor(because: NotSalvagedError['because'], detail: string, cause?: unknown) {
    super(detail, { cause });
    this.because = because;
  }
}

/**
 * Puts a damaged log aside, whole and for good, and makes one of all of its events that can be read: as they were, up to the first
 * that cannot or that the site had not signed, and recorded again in a new epoch behind it: with a mark where no signature stands
 * behind them. What is missing then is what a parent gives back, as after the restore of an old copy. Nobody may have it open. Of one
 * that was set aside, what was recorded since comes behind that, in the same epoch. Returns what was done, for people. Throws
 * `SiteLogFileError` and `NotSalvagedError`.
 */
export async function salvageSiteLog(salvage: SiteLogSalvage): Promise<string> {
  const { file, nowMs, setAside, note = null } = salvage;
  assertSalvageable(file, nowMs, setAside);
  if (setAside === undefined) {
    const aside = `${path.dirname(file)}${DAMAGED}${timeInName(nowMs)}`;
    const done = await replaceLog({ ...salvage, note, from: file, meanwhile: null, aside }, aside);
    throwOffBallast(path.join(aside, path.basename(file)));
    return done;
  }
  const from = path.join(setAside, path.basename(file));
  const aside = damagedNameOf(setAside);
  const done = await replaceLog(
    { ...salvage, note, from, meanwhile: file, aside },
    replacedDirectoryOf(file),
  );
  await endSetAside(setAside);
  return done;
}

/** Nothing more is taken of a damaged log that was set aside: it is kept, as any other. */
export async function endSetAside(setAside: string): Promise<void> {
  renameSync(setAside, damagedNameOf(setAside));
  await syncFolder(path.dirname(setAside));
}

/** What the folder of a damaged log that was set aside is called once it was salvaged. */
export function damagedNameOf(setAside: string): string {
  const [name, time] = path.basename(setAside).split(SET_ASIDE);
  return path.join(path.dirname(setAside), `${name}${DAMAGED}${time}`);
}

/**
 * Puts a damaged log aside for which there is no room beside another one, and begins one without an event of it, so that the site
 * records on: `setAsideLogsOf` finds it when there is room. Nobody may have it open. Returns what was done, for people. Throws as above.
 */
export async function setAsideSiteLog(salvage: SiteLogSalvage): Promise<string> {
  const { file, nowMs } = salvage;
  assertNotTooOften(file, nowMs);
  const aside = `${path.dirname(file)}${SET_ASIDE}${timeInName(nowMs)}`;
  throwOffBallast(file);
  return replaceLog({ ...salvage, note: null, from: null, meanwhile: null, aside }, aside);
}

/** The folders of damaged logs that were set aside, and have yet to be salvaged; the oldest first. */
export function setAsideLogsOf(file: string): readonly string[] {
  const directory = path.dirname(file);
  const parent = path.dirname(directory);
  const names = existsSync(parent) ? readdirSync(parent) : [];
  const prefix = `${path.basename(directory)}${SET_ASIDE}`;
  return names
    .filter(name => name.startsWith(prefix))
    .sort()
    .map(name => path.join(parent, name));
}

/** The log as it is now goes to `to`. */
async function replaceLog(
  sources: SalvageSources & Pick<SiteLogSalvage, 'file'>,
  to: string,
): Promise<string> {
  const { file } = sources;
  const directory = path.dirname(file);
  const made = salvagedDirectoryOf(file);
  rmSync(made, { recursive: true, force: true });
  try {
    using _ = lockLog(file);
    makeFolder(made);
    const done = await fillSalvaged(path.join(made, path.basename(file)), sources);
    renameSync(directory, to);
    await finishSalvage(file);
    return done;
  } catch (cause) {
    if (existsSync(directory)) rmSync(made, { recursive: true, force: true });
    if (cause instanceof SiteLogFileError) throw cause;
    const because = isDiskFull(cause) ? 'NO_ROOM' : 'FAILED';
    throw new NotSalvagedError(because, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function throwOffBallast(file: string): void {
  for (const name of ['ballast', 'opening-ballast']) new Ballast(`${file}.${name}`).throwOff();
}

/** The same in a thread of its own, for those who have pictures to record meanwhile. */
export function salvageOffThread(salvage: SiteLogSalvage): Promise<string> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./salvage-site-log.worker.js', import.meta.url), {
      workerData: salvage,
      name: 'site-log-salvage',
    });
    worker.once('message', resolve);
    worker.once('error', reject);
    worker.once('exit', () => reject(new NotSalvagedError('FAILED', 'the thread ended before it was done')));
  });
}

/** Goes on with what a kill cut off: a log is aside, and the new one not in its place yet, or is and the old one not removed. */
export async function finishSalvage(file: string): Promise<void> {
  const directory = path.dirname(file);
  const made = salvagedDirectoryOf(file);
  if (!existsSync(directory) && existsSync(made)) {
    await syncFolder(made);
    renameSync(made, directory);
    await syncFolder(path.dirname(directory));
  }
  if (existsSync(directory)) rmSync(replacedDirectoryOf(file), { recursive: true, force: true });
}

function salvagedDirectoryOf(file: string): string {
  return `${path.dirname(file)}.salvaged`;
}

/** A whole log, all of which is in the one that came in its place. */
function replacedDirectoryOf(file: string): string {
  return `${path.dirname(file)}.replaced`;
}

function timeInName(ms: number): string {
  return new Date(ms).toISOString().replaceAll(':', '-');
}

/** Throws `NotSalvagedError` when it is too often, or there is no room for another file. */
export function assertSalvageable(file: string, nowMs: number, setAside?: string): void {
  if (setAside === undefined) assertNotTooOften(file, nowMs);
  const others = setAside === undefined ? [] : [path.join(setAside, path.basename(file))];
  const neededBytes = [file, ...others]
    .flatMap(each => [each, `${each}-wal`])
    .reduce((sum, each) => sum + (statSync(each, { throwIfNoEntry: false })?.size ?? 0), ROOM_BYTES);
  const { bavail, bsize } = statfsSync(path.dirname(file));
  if (bavail * bsize >= neededBytes) return;
  throw new NotSalvagedError(
    'NO_ROOM',
    'the disk has no room for another file as large as the damaged one: make room',
  );
}

function assertNotTooOften(file: string, nowMs: number): void {
  const directory = path.dirname(file);
  const prefixes = [DAMAGED, SET_ASIDE].map(kind => `${path.basename(directory)}${kind}`);
  const recent = readdirSync(path.dirname(directory)).filter(name => {
    const prefix = prefixes.find(each => name.startsWith(each));
    const [date, time] = name.slice(prefix?.length).split('T');
    const madeMs = Date.parse(`${date}T${time?.replaceAll('-', ':')}`);
    return prefix !== undefined && Math.abs(nowMs - madeMs) < HOUR_MS;
  });
  if (recent.length < SALVAGES_PER_HOUR_MAX) return;
  const often = `${recent.length} damaged logs were put aside within an hour`;
  throw new NotSalvagedError('TOO_OFTEN', `${often}: replace the disk, then start again`);
}
