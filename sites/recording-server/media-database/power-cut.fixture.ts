// For tests: what a disk holds after the power was cut. Nobody cuts the power of the machine that tests, so all that is written to files
// and folders is noted on the way, and any moment of it is laid out again: synced bytes are there, of the others as few or as many
// as the disk happened to have written.
import fs from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';

type Step =
  | { readonly kind: 'create'; readonly file: number; readonly name: string }
  | { readonly kind: 'write'; readonly file: number; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly file: number; readonly to: number }
  | { readonly kind: 'sync'; readonly file: number }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly name: string }
  | { readonly kind: 'mkdir'; readonly name: string }
  /** The index as it was then: SQLite is durable by itself. */
  | { readonly kind: 'mark'; readonly mark: string };

interface HandlePrototype {
  write: FileHandle['write'];
  writev: FileHandle['writev'];
  truncate: FileHandle['truncate'];
  datasync: FileHandle['datasync'];
  close: FileHandle['close'];
}

/** Notes what this process does below `root`, as long as it is not disposed of. */
export class DiskNotes implements AsyncDisposable {
  readonly steps: Step[] = [];
  readonly #root: string;
  readonly #files = new Map<object, number>();
  readonly #undo: (() => void)[] = [];

  readonly #beforeRename: () => void;

  private constructor(root: string, beforeRename: () => void) {
    this.#root = root;
    this.#beforeRename = beforeRename;
  }

  static async begin(root: string, beforeRename: () => void): Promise<DiskNotes> {
    const notes = new DiskNotes(root, beforeRename);
    const handle = await open(import.meta.filename, 'r');
    notes.#noteHandles(Object.getPrototypeOf(handle) as HandlePrototype);
    await handle.close();
    notes.#noteNames();
    return notes;
  }

  mark(mark: string): void {
    this.steps.push({ kind: 'mark', mark });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const undo of this.#undo) undo();
    syncBuiltinESMExports();
  }

  #note(step: Step): void {
    this.steps.push(step);
  }

  #noteHandles(prototype: HandlePrototype): void {
    const original = { ...pick(prototype) };
    const fileOf = (handle: object) => this.#files.get(handle);
    const note = (step: Step) => this.#note(step);
    Object.assign(prototype, {
      async writev(this: FileHandle, parts: Uint8Array[], at: number) {
        const file = fileOf(this);
        if (file !== undefined) note({ kind: 'write', file, at, bytes: Buffer.concat(parts) });
        return original.writev.call(this, parts, at);
      },
      async truncate(this: FileHandle, to: number) {
        const file = fileOf(this);
        if (file !== undefined) note({ kind: 'truncate', file, to });
        return original.truncate.call(this, to);
      },
      async datasync(this: FileHandle) {
        await original.datasync.call(this);
        const file = fileOf(this);
        if (file !== undefined) note({ kind: 'sync', file });
      },
    });
    this.#undo.push(() => Object.assign(prototype, original));
  }

  #noteNames(): void {
    const original = { ...fs.promises };
    const { renameSync } = fs;
    const below = (name: unknown) => {
      const relative = path.relative(this.#root, String(name));
      return relative.startsWith('..') ? null : relative;
    };
    let count = 0;
    const notes = this;
    Object.assign(fs.promises, {
      async open(name: string, flags?: string, mode?: number) {
        const handle = await original.open(name, flags, mode);
        const relative = below(name);
        if (relative !== null && flags !== undefined && flags !== 'r') {
          const file = count++;
          notes.#files.set(handle, file);
          notes.#note({ kind: 'create', file, name: relative });
        }
        return handle;
      },
      async unlink(name: string) {
        await original.unlink(name);
        const relative = below(name);
        if (relative !== null) notes.#note({ kind: 'unlink', name: relative });
      },
      async mkdir(name: string, options?: object) {
        const made = await original.mkdir(name, options);
        const relative = below(name);
        if (relative !== null) notes.#note({ kind: 'mkdir', name: relative });
        return made;
      },
    });
    fs.renameSync = (from, to) => {
      const [before, after] = [below(from), below(to)];
      if (before !== null) this.#beforeRename();
      renameSync(from, to);
      if (before !== null && after !== null) this.#note({ kind: 'rename', from: before, to: after });
    };
    this.#undo.push(() => {
      Object.assign(fs.promises, original);
      fs.renameSync = renameSync;
    });
    syncBuiltinESMExports();
  }
}

function pick({ writev, truncate, datasync }: HandlePrototype): Partial<HandlePrototype> & HandlePrototype {
  return { writev, truncate, datasync } as HandlePrototype;
}

interface CutFile {
  durable: Buffer;
  bytes: Buffer;
}

/**
 * Lays out in `dir` what the disk holds when the power is cut before the step `at`. `luck` in [0, 1): how much of what was not
 * synced had been written nevertheless. Answers the last mark before the cut.
 */
export async function layOut(
  steps: readonly Step[],
  { at, luck, dir }: { readonly at: number; readonly luck: number; readonly dir: string },
): Promise<string | null> {
  const files = new Map<number, CutFile>();
  const names = new Map<string, number>();
  let mark: string | null = null;
  for (const step of steps.slice(0, at)) {
    if (step.kind === 'mark') mark = step.mark;
    else if (step.kind === 'create') {
      names.set(step.name, step.file);
      files.set(step.file, { durable: Buffer.alloc(0), bytes: Buffer.alloc(0) });
    } else if (step.kind === 'rename') {
      names.set(step.to, names.get(step.from)!);
      names.delete(step.from);
    } else if (step.kind === 'unlink') names.delete(step.name);
    else if (step.kind === 'mkdir') await mkdir(path.join(dir, step.name), { recursive: true });
    else applyTo(files.get(step.file)!, step);
  }
  for (const [name, file] of names) {
    const { durable, bytes } = files.get(file)!;
    const target = path.join(dir, name);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, torn(durable, bytes, luck));
  }
  return mark;
}

function applyTo(file: CutFile, step: Extract<Step, { kind: 'write' | 'truncate' | 'sync' }>): void {
  if (step.kind === 'sync') file.durable = file.bytes;
  else if (step.kind === 'truncate') file.bytes = resized(file.bytes, step.to);
  else {
    const bytes = resized(file.bytes, Math.max(file.bytes.length, step.at + step.bytes.length));
    step.bytes.copy(bytes, step.at);
    file.bytes = bytes;
  }
}

/** File systems grow a file before its bytes are there: a part of what is behind the last sync is zeros. */
function torn(durable: Buffer, bytes: Buffer, luck: number): Buffer {
  if (bytes.equals(durable)) return durable;
  const written = durable.length + Math.floor((bytes.length - durable.length) * luck);
  const grown = Buffer.alloc(Math.max(durable.length, Math.min(bytes.length, written + 512)));
  bytes.copy(grown, 0, 0, Math.min(written, grown.length));
  return grown;
}

function resized(bytes: Buffer, length: number): Buffer {
  const grown = Buffer.alloc(length);
  bytes.copy(grown);
  return grown;
}

/** The index as it stands on the disk at this moment. */
export function copyIndex(dir: string, to: string): void {
  fs.mkdirSync(to, { recursive: true });
  for (const name of fs.readdirSync(dir)) {
    if (name.startsWith('index.sqlite')) fs.copyFileSync(path.join(dir, name), path.join(to, name));
  }
}
