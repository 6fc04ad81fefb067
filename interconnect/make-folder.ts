import { mkdirSync, statSync } from 'node:fs';
import path from 'node:path';

/** Only its owner looks into a folder of ours. */
const FOLDER_MODE = 0o700;

const inWords: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'a folder, where a file is expected',
  ELOOP: 'links that lead to each other',
  EACCES: 'this user may not',
  EPERM: 'this user may not',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EIO: 'the disk failed',
};

/** The folder above it is there, or has just been made. */
const ofMaking: Readonly<Record<string, string>> = {
  ENOENT: 'this file system takes no folders',
  EEXIST: 'a link to what is not there, as of a disk that is not mounted',
  ENOTDIR: 'a file is there',
};

/** What a file system refuses, as an operator says it. */
export function fileFaultInWords(error: unknown): string {
  const { code = '', message } = error as NodeJS.ErrnoException;
  return inWords[code] ?? message;
}

export class FolderError extends Error {
  override readonly name = 'FolderError';
  readonly code = 'FOLDER_NOT_MADE';

  constructor(folder: string, cause: unknown) {
    const { code, path: at = folder } = cause as NodeJS.ErrnoException;
    const said = (code === undefined ? undefined : ofMaking[code]) ?? fileFaultInWords(cause);
    super(`${folder}: expected a folder, or that one can be made there: ${at}: ${said}`, { cause });
  }
}

/**
 * Makes a folder, and those above it that are missing. Throws `FolderError`. Not Node's own recursion: that never ends where a
 * file system says that there is no such folder when one shall be made, as below `/proc`.
 */
export function makeFolder(folder: string): void {
  const missing: string[] = [];
  try {
    for (let at = path.resolve(folder); !isFolder(at); at = path.dirname(at)) missing.push(at);
    for (const next of missing.reverse()) makeOne(next);
  } catch (error) {
    throw new FolderError(folder, error);
  }
}

/** Throws what the file system says, unless that is that there is nothing. */
function isFolder(at: string): boolean {
  const found = statSync(at, { throwIfNoEntry: false });
  if (found === undefined || found.isDirectory()) return found !== undefined;
  throw Object.assign(new Error(`${at} is a file`), { code: 'ENOTDIR', path: at });
}

function makeOne(next: string): void {
  try {
    mkdirSync(next, { mode: FOLDER_MODE });
  } catch (error) {
    // Another process was first.
    if (isFolder(next)) return;
    throw error;
  }
}
