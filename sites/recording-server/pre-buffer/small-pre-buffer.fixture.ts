// Run on a small file system: `node small-pre-buffer.fixture.js DIR`. Prints what became of a pre-buffer larger than it, as JSON.
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import pino from 'pino';
import { camera1, testFragment } from '../media-database/media-fixture.js';
import { PreBuffer } from './pre-buffer.js';
import { PreBufferFolder } from './pre-buffer-folder.js';

const dir = process.argv[2]!;
const codes: string[] = [];
const preBuffers = await PreBufferFolder.open({
  ...{ dir, freeBytes: async () => 1e12, freeBytesMin: 0, monotonicMs: () => 0 },
  logger: pino({ level: 'warn' }, { write: line => codes.push(JSON.parse(line).err.code) }),
});
const buffer = new PreBuffer({
  memoryMsMax: 4_000,
  filesOf: onGivenUp => preBuffers.filesOf(camera1, onGivenUp),
});
for (let index = 0; index < 30; index += 1) {
  buffer.push(testFragment(index, { bytes: new Uint8Array(1_000_000) }), 1e7);
  await preBuffers.settled();
}
const indexOf = (ms: number) => Math.floor((ms - testFragment(0).fromMs) / 2000);
const heldFrom = indexOf(buffer.span!.fromMs);
const files = await readdir(path.join(dir, 'pre-buffer'));
const taken = buffer.takeFrom(0).map(({ fromMs }) => indexOf(fromMs));
await buffer[Symbol.asyncDispose]();
process.stdout.write(`${JSON.stringify({ codes, files, heldFrom, taken })}\n`);
