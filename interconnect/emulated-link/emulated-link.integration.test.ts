import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type Server, type Socket } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EmulatedLink, EmulatedLinkError, type EmulatedLinkOptions } from './emulated-link.js';
import { parseLinkTrace, traceCapacityBytes } from './link-trace.js';

const test = suite('emulated link');
/** What this process may miss at once and still carry what it should have. */
const STALL_MS_MAX = 10;

/** A clock that stands still while the machine has no time for this process: what is not carried then is no fault of the link. */
const clock = { nowMs: 0, seenMs: performance.now() };
const now = (): number => {
  const realMs = performance.now();
  clock.nowMs += Math.min(realMs - clock.seenMs, STALL_MS_MAX);
  clock.seenMs = realMs;
  return clock.nowMs;
};
setInterval(now, 2).unref();

/** The parent: a server that does with each connection what the test says. */
class Parent implements AsyncDisposable {
  readonly sockets: Socket[] = [];
  readonly #server: Server;

  private constructor(serve: (socket: Socket) => void) {
    this.#server = createServer({ allowHalfOpen: true }, socket => {
      socket.on('error', () => {});
      this.sockets.push(socket);
      serve(socket);
    });
  }

  static async open(serve: (socket: Socket) => void): Promise<Parent> {
    const parent = new Parent(serve);
    parent.#server.listen(0, '127.0.0.1');
    await once(parent.#server, 'listening');
    return parent;
  }

  get target(): { host: string; port: number } {
    return { host: '127.0.0.1', port: (this.#server.address() as { port: number }).port };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

const echo = (socket: Socket): void => void socket.pipe(socket);
const swallow = (socket: Socket): void => void socket.resume();

const openLink = (parent: Parent, more: Partial<EmulatedLinkOptions> = {}): Promise<EmulatedLink> =>
  EmulatedLink.open({ listenPort: 0, target: parent.target, now, ...more });

async function dial(link: EmulatedLink): Promise<Socket> {
  const socket = connect(link.port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  return socket;
}

/** Writes for ever with back-pressure, until the socket is gone. */
function flood(socket: Socket): void {
  const chunk = Buffer.alloc(16 * 1024, 7);
  const write = (): void => {
    while (!socket.destroyed && socket.write(chunk));
  };
  socket.on('drain', write);
  write();
}

/** Unlike `once`, content with an end by reset. */
const closed = (socket: Socket): Promise<void> =>
  new Promise(resolve => socket.once('close', () => resolve()));

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(resolve => setTimeout(resolve, 2));
}

async function roundTrip(socket: Socket, text: string): Promise<number> {
  const startedMs = now();
  socket.write(text);
  let received = '';
  while (received.length < text.length) received += String((await once(socket, 'data'))[0]);
  assert.is(received, text);
  return now() - startedMs;
}

/** Bytes carried towards the parent between two moments well inside a flood, and how long that took. */
async function measure(
  link: EmulatedLink,
  lastsMs: number,
): Promise<{ bytes: number; fromMs: number; toMs: number }> {
  const [firstBytes, fromMs] = [link.state.bytesToParent, now()];
  await until(() => now() - fromMs >= lastsMs);
  return { bytes: link.state.bytesToParent - firstBytes, fromMs, toMs: now() };
}

test('without a shape everything passes both ways, byte for byte, and each end of a connection ends by itself', async () => {
  await using parent = await Parent.open(echo);
  await using link = await openLink(parent);
  const socket = await dial(link);
  const sent = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 31) & 0xff));
  const received: Buffer[] = [];
  socket.on('data', chunk => received.push(chunk));
  socket.end(sent);
  await closed(socket);
  assert.ok(Buffer.concat(received).equals(sent));
  await until(() => link.state.connectionCount === 0);
  assert.is(link.state.bytesToParent, sent.length);
  assert.is(link.state.bytesToSite, sent.length);
});

test('throughput stays within a tenth of the bandwidth and is shared evenly by the connections', async () => {
  const counts: number[] = [];
  await using parent = await Parent.open(socket => {
    const index = counts.push(0) - 1;
    socket.on('data', chunk => {
      counts[index]! += chunk.length;
    });
  });
  await using link = await openLink(parent);
  link.shape({ bandwidthBitsPerSecond: 20e6, delayMs: 0 });
  const sockets = [await dial(link), await dial(link), await dial(link)];
  sockets.forEach(flood);
  await until(() => counts.length === 3 && counts.every(count => count > 50_000));
  const before = [...counts];
  const { bytes, fromMs, toMs } = await measure(link, 1500);
  const expected = (20e6 / 8) * ((toMs - fromMs) / 1000);
  assert.ok(Math.abs(bytes / expected - 1) < 0.1, `${bytes} bytes, expected ${Math.round(expected)}`);
  const shares = counts.map((count, index) => (count - before[index]!) / bytes);
  assert.ok(
    shares.every(share => Math.abs(share - 1 / 3) < 0.05),
    `shares ${shares.join(' ')}`,
  );
});

test('the delay is waited for in each direction', async () => {
  await using parent = await Parent.open(echo);
  await using link = await openLink(parent);
  link.shape({ bandwidthBitsPerSecond: 50e6, delayMs: 60 });
  const socket = await dial(link);
  const tookMs = await roundTrip(socket, 'there and back');
  assert.ok(tookMs >= 119 && tookMs < 250, `${tookMs} ms`);
});

test('a trace is followed through its gaps: nothing passes in one, and new connections are refused', async () => {
  await using parent = await Parent.open(swallow);
  await using link = await openLink(parent);
  const trace = parseLinkTrace('seconds,megabits_per_second\n0,16\n0.5,32\n1.0,8\n3.2,16\n3.7,16\n');
  const socket = await dial(link);
  flood(socket);
  await until(() => link.state.bytesToParent > 0);
  link.shape({ trace, delayMs: 0 });
  const startedMs = now();
  const before = link.state.bytesToParent;
  await until(() => now() - startedMs > 900);
  const carried = link.state.bytesToParent - before;
  const expected = traceCapacityBytes(trace, 0, now() - startedMs);
  assert.ok(Math.abs(carried / expected - 1) < 0.1, `${carried} bytes, expected ${Math.round(expected)}`);
  await until(() => link.state.state === 'DOWN');
  const inGap = link.state.bytesToParent;
  const refused = connect(link.port, '127.0.0.1');
  const [error] = await once(refused, 'error');
  assert.is((error as NodeJS.ErrnoException).code, 'ECONNRESET');
  assert.is(link.state.bytesToParent, inGap);
  await until(() => link.state.state === 'UP');
  await until(() => link.state.bytesToParent > inGap);
  assert.ok(now() - startedMs >= 3190, 'the gap lasts as long as in the trace');
});

test('a cut by reset ends every connection and refuses new ones until the link is restored', async () => {
  await using parent = await Parent.open(echo);
  await using link = await openLink(parent);
  const socket = await dial(link);
  await roundTrip(socket, 'before');
  const ends = Promise.all([closed(socket), closed(parent.sockets[0]!)]);
  await link.cut('RESET');
  await ends;
  assert.is(link.state.state, 'DOWN');
  assert.is(link.state.cut, 'RESET');
  const refused = connect(link.port, '127.0.0.1');
  assert.is(((await once(refused, 'error'))[0] as NodeJS.ErrnoException).code, 'ECONNRESET');
  await link.restore();
  await roundTrip(await dial(link), 'after');
});

test('in a freeze nothing passes and nobody is told; what was sent meanwhile arrives after the restore', async () => {
  await using parent = await Parent.open(echo);
  await using link = await openLink(parent);
  const socket = await dial(link);
  await roundTrip(socket, 'before');
  await link.cut('FREEZE');
  const { bytesToParent } = link.state;
  let told = false;
  socket.once('data', () => {
    told = true;
  });
  parent.sockets[0]!.write('from the parent');
  socket.write('from the site');
  await until(() => link.heldBytes === 'from the parent'.length + 'from the site'.length);
  assert.is(link.state.bytesToParent, bytesToParent);
  assert.is(told, false);
  assert.is(socket.destroyed || parent.sockets[0]!.destroyed, false);
  let received = '';
  socket.on('data', chunk => {
    received += chunk;
  });
  await link.restore();
  await until(() => received === 'from the parentfrom the site');
});

test('half-open: the parent loses the connection, the site learns it when it speaks after the restore', async () => {
  await using parent = await Parent.open(echo);
  await using link = await openLink(parent);
  const socket = await dial(link);
  await roundTrip(socket, 'before');
  const parentClosed = closed(parent.sockets[0]!);
  await link.cut('HALF_OPEN');
  await parentClosed;
  await link.restore();
  // A whole connection passes meanwhile: the old one would have been told by now if it were.
  await roundTrip(await dial(link), 'another');
  assert.is(socket.destroyed, false);
  const siteClosed = closed(socket);
  socket.write('anybody there?');
  await siteClosed;
});

test('a receiver that does not read costs bounded memory and does not hold up the others', async () => {
  await using parent = await Parent.open(socket => {
    if (parent.sockets.length === 1) socket.pause();
    else echo(socket);
  });
  await using link = await openLink(parent);
  const stalled = await dial(link);
  flood(stalled);
  let last = -1;
  // Full when nothing has been carried for a while: every buffer on the way has taken what it can.
  for (let quietRounds = 0; quietRounds < 20; ) {
    await new Promise(resolve => setTimeout(resolve, 5));
    quietRounds = link.state.bytesToParent + link.heldBytes === last ? quietRounds + 1 : 0;
    last = link.state.bytesToParent + link.heldBytes;
  }
  assert.ok(link.heldBytes < 6 * 1024 * 1024, `${link.heldBytes} bytes held`);
  assert.ok(stalled.writableNeedDrain, 'the sender is made to wait');
  await roundTrip(await dial(link), 'others pass');
});

test('a parent that is not there resets the site, and the next attempt finds it when it is', async () => {
  let link: EmulatedLink;
  {
    await using gone = await Parent.open(echo);
    link = await openLink(gone);
  }
  await using _ = link;
  const socket = await dial(link);
  await closed(socket);
  await until(() => link.state.connectionCount === 0);
});

test('a cut is remembered over a restart when a file is given; a damaged file is refused by name', async () => {
  const folder = await mkdtemp(path.join(os.tmpdir(), 'holdfast-link-'));
  const stateFile = path.join(folder, 'link.json');
  try {
    await using parent = await Parent.open(echo);
    {
      await using link = await openLink(parent, { stateFile });
      assert.is(link.state.cut, null);
      await link.cut('FREEZE');
    }
    {
      await using link = await openLink(parent, { stateFile });
      assert.is(link.state.cut, 'FREEZE');
      await link.restore();
    }
    assert.equal(JSON.parse(await readFile(stateFile, 'utf8')), { cut: null });
    await writeFile(stateFile, '{"cut":"MAYBE"}');
    const error = await openLink(parent, { stateFile }).catch((caught: unknown) => caught);
    assert.instance(error, EmulatedLinkError);
    assert.is((error as EmulatedLinkError).code, 'LINK_STATE_UNREADABLE');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test.run();
