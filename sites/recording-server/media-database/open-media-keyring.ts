import { readFileSync } from 'node:fs';
import type { ObjectStoreAccess } from '../object-store/object-store.js';
import { MEDIA_KEYS_FILE, MediaKeyring, type MediaKeys, MediaPasswordError } from './media-keyring.js';
import { SegmentIndex } from './segment-index.js';
import { OWN_STAGE, StageDirectories } from './stage-directories.js';

/**
 * Opens the keys of a media directory with its password. Where its own file is lost, a copy in a live database or an archive
 * counts; where there is none a key is made, or, unless `create`, the answer is null. Throws `MediaPasswordError`.
 */
export async function openMediaKeyring(options: {
  readonly dir: string;
  readonly stages: readonly string[];
  readonly objectStores?: readonly ObjectStoreAccess[] | undefined;
  readonly password: string;
  readonly create: boolean;
}): Promise<MediaKeyring | null> {
  const stages = new StageDirectories({
    root: options.dir,
    recordingServerId: null,
    objectStores: options.objectStores,
  });
  let text: string | null = null;
  for (const stage of [OWN_STAGE, ...options.stages]) {
    // A stage that is away is asked again when it is back.
    text ??= await readKeys(stages, stage);
  }
  return text === null && !options.create ? null : MediaKeyring.open(text, options.password);
}

async function readKeys(stages: StageDirectories, stage: string): Promise<string | null> {
  try {
    return await stages.files(stage).readNote(MEDIA_KEYS_FILE);
  } catch {
    return null;
  }
}

function readPasswordFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new MediaPasswordError('MEDIA_PASSWORD_MISSING', `${file}: ${(error as Error).message}`);
  }
}

/** The first line of a file, or `HOLDFAST_MEDIA_PASSWORD` of the environment; null when there is neither. Throws `MediaPasswordError`. */
export function readMediaPassword(file: string | null): string | null {
  const text = file === null ? process.env.HOLDFAST_MEDIA_PASSWORD : readPasswordFile(file);
  const [line = ''] = text?.split(/\r?\n/) ?? [];
  return line === '' ? null : line;
}

/**
 * Seals the keys of a recording server that does not run under another password, in its media directory and wherever a copy can
 * be reached; other copies follow when it runs. Answers where they are now; null: there are no keys. Throws
 * `MediaPasswordError`, and `MediaDatabaseInUseError` while it runs.
 */
export async function changeMediaPassword(
  where: Pick<Parameters<typeof openMediaKeyring>[0], 'dir' | 'stages' | 'objectStores'>,
  passwords: { readonly from: string; readonly to: string },
): Promise<readonly string[] | null> {
  const stages = new StageDirectories({
    ...{ root: where.dir, recordingServerId: null, objectStores: where.objectStores },
  });
  // Who runs would write over it what he has.
  new SegmentIndex({ file: stages.own.indexFile, recordingServerId: null }).close();
  const keyring = await openMediaKeyring({ ...where, password: passwords.from, create: false });
  if (keyring === null) return null;
  const resealed = await keyring.resealed(passwords.to);
  const written: string[] = [];
  for (const stage of [OWN_STAGE, ...where.stages]) {
    if (stage !== OWN_STAGE && (await stages.whyUnavailable(stage)) !== null) continue;
    await stages.copyKeys(stage, resealed);
    written.push(stage === OWN_STAGE ? where.dir : stage);
  }
  return written;
}

/** To read what is encrypted; undefined where there is no password, or no key. Throws `MediaPasswordError`. */
export async function mediaKeysOf(
  where: Pick<Parameters<typeof openMediaKeyring>[0], 'dir' | 'stages' | 'objectStores'>,
  password: string | null,
): Promise<MediaKeys | undefined> {
  if (password === null) return undefined;
  return (await openMediaKeyring({ ...where, password, create: false })) ?? undefined;
}
