import { DatabaseSync } from 'node:sqlite';

const SQLITE_BUSY = 5;

/**
 * Takes the lock that the file stands for, until it is disposed of or this process ends; null when another process has it.
 * The lock is SQLite's own on an empty file: the operating system releases it when a process is killed, which a file with
 * a process id would not.
 */
export function lockFile(file: string): Disposable | null {
  const lock = new DatabaseSync(file);
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return { [Symbol.dispose]: () => lock.close() };
  } catch (error) {
    lock.close();
    if (primaryCodeOf(error) === SQLITE_BUSY) return null;
    throw error;
  }
}

/** SQLite's primary result code (the low byte of the extended one), or null when the error is not SQLite's. */
export function primaryCodeOf(error: unknown): number | null {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return null;
  return error.errcode & 0xff;
}
