import { spawnSync } from 'node:child_process';
import { mkdir, rename, rm, rmdir } from 'node:fs/promises';

/** Room beside what is in the folder: for some seconds of load, and for what PostgreSQL allots itself ahead. */
const SPARE_BYTES = 64 * 1024 * 1024;

/** A disk in memory for one folder, which moves there and back. Nothing may work in it while it moves. */
export class SmallDisk implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Whether this process may mount one. */
  static async canBe(folder: string): Promise<boolean> {
    await mkdir(folder);
    const can = succeeds('mount', '-t', 'tmpfs', 'tmpfs', folder);
    if (can) run('umount', folder);
    await rmdir(folder);
    return can;
  }

  static async under(folder: string): Promise<SmallDisk> {
    const usedBytes = Number.parseInt(run('du', '--summarize', '--block-size=1', folder), 10);
    await rename(folder, asideOf(folder));
    await mkdir(folder);
    run('mount', '-t', 'tmpfs', '-o', `size=${usedBytes + SPARE_BYTES}`, 'tmpfs', folder);
    const disk = new SmallDisk(folder);
    copy(asideOf(folder), folder);
    return disk;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const folder = this.#folder;
    await rm(asideOf(folder), { recursive: true });
    await mkdir(asideOf(folder));
    try {
      copy(folder, asideOf(folder));
    } finally {
      // Also while somebody still has a file of it open, as behind a fault that was not survived.
      run('umount', '--lazy', folder);
    }
    await rmdir(folder);
    await rename(asideOf(folder), folder);
  }
}

const asideOf = (folder: string) => `${folder}.aside`;

function copy(from: string, to: string): void {
  run('cp', '--archive', `${from}/.`, to);
}

function succeeds(command: string, ...words: readonly string[]): boolean {
  return spawnSync(command, words).status === 0;
}

function run(command: string, ...words: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync(command, words, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${words.join(' ')} ended with ${status}: ${stderr}`);
  return stdout;
}
