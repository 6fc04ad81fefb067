import {
  consistencyRanges,
  decodeRecordedEvent,
  extendEdge,
  LOG_START,
  MerkleProofBuilder,
  type NoteVerifier,
  rootOf,
  type SiteLog,
  signCheckpoint,
} from '@holdfast/core';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { processTimers } from '../transport/timers.js';
import { AcceptanceTurns } from './acceptance-turns.js';
import { BatchIntake, type StoredBatches } from './batch-intake.js';
import { GrantedCredit } from './credit-window.js';
import { packEvents } from './event-frame.js';
import { createMemoryReplicaIntake } from './memory-replica-intake.js';
import {
  fill,
  newMemoryLog,
  newSigner,
  newSiteId,
  sha256,
  signerOf,
  until,
  verifyNote,
} from './replication.fixture.js';
import { type BatchFrame, ReplicationProtocolError, type ReplicationRefusal } from './replication-frame.js';

const test = suite('batch intake');

/** A log of one event a batch, each with a checkpoint of its own, as a live log is sent. */
async function liveLog(count: number, signer = signerOf) {
  const site = newSiteId();
  const log = newMemoryLog(site);
  const batches: BatchFrame[] = [];
  for (let position = 1; position <= count; position += 1) {
    if (position > 1) await fill(log, 1);
    batches.push(await batchOf(log, position, signCheckpoint(log.head(), signer(site), sha256)));
  }
  return { site, log, batches };
}

async function batchOf(
  log: SiteLog,
  position: number,
  checkpoint: string | null,
  limit = 1,
): Promise<BatchFrame> {
  const { site: origin, epoch, root } = log.head();
  const events = await log.read({ after: { epoch, position: position - 1 }, limit });
  return {
    kind: 'batch',
    origin,
    epoch,
    firstPosition: position,
    root,
    checkpoint,
    consistency: [],
    ...packEvents(events, false),
  };
}

/** The first batch, proven by the checkpoint of the last. */
async function firstAsPartOfAll({ log, batches }: Awaited<ReturnType<typeof liveLog>>): Promise<BatchFrame> {
  const events = await log.read({ after: LOG_START, limit: batches.length });
  const builder = new MerkleProofBuilder(consistencyRanges(1, batches.length), sha256);
  builder.take(events.slice(builder.next!).map(event => event.leafHash));
  return { ...batches[0]!, checkpoint: batches.at(-1)!.checkpoint, consistency: builder.finish() };
}

async function intakeOf({ site, log }: Awaited<ReturnType<typeof liveLog>>, grantedBytes = 1_000_000) {
  let verified = 0;
  const verify: NoteVerifier = (...arguments_) => {
    verified += 1;
    return verifyNote(...arguments_);
  };
  const intake = createMemoryReplicaIntake();
  const commit = intake.commit.bind(intake);
  const committed: number[] = [];
  intake.commit = batch => {
    committed.push(batch.events.length);
    return commit(batch);
  };
  const { fence } = await intake.openSession(site);
  const credit = new GrantedCredit();
  credit.grant(grantedBytes);
  const stored: StoredBatches[] = [];
  const refusals: ReplicationRefusal[] = [];
  const batches = new BatchIntake({
    ...{ fence, intake, credit, durable: { ...LOG_START, treeEdge: [] } },
    key: { origin: site, publicKey: signerOf(site).publicKey, verify, sha256 },
    signed: { head: { ...log.head(), size: 0 }, note: '' },
    turns: new AcceptanceTurns(processTimers),
    onStored: batch => stored.push(batch),
    onRefusal: refusal => refusals.push(refusal),
    onFault: error => {
      throw error;
    },
  });
  return { batches, intake, stored, refusals, committed, verified: () => verified };
}

test('checks one signature for all batches that it accepts together', async () => {
  const live = await liveLog(20);
  const { batches, intake, stored, verified } = await intakeOf(live);
  for (const batch of live.batches) batches.push(batch);
  await until(() => stored.at(-1)?.place.position === 20, 'everything is stored');
  assert.is(intake.events(live.site).length, 20);
  assert.ok(verified() <= 2, `${verified()} signatures for 20 batches`);
  assert.is(stored.at(-1)!.reached?.head.size, 20);
});

test('takes what is signed when a later batch is not, and refuses that one by name', async () => {
  const live = await liveLog(5);
  const { batches, intake, refusals } = await intakeOf(live);
  const forged = signCheckpoint(live.log.head(), newSigner(), sha256);
  for (const batch of live.batches.slice(0, 4)) batches.push(batch);
  batches.push({ ...live.batches[4]!, checkpoint: forged });
  await until(() => refusals.length > 0, 'the forged one is refused');
  assert.is(refusals[0]!.code, 'BAD_SIGNATURE');
  assert.is(intake.events(live.site).length, 4);
});

test('keeps the checkpoint of what it takes when a later batch that spoke for it is refused', async () => {
  const live = await liveLog(5);
  const { batches, intake, refusals } = await intakeOf(live);
  for (const index of [0, 1, 2, 4]) batches.push(live.batches[index]!);
  await until(() => refusals.length > 0, 'the batch behind the gap is refused');
  assert.is(refusals[0]!.code, 'GAP');
  assert.is(intake.events(live.site).length, 3);
  assert.is((await intake.checkpoint(live.site))?.head.size, 3);
});

test('takes nothing that only a batch without anything new would have proven', async () => {
  const live = await liveLog(5);
  const { batches, intake, refusals } = await intakeOf(live);
  batches.push(live.batches[0]!);
  await until(() => intake.events(live.site).length === 1, 'the first');
  const [first, second] = await live.log.read({ after: LOG_START, limit: 2 });
  const forged = decodeRecordedEvent(second!.header, Buffer.from('{"forged":true}'), sha256);
  const root = rootOf(extendEdge([], 0, [first!.leafHash, forged.leafHash], sha256), 2, sha256);
  batches.push({ ...live.batches[1]!, checkpoint: null, root, ...packEvents([forged], false) });
  batches.push({ ...live.batches[0]!, checkpoint: live.batches[4]!.checkpoint });
  await until(() => refusals.length > 0, 'the forged one is refused');
  assert.is(refusals[0]!.code, 'BAD_SIGNATURE');
  assert.is(intake.events(live.site).length, 1);
});

test('refuses another history of what is held already, as its site has signed it, and keeps no word of it', async () => {
  const live = await liveLog(3);
  const { batches, intake, refusals } = await intakeOf(live);
  for (const batch of live.batches) batches.push(batch);
  await until(() => intake.events(live.site).length === 3, 'everything');
  const before = await intake.checkpoint(live.site);
  const head = { ...live.log.head(), root: new Uint8Array(32).fill(7) };
  batches.push({ ...live.batches[2]!, checkpoint: signCheckpoint(head, signerOf(live.site), sha256) });
  await until(() => refusals.length > 0, 'the refusal');
  assert.is(refusals[0]!.code, 'FORK');
  assert.equal(await intake.checkpoint(live.site), before);
});

test('holds what is proven to be a part of what is signed, and says nothing of the signed end before that is held', async () => {
  const live = await liveLog(5);
  const { batches, intake, stored } = await intakeOf(live);
  batches.push(await firstAsPartOfAll(live));
  await until(() => stored.length > 0, 'the first is stored');
  assert.is(stored[0]!.place.position, 1);
  assert.is(stored[0]!.reached, null);
  assert.is(await intake.checkpoint(live.site), null);
  for (const batch of live.batches.slice(1)) batches.push(batch);
  await until(() => stored.at(-1)!.place.position === 5, 'all are stored');
  assert.is((await intake.checkpoint(live.site))?.head.size, 5);
});

test('says nothing of a signed end that is not held, also when what spoke for the part of it is refused', async () => {
  const live = await liveLog(5);
  const { batches, intake, refusals } = await intakeOf(live);
  for (const batch of [await firstAsPartOfAll(live), live.batches[2]!]) batches.push(batch);
  await until(() => refusals.length > 0, 'the batch behind the gap is refused');
  assert.is(refusals[0]!.code, 'GAP');
  assert.is(intake.events(live.site).length, 1);
  assert.is(await intake.checkpoint(live.site), null);
});

test('stores no more by one transaction than is worth it, though more waits', async () => {
  const live = await liveLog(1);
  const { batches, stored, committed } = await intakeOf(live, 4_000_000);
  const sent = [live.batches[0]!];
  for (let position = 2; position < 4_000; position += 500) {
    await fill(live.log, 500);
    const checkpoint = signCheckpoint(live.log.head(), signerOf(live.site), sha256);
    sent.push(await batchOf(live.log, position, checkpoint, 500));
  }
  for (const batch of sent) batches.push(batch);
  await until(() => stored.at(-1)?.place.position === 4_001, 'all are stored');
  assert.is(
    committed.reduce((sum, count) => sum + count, 0),
    4_001,
  );
  assert.ok(Math.max(...committed) > 500 && Math.max(...committed) <= 3_000, committed.join());
});

test('takes nothing that no honest child sends: what cannot be, or more than was granted', async () => {
  const live = await liveLog(1);
  const { batches, intake } = await intakeOf(live);
  const [batch] = live.batches;
  const refuses = (frame: BatchFrame, because: RegExp) =>
    assert.throws(
      () => batches.push(frame),
      (error: Error) => error instanceof ReplicationProtocolError && because.test(error.message),
    );
  refuses({ ...batch!, count: 0 }, /0 events/);
  const half = { ...batch!, rawByteLength: 500_001 };
  batches.push(half);
  refuses(half, /500001 bytes is more than was granted/);
  assert.is(intake.events(live.site).length, 0);
});

test.run();
