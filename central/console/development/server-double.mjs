// A double of the central for work on the console: the public SDL with made-up data. It is not the product and is never
// shipped. `node development/server-double.mjs [port]`, user and password: any name, "holdfast".
import { randomUUID } from 'node:crypto';
import { createReadStream, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildSchema, graphql } from 'graphql';
import { useServer as serveSubscriptions } from 'graphql-ws/use/ws';
import { WebSocketServer } from 'ws';
import { FRAMES_PER_GOP, FRAMES_PER_SECOND, fragment, makeClip } from './clip.mjs';
import { rootValue, startTicking } from './resolvers.mjs';
import { devices, hardware, sites, timelineOf } from './world.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const dist = join(here, '..', 'dist');
const schema = buildSchema(readFileSync(join(here, '../../../schema/graphql/holdfast.graphql'), 'utf8'));
const tokens = new Map();
const types = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' };

const clipDirectory = mkdtempSync(join(tmpdir(), 'holdfast-double-'));
const sources = [
  'testsrc2=size=640x360:rate=25',
  'testsrc=size=640x360:rate=25,hue=h=120:s=0.5',
  'mandelbrot=size=640x360:rate=25',
  'smptehdbars=size=640x360:rate=25',
];
const clips = sources.map((source, index) => makeClip(clipDirectory, `clip-${index}`, source));
rmSync(clipDirectory, { recursive: true, force: true });
const clipOf = deviceId =>
  clips[devices.filter(d => d.type === 'CAMERA').findIndex(d => d.id === deviceId) % clips.length];

const body = async request => {
  const parts = [];
  for await (const part of request) parts.push(part);
  return Buffer.concat(parts).toString();
};
const json = (response, status, value) => {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
};
const userOf = header => tokens.get(/^Bearer (.+)$/i.exec(header ?? '')?.[1]);

async function giveToken(request, response) {
  const form = new URLSearchParams(await body(request));
  if (form.get('password') !== 'holdfast') return json(response, 400, { error: 'invalid_grant' });
  const token = randomUUID();
  tokens.set(token, form.get('username'));
  json(response, 200, { access_token: token, expires_in: 3600, token_type: 'Bearer' });
}

async function answerGraphql(request, response) {
  const user = userOf(request.headers.authorization);
  const refused = { errors: [{ message: 'Sign in first.', extensions: { code: 'UNAUTHENTICATED' } }] };
  if (user === undefined) return json(response, 401, refused);
  const { query, variables } = JSON.parse(await body(request));
  json(
    response,
    200,
    await graphql({ schema, source: query, variableValues: variables, rootValue, contextValue: { user } }),
  );
}

async function sendRecording(response, deviceId, search) {
  const clip = clipOf(deviceId);
  const time = name =>
    /^\d+$/.test(search.get(name)) ? Number(search.get(name)) : Date.parse(search.get(name));
  const site = sites.find(item => item.id === devices.find(device => device.id === deviceId).siteId);
  const [span] = timelineOf(deviceId, time('from'), time('from') + 1000);
  if (span?.state === 'REMOTE' && site.link?.state === 'DOWN')
    return json(response, 503, { code: 'NOT_CONNECTED', message: `The link to ${site.name} is down` });
  const gop = ms => Math.floor((ms / 1000) * (FRAMES_PER_SECOND / FRAMES_PER_GOP));
  response.writeHead(200, { 'content-type': `video/mp4; codecs="${clip.codecs}"` });
  response.write(clip.init);
  for (let at = gop(time('from')); at < gop(Math.min(time('to'), Date.now())) + 1; at += 1) {
    if (response.destroyed) return;
    response.write(fragment(clip, at * FRAMES_PER_GOP, FRAMES_PER_GOP));
    await new Promise(resolve => setImmediate(resolve));
  }
  response.end();
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, 'http://double');
  const recording = /^\/media\/([^/]+)\/recording$/.exec(url.pathname);
  if (url.pathname === '/API/IDP/connect/token') return giveToken(request, response);
  if (url.pathname === '/graphql') return answerGraphql(request, response);
  if (recording) {
    if (userOf(request.headers.authorization) === undefined) return json(response, 401, {});
    return sendRecording(response, recording[1], url.searchParams);
  }
  const asked = join(dist, url.pathname === '/' ? 'index.html' : url.pathname);
  const file = asked.startsWith(dist) && existsSync(asked) ? asked : join(dist, 'index.html');
  const policy =
    "default-src 'self'; connect-src 'self' ws:; media-src 'self' blob:; style-src 'self' 'unsafe-inline'; img-src 'self' data:";
  response.writeHead(200, { 'content-type': types[extname(file)], 'content-security-policy': policy });
  createReadStream(file).pipe(response);
});

const subscriptions = new WebSocketServer({ noServer: true });
serveSubscriptions(
  {
    schema,
    roots: { subscription: rootValue },
    onConnect: context => userOf(context.connectionParams?.Authorization) !== undefined,
    context: context => ({ user: userOf(context.connectionParams?.Authorization) }),
  },
  subscriptions,
);

const live = new WebSocketServer({ noServer: true, handleProtocols: () => 'holdfast.media.v1' });
function sendLive(socket, deviceId) {
  const device = devices.find(item => item.id === deviceId);
  const away = sites.find(site => site.id === device.siteId).link?.state === 'DOWN';
  const lost = hardware.find(item => item.id === device.hardwareId).connection === 'LOST';
  if (away || lost) return socket.close(4503, away ? 'LINK_DOWN' : 'CAMERA_DISCONNECTED');
  const clip = clipOf(deviceId);
  socket.send(JSON.stringify({ type: 'init', codecs: clip.codecs }));
  socket.send(clip.init);
  // A frame is captured 40 ms before it can be sent, as with a real camera.
  const nowFrame = () => Math.floor(((Date.now() - 40) / 1000) * FRAMES_PER_SECOND);
  let next = Math.floor(nowFrame() / FRAMES_PER_GOP) * FRAMES_PER_GOP;
  const timer = setInterval(() => {
    for (const last = nowFrame(); next <= last; next += 1) socket.send(fragment(clip, next, 1));
  }, 20);
  socket.on('close', () => clearInterval(timer));
}
server.on('upgrade', (request, socket, head) => {
  const url = new URL(request.url, 'http://double');
  const media = /^\/media\/([^/]+)\/live$/.exec(url.pathname);
  if (url.pathname === '/graphql')
    return subscriptions.handleUpgrade(request, socket, head, ws =>
      subscriptions.emit('connection', ws, request),
    );
  const bearer = /bearer\.([^,\s]+)/.exec(request.headers['sec-websocket-protocol'] ?? '')?.[1];
  if (!media || !tokens.has(bearer)) return socket.end('HTTP/1.1 401 Unauthorized\r\n\r\n');
  live.handleUpgrade(request, socket, head, ws => sendLive(ws, media[1]));
});

startTicking();
server.listen(Number(process.argv[2] ?? 0), '127.0.0.1', () => {
  console.log(
    `double of the central (made-up data) at http://127.0.0.1:${server.address().port}/ any user, password "holdfast"`,
  );
});
