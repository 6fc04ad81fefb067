import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { WrongUseError } from './wrong-use-error.js';

/** Half of what link control takes in one request: hours of a link, second by second. */
export const TRACE_BYTES_MAX = 1024 * 1024;

const inWords: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or folder',
  ENOTDIR: 'a part of the path is a file, not a folder',
  EISDIR: 'a folder, where a file is expected',
  EACCES: 'this user may not',
  EPERM: 'this user may not',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
};

/** The text of a file that the command line names. Throws `WrongUseError`. */
export function readNamedFile(file: string, bytesMax: number): string {
  return orSayWhy(`${file}: cannot be read`, () => {
    const { size } = statSync(file);
    if (size > bytesMax) throw new WrongUseError(`${file}: ${size} bytes, at most ${bytesMax} are expected`);
    return readFileSync(file, 'utf8');
  });
}

/** Throws `WrongUseError`. */
export function writeNamedFile(file: string, text: string): void {
  orSayWhy(`${file}: cannot be written`, () => writeFileSync(file, text));
}

/** What an action on files that the command line names could not do, in words. Throws `WrongUseError`. */
export function orSayWhy<T>(what: string, action: () => T): T {
  try {
    return action();
  } catch (cause) {
    if (cause instanceof WrongUseError) throw cause;
    const { code = '', message, path } = cause as NodeJS.ErrnoException;
    const where = path === undefined || what.startsWith(path) ? '' : ` (${path})`;
    throw new WrongUseError(`${what}: ${code in inWords ? `${inWords[code]}${where}` : message}`, { cause });
  }
}
