import { createHash, randomBytes } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { MediaProvider, ServedAccessUnit, ServedPresentation } from './media-provider.js';
import { UNSENT_BYTES_MAX } from './rtsp-connection.js';
import { RtspListenError, RtspServer, type RtspServerOptions, type RtspServerReport } from './rtsp-server.js';
import { RtspTestClient } from './rtsp-test-client.js';

const test = suite('RTSP server');

/** A presentation whose access units the test sends itself. */
class Studio implements ServedPresentation {
  readonly name = 'studio';
  readonly tracks: ServedPresentation['tracks'] = [
    {
      kind: 'VIDEO',
      clockRate: 90_000,
      sps: Uint8Array.of(0x67, 0x64, 0, 0x1f),
      pps: Uint8Array.of(0x68, 1),
      framesPerSecond: 25,
    },
    { kind: 'AUDIO', clockRate: 48_000, channels: 1, audioSpecificConfig: Uint8Array.of(0x11, 0x88) },
  ];
  readonly watchers = new Set<(accessUnits: readonly ServedAccessUnit[]) => void>();

  subscribe(deliver: (accessUnits: readonly ServedAccessUnit[]) => void): () => void {
    this.watchers.add(deliver);
    return () => this.watchers.delete(deliver);
  }

  send(...accessUnits: ServedAccessUnit[]): void {
    for (const deliver of [...this.watchers]) deliver(accessUnits);
  }
}

async function open(
  options: Partial<RtspServerOptions> = {},
): Promise<{ server: RtspServer; studio: Studio; uri: string; reports: RtspServerReport[] }> {
  const studio = new Studio();
  const reports: RtspServerReport[] = [];
  const provider: MediaProvider = { presentation: path => (path === 'live/a b' ? studio : null) };
  const server = await RtspServer.open({
    provider,
    port: 0,
    random: randomBytes,
    now: () => performance.now(),
    report: report => reports.push(report),
    ...options,
  });
  return { server, studio, uri: `rtsp://127.0.0.1:${server.port}/live/a%20b`, reports };
}

const tcp = 'RTP/AVP/TCP;unicast;interleaved=0-1';
const picture = (ticks: number, byteLength = 5000): ServedAccessUnit => ({
  trackIndex: 0,
  ticks,
  units: [Buffer.alloc(byteLength, 0x65)],
});

test('a presentation is described with its formats and one control per track', async () => {
  const { server, uri } = await open();
  await using _ = server;
  using client = await RtspTestClient.open(server.port);
  const reply = await client.request('DESCRIBE', uri, { Accept: 'application/sdp' });
  assert.is(reply.status, 200);
  assert.is(reply.headers.get('content-base'), `${uri}/`);
  assert.match(
    reply.body,
    /a=fmtp:96 packetization-mode=1;profile-level-id=64001F;sprop-parameter-sets=Z2QAHw==,aAE=/,
  );
  assert.match(
    reply.body,
    /a=rtpmap:97 mpeg4-generic\/48000\/1\r\n.*mode=AAC-hbr.*config=1188\r\na=control:trackID=1/,
  );
});

test('a sender report comes before the first packet and ties RTP time to wall time', async () => {
  const { server, studio, uri } = await open();
  await using _ = server;
  using client = await RtspTestClient.open(server.port);
  await client.play(uri, 2);
  // 2026-03-01T12:00:00.5Z
  const unixMs = 1_772_366_400_500;
  studio.send(picture(unixMs * 90), { trackIndex: 1, ticks: unixMs * 48, units: [Buffer.alloc(100, 3)] });
  studio.send(picture((unixMs + 40) * 90));
  await client.until(() => client.onChannel(0).length === 8 && client.onChannel(2).length === 1);
  assert.is(client.frames[0]!.channel, 1);
  const report = client.onChannel(1)[0]!;
  const packets = client.onChannel(0);
  assert.is(report[1], 200);
  assert.is(
    (report.readUInt32BE(8) - 2_208_988_800) * 1000 + (report.readUInt32BE(12) / 2 ** 32) * 1000,
    unixMs,
  );
  assert.is(report.readUInt32BE(16), packets[0]!.readUInt32BE(4));
  assert.is(report.readUInt32BE(4), packets[0]!.readUInt32BE(8));
  assert.is((packets[4]!.readUInt32BE(4) - packets[0]!.readUInt32BE(4)) >>> 0, 3600);
  assert.equal(
    packets.map(packet => packet[1]! >> 7),
    [0, 0, 0, 1, 0, 0, 0, 1],
  );
  const sequences = packets.map(packet => packet.readUInt16BE(2));
  assert.ok(sequences.every((sequence, i) => sequence === (sequences[0]! + i) % 65536));
});

test('further sender reports follow every five seconds of media and count what was sent', async () => {
  const { server, studio, uri } = await open();
  await using _ = server;
  using client = await RtspTestClient.open(server.port);
  await client.play(uri, 1);
  for (let n = 0; n <= 250; n += 1) studio.send(picture(90_000_000 + n * 3600, 100));
  await client.until(() => client.onChannel(0).length === 251);
  const reports = client.onChannel(1);
  assert.is(reports.length, 3);
  assert.equal(
    reports.map(report => [report.readUInt32BE(20), report.readUInt32BE(24)]),
    [
      [0, 0],
      [125, 12_500],
      [250, 25_000],
    ],
  );
});

test('each mistake of a client is answered by its own status', async () => {
  const { server, uri } = await open();
  await using _ = server;
  using client = await RtspTestClient.open(server.port);
  const statusOf = async (...request: Parameters<RtspTestClient['request']>): Promise<number> =>
    (await client.request(...request)).status;
  assert.is(await statusOf('DESCRIBE', `rtsp://127.0.0.1:${server.port}/elsewhere`), 404);
  assert.is(await statusOf('DESCRIBE', `rtsp://127.0.0.1:${server.port}/%E0%A4%A`), 404);
  assert.is(await statusOf('DESCRIBE', uri, { Accept: 'text/html' }), 406);
  assert.is(await statusOf('DESCRIBE', uri, { Require: 'play.basic' }), 551);
  assert.is(await statusOf('SETUP', `${uri}/trackID=9`, { Transport: tcp }), 404);
  assert.is(await statusOf('SETUP', uri, { Transport: tcp }), 459);
  assert.is(
    await statusOf('SETUP', `${uri}/trackID=0`, { Transport: 'RTP/AVP;unicast;client_port=4000-4001' }),
    461,
  );
  assert.is(await statusOf('SETUP', `${uri}/trackID=0`, { Transport: tcp, Session: 'nobody' }), 454);
  assert.is(await statusOf('PLAY', uri, { Session: 'nobody' }), 454);
  assert.is(await statusOf('PAUSE', uri), 405);
  assert.is(await statusOf('FETCH', uri), 501);
  assert.is(
    await statusOf('SETUP', `${uri}/trackID=0`, { Transport: `RTP/AVP;unicast;client_port=1-2,${tcp}` }),
    200,
  );
  assert.is(await statusOf('SETUP', `${uri}/trackID=1`, { Transport: tcp }), 400);
});

test('TEARDOWN ends the media but not the connection', async () => {
  const { server, studio, uri } = await open();
  await using _ = server;
  using client = await RtspTestClient.open(server.port);
  const session = await client.play(uri, 2);
  assert.is(studio.watchers.size, 1);
  assert.is((await client.request('GET_PARAMETER', uri, { Session: session })).status, 200);
  assert.is((await client.request('TEARDOWN', uri, { Session: session })).status, 200);
  assert.is(studio.watchers.size, 0);
  assert.is((await client.request('GET_PARAMETER', uri, { Session: session })).status, 454);
  assert.is((await client.request('OPTIONS', uri)).status, 200);
});

test('what is not RTSP is answered 400 and closed, and others go on', async () => {
  const { server, studio, uri, reports } = await open();
  await using _ = server;
  using good = await RtspTestClient.open(server.port);
  await good.play(uri, 1);
  using bad = await RtspTestClient.open(server.port);
  bad.socket.write('GET / HTTP/1.1\r\n\r\n');
  await bad.until(() => bad.ended);
  assert.ok(reports.some(report => report.kind === 'CLIENT_CLOSED' && report.cause === 'NOT_RTSP'));
  studio.send(picture(1));
  await good.until(() => good.onChannel(0).length === 4);
});

test('a client that does not read is cut off at the bound, while others are served', async () => {
  const { server, studio, uri, reports } = await open();
  await using _ = server;
  using slow = await RtspTestClient.open(server.port);
  await slow.play(uri, 1);
  slow.socket.pause();
  using good = await RtspTestClient.open(server.port);
  await good.play(uri, 1);
  const isCut = (): boolean =>
    reports.some(report => report.kind === 'CLIENT_CLOSED' && report.cause === 'CLIENT_SLOW');
  let sent = 0;
  // The kernel's own buffers hold some megabytes more on top of the bound.
  for (; !isCut() && sent < UNSENT_BYTES_MAX * 10; sent += 50_000) {
    studio.send(picture(sent, 50_000));
    const packets = (sent / 50_000 + 1) * Math.ceil(49_999 / 1398);
    await good.until(() => good.onChannel(0).length >= packets);
  }
  assert.ok(isCut(), `not cut off after ${sent} bytes`);
  assert.is(studio.watchers.size, 1);
  assert.is(server.connectionCount, 1);
});

test('a silent client is closed after the timeout; one that sends receiver reports is not', async () => {
  const { server, uri, reports } = await open({ sessionTimeoutMs: 300 });
  await using _ = server;
  using silent = await RtspTestClient.open(server.port);
  using alive = await RtspTestClient.open(server.port);
  await alive.play(uri, 1);
  const beat = setInterval(() => alive.socket.write(Buffer.from([0x24, 1, 0, 4, 0x80, 201, 0, 0])), 50);
  await silent.until(() => silent.ended);
  clearInterval(beat);
  assert.is(alive.ended, false);
  assert.is(
    reports.filter(report => report.kind === 'CLIENT_CLOSED' && report.cause === 'CLIENT_SILENT').length,
    1,
  );
});

test('with credentials nothing is described or set up without the right digest', async () => {
  const { server, uri } = await open({ credentials: { userName: 'admin', password: 's3cret' } });
  await using _ = server;
  using client = await RtspTestClient.open(server.port);
  const asked = await client.request('DESCRIBE', uri);
  assert.is(asked.status, 401);
  const [, realm = '', nonce = ''] = /realm="(.*?)", nonce="(.*?)"/.exec(
    asked.headers.get('www-authenticate')!,
  )!;
  const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
  const authorize = (method: string, password: string): { Authorization: string } => {
    const response = md5(`${md5(`admin:${realm}:${password}`)}:${nonce}:${md5(`${method}:${uri}`)}`);
    return {
      Authorization: `Digest username="admin", realm="${realm}", nonce="${nonce}", uri="${uri}", response="${response}"`,
    };
  };
  assert.is((await client.request('DESCRIBE', uri, authorize('DESCRIBE', 'guess'))).status, 401);
  assert.is((await client.request('DESCRIBE', uri, authorize('DESCRIBE', 's3cret'))).status, 200);
  assert.is((await client.request('SETUP', `${uri}/trackID=0`, { Transport: tcp })).status, 401);
});

test('a port in use is refused by name', async () => {
  const { server } = await open();
  await using _ = server;
  const error = await open({ port: server.port }).catch((caught: unknown) => caught);
  assert.instance(error, RtspListenError);
  assert.match(
    (error as Error).message,
    new RegExp(`cannot listen on 127.0.0.1:${server.port}: .*EADDRINUSE`),
  );
});

test.run();
