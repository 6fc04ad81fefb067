import { accessSync, constants, existsSync } from 'node:fs';
import path from 'node:path';
import type { DeviceId } from '@holdfast/schema';
import {
  changeMediaPassword,
  checkMedia,
  deviceNamed,
  ExportError,
  exportMedia,
  findMediaDirectories,
  MediaDatabaseInUseError,
  type MediaDirectoryOfServer,
  MediaPasswordError,
  mediaKeysOf,
  readMediaPassword,
  recordedIn,
  repairMediaDirectory,
} from '@holdfast/sites';
import { orSayWhy } from './named-file.js';
import { EXIT_NO, EXIT_UNREACHABLE, EXIT_WRONG_USE, processLifetime } from './process-lifetime.js';
import { ProgressLine } from './progress-line.js';

const UNREACHABLE = 'STORE_UNREACHABLE';

interface JsonOption {
  readonly json: boolean;
}

/** Of encrypted recordings. Left out: `HOLDFAST_MEDIA_PASSWORD` of the environment. */
interface PasswordOption {
  readonly passwordFile?: string;
}

/** `holdfast media check DIR`: reads all recordings and changes nothing. Returns the exit code. */
export async function mediaCheckCommand(
  directory: string,
  { json, passwordFile }: JsonOption & PasswordOption,
): Promise<number> {
  const found = await mediaDirectoriesOrReport(directory);
  if (found === null) return EXIT_WRONG_USE;
  const signal = processLifetime();
  const checks = [];
  const opened = await withKeysOrReport(found, passwordFile);
  if (opened === null) return EXIT_WRONG_USE;
  for (const { dir, stages, objectStores, keys } of opened) {
    using progress = new ProgressLine();
    const onProgress = (done: number, total: number) => progress.show(dir, done, total);
    checks.push({ dir, ...(await checkMedia({ dir, stages, objectStores, keys, signal, onProgress })) });
  }
  if (json) process.stdout.write(`${JSON.stringify(checks)}\n`);
  else
    for (const { dir, segmentCount, closedSegmentCount, byteLength, index, faults } of checks) {
      const beside = index === 'IN_USE' ? '; its index is in use and was not compared' : '';
      say(`${dir}: ${segmentCount} segments (${(byteLength / 1e6).toFixed(1)} MB) read${beside}`);
      if (closedSegmentCount > 0) say(`  ${closedInWords(closedSegmentCount)}`);
      for (const { file, code, detail } of faults)
        say(`  ${code === UNREACHABLE ? '' : 'DAMAGED '}${code} ${file}: ${detail}`);
    }
  const faults = checks.flatMap(check => check.faults);
  if (faults.some(({ code }) => code !== UNREACHABLE)) return EXIT_NO;
  return faults.length === 0 ? 0 : EXIT_UNREACHABLE;
}

/** `holdfast media repair DIR`: for recording servers that do not run. Exit 1 when something could not be saved. */
export async function mediaRepairCommand(directory: string, { json }: JsonOption): Promise<number> {
  const found = await mediaDirectoriesOrReport(directory);
  if (found === null) return EXIT_WRONG_USE;
  const signal = processLifetime();
  const repaired = [];
  for (const server of found) {
    if (server.recordingServerId === null) {
      return refuse(
        `${server.dir}: neither its name nor its index says which recording server it is of: give it the id as its name`,
      );
    }
    using progress = new ProgressLine();
    const onProgress = (done: number, total: number) => progress.show(server.dir, done, total);
    try {
      const { dir, recordingServerId, stages, objectStores } = server;
      const options = { dir, recordingServerId, stages, objectStores, signal, onProgress };
      repaired.push({ dir, ...(await repairMediaDirectory(options)) });
    } catch (error) {
      if (!(error instanceof MediaDatabaseInUseError)) throw error;
      return refuse(`${error.message}; end it first`);
    }
  }
  if (json) process.stdout.write(`${JSON.stringify(repaired)}\n`);
  else
    for (const { dir, segmentCount, recoveredCount, repairs } of repaired) {
      say(`${dir}: ${segmentCount} segments; ${recoveredCount} sealed that a crash had left`);
      for (const { action, file, detail } of repairs) say(`  ${action} ${file}: ${detail}`);
    }
  const lost = repaired.flatMap(({ repairs }) => repairs).filter(({ action }) => !savedActions.has(action));
  return lost.length === 0 ? 0 : EXIT_NO;
}

export interface MediaPasswordOptions {
  readonly passwordFile?: string;
  readonly newPasswordFile: string;
}

/** `holdfast media password DIR`: for recording servers that do not run. Recordings stay as they are. Returns the exit code. */
export async function mediaPasswordCommand(
  directory: string,
  options: MediaPasswordOptions,
): Promise<number> {
  const found = await mediaDirectoriesOrReport(directory);
  if (found === null) return EXIT_WRONG_USE;
  try {
    const from = readMediaPassword(options.passwordFile ?? null);
    const to = readMediaPassword(options.newPasswordFile);
    if (from === null || to === null) return refuse('expected a password in the first line of each file');
    for (const server of found) {
      const written = await changeMediaPassword(server, { from, to });
      if (written === null) say(`${server.dir}: nothing is encrypted`);
      else for (const place of written) say(`${place}: opened by the new password`);
    }
    return 0;
  } catch (error) {
    if (error instanceof MediaDatabaseInUseError) return refuse(`${error.message}; end it first`);
    if (!(error instanceof MediaPasswordError)) throw error;
    return refuse(error.message);
  }
}

const savedActions: ReadonlySet<string> = new Set(['ADOPTED', 'MOVED']);

export interface MediaExportOptions {
  /** By id or name; several are exported one after the other, each into files of its own. */
  readonly device: readonly string[];
  readonly from: string;
  readonly to: string;
  readonly out: string;
  readonly json: boolean;
  readonly passwordFile?: string;
}

/** `holdfast media export DIR`: MP4 files and the list of their digests. Returns the exit code. */
export async function mediaExportCommand(directory: string, options: MediaExportOptions): Promise<number> {
  const fromMs = Date.parse(options.from);
  const toMs = Date.parse(options.to);
  if (!(fromMs < toMs)) {
    return refuse('--from and --to: expected two times in order, e.g. 2026-11-20T12:00:00Z');
  }
  const folder = path.dirname(path.resolve(options.out));
  orSayWhy(`--out ${options.out}: cannot be written`, () => accessSync(folder, constants.W_OK));
  const found = await mediaDirectoriesOrReport(directory);
  if (found === null) return EXIT_WRONG_USE;
  const devices: { readonly deviceId: DeviceId; readonly out: string }[] = [];
  for (const name of options.device) {
    const deviceId = await deviceNamed(directory, name);
    if (deviceId === null) {
      return refuse(`--device ${name}: no such device, or several of this name: give its id`);
    }
    devices.push({ deviceId, out: options.device.length > 1 ? outOf(options.out, name) : options.out });
  }
  if (new Set(devices.map(({ out }) => out)).size < devices.length) {
    return refuse('--device: the same device, or the same name, is given twice');
  }
  const directories = await withKeysOrReport(found, options.passwordFile);
  if (directories === null) return EXIT_WRONG_USE;
  const signal = processLifetime();
  const ends: number[] = [];
  for (const device of devices) {
    const expected = await recordedIn(directory, device.deviceId, { fromMs, toMs });
    ends.push(await exportDevice({ ...device, expected, directories, fromMs, toMs, signal }, options));
    if (signal.aborted) break;
  }
  return Math.max(...ends);
}

async function exportDevice(
  asked: Omit<Parameters<typeof exportMedia>[0], 'onProgress'>,
  { json }: JsonOption,
): Promise<number> {
  const { out } = asked;
  using progress = new ProgressLine();
  const onProgress = (done: number, total: number) => progress.show(out, done, total);
  try {
    const list = await exportMedia({ ...asked, onProgress });
    progress.clear();
    if (json) process.stdout.write(`${JSON.stringify(list)}\n`);
    else for (const line of linesOf(list, path.dirname(out))) say(line);
    return list.damages.length === 0 && list.missing.length === 0 ? 0 : EXIT_NO;
  } catch (error) {
    if (!(error instanceof ExportError)) throw error;
    process.stderr.write(`holdfast: ${out}: ${error.message}\n`);
    return noExport.has(error.code) ? EXIT_NO : EXIT_WRONG_USE;
  }
}

const noExport: ReadonlySet<ExportError['code']> = new Set(['NOTHING_RECORDED', 'RECORDINGS_ABSENT']);

/** `gate.mp4` for the device `Car park` is `gate-Car park.mp4`. */
function outOf(out: string, device: string): string {
  const { dir, name, ext } = path.parse(out);
  return path.join(dir, `${name}-${device.replaceAll(/[^\p{L}\p{N} ._-]/gu, '_')}${ext}`);
}

function linesOf(list: Awaited<ReturnType<typeof exportMedia>>, folder: string): readonly string[] {
  const files = list.files.map(({ file, byteLength, codecs, fragments }) => {
    const span = [fragments[0]!.fromMs, fragments.at(-1)!.toMs].map(ms => new Date(ms).toISOString());
    const megabytes = (byteLength / 1e6).toFixed(1);
    return `${path.join(folder, file)}: ${span.join(' to ')}, ${codecs}, ${megabytes} MB`;
  });
  const missing = list.missing.map(({ segmentId, fromMs, toMs, recordingServerId, because }) => {
    const span = [fromMs, toMs].map(ms => new Date(ms).toISOString());
    const server = recordingServerId === null ? 'another site' : `recording server ${recordingServerId}`;
    return `  MISSING ${span.join(' to ')}, segment ${segmentId} of ${server}: ${missingInWords[because]}`;
  });
  return [...files, ...list.damages.map(({ file, detail }) => `  DAMAGED ${file}: ${detail}`), ...missing];
}

const missingInWords = {
  MEDIA_DIRECTORY_ABSENT: 'its media directory is not here',
  FILE_ABSENT: 'its file is in none of the folders of its storages',
} as const;

export function closedInWords(segmentCount: number): string {
  return `${segmentCount} of them are encrypted and were compared as they are stored: with their password they are read`;
}

type WithKeys = MediaDirectoryOfServer & { readonly keys: Awaited<ReturnType<typeof mediaKeysOf>> };

async function withKeysOrReport(
  found: readonly MediaDirectoryOfServer[],
  passwordFile: string | undefined,
): Promise<readonly WithKeys[] | null> {
  try {
    const password = readMediaPassword(passwordFile ?? null);
    return await Promise.all(
      found.map(async directory => ({ ...directory, keys: await mediaKeysOf(directory, password) })),
    );
  } catch (error) {
    if (!(error instanceof MediaPasswordError)) throw error;
    refuse(error.message);
    return null;
  }
}

async function mediaDirectoriesOrReport(
  directory: string,
): Promise<readonly MediaDirectoryOfServer[] | null> {
  const found = existsSync(directory) ? await findMediaDirectories(directory) : [];
  if (found.length > 0) return found;
  refuse(`${directory}: no media directory, and no data directory with recordings at or below it`);
  return null;
}

function refuse(message: string): number {
  process.stderr.write(`holdfast: ${message}\n`);
  return EXIT_WRONG_USE;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
