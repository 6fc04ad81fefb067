import { ChannelCredentials, type ClientDuplexStream } from '@grpc/grpc-js';
import { LOG_START, signCheckpoint } from '@holdfast/core';
import {
  ReplicationClient,
  type WireChildFrame,
  type WireParentFrame,
  type WireRefused,
} from '@holdfast/protos';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { createGrpcChannel } from '../transport/grpc-channel.js';
import { packEvents } from './event-frame.js';
import {
  credentialsOf,
  fill,
  newMemoryLog,
  newSiteId,
  sha256,
  signerOf,
  TestParent,
  until,
} from './replication.fixture.js';
import { childFrameToWire } from './replication-frame.wire.js';

const test = suite('a child that does not keep to the protocol');

/** Speaks the wire itself, with the right certificate: says what it is told to say. */
async function converse(
  parent: TestParent,
  say: (context: { readonly hello: WireChildFrame; readonly batch: WireChildFrame }) => {
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
      ...{ kind: 'batch', origin: site, checkpoint },
      epoch: 1,
      firstPosition: 1,
      root: head.root,
      ...packEvents(events, false),
    }),
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
    ({ hello }) => ({ first: [hello], afterWant: [{ offer: { checkpoint: 'nothing\n' } }] }),
    ({ hello }) => ({ first: [hello], afterWant: [{ offer: hello.hello! }] }),
    ({ hello }) => ({ first: [hello], afterWant: [{ pong }, { pong }] }),
    ({ hello }) => ({ first: [hello], afterWant: [{ wantWishes: {} }, { wantWishes: {} }] }),
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

test.run();
