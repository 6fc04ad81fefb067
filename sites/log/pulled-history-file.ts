import { type FileHandle, open, rm } from 'node:fs/promises';
import type { PulledHistory, RecordedEvent } from '@holdfast/core';

type StoredEvent = Pick<RecordedEvent, 'header' | 'data'>;

const LENGTH_BYTES = 4;
/** Events that are given to the log at once. */
const PORTION_EVENTS = 500;

/** The disk does not take what the parent gives back: it is full, for example. */
export class HistoryNotKeptError extends Error {
  override readonly name = 'HistoryNotKeptError';
  readonly code = 'HISTORY_NOT_KEPT';
}

/**
 * Writes a history that is being pulled into a file, and gives it back out of that: the site goes on recording until all of it
 * is there, and is interrupted only while its log takes it in. The file has no name from the moment on when it is open: its room
 * is free again when this is disposed of, and also after a kill. Throws `HistoryNotKeptError`.
 */
export async function keepPulledHistory(
  history: PulledHistory,
  file: string,
): Promise<PulledHistory & AsyncDisposable> {
  const handle = await kept(openNameless(file));
  try {
    for await (const events of history.events) await kept(handle.writeFile(encode(events)));
  } catch (error) {
    await close(handle);
    throw error;
  }
  const { common, checkpoint, reason } = history;
  return {
    ...{ common, checkpoint, reason, events: eventsIn(handle) },
    [Symbol.asyncDispose]: () => close(handle),
  };
}

async function openNameless(file: string): Promise<FileHandle> {
  await rm(file, { force: true });
  const handle = await open(file, 'wx+', 0o600);
  await rm(file, { force: true });
  return handle;
}

/** Nothing of it is needed any more: what a disk says then is no reason to end. */
async function close(handle: FileHandle): Promise<void> {
  await handle.close().catch(() => undefined);
}

async function kept<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (cause) {
    throw new HistoryNotKeptError(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

function encode(events: readonly StoredEvent[]): Buffer {
  return Buffer.concat(
    events.flatMap(({ header, data }) => [lengthOf(header), header, lengthOf(data), data]),
  );
}

function lengthOf(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUInt32BE(bytes.length);
  return length;
}

async function* eventsIn(handle: FileHandle): AsyncGenerator<readonly StoredEvent[], void, undefined> {
  let at = 0;
  const read = async (byteLength: number): Promise<Buffer | null> => {
    const bytes = Buffer.alloc(byteLength);
    const { bytesRead } = await handle.read(bytes, 0, byteLength, at);
    at += bytesRead;
    return bytesRead === byteLength ? bytes : null;
  };
  const take = async (): Promise<Uint8Array | null> => {
    const length = await read(LENGTH_BYTES);
    return length === null ? null : read(length.readUInt32BE());
  };
  let portion: StoredEvent[] = [];
  for (let header = await take(); header !== null; header = await take()) {
    portion.push({ header, data: (await take())! });
    if (portion.length < PORTION_EVENTS) continue;
    yield portion;
    portion = [];
  }
  if (portion.length > 0) yield portion;
}
