import { truncateSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { isCorrupt, primaryCodeOf, sqliteResult } from '../sqlite-result.js';

/**
 * Takes the lock that the file stands for, until it is disposed of or this process ends; null when another process has it.
 * The lock is SQLite's own on an empty file: the operating system releases it when a process is killed, which a file with
 * a process id would not.
 */
export function lockFile(file: string): Disposable | null {
  try {
    return lockEmpty(file);
  } catch (error) {
    if (!isCorrupt(error)) throw error;
    // It means nothing, so nobody holds it; it stays the same file for whoever else comes upon it now.
    truncateSync(file);
    return lockEmpty(file);
  }
}

function lockEmpty(file: string): Disposable | null {
  const lock = new DatabaseSync(file);
  try {
    lock.exec('BEGIN EXCLUSIVE');
    return { [Symbol.dispose]: () => lock.close() };
  } catch (error) {
    lock.close();
    if (primaryCodeOf(error) === sqliteResult.BUSY) return null;
    throw error;
  }
}
