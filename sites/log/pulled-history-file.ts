import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import type { PulledHistory, RecordedEvent } from '@holdfast/core';

type StoredEvent = Pick<RecordedEvent, 'header' | 'data'>;

const LENGTH_BYTES = 4;
/** Events that are given to the log at once. */
const PORTION_EVENTS = 500;

/**
 * Writes a history that is being pulled into a file, and gives it back out of that: the site goes on recording until all of it
 * is there, and is interrupted only while its log takes it in. The file is removed when this is disposed of.
 */
export async function keepPulledHistory(
  history: PulledHistory,
  file: string,
): Promise<PulledHistory & AsyncDisposable> {
  const stream = createWriteStream(file, { mode: 0o600 });
  try {
    for await (const events of history.events) {
      if (!stream.write(encode(events))) await once(stream, 'drain');
    }
    stream.end();
    await once(stream, 'finish');
  } catch (error) {
    stream.destroy();
    await rm(file, { force: true });
    throw error;
  }
  const { common, checkpoint, reason } = history;
  return {
    ...{ common, checkpoint, reason, events: eventsIn(file) },
    [Symbol.asyncDispose]: () => rm(file, { force: true }),
  };
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

async function* eventsIn(file: string): AsyncGenerator<readonly StoredEvent[], void, undefined> {
  await using handle = await open(file);
  const take = async (): Promise<Uint8Array | null> => {
    const length = Buffer.alloc(LENGTH_BYTES);
    if ((await handle.read(length, 0, LENGTH_BYTES)).bytesRead < LENGTH_BYTES) return null;
    const bytes = new Uint8Array(length.readUInt32BE());
    await handle.read(bytes, 0, bytes.length);
    return bytes;
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
