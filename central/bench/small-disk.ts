import { spawnSync } from 'node:child_process';
import { mkdir, readFile, rename, rm, rmdir } from 'node:fs/promises';

/** Room beside what is in the folder: for some seconds of load, and for what PostgreSQL allots itself ahead. */
const SPARE_BYTES = 64 * 1024 * 1024;

/** What such a disk is called in the table of mounts, with the process that it is of. */
const SOURCE = 'holdfast-small-disk-';

/** A disk in memory for one folder, which moves there and back. Nothing may work in it while it moves. */
export class SmallDisk implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  /** Whether this process may mount one. */
  static async canBe(folder: string): Promise<boolean> {
    await mkdir(folder);
    const can = succeeds('mount', '-t', 'tmpfs', `${SOURCE}${process.pid}`, folder);
    if (can) run('umount', folder);
    await rmdir(folder);
    return can;
  }

  /** Takes away the disks of processes that were killed: nothing else does while the machine runs. */
  static async unmountLeftOver(): Promise<void> {
    const mounts = await readFile('/proc/mounts', 'utf8').catch(() => '');
    for (const [, pid, folder] of mounts.matchAll(new RegExp(`^${SOURCE}(\\d+) (\\S+) tmpfs `, 'gm'))) {
      // The table writes a space, and what else would part its words, as the octal number of its byte.
      if (!isRunning(Number(pid))) run('umount', '--lazy', folder!.replaceAll('\\040', ' '));
    }
  }

  static async under(folder: string): Promise<SmallDisk> {
    const usedBytes = Number.parseInt(run('du', '--summarize', '--block-size=1', folder), 10);
    await rename(folder, asideOf(folder));
    await mkdir(folder);
    const size = `size=${usedBytes + SPARE_BYTES}`;
    run('mount', '-t', 'tmpfs', '-o', size, `${SOURCE}${process.pid}`, folder);
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

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
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
