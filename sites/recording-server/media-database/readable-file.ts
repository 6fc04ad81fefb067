import { open } from 'node:fs/promises';

/** Bytes that can be read at any place: a file of a folder, or an object of an object store. */
export interface ReadableFile extends AsyncDisposable {
  readonly name: string;
  readonly byteLength: number;
  /** Exactly these bytes; null when it ends before. */
  read(position: number, length: number): Promise<Buffer | null>;
}

export async function openReadableFile(path: string): Promise<ReadableFile> {
  const handle = await open(path, 'r');
  try {
    const byteLength = (await handle.stat()).size;
    return {
      ...{ name: path, byteLength },
      read: async (position, length) => {
        const bytes = Buffer.allocUnsafe(length);
        for (let filled = 0; filled < length; ) {
          const { bytesRead } = await handle.read(bytes, filled, length - filled, position + filled);
          if (bytesRead === 0) return null;
          filled += bytesRead;
        }
        return bytes;
      },
      [Symbol.asyncDispose]: () => handle.close(),
    };
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Bytes that are in memory already. */
export function inMemory(name: string, bytes: Buffer): ReadableFile {
  return {
    ...{ name, byteLength: bytes.length },
    read: async (position, length) =>
      position + length > bytes.length ? null : bytes.subarray(position, position + length),
    [Symbol.asyncDispose]: async () => undefined,
  };
}
