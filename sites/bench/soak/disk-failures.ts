import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { open, rename, statfs, unlink } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';

const SMALL_VOLUME_BYTES = 8e9;
const AWAY_MS = 12_000;
const FILLED_MS = 10_000;
const READ_ONLY_MS = 10_000;

/** What is done to the disk under a running site. */
export class DiskFailures {
  readonly #dir: string;
  readonly #media: string;

  constructor({ dir, media }: { readonly dir: string; readonly media: string }) {
    this.#dir = dir;
    this.#media = media;
  }

  async takeAway(): Promise<void> {
    await rename(this.#media, `${this.#media}-away`);
    await wait(AWAY_MS);
    await rename(`${this.#media}-away`, this.#media);
  }

  /** As one that was mounted for this: no other is filled up. */
  async isSmall(): Promise<boolean> {
    const { blocks, bsize } = await statfs(this.#dir);
    return blocks * bsize < SMALL_VOLUME_BYTES;
  }

  fill(): Promise<void> {
    return keepDiskFull(this.#dir, AbortSignal.timeout(FILLED_MS));
  }

  /** Only where this process may mount. */
  canBeReadOnly(): boolean {
    const probe = mkdtempSync(path.join(this.#dir, 'mount-'));
    const can = mounts('--bind', probe, probe) && unmounts(probe);
    rmSync(probe, { recursive: true });
    return can;
  }

  /** The folder is mounted over itself: what is opened from now on is on a mount that takes no writes. */
  async makeReadOnly(): Promise<void> {
    if (!mounts('--bind', this.#media, this.#media)) return;
    mounts('-o', 'remount,bind,ro', this.#media);
    await wait(READ_ONLY_MS);
    unmounts(this.#media);
  }
}

/** Takes all room of the disk that this folder is on, also what becomes free, until the signal is aborted. */
export async function keepDiskFull(folder: string, signal: AbortSignal): Promise<void> {
  const file = path.join(folder, 'filler');
  const handle = await open(file, 'w');
  const chunk = Buffer.alloc(1024 * 1024, 1);
  while (!signal.aborted) await handle.write(chunk).catch(() => wait(50));
  await handle.close();
  await unlink(file);
}

function mounts(...args: readonly string[]): boolean {
  return spawnSync('mount', args).status === 0;
}

/** Also while a file of it is open. */
function unmounts(folder: string): boolean {
  return spawnSync('umount', ['-l', folder]).status === 0;
}
