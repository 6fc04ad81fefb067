import { once } from 'node:events';
import http2 from 'node:http2';
import { zstdCompressSync } from 'node:zlib';
import { Channel, ChannelCredentials, type ClientDuplexStream, status } from '@grpc/grpc-js';
import { LOG_START, type LogHead, signCheckpoint } from '@holdfast/core';
import {
  ReplicationClient,
  type WireChildFrame,
  type WireParentFrame,
  type WireRefused,
} from '@holdfast/protos';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createGrpcChannel } from '../transport/grpc-channel.js';
import { GRPC_MESSAGE_BYTES_MAX } from '../transport/grpc-options.js';
import { packEvents } from './event-frame.js';
import { dialParent } from './grpc-replication-duplex.js';
import {
  credentialsOf,
  fill,
  newMemoryLog,
  newSigner,
  newSiteId,
  sha256,
  signerOf,
  TestChild,
  TestParent,
  until,
} from './replication.fixture.js';
import type { ChildFrame, ParentFrame } from './replication-frame.js';
import { childFrameToWire } from './replication-frame.wire.js';

const test = suite('a child that does not keep to the protocol');

/** Speaks the wire itself, with the right certificate: says what it is told to say. */
async function converse(
  parent: TestParent,
  say: (context: {
    readonly hello: WireChildFrame;
    readonly batch: WireChildFrame;
    /** A checkpoint as the child signs it, of whatever head. */
    readonly signed: (head: Partial<LogHead>) => string;
  }) => {
    readonly first: readonly WireChildFrame[];
    readonly afterWant: readonly WireChildFrame[];
  },
): Promise<WireRefused> {
  const site = newSiteId();
  const log = newMemoryLog(site);
  await fill(log, 5);
  const head = log.head();
  const signer = signerOf(site);
  const checkpoint = signCheckpoint(head, signer, sha256);
  const channel = createGrpcChannel({
    peer: { host: '127.0.0.1', port: parent.port, serverName: parent.serverName },
    credentials: await credentialsOf(site, 'site'),
  });
  const client = new ReplicationClient('unused', ChannelCredentials.createInsecure(), {
    channelOverride: channel,
  });
  const call = (client as unknown as { sync(): ClientDuplexStream<WireChildFrame, WireParentFrame> }).sync();
  const events = await log.read({ after: LOG_START, limit: 100 });
  const { first, afterWant } = say({
    hello: childFrameToWire({
      ...{ kind: 'hello', site, software: 'hostile', checkpoint, readsZstd: true },
      publicKey: signer.publicKey,
    }),
    batch: childFrameToWire({
      ...{ kind: 'batch', origin: site, checkpoint, consistency: [] },
      epoch: 1,
      firstPosition: 1,
      root: head.root,
      ...packEvents(events, false),
    }),
    signed: other => signCheckpoint({ ...head, ...other }, signer, sha256),
  });
  let refused: WireRefused | null = null;
  call.on('error', () => undefined);
  call.on('data', (frame: WireParentFrame) => {
    if (frame.want) for (const wire of afterWant) call.write(wire);
    if (frame.refused) refused = frame.refused;
  });
  for (const wire of first) call.write(wire);
  try {
    await until(() => refused !== null, 'a refusal');
    assert.is(parent.held(site).length, 0, 'nothing is applied');
    return refused!;
  } finally {
    call.cancel();
    channel.close();
  }
}

test('what begins beyond the wanted position is answered GAP', async () => {
  await using parent = await TestParent.start();
  const refused = await converse(parent, ({ hello, batch }) => ({
    first: [hello],
    afterWant: [{ batch: { ...batch.batch!, firstPosition: 3 } }],
  }));
  assert.is(refused.code, 'CODE_GAP');
  await until(() => parent.lines.some(line => line.code === 'GAP'), 'the gap in the log of the parent');
});

test('frames out of turn, unknown ones and impossible ones are refused by name, and the parent lives on', async () => {
  await using parent = await TestParent.start();
  const pong = {
    pingSentAtMs: 0,
    receivedAtMs: 0,
    sentAtMs: 0,
    head: { epoch: 1, size: 0, root: new Uint8Array(32) },
  };
  type Say = Parameters<typeof converse>[1];
  const conversations: readonly Say[] = [
    ({ batch }) => ({ first: [batch], afterWant: [] }),
    ({ hello }) => ({ first: [hello, hello], afterWant: [] }),
    () => ({ first: [{}], afterWant: [] }),
    ({ hello }) => ({ first: [{ hello: { ...hello.hello!, checkpoint: '' } }], afterWant: [] }),
    ({ hello }) => ({
      first: [{ hello: { ...hello.hello!, publicKey: new Uint8Array(31) } }],
      afterWant: [],
    }),
    ({ hello, batch }) => ({
      first: [hello],
      afterWant: [{ batch: { ...batch.batch!, origin: newSiteId() } }],
    }),
    ({ hello, batch }) => ({
      first: [hello],
      afterWant: [{ batch: { ...batch.batch!, consistency: [new Uint8Array(31)] } }],
    }),
    ({ hello, batch }) => ({
      first: [hello],
      afterWant: [
        { batch: { ...batch.batch!, consistency: Array.from({ length: 55 }, () => new Uint8Array(32)) } },
      ],
    }),
    ({ hello }) => ({ first: [hello], afterWant: [{ offer: { checkpoint: 'nothing\n' } }] }),
    ({ hello }) => ({ first: [hello], afterWant: [{ offer: hello.hello! }] }),
    ({ hello }) => ({ first: [hello], afterWant: [{ pong }, { pong }] }),
    ({ hello }) => ({
      first: [hello],
      afterWant: [{ wantHistory: { after: { epoch: 0, position: 0 }, limit: 1, origin: newSiteId() } }],
    }),
    ({ hello }) => ({
      first: [hello],
      afterWant: [{ wantWishes: { afterId: '' } }, { wantWishes: { afterId: '' } }],
    }),
    ({ hello, batch }) => ({ first: [hello], afterWant: [{ batch: { ...batch.batch!, count: 0 } }] }),
    ({ hello, batch }) => ({
      first: [hello],
      afterWant: [{ batch: { ...batch.batch!, rawByteLength: 2 ** 31 } }],
    }),
    ({ hello, batch }) => ({
      first: [hello],
      afterWant: [{ batch: { ...batch.batch!, codec: 'CODEC_UNSPECIFIED' } }],
    }),
    ({ hello, batch }) => ({
      first: [hello],
      afterWant: [{ batch: { ...batch.batch!, root: new Uint8Array(3) } }],
    }),
  ];
  for (const [index, say] of conversations.entries()) {
    assert.is((await converse(parent, say)).code, 'CODE_PROTOCOL_VIOLATION', `conversation ${index}`);
  }
});

test('a checkpoint that the child did not sign, or none that covers its events, is BAD_SIGNATURE', async () => {
  await using parent = await TestParent.start();
  const stranger = newSigner();
  type Say = Parameters<typeof converse>[1];
  const forged = (note: string) => note.replace(/\n.{43}=\n\n/, `\n${'A'.repeat(43)}=\n\n`);
  const conversations: readonly Say[] = [
    ({ hello }) => ({
      first: [{ hello: { ...hello.hello!, publicKey: stranger.publicKey } }],
      afterWant: [],
    }),
    ({ hello, batch }) => {
      const checkpoint = forged(batch.batch!.checkpoint);
      return { first: [hello], afterWant: [{ batch: { ...batch.batch!, checkpoint } }] };
    },
    ({ hello, batch, signed }) => {
      const checkpoint = signed({ size: 3 });
      return {
        first: [{ hello: { ...hello.hello!, checkpoint } }],
        afterWant: [{ batch: { ...batch.batch!, checkpoint } }],
      };
    },
    ({ hello, batch, signed }) => {
      const checkpoint = signed({ site: newSiteId() });
      return { first: [hello], afterWant: [{ batch: { ...batch.batch!, checkpoint } }] };
    },
  ];
  for (const [index, say] of conversations.entries()) {
    assert.is((await converse(parent, say)).code, 'CODE_BAD_SIGNATURE', `conversation ${index}`);
  }
});

test('a history that is not the one that was signed is FORK', async () => {
  await using parent = await TestParent.start();
  const refused = await converse(parent, ({ hello, batch, signed }) => {
    const checkpoint = signed({ root: new Uint8Array(32) });
    return { first: [hello], afterWant: [{ batch: { ...batch.batch!, checkpoint } }] };
  });
  assert.is(refused.code, 'CODE_FORK');
});

test('events of an epoch that is over are UNKNOWN_EPOCH, and said of the site', async () => {
  await using parent = await TestParent.start(it => {
    it.intake = {
      // As after a reset: only what it holds is a double.
      openSession: async () => ({ fence: 1, cursor: { epoch: 2, position: 0, treeEdge: [] } }),
      commit: batch => it.replicas.commit(batch),
    };
  });
  const refused = await converse(parent, ({ hello, batch, signed }) => ({
    first: [{ hello: { ...hello.hello!, checkpoint: signed({ epoch: 2 }) } }],
    afterWant: [batch],
  }));
  assert.is(refused.code, 'CODE_UNKNOWN_EPOCH');
  assert.equal(
    parent.refusals.map(([, code]) => code),
    ['UNKNOWN_EPOCH'],
  );
});

test('a parent that cannot store says UNAVAILABLE, and nothing of the site', async () => {
  await using parent = await TestParent.start(it => {
    it.intake = {
      openSession: site => it.replicas.openSession(site),
      commit: async () => {
        throw new Error('the database is away');
      },
    };
  });
  const refused = await converse(parent, ({ hello, batch }) => ({ first: [hello], afterWant: [batch] }));
  assert.is(refused.code, 'CODE_UNAVAILABLE');
  assert.not.match(refused.detail, 'database is away');
  assert.equal(parent.refusals, []);
});

test('a bomb is unpacked no further than it states, and is BAD_HASH', async () => {
  await using parent = await TestParent.start();
  const events = zstdCompressSync(Buffer.alloc(64 * 1024 * 1024));
  const rawByteLength = 512 * 1024;
  const before = process.memoryUsage().rss;
  const refused = await converse(parent, ({ hello, batch }) => ({
    first: [hello],
    afterWant: [{ batch: { ...batch.batch!, codec: 'CODEC_ZSTD', events, rawByteLength } }],
  }));
  assert.is(refused.code, 'CODE_BAD_HASH');
  assert.ok(process.memoryUsage().rss - before < 48 * 1024 * 1024, 'less than the bomb holds');
});

test('a frame that is larger than allowed is refused by name, a message that is larger than any by the transport', async () => {
  await using parent = await TestParent.start();
  const large = (byteLength: number) => (wire: WireChildFrame) => ({
    batch: { ...wire.batch!, events: Buffer.alloc(byteLength) },
  });
  const refused = await converse(parent, ({ hello, batch }) => ({
    first: [hello],
    afterWant: [large(2 * 1024 * 1024)(batch)],
  }));
  assert.is(refused.code, 'CODE_PROTOCOL_VIOLATION');

  const site = newSiteId();
  const { authorityPem, privateKeyPem, certificatePem } = await credentialsOf(site, 'site');
  const [roots, key, chain] = [authorityPem, privateKeyPem, certificatePem].map(pem => Buffer.from(pem));
  const channel = new Channel(`127.0.0.1:${parent.port}`, ChannelCredentials.createSsl(roots, key, chain), {
    'grpc.max_send_message_length': -1,
    'grpc.ssl_target_name_override': parent.serverName,
    'grpc.default_authority': parent.serverName,
  });
  const client = new ReplicationClient('unused', ChannelCredentials.createInsecure(), {
    channelOverride: channel,
  });
  const call = (client as unknown as { sync(): ClientDuplexStream<WireChildFrame, WireParentFrame> }).sync();
  const failed = once(call, 'error') as Promise<[{ readonly code: number }]>;
  call.on('data', () => undefined);
  const root = Buffer.alloc(32);
  const numbers = { epoch: 1, firstPosition: 1, count: 1, rawByteLength: 1 };
  const names = { origin: site, codec: 'CODEC_IDENTITY', checkpoint: '' };
  const batch = { ...numbers, ...names, root, events: root, consistency: [] };
  call.write(large(GRPC_MESSAGE_BYTES_MAX + 1)({ batch }));
  assert.is((await failed)[0].code, status.RESOURCE_EXHAUSTED);
  channel.close();
  const next = await converse(parent, wires => ({ first: [wires.batch], afterWant: [] }));
  assert.is(next.code, 'CODE_PROTOCOL_VIOLATION', 'the next child is answered');
});

test('an old session that is replayed is answered AHEAD, with how far its log is held, and rewinds nothing', async () => {
  await using parent = await TestParent.start();
  const site = newSiteId();
  const log = newMemoryLog(site);
  const credentials = await credentialsOf(site, 'site');
  const checkpoint = signCheckpoint(log.head(), signerOf(site), sha256);
  await fill(log, 20);
  {
    await using child = new TestChild({ log, credentials, port: parent.port });
    await until(() => child.acknowledgements.of(site).parent?.position === 21, 'all events');
  }
  const answered: ParentFrame[] = [];
  const stream = dialParent({
    parent: { host: '127.0.0.1', port: parent.port, serverName: parent.serverName },
    credentials,
  });
  const ignore = () => undefined;
  stream.listen({
    onFrame: frame => void answered.push(frame),
    ...{ onDrain: ignore, onLost: ignore, onGarbled: ignore },
  });
  const { publicKey } = signerOf(site);
  stream.send({ kind: 'hello', site, software: 'replayed', checkpoint, publicKey, readsZstd: true });
  await until(() => answered.some(({ kind }) => kind === 'refused'), 'the refusal');
  stream.cancel();
  const refused = answered.find(frame => frame.kind === 'refused')!;
  assert.equal([refused.code, refused.origin, refused.held], ['AHEAD', site, { epoch: 1, position: 21 }]);
  assert.is(parent.held(site).length, 21);
});

test('what a child refuses is told of it alone, in words of the parent, once it has said who it is', async () => {
  await using parent = await TestParent.start();
  const other = newSiteId();
  const refusing = (origin: string, detail: string) => ({
    refused: { code: 'CODE_FORK', detail, origin, held: null },
  });
  const refused = await converse(parent, ({ hello }) => ({
    first: [hello],
    afterWant: [refusing(other, 'of a site that it has not offered')],
  }));
  assert.is(refused.code, 'CODE_PROTOCOL_VIOLATION');
  assert.not(parent.refusals.some(([site]) => site === other));
  const site = newSiteId();
  const log = newMemoryLog(site);
  const checkpoint = signCheckpoint(log.head(), signerOf(site), sha256);
  const credentials = await credentialsOf(site, 'site');
  const ignore = () => undefined;
  const say = async (detail: string, isGreeting: boolean) => {
    const { promise: lost, resolve: onLost } = Promise.withResolvers<unknown>();
    const stream = dialParent({
      parent: { host: '127.0.0.1', port: parent.port, serverName: parent.serverName },
      credentials,
    });
    const refusal = { kind: 'refused', code: 'FORK', detail, origin: null, held: null } as const;
    const onFrame = (frame: ParentFrame) => void (frame.kind === 'want' && stream.send(refusal));
    stream.listen({ onFrame, onDrain: ignore, onLost, onGarbled: ignore });
    const { publicKey } = signerOf(site);
    if (isGreeting)
      stream.send({ kind: 'hello', site, software: 'hostile', checkpoint, publicKey, readsZstd: true });
    else stream.send(refusal);
    await lost;
    stream.cancel();
  };
  const told = parent.refusals.length;
  await say('nobody', false);
  assert.is(parent.refusals.length, told);
  await say('one thing', true);
  await say('another thing', true);
  assert.equal(parent.refusals.slice(told), [
    [site, 'FORK'],
    [site, 'FORK'],
  ]);
  const [first, second] = parent.refusalDetails.slice(told);
  assert.is(first, second);
  assert.match(first!, site);
});

test('more than was granted is refused while the intake is still busy with the rest', async () => {
  const { promise: held, resolve: release } = Promise.withResolvers<void>();
  await using parent = await TestParent.start(it => {
    it.intake = {
      openSession: site => it.replicas.openSession(site),
      commit: async () => {
        await held;
        return 'STALE_CURSOR';
      },
    };
  });
  const refused = await converse(parent, ({ hello, batch }) => {
    // Known positions over and over: each is cheap to refuse or drop, and each counts against the credit.
    const rawByteLength = 400 * 1024;
    const padded = { batch: { ...batch.batch!, rawByteLength } };
    return { first: [hello], afterWant: [batch, ...Array.from({ length: 12 }, () => padded)] };
  });
  release();
  assert.is(refused.code, 'CODE_PROTOCOL_VIOLATION');
  assert.match(refused.detail, /more than was granted/);
});

test('a child that asks on and takes no answer is let go before what waits for it fills the memory', async () => {
  await using parent = await TestParent.start();
  const site = newSiteId();
  const log = newMemoryLog(site);
  const credentials = await credentialsOf(site, 'site');
  await fill(log, 2, { byteLength: 100_000 });
  {
    await using _child = new TestChild({ log, credentials, port: parent.port });
    await until(() => parent.held(site).length === 3, 'all events');
  }
  // HTTP/2 itself, because the client of gRPC reads on by itself: this one never opens its window again.
  const { authorityPem: ca, privateKeyPem: key, certificatePem: cert } = credentials;
  const session = http2.connect(`https://127.0.0.1:${parent.port}`, {
    ...{ ca, key, cert, servername: parent.serverName },
  });
  const { path: method, requestSerialize } = ReplicationClient.service.Sync!;
  const call = session.request({
    ...{ ':method': 'POST', ':path': method, 'content-type': 'application/grpc', te: 'trailers' },
  });
  for (const stream of [session, call]) stream.on('error', () => undefined);
  const tell = (frame: ChildFrame) => {
    const message = requestSerialize(childFrameToWire(frame));
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    call.write(Buffer.concat([prefix, message]));
  };
  const { publicKey } = signerOf(site);
  const checkpoint = signCheckpoint(log.head(), signerOf(site), sha256);
  const hello = {
    kind: 'hello',
    site,
    software: 'hostile',
    checkpoint,
    publicKey,
    readsZstd: false,
  } as const;
  tell(hello);
  const sessions = () => parent.links.calls.filter(said => said.startsWith('established')).length;
  await until(() => sessions() === 2, 'the session');
  const question = { kind: 'wantHistory', origin: null, after: { epoch: 1, position: 1 }, limit: 1 } as const;
  const ask = () => tell(question);
  // The last that the parent looks at before it answers.
  const { checkpoint: newest } = parent.replicas;
  Object.assign(parent.replicas, {
    checkpoint: (origin: typeof site) => {
      setImmediate(ask);
      return newest(origin);
    },
  });
  ask();
  try {
    await until(
      () => parent.lines.some(({ reason }) => /has not taken/.test(reason ?? '')),
      'its end',
      30_000,
    );
    await until(() => call.rstCode === http2.constants.NGHTTP2_ENHANCE_YOUR_CALM, 'its stream to be cut');
  } finally {
    session.destroy();
  }
});

test.run();
