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
  | { readonly kind: 'syncFolder'; readonly name: string }
  /** The index as it was then: SQLite is durable by itself. */
  | { readonly kind: 'mark'; readonly mark: string };

interface HandlePrototype {
  write: FileHandle['write'];
  writev: FileHandle['writev'];
  truncate: FileHandle['truncate'];
  datasync: FileHandle['datasync'];
  sync: FileHandle['sync'];
  writeFile: FileHandle['writeFile'];
  close: FileHandle['close'];
}

/** Notes what this process does below `root`, as long as it is not disposed of. */
export class DiskNotes implements AsyncDisposable {
  readonly steps: Step[] = [];
  readonly #root: string;
  readonly #files = new Map<object, number>();
  readonly #folders = new Map<object, string>();
  readonly #lengths = new Map<number, number>();
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
    const [folders, lengths] = [this.#folders, this.#lengths];
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
      async sync(this: FileHandle) {
        await original.sync.call(this);
        const [file, name] = [fileOf(this), folders.get(this)];
        if (file !== undefined) note({ kind: 'sync', file });
        if (name !== undefined) note({ kind: 'syncFolder', name });
      },
      async writeFile(this: FileHandle, bytes: Uint8Array) {
        const file = fileOf(this);
        if (file !== undefined) {
          const at = lengths.get(file) ?? 0;
          lengths.set(file, at + bytes.length);
          note({ kind: 'write', file, at, bytes: Buffer.from(bytes) });
        }
        return original.writeFile.call(this, bytes);
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
        } else if (relative !== null && (await handle.stat()).isDirectory())
          notes.#folders.set(handle, relative);
        return handle;
      },
      async rename(from: string, to: string) {
        await original.rename(from, to);
        const [before, after] = [below(from), below(to)];
        if (before !== null && after !== null) notes.#note({ kind: 'rename', from: before, to: after });
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

function pick(prototype: HandlePrototype): HandlePrototype {
  const { writev, truncate, datasync, sync, writeFile } = prototype;
  return { writev, truncate, datasync, sync, writeFile } as HandlePrototype;
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
  const made = new Set<string>();
  let mark: string | null = null;
  const done = steps.slice(0, at);
  for (const [index, step] of done.entries()) {
    if (step.kind === 'mark') mark = step.mark;
    else if (step.kind === 'create')
      files.set(step.file, { durable: Buffer.alloc(0), bytes: Buffer.alloc(0) });
    else if (step.kind === 'write' || step.kind === 'truncate' || step.kind === 'sync') {
      applyTo(files.get(step.file)!, step);
    }
    if (isNameKept(done, index, luck)) applyName({ names, made }, step);
  }
  for (const name of made) await mkdir(path.join(dir, name), { recursive: true });
  for (const [name, file] of names) {
    const { durable, bytes } = files.get(file)!;
    const target = path.join(dir, name);
    fs.mkdirSync(path.dirname(target), { recursive: true });
    fs.writeFileSync(target, torn(durable, bytes, luck));
  }
  return mark;
}

/** What happens to names is on the disk when a folder that it happened in was synced, or happened to be; not one without those before it. */
function isNameKept(done: readonly Step[], index: number, luck: number): boolean {
  if (luck > 0) return true;
  return done
    .slice(index + 1)
    .some(step => step.kind === 'syncFolder' && foldersOf(done[index]!).has(step.name));
}

function foldersOf(step: Step): ReadonlySet<string> {
  const named = step.kind === 'rename' ? [step.from, step.to] : 'name' in step ? [step.name] : [];
  return new Set(named.map(name => path.dirname(name)));
}

function applyName(
  { names, made }: { readonly names: Map<string, number>; readonly made: Set<string> },
  step: Step,
): void {
  if (step.kind === 'create') names.set(step.name, step.file);
  else if (step.kind === 'unlink') names.delete(step.name);
  else if (step.kind === 'mkdir') made.add(step.name);
  else if (step.kind === 'rename' && names.has(step.from)) {
    names.set(step.to, names.get(step.from)!);
    names.delete(step.from);
  }
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
