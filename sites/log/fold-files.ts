import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { type FoldSnapshot, type FoldStore, type LogPlace } from '@holdfast/core';
import type { Logger } from 'pino';

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

  async load(name: string): Promise<FoldSnapshot | null> {
    let content: string;
    try {
      content = await readFile(this.#fileOf(name), 'utf8');
    } catch {
      return null;
    }
    const snapshot = this.#read(content);
    if (snapshot === null) {
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

  #fileOf(name: string): string {
    return path.join(this.#directory, `${name}.fold`);
  }

  #read(content: string): FoldSnapshot | null {
    const end = content.indexOf('\n');
    const state = content.slice(end + 1);
    try {
      const header = JSON.parse(content.slice(0, end)) as FoldHeader;
      const { epoch, position, leafHash } = header;
      if (header.digest !== digestOf(state)) return null;
      if (header.code !== this.#code) return null;
      return { place: { epoch, position }, leafHash: Buffer.from(leafHash, 'hex'), state };
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
