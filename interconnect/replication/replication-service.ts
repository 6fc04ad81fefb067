import type { NoteSigner, Sha256, SignedCheckpoint } from '@holdfast/core';
import { ReplicationClient } from '@holdfast/protos';
import type { SiteId } from '@holdfast/schema';
import type { Logger } from 'pino';
import type { GrpcServer } from '../transport/grpc-server.js';
import type { Timers } from '../transport/timers.js';
import { AcceptanceTurns } from './acceptance-turns.js';
import type { Acknowledgements } from './acknowledgements.js';
import { CosigningTurns } from './cosigning-turns.js';
import { sessionCreditBytes } from './credit-window.js';
import { type ChildCall, duplexOfChild } from './grpc-replication-duplex.js';
import { HEARTBEAT_MS } from './heartbeat.js';
import type { LinkObserver } from './link-observer.js';
import type { EventualNoteVerifier } from './origin-checkpoint.js';
import type { OriginKeys } from './origin-keys.js';
import { ParentSession, type SessionSurroundings } from './parent-session.js';
import type { ReplicaIntake, ReplicaReader } from './replica-intake.js';
import type { ChildDuplex } from './replication-duplex.js';
import { describeError } from './replication-fault.js';
import { WishFeed, type WishLog } from './wish-feed.js';

export interface ReplicationServiceOptions {
  readonly intake: ReplicaIntake;
  /** What the intake has stored. */
  readonly replicas: ReplicaReader;
  /** The parent's own: it holds the wishes for the children. */
  readonly log: WishLog;
  readonly enrolled: (site: SiteId) => boolean | Promise<boolean>;
  readonly keys: OriginKeys;
  readonly verify: EventualNoteVerifier;
  /** The parent's log key: it cosigns what is durable here. */
  readonly signer: NoteSigner;
  /** What this parent's own parent has acknowledged. Left out: there is none above. */
  readonly above?: Acknowledgements;
  /** Nothing is held of a log, and who brings it no longer has its beginning: what its site has signed. Left out: it stays refused. */
  readonly onLogLost?: (signed: SignedCheckpoint) => void;
  readonly links: LinkObserver;
  readonly logger: Logger;
  readonly sha256: Sha256;
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  readonly timers: Timers;
  /** Name and version, for the children's logs. */
  readonly software: string;
  /** How often each side is heard; three in silence end a link. */
  readonly heartbeatMs?: number;
}

/** The parent's side of replication: takes in the logs of the enrolled children and hands them their wishes. */
export interface ReplicationService extends AsyncDisposable {
  /** Adds `holdfast.log.v1.Replication` to a server. */
  register(server: GrpcServer): void;
  /** Speaks with a child over a stream that it has opened, however that is carried. */
  answer(stream: ChildDuplex): void;
  /** Ends the session of a child that was detached; without a session it does nothing. */
  disconnect(site: SiteId): void;
  /** What is held of a log has moved beside the session that brings it: that is begun again. */
  moved(origin: SiteId): void;
}

/** Disposing ends every session; the intake and the log stay the caller's. */
export function createReplicationService(options: ReplicationServiceOptions): ReplicationService {
  const { log, logger } = options;
  const sessions = new Map<SiteId, ParentSession>();
  const closing = new AbortController();
  const wishFeed = new WishFeed();
  const following = wishFeed.run(log, closing.signal).catch(error => {
    if (!closing.signal.aborted)
      logger.error({ error: describeError(error) }, 'wishes are not followed any more');
  });
  const around: SessionSurroundings = {
    ...options,
    above: options.above ?? null,
    parent: log.head().site,
    wishFeed,
    turns: new AcceptanceTurns(options.timers),
    cosigning: new CosigningTurns(options.timers),
    heartbeatMs: options.heartbeatMs ?? HEARTBEAT_MS,
    takeOver: session => {
      sessions.get(session.site)?.fence();
      sessions.set(session.site, session);
    },
    leave: session => {
      if (sessions.get(session.site) === session) sessions.delete(session.site);
    },
    creditBytes: () => sessionCreditBytes(sessions.size),
  };
  return {
    register: server =>
      server.addService(ReplicationClient.service, {
        Sync: (call: ChildCall) => answer(duplexOfChild(call), around),
      }),
    answer: stream => answer(stream, around),
    disconnect: site => sessions.get(site)?.end('CLOSED', 'disconnected here'),
    moved: origin => {
      for (const session of [...sessions.values()]) session.moved(origin);
    },
    [Symbol.asyncDispose]: async () => {
      closing.abort();
      for (const session of [...sessions.values()]) session.end('CLOSED', 'this server stops');
      await following;
    },
  };
}

function answer(stream: ChildDuplex, around: SessionSurroundings): void {
  const site = stream.peerSite();
  if (site !== null) {
    new ParentSession(site, stream, around);
    return;
  }
  around.logger.warn('a peer whose certificate names no site was refused');
  const refusal = { code: 'NOT_ENROLLED', detail: 'the certificate names no site' } as const;
  stream.send({ kind: 'refused', ...refusal, origin: null, held: null });
  stream.end();
}
