import net from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { CameraAuthorisation } from '../camera-authorisation.js';
import { openTunnel } from './http-tunnel.js';

const test = suite('RTSP in HTTP');

test('what is said goes on in another request before one is used up, in order', async () => {
  const posts: { head: string; body: string }[] = [];
  const server = net.createServer(socket => {
    let text = '';
    let post: { head: string; body: string } | null = null;
    socket.on('error', () => {});
    socket.on('data', bytes => {
      if (post !== null) post.body += bytes.toString('latin1');
      else {
        text += bytes.toString('latin1');
        const end = text.indexOf('\r\n\r\n');
        if (end < 0) return;
        if (text.startsWith('GET'))
          socket.write('HTTP/1.0 200 OK\r\nContent-Type: application/x-rtsp-tunnelled\r\n\r\n');
        else {
          post = { head: text.slice(0, end), body: text.slice(end + 4) };
          posts.push(post);
        }
      }
    });
  });
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  const { signal } = new AbortController();
  const tunnel = await openTunnel(
    { secure: false, host: '127.0.0.1', port, path: '/live' },
    {
      authorisation: new CameraAuthorisation({ credentials: null, random: Math.random }),
      postByteLength: 500,
    },
    signal,
  );
  tunnel.begin(() => {});
  const said = Array.from({ length: 20 }, (_, index) => `OPTIONS ${String(index).padStart(60, 'x')}\r\n\r\n`);
  for (const one of said) tunnel.write(one);
  const heard = () => posts.map(({ body }) => Buffer.from(body, 'base64').toString());
  const decoded = () =>
    posts
      .flatMap(({ body }) => body.match(/.{96}/g) ?? [])
      .map(part => Buffer.from(part, 'base64').toString())
      .join('');
  for (let turn = 0; turn < 500 && decoded().length < said.join('').length; turn += 1) await wait(10);
  assert.is(decoded(), said.join(''), `${heard()}`);
  assert.ok(posts.length >= 4 && posts.every(({ body }) => body.length <= 500));
  const cookies = new Set(posts.map(({ head }) => /x-sessioncookie: (.*)/.exec(head)?.[1]));
  assert.is(cookies.size, 1);
  tunnel.destroy();
  await new Promise(resolve => server.close(resolve));
});

test.run();
