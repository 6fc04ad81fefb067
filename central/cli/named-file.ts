import { closeSync, openSync, readSync, statSync, writeFileSync } from 'node:fs';
import { fileFaultInWords } from '@holdfast/interconnect';
import { WrongUseError } from './wrong-use-error.js';

/** Half of what link control takes in one request: hours of a link, second by second. */
export const TRACE_BYTES_MAX = 1024 * 1024;

/** The text of a file that the command line names, or of a pipe or a device, which do not say how long they are. Throws `WrongUseError`. */
export function readNamedFile(file: string, bytesMax: number): string {
  return orSayWhy(`${file}: cannot be read`, () => {
    const { size } = statSync(file);
    if (size > bytesMax) throw new WrongUseError(`${file}: ${size} bytes, at most ${bytesMax} are expected`);
    const opened = openSync(file, 'r');
    try {
      const bytes = Buffer.alloc(bytesMax + 1);
      let length = 0;
      for (let read = -1; read !== 0 && length < bytes.length; length += read)
        read = readSync(opened, bytes, { offset: length });
      if (length > bytesMax) throw new WrongUseError(`${file}: at most ${bytesMax} bytes are expected`);
      return bytes.toString('utf8', 0, length);
    } finally {
      closeSync(opened);
    }
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
    const { path } = cause as NodeJS.ErrnoException;
    const said = fileFaultInWords(cause);
    const isNamed = path === undefined || what.startsWith(path) || said.includes(path);
    throw new WrongUseError(`${what}: ${said}${isNamed ? '' : ` (${path})`}`, { cause });
  }
}
