import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { DeviceId } from '@holdfast/schema';
import type { MediaDirectory } from './media-directory.js';
import { absentAsNull } from './segment-importer.js';

/** Behind the name of a copy that is being written. */
export const UNFINISHED = '.part';

/** The devices of which there are sealed files, whatever an index says. */
export async function devicesWithFiles(directory: MediaDirectory): Promise<readonly DeviceId[]> {
  const names = await namesIn(directory.segmentsFolder);
  return names.flatMap(name => DeviceId.safeParse(name).data ?? []);
}

/** The sealed files of a device in order of their days. `dayFrom`, `dayTo`: only of these days (UTC), both included. */
export async function sealedFilesOf(
  directory: MediaDirectory,
  deviceId: DeviceId,
  days: { readonly from: string; readonly to: string } | null = null,
): Promise<readonly string[]> {
  const folder = path.join(directory.segmentsFolder, deviceId);
  const files: string[] = [];
  for (const day of await namesIn(folder)) {
    if (days !== null && (day < days.from || day > days.to)) continue;
    for (const name of await namesIn(path.join(folder, day))) {
      if (!name.endsWith(UNFINISHED)) files.push(path.join(folder, day, name));
    }
  }
  return files;
}

/** Copies that a move did not come to the end of, which only an index that is lost knows of otherwise. */
export async function unfinishedFilesOf(
  directory: MediaDirectory,
  deviceId: DeviceId,
): Promise<readonly string[]> {
  const folder = path.join(directory.segmentsFolder, deviceId);
  const files: string[] = [];
  for (const day of await namesIn(folder)) {
    for (const name of await namesIn(path.join(folder, day))) {
      if (name.endsWith(UNFINISHED)) files.push(path.join(folder, day, name));
    }
  }
  return files;
}

/** A folder that is not there has nothing in it. */
async function namesIn(folder: string): Promise<readonly string[]> {
  return ((await readdir(folder).catch(absentAsNull)) ?? []).sort();
}
