import net from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CameraAuthorisation } from '../camera-authorisation.js';
import { RtspConnection } from './rtsp-connection.js';

const test = suite('paced reads');

const FRAMES = 500;

/** Sends one small interleaved frame each millisecond, as a camera does that spreads its packets, and then closes. */
async function camera(): Promise<AsyncDisposable & { readonly address: string }> {
  const server = net.createServer(async socket => {
    socket.setNoDelay(true).on('error', () => {});
    for (let index = 0; index < FRAMES; index += 1) {
      socket.write(Uint8Array.of(0x24, 0, 0, 2, index >> 8, index & 0xff));
      await wait(1);
    }
    socket.end();
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  return {
    address: `rtsp://127.0.0.1:${(server.address() as net.AddressInfo).port}/`,
    [Symbol.asyncDispose]: async () => void server.close(),
  };
}

test('takes what many packets brought in few reads, all of it and in order, and notices the end', async () => {
  await using server = await camera();
  const taken: number[] = [];
  let turn = 0;
  const turns = new Set<number>();
  await using connection = await RtspConnection.open(
    {
      address: server.address,
      authorisation: new CameraAuthorisation({ credentials: null, random: Math.random }),
      frame: (_channel, bytes, start) => {
        taken.push((bytes[start]! << 8) | bytes[start + 1]!);
        turns.add(turn);
        setImmediate(() => {
          turn += 1;
        });
      },
      garbage: () => {},
    },
    new AbortController().signal,
  );
  connection.paceReads();
  const fault = await connection.lost;
  assert.is((fault as { readonly code?: string }).code, 'CONNECTION_CLOSED');
  assert.equal(
    taken,
    Array.from({ length: FRAMES }, (_, index) => index),
  );
  assert.ok(turns.size < FRAMES / 4, `${turns.size} reads`);
});

test.run();
