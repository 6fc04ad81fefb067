import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { SiteLog } from '@holdfast/core';
import type { RecordingServerId } from '@holdfast/schema';
import { MediaDirectory } from './recording-server/media-database/media-directory.js';
import { OWNER_NOTE } from './recording-server/media-database/stage-directories.js';
import { usedStages } from './recording-server/retention/used-stages.js';
import { siteLogFileOf } from './site-directory.js';

/** As often as a storage that is halted is looked for. */
const LOOK_MS = 5_000;
/** A media directory that is not there in so many looks in a row has gone. */
const GONE_LOOKS = 2;

export interface UsedMedia {
  readonly recordingServerId: RecordingServerId;
  readonly directory: string;
}

/** A media directory that was used before and is not there: its disk is not mounted. */
export interface AwayMedia extends UsedMedia {
  /** What is missing, and what to do. */
  readonly why: string;
  /** Resolves when its stand-in can be opened in no time. Null: it is open. */
  readonly prepared: Promise<void> | null;
}

/** Null: it is there, or is to be made, because the recording server has never run. */
export async function awayMediaOf(
  log: Pick<SiteLog, 'readStream'>,
  {
    directory,
    id,
    name,
  }: { readonly directory: string; readonly id: RecordingServerId; readonly name: string },
): Promise<Omit<AwayMedia, 'prepared'> | null> {
  if (isThere(directory, id) || (await usedStages(log, id)) === null) return null;
  const why = `MEDIA_DIRECTORY_MISSING: ${directory}: recording server ${name} has kept its recordings there, and nothing of it is there. Is the disk mounted? \
Nothing is made in its place, and nothing recorded that belongs there. When the disk is there it is used by itself; if it is a new one, write ${id} into ${path.join(directory, OWNER_NOTE)}`;
  return { recordingServerId: id, directory, why };
}

export class MediaDirectoryMissingError extends Error {
  override readonly name = 'MediaDirectoryMissingError';
  readonly code = 'MEDIA_DIRECTORY_MISSING';
}

/** Which keeps what is retrieved; undefined: none is configured. Throws `MediaDirectoryMissingError`. */
export function firstRecordingServer<Server>(
  {
    recordingServers,
    awayMedia,
  }: {
    readonly recordingServers: ReadonlyMap<RecordingServerId, Server>;
    readonly awayMedia: readonly AwayMedia[];
  },
  configuration: { readonly recordingServers: readonly { readonly id: RecordingServerId }[] },
): Server | undefined {
  const [first] = configuration.recordingServers;
  const away = awayMedia.find(({ recordingServerId }) => recordingServerId === first?.id);
  if (away) throw new MediaDirectoryMissingError(away.why);
  return first && recordingServers.get(first.id);
}

/** Resolves when one of them is there, or the signal is aborted. */
export async function whenMediaIsThere(away: readonly UsedMedia[], signal: AbortSignal): Promise<void> {
  while (!signal.aborted && !away.some(({ directory, recordingServerId: id }) => isThere(directory, id))) {
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
  }
}

/** Resolves when one of them has gone, with the data directory still there, or the signal is aborted. */
export async function whenMediaIsGone(
  { used, dataDirectory }: { readonly used: readonly UsedMedia[]; readonly dataDirectory: string },
  signal: AbortSignal,
): Promise<void> {
  const log = path.dirname(siteLogFileOf(dataDirectory));
  const isGone = ({ directory, recordingServerId }: UsedMedia) => !isThere(directory, recordingServerId);
  for (let looks = 0; !signal.aborted && looks < GONE_LOOKS; ) {
    await delay(LOOK_MS, undefined, { signal }).catch(() => undefined);
    looks = used.some(isGone) && existsSync(log) ? looks + 1 : 0;
  }
}

/** Its index can be lost and made anew of the files; a new disk is told by the same note as that of any other stage. */
function isThere(directory: string, id: RecordingServerId): boolean {
  const { indexFile, folders } = new MediaDirectory(directory);
  return [indexFile, ...folders].some(existsSync) || ownerIn(directory) === id;
}

function ownerIn(directory: string): string | null {
  try {
    return readFileSync(path.join(directory, OWNER_NOTE), 'utf8').trim();
  } catch {
    return null;
  }
}
