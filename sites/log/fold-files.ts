import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  comparePlaces,
  type FoldSnapshot,
  type FoldStore,
  type LoadedFold,
  type LogPlace,
} from '@holdfast/core';
import type { Logger } from 'pino';

const SUFFIX = '.fold';

interface FoldHeader extends LogPlace {
  /** Hash of the code that made the state. */
  readonly code: string;
  readonly leafHash: string;
  /** SHA-256 of the state: a torn file is none. */
  readonly digest: string;
}

/** Snapshots of folds as files of one directory: a line of JSON that says what it is, and the state. */
export class FoldFiles implements FoldStore {
  readonly #directory: string;
  readonly #logger: Logger;
  readonly #code: string;

  constructor(options: { readonly directory: string; readonly logger: Logger; readonly code?: string }) {
    this.#directory = options.directory;
    this.#logger = options.logger;
    this.#code = options.code ?? foldCode();
  }

  async load(name: string): Promise<LoadedFold | null> {
    let content: string;
    try {
      content = await readFile(this.#fileOf(name), 'utf8');
    } catch {
      return null;
    }
    const snapshot = this.#read(content);
    if (snapshot?.isOfThisCode !== true) {
      this.#logger.info({ fold: name }, 'the snapshot of a fold was made by other code, or is torn');
    }
    return snapshot;
  }

  async save(name: string, { place, leafHash, state }: FoldSnapshot): Promise<void> {
    const header: FoldHeader = {
      ...{ ...place, code: this.#code, leafHash: Buffer.from(leafHash).toString('hex') },
      digest: digestOf(state),
    };
    const file = this.#fileOf(name);
    try {
      await mkdir(this.#directory, { recursive: true, mode: 0o700 });
      const handle = await open(`${file}.new`, 'w', 0o600);
      try {
        await handle.writeFile(`${JSON.stringify(header)}\n${state}`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(`${file}.new`, file);
    } catch (error) {
      this.#logger.warn({ err: error, fold: name }, 'the snapshot of a fold was not saved');
    }
  }

  /**
   * The place of the snapshot that is furthest behind, null when one cannot be read or there is none: a log must not be truncated
   * beyond it. For `planTruncation`: what other code has saved is still taken where the beginning of a log is gone.
   */
  async oldestPlace(): Promise<LogPlace | null> {
    const files = await readdir(this.#directory).catch(() => []);
    let oldest: LogPlace | null = null;
    for (const file of files) {
      if (!file.endsWith(SUFFIX)) continue;
      const snapshot = await this.load(file.slice(0, -SUFFIX.length));
      if (snapshot === null) return null;
      if (oldest === null || comparePlaces(snapshot.place, oldest) < 0) oldest = snapshot.place;
    }
    return oldest;
  }

  #fileOf(name: string): string {
    return path.join(this.#directory, `${name}${SUFFIX}`);
  }

  #read(content: string): LoadedFold | null {
    const end = content.indexOf('\n');
    const state = content.slice(end + 1);
    try {
      const header = JSON.parse(content.slice(0, end)) as FoldHeader;
      const { epoch, position, leafHash } = header;
      if (header.digest !== digestOf(state)) return null;
      const isOfThisCode = header.code === this.#code;
      return { place: { epoch, position }, leafHash: Buffer.from(leafHash, 'hex'), state, isOfThisCode };
    } catch {
      return null;
    }
  }
}

function digestOf(state: string): string {
  return createHash('sha256').update(state).digest('hex');
}

let knownCode: string | null = null;

/**
 * A hash of all code that may take part in a fold: the schemas of events, the deciders, and what the recording server makes
 * of them. A version that someone has to remember to raise would be forgotten once, and the state be wrong from then on.
 */
export function foldCode(): string {
  knownCode ??= hashOfCode([
    path.dirname(fileURLToPath(import.meta.resolve('@holdfast/schema'))),
    path.dirname(fileURLToPath(import.meta.resolve('@holdfast/core'))),
    path.join(import.meta.dirname, '..', 'recording-server', 'recorder'),
  ]);
  return knownCode;
}

function hashOfCode(directories: readonly string[]): string {
  const hash = createHash('sha256');
  for (const directory of directories) {
    const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
      .filter(file => file.endsWith('.js') && !file.endsWith('.test.js'))
      .sort();
    for (const file of files) hash.update(`${file}\n`).update(readFileSync(path.join(directory, file)));
  }
  return hash.digest('hex');
}
