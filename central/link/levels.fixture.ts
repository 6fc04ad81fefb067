// For tests: sites with logs and keys, and what passes between them, within this process.
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import {
  createMemorySiteLog,
  encodeBase64,
  extendEdge,
  newEvent,
  type SiteLog,
  signCheckpoint,
} from '@holdfast/core';
import {
  type Acknowledgements,
  type ChildDuplex,
  type ChildFrame,
  type DuplexListener,
  type ParentDuplex,
  type ParentFrame,
  processTimers,
  type RelayedLogs,
  type ReplicaIntake,
  type ReplicationService,
  runReplication,
} from '@holdfast/interconnect';
import { EventId, type HoldfastEvent, SiteId } from '@holdfast/schema';
import { noteSigner, rawPublicKey, sha256, verifyNote } from '@holdfast/sites';
import type { Logger } from 'pino';
import { v7 } from 'uuid';
import * as assert from 'uvu/assert';

export interface Node {
  readonly site: SiteId;
  readonly key: KeyObject;
  readonly log: SiteLog;
}

export function newNode(site: SiteId = SiteId.parse(v7())): Node {
  const log = createMemorySiteLog({ site, now: Date.now, sha256 });
  return { site, key: generateKeyPairSync('ed25519').privateKey, log };
}

export async function say({ log }: Node, stream: string, ...events: readonly HoldfastEvent[]): Promise<void> {
  const facts = { actor: 'server:test', occurredAtMs: Date.now(), clockQuality: 'NTP' } as const;
  const recorded = events.map(event => newEvent(event, { id: EventId.parse(v7()), ...facts }));
  await log.append([{ stream, expected: 'any', events: recorded }]);
}

/** From now on the log of the parent says that the child may report to it. */
export async function admit(parent: Node, { site: siteId }: Node): Promise<void> {
  const enrolled = { siteId, name: 'Below', certificateSha256: 'ab'.repeat(32) };
  await say(parent, `child-site-${siteId}`, { type: 'ChildSiteEnrolled', data: enrolled });
}

/** The same, and by what key the child is believed. */
export async function enrol(parent: Node, child: Node): Promise<void> {
  await admit(parent, child);
  const { site: siteId, key } = child;
  const pinned = { siteId, publicKey: encodeBase64(rawPublicKey(key)), because: 'CONFIGURED' } as const;
  await say(parent, `log-key-${siteId}`, { type: 'LogKeyPinned', data: pinned });
}

/** All that a log has more than the intake, as one session would bring it. */
export async function takeIn(intake: ReplicaIntake, { site, log, key }: Node): Promise<void> {
  const { fence, cursor } = await intake.openSession(site);
  const events = await log.read({ after: cursor, limit: 5000 });
  const leafHashes = events.map(event => event.leafHash);
  const edge = extendEdge(cursor.treeEdge, cursor.position, leafHashes, sha256);
  const head = log.head();
  const after = { epoch: head.epoch, position: head.size, treeEdge: edge };
  const checkpoint = { head, note: signCheckpoint(head, noteSigner(key), sha256) };
  assert.is(await intake.commit({ site, fence, before: cursor, after, events, checkpoint }), 'COMMITTED');
}

/** A stream within this process. */
function openStream(
  child: SiteId,
  parent: SiteId,
): { readonly up: ParentDuplex; readonly down: ChildDuplex } {
  const ends: { up?: DuplexListener<ParentFrame>; down?: DuplexListener<ChildFrame> } = {};
  let isOver = false;
  const soon = (act: () => void) => setImmediate(() => isOver || act());
  const end = () =>
    soon(() => {
      isOver = true;
      ends.up?.onLost('ended');
      ends.down?.onLost('ended');
    });
  return {
    up: {
      ...{ peerSite: () => parent, end, cancel: end },
      listen: listener => {
        ends.up = listener;
      },
      send: frame => {
        soon(() => ends.down?.onFrame(frame));
        return true;
      },
    },
    down: {
      ...{ peerSite: () => child, end },
      listen: listener => {
        ends.down = listener;
      },
      send: frame => {
        soon(() => ends.up?.onFrame(frame));
        return true;
      },
    },
  };
}

/** Reports to a parent until the signal is aborted, and relays what is given to it for that. */
export function report(
  options: {
    readonly from: Node;
    readonly to: SiteId;
    readonly replication: ReplicationService;
    readonly acknowledgements: Acknowledgements;
    readonly relayed?: RelayedLogs;
    readonly logger: Logger;
  },
  signal: AbortSignal,
): Promise<void> {
  const { from, to, replication, acknowledgements, relayed, logger } = options;
  const { log, site, key } = from;
  return runReplication(
    {
      ...{ log, site, signer: noteSigner(key), verify: verifyNote, sha256 },
      ...{ acknowledgements, logger, now: Date.now, timers: processTimers, random: Math.random },
      ...(relayed === undefined ? {} : { relayed }),
      parentKey: { known: () => null, pin: async () => undefined },
      wishes: { cursor: async () => null, accept: async () => undefined },
      dial: () => {
        const stream = openStream(site, to);
        replication.answer(stream.down);
        return stream.up;
      },
      ...{ software: 'test', backoffMsMax: 100, refusedLogRetryMsMax: 200 },
    },
    signal,
  );
}
