import { once } from 'node:events';
import type { DeviceId } from '@holdfast/schema';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { WebSocket } from 'ws';
import { type CentralFixture, newDeviceId, openCentralFixture } from '../http/central-http.fixture.js';

const test = suite('speaking through a camera, over a WebSocket');
const camera: DeviceId = newDeviceId();
let central: CentralFixture;

test.before(async () => {
  central = await openCentralFixture();
});
test.after(() => central[Symbol.asyncDispose]());

function open(token = central.token): WebSocket {
  const address = `ws://${central.origin}/media/${camera}/speak`;
  return new WebSocket(address, ['holdfast.speech.v1', `bearer.${token}`]);
}

test('what is spoken reaches the camera, in the name of who is signed in, until the camera hears no more', async () => {
  const socket = open();
  const [ready] = await once(socket, 'message');
  assert.equal(JSON.parse(String(ready)), { type: 'ready' });
  const heard = central.site.heard.at(-1)!;
  assert.match(heard.askedBy, /^user:sealed:/);
  socket.send(Buffer.alloc(160, 0xff));
  socket.send('words are not sound');
  socket.send(Buffer.alloc(80, 0x7f));
  while (heard.sound.length < 2) await new Promise(resolve => setTimeout(resolve, 5));
  assert.equal(
    heard.sound.map(({ length }) => length),
    [160, 80],
  );
  heard.end('the camera hung up');
  const [code, reason] = await once(socket, 'close');
  assert.equal([code, String(reason)], [1000, 'the camera hung up']);
});

test('refuses in words while the site is away, and strangers altogether', async () => {
  central.site.silent = true;
  const [code, reason] = await once(open(), 'close');
  central.site.silent = false;
  assert.equal([code, String(reason)], [1013, 'its link may be down']);
  const [, response] = (await once(open('nobody'), 'unexpected-response')) as [
    unknown,
    { statusCode: number },
  ];
  assert.is(response.statusCode, 401);
});

test('sound in pieces that nobody speaks ends it', async () => {
  const socket = open();
  await once(socket, 'message');
  socket.send(Buffer.alloc(10_000));
  const [code] = await once(socket, 'close');
  assert.is(code, 1009);
});

test.run();
